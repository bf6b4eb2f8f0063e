/** How long an answer may become, and how a conversation is made to fit the context. */
import { CapacityError } from '../tensor/errors.ts';
import type { ChatMessage, ContextPolicy, FinishReason } from './api.ts';

/** How many tokens may be generated, and why the answer ends when they have been. */
export interface AnswerRoom {
  readonly tokens: number;
  readonly reason: Extract<FinishReason, 'length' | 'context'>;
}

export interface RoomOptions {
  readonly contextLength: number;
  /** What the caller asked for. */
  readonly maxTokens: number | undefined;
  /** What ends the answer where nothing was asked for; undefined: only the context does. */
  readonly defaultMaxTokens?: number | undefined;
}

/** @throws CapacityError with the numbers where prompt and answer do not fit the context */
export function answerRoom(promptTokens: number, { contextLength, maxTokens, defaultMaxTokens }: RoomOptions): AnswerRoom {
  const room = contextLength - promptTokens;
  if (room < (maxTokens ?? 1)) {
    const wanted = maxTokens === undefined ? 'leaves no room for an answer' : `and maxTokens ${maxTokens} together exceed it by ${-room + maxTokens}`;
    throw new CapacityError(
      `The context of ${contextLength} tokens is too short: the prompt of ${promptTokens} tokens ${wanted}. ` +
        'Shorten the prompt, ask for fewer tokens, or load the model with a larger contextLength; in a conversation, contextPolicy "slide" leaves out the oldest turns.',
    );
  }
  const wanted = maxTokens ?? defaultMaxTokens ?? Infinity;
  return wanted <= room ? { tokens: wanted, reason: 'length' } : { tokens: room, reason: 'context' };
}

/** Roles whose messages at the beginning stay when turns are left out. */
const LASTING_ROLES: ReadonlySet<string> = new Set(['system', 'developer']);

/** Where the turns of a conversation begin: the first message after the system's, and every user's message after an answer. */
export function turnStarts(messages: readonly ChatMessage[]): readonly number[] {
  const first = messages.findIndex(({ role }) => !LASTING_ROLES.has(role));
  if (first < 0) return [];
  return messages.flatMap((message, i) => (i === first || (i > first && message.role === 'user' && messages[i - 1]?.role !== 'user') ? [i] : []));
}

export interface FittedPrompt {
  readonly ids: readonly number[];
  /** Messages that were left out, right after the system's. */
  readonly droppedMessages: number;
  readonly droppedTurns: number;
}

export interface FitOptions extends RoomOptions {
  readonly policy: ContextPolicy;
  /** Token ids of a conversation. @throws CapacityError for a text that cannot fit, however it is encoded */
  readonly encode: (messages: readonly ChatMessage[]) => readonly number[];
}

/** A slide frees this share of the context, so that the next one is some turns away and the state in between can be kept. */
const SLIDE_SHARE = 1 / 4;

/**
 * The prompt of a conversation. Where it and its answer do not fit and the policy is `slide`, whole oldest turns are left out: as few as
 * leave a quarter of the context (or maxTokens, where that is more) to the answer, and never the last one.
 * @throws CapacityError where it cannot fit: by the policy `error`, or since the system message and the last turn alone are too long
 */
export function fitConversation(messages: readonly ChatMessage[], options: FitOptions): FittedPrompt {
  const { policy, encode, contextLength, maxTokens } = options;
  if (policy === 'error') return { ids: encode(messages), droppedMessages: 0, droppedTurns: 0 };
  const starts = turnStarts(messages);
  const [begin = 0] = starts;
  const sized = (dropped: number) => encodeOrTooLong(encode, [...messages.slice(0, begin), ...messages.slice(starts[dropped] ?? begin)]);
  const whole = sized(0);
  if (fits(whole, contextLength - (maxTokens ?? 1))) return { ids: whole, droppedMessages: 0, droppedTurns: 0 };
  const most = contextLength - Math.max(maxTokens ?? 1, Math.floor(contextLength * SLIDE_SHARE));
  // Fewer turns are never longer, so the fewest to leave out are found by halving.
  let [low, high] = [1, starts.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (fits(sized(middle), most)) high = middle;
    else low = middle + 1;
  }
  const dropped = Math.max(0, Math.min(low, starts.length - 1));
  const ids = dropped === 0 ? whole : sized(dropped);
  if (ids === undefined || !fits(ids, contextLength - (maxTokens ?? 1))) throw tooLong(ids, options);
  return { ids, droppedMessages: (starts[dropped] as number) - begin, droppedTurns: dropped };
}

function fits(ids: readonly number[] | undefined, most: number): ids is readonly number[] {
  return ids !== undefined && ids.length <= most;
}

/** Undefined for a text that is refused before it is encoded. */
function encodeOrTooLong(encode: FitOptions['encode'], messages: readonly ChatMessage[]): readonly number[] | undefined {
  try {
    return encode(messages);
  } catch (error) {
    if (error instanceof CapacityError) return undefined;
    throw error;
  }
}

function tooLong(ids: readonly number[] | undefined, { contextLength, maxTokens }: FitOptions): CapacityError {
  const size = ids === undefined ? 'far more tokens than it holds' : `${ids.length} tokens`;
  const answer = maxTokens === undefined ? 'no room for an answer' : `too little room for maxTokens ${maxTokens}`;
  return new CapacityError(
    `The context of ${contextLength} tokens is too short: the system message and the last turn alone are ${size}, which leaves ${answer}. ` +
      'Shorten the message, ask for fewer tokens, or load the model with a larger contextLength.',
  );
}
