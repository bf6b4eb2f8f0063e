/** An answer whose beginning the caller wrote: the last of the messages, where that is an assistant's. The model goes on with it. */
import { InputError } from '../tensor/errors.ts';
import { contentText } from '../text/chat-messages.ts';
import type { ChatMessage } from './api.ts';

function lastOf(messages: readonly ChatMessage[]): ChatMessage | undefined {
  return messages.at(-1);
}

export function isPrefilled(messages: readonly ChatMessage[]): boolean {
  return lastOf(messages)?.role === 'assistant';
}

/** @throws InputError for tool calls at the end, which only results can follow */
export function checkPrefilled(messages: readonly ChatMessage[]): void {
  if (!isPrefilled(messages) || (lastOf(messages)?.tool_calls ?? []).length === 0) return;
  throw new InputError(
    `messages[${messages.length - 1}] has tool_calls, and messages end with it: add what the tools gave (role "tool"), or leave the ` +
      'calls out.',
  );
}

/** The conversation with one more answer, which goes on with a prefilled one. */
export function withAnswer(messages: readonly ChatMessage[], answer: ChatMessage): readonly ChatMessage[] {
  const last = lastOf(messages);
  if (last === undefined || !isPrefilled(messages)) return [...messages, answer];
  const reasoning = `${last.reasoning_content ?? ''}${answer.reasoning_content ?? ''}`;
  const joined = { ...last, ...answer, content: `${contentText(last.content)}${contentText(answer.content)}` };
  return [...messages.slice(0, -1), reasoning === '' ? joined : { ...joined, reasoning_content: reasoning }];
}
