/**
 * How much of a conversation's prompt is there in the prompts of later turns. Templates that open a thinking block, or close one for who
 * does not think, leave that out of the history: then the state at the very end of a prompt serves no later one.
 */
import type { ChatMessage, TemplateOptions } from './api.ts';
import { endsInThinking, renderOptions } from './prompt.ts';
import type { TextSide } from './prompt.ts';

/** An answer and a question after it: any will do. */
const [ANSWER, THOUGHT, QUESTION] = ['A', 'T', 'Q'];

/**
 * @param promptIds what `messages` were rendered to
 * @returns how many of them the prompt after one more answer and question begins with
 */
export function lastingTokens(
  promptIds: readonly number[],
  messages: readonly ChatMessage[],
  options: TemplateOptions,
  text: TextSide,
): number {
  const thought = endsInThinking(promptIds, text) ? { reasoning_content: THOUGHT } : {};
  const later = [...messages, { role: 'assistant', content: ANSWER, ...thought }, { role: 'user', content: QUESTION }];
  let laterIds: readonly number[] | undefined;
  try {
    laterIds = text.encodeMessages?.(later, renderOptions(options));
  } catch {
    // The template takes no such turns; whoever sends one hears of it then.
  }
  if (laterIds === undefined) return promptIds.length;
  let common = 0;
  while (common < promptIds.length && promptIds[common] === laterIds[common]) common++;
  return common;
}
