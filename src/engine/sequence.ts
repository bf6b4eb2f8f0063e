/** One sequence's tokens and their state in the program's pages and slots. */
import type { StepResult } from '../graph/decoder-steps.ts';
import type { DecodeRequest, DecodeRun } from '../graph/executor.ts';
import { CapacityError, InputError } from '../tensor/errors.ts';
import { yieldToEventLoop } from './event-loop.ts';
import type { ModelCore } from './model-core.ts';

export interface Sequence {
  /** Tokens whose state is there now; fewer than before when its memory was given to others meanwhile. */
  readonly length: number;
  /**
   * Drops all state that does not belong to a prefix of `ids`; returns how many of them have theirs. That may be fewer than agree: keys
   * before a window are gone, and slots are kept of a few lengths only.
   */
  keepPrefix(ids: ArrayLike<number>): number;
  /** Keeps the state after the first `tokens` tokens to come back to, where it is at hand: a snapshot. No more than that once closed. */
  keep(tokens: number): void;
  /** Between turns, for slots: keeps the state after the first `tokens` tokens, or as many fewer as has to be, and nothing beside that. */
  rest(tokens: number): void;
  /** Computes the state of ids[length .. end), at most maxRows of them, in one step. */
  extend(ids: ArrayLike<number>, options: ExtendOptions): Promise<StepResult>;
  /** Computes the state of ids[length ..), at most maxRows of them, and goes on with tokens that the program samples. */
  decode(ids: ArrayLike<number>, options: DecodeOptions): DecodeRun;
  /** Gives pages and slots back. Idempotent. */
  close(): void;
}

export interface ExtendOptions {
  readonly end: number;
  /** Positions in [length, end) whose logits are wanted, ascending. */
  readonly outputs: readonly number[];
  readonly taps?: readonly string[] | undefined;
  /** How many tokens before `length` are certain to stay: the sequence can go back to about as many. Default all. */
  readonly settled?: number | undefined;
  /** As a step's. */
  readonly signal?: AbortSignal | undefined;
}

export interface DecodeOptions extends Pick<DecodeRequest, 'sampling' | 'history' | 'limit'> {
  /** As {@link ExtendOptions.settled}, asked before each submit. */
  readonly settled?: (() => number) | undefined;
}

export function openSequence(core: ModelCore): Sequence {
  const present: number[] = [];
  const state = core.state.open(present);
  let epoch = state.epoch;
  let isClosed = false;

  const checkOpen = () => {
    if (isClosed) throw new InputError('The state of this sequence was freed while it ran: its chat was disposed.');
  };
  const forgetLost = () => {
    if (epoch !== state.epoch) present.length = 0;
    epoch = state.epoch;
    // A device that ran ahead has slots past the tokens that were taken, and none in the middle of a submit.
    present.length = core.state.servable(state, present.length);
  };
  /** Where a submit begins; whatever lies past that is given back. */
  const settle = () => {
    forgetLost();
    core.state.truncate(state, present.length);
    return present.length;
  };
  const extend: Sequence['extend'] = async (ids, options) => {
    checkOpen();
    const { end, outputs, taps, settled, signal } = options;
    const start = settle();
    const place = core.state.begin(state, { start, end, accepted: start, settled });
    const tokens = new Int32Array(end - start);
    for (let i = start; i < end; i++) tokens[i - start] = ids[i] as number;
    const step = { tokens, start, ...place, outputs: outputs.map((position) => position - start) };
    const ownEpoch = state.epoch;
    try {
      const result = await core.run({ sequences: [step], signal, ...(taps === undefined ? {} : { taps }) });
      for (const token of tokens) present.push(token);
      return result;
    } catch (error) {
      if (state.epoch === ownEpoch) core.state.truncate(state, start);
      if (!makesRoom(core, error)) throw error;
    }
    return extend(ids, options);
  };
  return {
    get length() {
      forgetLost();
      return present.length;
    },
    keepPrefix(ids) {
      forgetLost();
      let common = 0;
      while (common < present.length && common < ids.length && present[common] === ids[common]) common++;
      present.length = common;
      return settle();
    },
    keep(tokens) {
      forgetLost();
      if (!isClosed && tokens <= present.length) core.state.keep(state, tokens);
    },
    rest(tokens) {
      if (isClosed || !core.state.hasSlots) return;
      forgetLost();
      present.length = Math.min(present.length, tokens);
      forgetLost();
      core.state.rest(state, present.length);
    },
    extend,
    decode(ids, { settled, ...options }) {
      checkOpen();
      const start = settle();
      const tokens = Int32Array.from({ length: ids.length - start }, (_, i) => ids[start + i] as number);
      let next = start;
      // What the caller was given last is taken when it asks for more.
      let accepted = start;
      const reserve = (end: number) => {
        checkOpen();
        const place = core.state.begin(state, { start: next, end, accepted, settled: settled?.() });
        next = end;
        return place;
      };
      const run = core.decode({ ...options, tokens, start, reserve });
      const ownEpoch = state.epoch;
      /** Tokens whose state is there as soon as the next one has been sampled. */
      let ahead: readonly number[] = Array.from(tokens);
      return {
        async next() {
          checkOpen();
          accepted = present.length;
          const sampled = await run.next();
          if (sampled.length === 0 || state.epoch !== ownEpoch) return sampled;
          present.push(...ahead, ...sampled.slice(0, -1));
          ahead = sampled.slice(-1);
          return sampled;
        },
        close: () => run.close(),
      };
    },
    close() {
      isClosed = true;
      core.state.close(state);
    },
  };
}

