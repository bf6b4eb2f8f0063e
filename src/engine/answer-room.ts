/** How long an answer may become, and how a conversation is made to fit the context. */
import { CapacityError } from '../tensor/errors.ts';
import type { ChatMessage, ContextPolicy, FinishReason } from './api.ts';

/** Tokens that a model was loaded with room for, and the most it could be loaded with. */
export interface ContextLengths {
  readonly contextLength: number;
  readonly modelContextLength: number;
}

/** How many tokens may be generated, and why the answer ends when they have been. */
export interface AnswerRoom {
  readonly tokens: number;
  readonly reason: Extract<FinishReason, 'length' | 'context'>;
}

export interface RoomOptions {
  readonly context: ContextLengths;
  /** What the caller asked for. */
  readonly maxTokens: number | undefined;
  /** What ends the answer where nothing was asked for; undefined: only the context does. */
  readonly defaultMaxTokens?: number | undefined;
  /** The prompt is a conversation that contextPolicy `slide` could shorten. */
  readonly canSlide?: boolean | undefined;
}

/** @throws CapacityError with the numbers where prompt and answer do not fit the context */
export function answerRoom(promptTokens: number, { context, maxTokens, defaultMaxTokens, canSlide }: RoomOptions): AnswerRoom {
  const room = context.contextLength - promptTokens;
  if (room < (maxTokens ?? 1)) {
    const wanted =
      maxTokens === undefined ? 'leaves no room for an answer' : `and maxTokens ${maxTokens} together exceed it by ${maxTokens - room}`;
    const remedies = [
      'Shorten the prompt',
      ...(maxTokens === undefined ? [] : [FEWER_REMEDY]),
      ...(canSlide === true ? [SLIDE_REMEDY] : []),
    ];
    const what = `The context of ${context.contextLength} tokens is too short: the prompt of ${promptTokens} tokens ${wanted}.`;
    throw contextError(what, { context, promptTokens, maxTokens, remedies });
  }
  const wanted = maxTokens ?? defaultMaxTokens ?? Infinity;
  return wanted <= room ? { tokens: wanted, reason: 'length' } : { tokens: room, reason: 'context' };
}

const FEWER_REMEDY = 'ask for fewer tokens';
/** What to do where a conversation is too long. */
export const SLIDE_REMEDY = 'pass contextPolicy "slide", which leaves out the oldest turns';

export interface ContextErrorOptions {
  readonly context: ContextLengths;
  readonly promptTokens: number | undefined;
  readonly maxTokens?: number | undefined;
  /** What the caller may do besides loading with a larger context, in order. */
  readonly remedies: readonly string[];
}

/** `what`, and what to do about it. */
export function contextError(what: string, { context, promptTokens, maxTokens, remedies }: ContextErrorOptions): CapacityError {
  const { contextLength, modelContextLength } = context;
  const larger = `load the model with a larger contextLength (at most ${modelContextLength})`;
  const ways = contextLength < modelContextLength ? [...remedies, larger] : remedies;
  const advice = ways.length === 1 ? ways[0] : `${ways.slice(0, -1).join(', ')}, or ${ways.at(-1)}`;
  return new CapacityError(`${what} ${advice}.`, { shortage: { contextLength, modelContextLength, promptTokens, maxTokens } });
}

/** Roles whose messages at the beginning stay when turns are left out. */
const LASTING_ROLES: ReadonlySet<string> = new Set(['system', 'developer']);

/** How many messages at the beginning stay whatever is left out: the system's. */
export function lastingMessages(messages: readonly ChatMessage[]): number {
  const first = messages.findIndex(({ role }) => !LASTING_ROLES.has(role));
  return first < 0 ? messages.length : first;
}

/**
 * Where the turns of a conversation begin: at each user's message, so that what answers it, tool calls and their results too, goes with it.
 * The first turn also holds what comes before the first user's message.
 */
export function turnStarts(messages: readonly ChatMessage[]): readonly number[] {
  const begin = lastingMessages(messages);
  const starts = messages.flatMap(({ role }, i) => (i >= begin && role === 'user' ? [i] : []));
  return begin === messages.length ? [] : [begin, ...starts.slice(1)];
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

interface FittingSizes {
  readonly afterSlide: number;
  readonly untouched: number;
  readonly possible: number;
}

/**
 * How many tokens a prompt may have, from what is best to what is just possible. A slide frees a quarter of the context (or maxTokens and
 * an eighth), so that the next one is some turns away and the state in between can be kept. What leaves an eighth (or maxTokens) is not
 * touched: that is room for an answer. Where the last turn is too long for that, any room will do.
 */
function sizesThatFit({ context: { contextLength }, maxTokens }: RoomOptions): FittingSizes {
  const eighth = Math.floor(contextLength / 8);
  const answer = maxTokens ?? Math.max(1, eighth);
  return { afterSlide: contextLength - answer - eighth, untouched: contextLength - answer, possible: contextLength - (maxTokens ?? 1) };
}

/**
 * The prompt of a conversation. Where it leaves too little room for an answer and the policy is `slide`, whole oldest turns are left out,
 * as few as will do, and never the last one.
 * @throws CapacityError where it cannot fit: by the policy `error`, or since the system message and the last turn alone are too long
 */
export function fitConversation(messages: readonly ChatMessage[], options: FitOptions): FittedPrompt {
  const { policy, encode } = options;
  if (policy === 'error') return { ids: encode(messages), droppedMessages: 0, droppedTurns: 0 };
  const starts = turnStarts(messages);
  const [begin = 0] = starts;
  const last = Math.max(0, starts.length - 1);
  const tried = new Map<number, readonly number[] | undefined>();
  const without = (dropped: number): readonly number[] | undefined => {
    const rest = [...messages.slice(0, begin), ...messages.slice(starts[dropped] ?? begin)];
    if (!tried.has(dropped)) tried.set(dropped, encodeOrTooLong(encode, rest));
    return tried.get(dropped);
  };
  const { afterSlide, untouched, possible } = sizesThatFit(options);
  const fits = (dropped: number, most: number) => (without(dropped)?.length ?? Infinity) <= most;
  const fewest = (from: number, most: number) => fewestDropped(from, last, (dropped) => fits(dropped, most));
  const dropped = fits(0, untouched) ? 0 : (fewest(1, afterSlide) ?? fewest(1, untouched) ?? fewest(0, possible));
  const ids = without(dropped ?? last);
  if (dropped === undefined || ids === undefined) throw lastTurnTooLong(ids, options);
  return { ids, droppedMessages: (starts[dropped] ?? begin) - begin, droppedTurns: dropped };
}

/** The least count from `from` to `last` that fits; undefined where none does. Fewer turns are no longer, so it is found by halving. */
function fewestDropped(from: number, last: number, fits: (dropped: number) => boolean): number | undefined {
  if (from > last || !fits(last)) return undefined;
  let [low, high] = [from, last];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (fits(middle)) high = middle;
    else low = middle + 1;
  }
  return high;
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

function lastTurnTooLong(ids: readonly number[] | undefined, { context, maxTokens }: FitOptions): CapacityError {
  const size = ids === undefined ? 'far more tokens than it holds' : `${ids.length} tokens`;
  const answer = maxTokens === undefined ? 'no room for an answer' : `too little room for maxTokens ${maxTokens}`;
  const what =
    `The context of ${context.contextLength} tokens is too short: the system message and the last turn alone are ${size}, ` +
    `which leaves ${answer}.`;
  const remedies = ['Shorten the message', ...(maxTokens === undefined ? [] : [FEWER_REMEDY])];
  return contextError(what, { context, promptTokens: ids?.length, maxTokens, remedies });
}
