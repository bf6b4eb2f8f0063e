/** From what an answer says to a message that chat templates can render. */
import type { AnswerContent } from '../text/answers/collect-parts.ts';
import type { ChatMessage } from './api.ts';

/**
 * The assistant's message: thinking and whole tool calls set apart, as templates read them.
 * @param written what was written in all: the content of an answer that has nothing whole, such as a call that was cut. Some templates
 * refuse a message that is empty
 */
export function assistantMessage({ content, reasoning, toolCalls }: AnswerContent, written = ''): ChatMessage {
  const hasNothing = content === '' && reasoning === '' && toolCalls.length === 0;
  const calls = toolCalls.map(({ id, name, arguments: args }) => ({ id, type: 'function', function: { name, arguments: args } }));
  return {
    role: 'assistant',
    content: hasNothing ? written : content,
    ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
}
