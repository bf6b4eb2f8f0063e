/**
 * How much of a conversation's prompt is there in other prompts: of later turns, and of conversations that begin alike. Templates that open
 * a thinking block, or close one for who does not think, leave that out of the history: then the state at the very end of a prompt serves
 * no later one.
 */
import type { ChatMessage, TemplateOptions } from './api.ts';
import { contentText } from '../text/chat-messages.ts';
import { endsInThinking, renderOptions } from './prompt.ts';
import { withAnswer } from './prefilled-answer.ts';
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
  const answered = withAnswer(messages, { role: 'assistant', content: ANSWER, ...thought });
  const later = [...answered, { role: 'user', content: QUESTION }];
  // A template may take no such turns; whoever sends one hears of it then.
  return commonTokens(promptIds, later, options, text) ?? promptIds.length;
}

/** How many of the ids the prompt of other messages begins with; undefined where the template does not take them. */
function commonTokens(
  ids: readonly number[],
  messages: readonly ChatMessage[],
  options: TemplateOptions,
  text: TextSide,
): number | undefined {
  let others: readonly number[] | undefined;
  try {
    others = text.encodeMessages?.(messages, renderOptions(options, text));
  } catch {
    return undefined;
  }
  if (others === undefined) return undefined;
  let common = 0;
  while (common < ids.length && ids[common] === others[common]) common++;
  return common;
}

/**
 * @param promptIds what `messages` were rendered to
 * @returns how many of them every conversation begins with that has the same messages of the system at its beginning, and the same tools
 */
export function openingTokens(
  promptIds: readonly number[],
  messages: readonly ChatMessage[],
  options: TemplateOptions,
  text: TextSide,
): number {
  const first = messages.findIndex(({ role }) => role === 'user');
  if (first < 0) return 0;
  const other = contentText(messages[first]?.content).startsWith(QUESTION) ? ANSWER : QUESTION;
  return commonTokens(promptIds, [...messages.slice(0, first), { role: 'user', content: other }], options, text) ?? 0;
}
