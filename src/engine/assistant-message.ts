/** From what an answer says to a message that chat templates can render. */
import type { AnswerContent } from '../text/answers/collect-parts.ts';
import type { ChatMessage } from './api.ts';

/** The assistant's message: thinking and whole tool calls set apart, as templates read them. */
export function assistantMessage({ content, reasoning, toolCalls }: AnswerContent): ChatMessage {
  const calls = toolCalls.map(({ id, name, arguments: args }) => ({ id, type: 'function', function: { name, arguments: args } }));
  return {
    role: 'assistant',
    content,
    ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
}