/** Whether memory that a device refused after a submit was begun may be had by going without a snapshot, which is then gone. */
export function makesRoom({ state }: ModelCore, error: unknown): boolean {
  return error instanceof CapacityError && state.releaseSnapshot();
}

/** Where the next step ends. Without causality the prompt is one step, and each token of the answer, which saw none after it, another. */
function stepEnd({ pace, causal }: ModelCore, { length }: Sequence, total: number, { promptTokens, keepAt = [] }: AdvanceOptions): number {
  if (!causal) return length < promptTokens ? promptTokens : length + 1;
  return length + pace.next((keepAt.find((position) => position > length) ?? total) - length);
}

/** Computes the state of all but the last chunk of `ids`. */
async function prefillChunks(core: ModelCore, sequence: Sequence, ids: ArrayLike<number>, options: AdvanceOptions): Promise<void> {
  for (;;) {
    const end = stepEnd(core, sequence, ids.length, options);
    if (end >= ids.length) break;
    options.signal?.throwIfAborted();
    const startedAt = performance.now();
    const rows = end - sequence.length;
    await sequence.extend(ids, { end, outputs: [], signal: options.signal });
    if (options.keepAt?.includes(end) === true) sequence.keep(end);
    core.pace.note(rows, performance.now() - startedAt);
    options.onStep?.(end);
    await yieldToEventLoop();
  }
  options.signal?.throwIfAborted();
}

export interface AdvanceOptions {
  /** How many of the ids are the prompt; the rest is the answer to it so far. */
  readonly promptTokens: number;
  /** Ascending positions in the prompt whose states are kept, its end excepted: steps end there. */
  readonly keepAt?: readonly number[] | undefined;
  /** As {@link ExtendOptions.settled}, of ids. */
  readonly settled?: (() => number) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of positions done, after every step. */
  readonly onStep?: ((done: number) => void) | undefined;
}

/**
 * Brings the state of a sequence, which must be a prefix of `ids`, up to all of them, chunk by chunk: a whole prompt,
 * one new token, or what was lost to other sequences. Resolves to the logits [vocab] after the last id, good until the next step.
 */
export async function advance(core: ModelCore, sequence: Sequence, ids: ArrayLike<number>, options: AdvanceOptions): Promise<Float32Array> {
  await prefillChunks(core, sequence, ids, options);
  const { signal, settled } = options;
  const { logits } = await sequence.extend(ids, { end: ids.length, outputs: [ids.length - 1], settled: settled?.(), signal });
  options.onStep?.(ids.length);
  return logits;
}

/** As {@link advance}, but the program samples what follows: the last chunk is part of the run that this opens. */
export async function advanceAndDecode(
  core: ModelCore,
  sequence: Sequence,
  ids: ArrayLike<number>,
  options: AdvanceOptions & DecodeOptions,
): Promise<DecodeRun> {
  await prefillChunks(core, sequence, ids, options);
  return sequence.decode(ids, options);
}
