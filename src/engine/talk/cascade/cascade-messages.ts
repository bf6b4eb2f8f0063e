/** A conversation's items as messages of a chat. */
import type { ChatMessage } from '../../api.ts';
import { assistantMessage } from '../../assistant-message.ts';
import type { ItemRecord } from '../live/answerer.ts';

/**
 * The system's message, then what was said and answered. What nobody heard a word of is left out, and messages of one side that follow
 * each other become one, since templates want the sides in turn.
 */
export function messagesOf(items: readonly ItemRecord[], system: string): ChatMessage[] {
  const messages: ChatMessage[] = system === '' ? [] : [{ role: 'system', content: system }];
  for (const item of items) {
    const message = messageOf(item);
    const last = messages.at(-1);
    if (message === undefined) continue;
    if (last?.role === 'user' && message.role === 'user') messages[messages.length - 1] = joined(last, message);
    else messages.push(message);
  }
  return messages;
}

function messageOf({ role, text, toolCalls, callId }: ItemRecord): ChatMessage | undefined {
  if (role === 'tool') return { role, content: text, tool_call_id: callId };
  if (text === '' && toolCalls.length === 0) return undefined;
  if (role === 'assistant') return assistantMessage({ content: text, reasoning: '', toolCalls });
  return { role, content: text };
}

function joined(first: ChatMessage, second: ChatMessage): ChatMessage {
  return { ...first, content: `${String(first.content)}\n${String(second.content)}` };
}
