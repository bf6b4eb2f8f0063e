/**
 * LFM2-Audio as a program: reads parts of a conversation, and makes text and frames of speech step by step. It knows no text and no turns
 * of a chat; those are `talk.ts`'s.
 */
import { NEMO_HOP, NEMO_RATE } from '../../audio/nemo-features.ts';
import type { Executor, GraphRun, KvLayout, Program, RunResults } from '../../graph/executor.ts';
import type { KvTypes } from '../../graph/kv-types.ts';
import { EMPTY_SLOT, slotBytes, stateBytes } from '../../graph/state-sizes.ts';
import { conformerInputs, CONFORMER, encodedFrames } from '../../models/conformer.ts';
import { CODEBOOKS } from '../../models/lfm2-audio-config.ts';
import type { Lfm2AudioConfig } from '../../models/lfm2-audio-config.ts';
import { codeName, SPECTRA_PER_FRAME, TALK } from '../../models/lfm2-audio-graphs.ts';
import type { DecoderModel } from '../../models/open-decoder.ts';
import { CapacityError } from '../../tensor/errors.ts';
import type { CancelSignal } from '../../tensor/platform.ts';
import type { OnProgress } from '../../tensor/progress.ts';
import { uniformAt } from '../philox.ts';
import { createTurns } from '../speech/in-turn.ts';
import type { InTurn } from '../speech/in-turn.ts';
import type { TalkEvent, TalkFlow } from './talk-flow.ts';
import { takeAll } from './take-all.ts';
import { backboneRun, CHOSEN, embeddingRun, frameRun, partOfEvent, rowsOfPart, tokenRun } from './talk-runs.ts';
import type { TalkPart } from './talk-runs.ts';
import { MOST_STEPS_AHEAD, TALK_SLOTS, TalkSequence } from './talk-sequence.ts';
import type { TalkMark, TalkWalk } from './talk-sequence.ts';
import { MOST_SPANS, Voice, VOICE_SLOTS } from './voice.ts';

export interface TalkEngineOptions {
  readonly executor: Executor;
  /** Of an LFM2-Audio. */
  readonly decoder: DecoderModel;
  /** Most positions of a conversation. */
  readonly contextLength: number;
  /** Of a sound. */
  readonly mostSeconds: number;
  /** Of keys and values. Default f16. */
  readonly kvTypes?: KvTypes | undefined;
  readonly signal?: CancelSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** How a token, or each code of a frame, is chosen. */
export interface TalkSampling {
  /** 0: the likeliest. */
  readonly temperature: number;
  /** Of so many likeliest ones; 0: of all. */
  readonly topK: number;
}

export interface AnswerOptions {
  readonly flow: TalkFlow;
  readonly text: TalkSampling;
  readonly audio: TalkSampling;
  readonly seed: number;
  /** Most tokens and frames together. */
  readonly mostSteps: number;
  readonly signal?: CancelSignal | undefined;
}

const PAGE_TOKENS = 64;
/** Rows that are read at a time where the executor names no number. */
const ROWS = 256;
/** Conversations that there is room for at a time. */
const MOST_TALKS = 4;

export class TalkEngine {
  readonly program: Program;
  readonly config: Lfm2AudioConfig;
  readonly contextLength: number;
  /** Code that ends speech. */
  readonly endOfAudio: number;
  /** Rows that are read at a time. */
  readonly rows: number;
  /** Whether steps are made ahead of what they turn out to be: where the host would else be waited for. */
  readonly #isAhead: boolean;
  readonly #inTurn: InTurn = createTurns();
  readonly #pages = [{ free: [] as number[], made: 1 }, { free: [] as number[], made: 0 }];
  readonly #slots = { free: [] as number[], made: EMPTY_SLOT + 1 };

  constructor(program: Program, { config, contextLength, rows, isAhead }: {
    readonly config: Lfm2AudioConfig; readonly contextLength: number; readonly rows: number; readonly isAhead: boolean;
  }) {
    this.program = program;
    this.config = config;
    this.contextLength = contextLength;
    this.endOfAudio = config.audioVocab - 1;
    this.rows = rows;
    this.#isAhead = isAhead;
    // The page of frames being made, which all conversations share: a list of runs makes its frames whole.
    program.ensurePages(0, 1);
  }

  /** A conversation from its beginning; close it when done. */
  open(): TalkSequence {
    return new TalkSequence({
      takePage: () => this.#takePage(0),
      freePages: (pages) => void this.#pages[0]!.free.push(...pages),
      takeSlots: (count) => this.#takeSlots(count),
      freeSlots: (slots) => void this.#slots.free.push(...slots),
      pageTokens: PAGE_TOKENS,
    });
  }

  #takePage(group: number): number {
    const pool = this.#pages[group]!;
    const free = pool.free.pop();
    if (free !== undefined) return free;
    this.program.ensurePages(group, pool.made + 1);
    return pool.made++;
  }

  #takeSlots(count: number): number[] {
    return takeAll(count, this.#slots.free, () => {
      this.program.ensureSlots(this.#slots.made + 1);
      return this.#slots.made++;
    });
  }

  /** Runs lists one after another, whoever asks. */
  run(runs: readonly GraphRun[]): Promise<RunResults> {
    return this.#inTurn(() => this.program.run(runs));
  }

  /**
   * Reads parts and makes the steps behind them, some at a time; without parts an answer goes on. What the next part follows is in
   * `state` at any time, also where the loop is left.
   */
  async *answer(state: TalkState, parts: readonly TalkPart[], options: AnswerOptions): AsyncGenerator<readonly TalkEvent[]> {
    const { flow, mostSteps, signal } = options;
    const { sequence } = state;
    state.pending.push(...parts);
    await this.#readAhead(state, signal);
    const pace = { text: MOST_STEPS_AHEAD, audio: 1 };
    for (let made = 0, isFirst = true; made < mostSteps; isFirst = false) {
      signal?.throwIfAborted();
      const { makes } = flow;
      const steps = Math.min(flow.ahead, this.#isAhead ? pace[makes] : 1, mostSteps - made);
      if (makes === 'audio') pace.audio = Math.min(MOST_STEPS_AHEAD, 2 * pace.audio);
      this.stepsThatFit(state, { least: steps });
      const { events, marks } = await this.#steps(state, { makes, steps, made, ...options });
      if (isFirst && parts.length > 0) state.answerBegins = sequence.keep(marks[0]!);
      const taken: TalkEvent[] = [];
      let isOver = false;
      for (let i = 0; i < events.length && flow.makes === makes && !isOver; i++) {
        const event = events[i]!;
        const { isEmitted, isOver: ends } = flow.take(event);
        isOver = ends;
        sequence.goTo(marks[i]!);
        state.pending.splice(0, state.pending.length, ...(isEmitted ? [partOfEvent(event)] : []));
        if (isEmitted) taken.push(event);
      }
      made += taken.length;
      state.isEnded = isOver;
      yield taken;
      if (isOver) return;
    }
  }

  /**
   * How many steps fit behind what a conversation has, what is pending among it, and `positions` more.
   * @throws CapacityError where fewer than `least` do
   */
  stepsThatFit(
    { sequence, pending }: TalkState, { positions = 0, least = 1 }: { readonly positions?: number; readonly least?: number },
  ): number {
    const rows = pending.reduce((sum, part) => sum + rowsOfPart(part), sequence.length + positions);
    // What the last step makes is not read any more.
    const steps = this.contextLength - rows + 1;
    if (steps >= least) return steps;
    throw new CapacityError(
      `The conversation has ${rows} positions, and ${this.contextLength} fit: begin another, or load the model with a ` +
        'longer context.',
    );
  }

  /** Reads what is pending but for its end, in lists of one run, so that a long prompt can be aborted and told of. */
  async #readAhead(state: TalkState, signal?: CancelSignal): Promise<void> {
    const { sequence, pending } = state;
    this.stepsThatFit(state, {});
    while (pending.length > 1 || rowsOfPart(pending[0]!) > this.rows) {
      const part = pending[0]!;
      const cut = rowsOfPart(part) > this.rows ? cutPart(part, this.rows, this.config.dim) : undefined;
      signal?.throwIfAborted();
      const walk = sequence.walk();
      const { runs, mark } = this.#readRuns(walk, cut?.first ?? part);
      await this.run(runs);
      sequence.goTo(mark);
      pending.splice(0, 1, ...(cut === undefined ? [] : [cut.rest]));
    }
  }

  #readRuns(walk: TalkWalk, part: TalkPart): { readonly runs: GraphRun[]; readonly mark: TalkMark } {
    const { run, embeddings } = embeddingRun(part);
    const { sequence, mark } = walk.read(rowsOfPart(part));
    return { runs: [...(run === undefined ? [] : [run]), backboneRun(embeddings, sequence)], mark };
  }

  async #steps(state: TalkState, { makes, steps, made, ...options }: AnswerOptions & {
    readonly makes: TalkFlow['makes']; readonly steps: number; readonly made: number;
  }): Promise<{ readonly events: readonly TalkEvent[]; readonly marks: readonly TalkMark[] }> {
    const walk = state.sequence.walk();
    const { run, embeddings } = embeddingRun(state.pending[0]!);
    const runs: GraphRun[] = run === undefined ? [] : [run];
    const marks: TalkMark[] = [];
    const last: number[] = [];
    for (let i = 0; i < steps; i++) {
      const { sequence, mark } = walk.step(i === 0 ? rowsOfPart(state.pending[0]!) : 1);
      runs.push(backboneRun(i === 0 ? embeddings : CHOSEN[makes], sequence), ...chooseRuns(makes, made + i, options));
      marks.push(mark);
      last.push(runs.length - 1);
    }
    const results = await this.run(runs);
    return { events: last.map((at) => eventOf(makes, results[at]!)), marks };
  }

  /**
   * What the model hears of a sound. More positions than are read at a time are made at once, others where they are read.
   * @param features [frames, bands], normalised
   */
  async hear(features: Float32Array, signal?: CancelSignal): Promise<Extract<TalkPart, { readonly heard: unknown }>> {
    const { ears } = this.config;
    const { graph, embeddings } = TALK.ears;
    const rows = encodedFrames(ears, features.length / ears.bins);
    const run: GraphRun = { graph, ...conformerInputs(ears, features), wanted: [] };
    if (rows <= this.rows) return { heard: { graph, output: embeddings }, rows, run };
    signal?.throwIfAborted();
    const [made] = await this.run([{ ...run, wanted: [embeddings] }]);
    return { heard: made!.get(embeddings)!.slice(), rows };
  }

  /** What speaks frames, from the beginning of an answer; close it when done. */
  openVoice(): Voice {
    const { window } = this.config.vocoder;
    const rows = SPECTRA_PER_FRAME * MOST_SPANS;
    const count = Math.ceil(((window?.size ?? 1) + rows) / PAGE_TOKENS) + 1;
    const pages = takeAll(count, this.#pages[1]!.free, () => this.#takePage(1));
    let slots: number[];
    try {
      slots = this.#takeSlots(VOICE_SLOTS);
    } catch (error) {
      this.#pages[1]!.free.push(...pages);
      throw error;
    }
    return new Voice({
      run: (runs) => this.run(runs), bins: this.config.bins, pages, slots, pageTokens: PAGE_TOKENS,
      release: () => {
        this.#pages[1]!.free.push(...pages);
        this.#slots.free.push(...slots);
      },
    });
  }

  dispose(): Promise<void> {
    return this.#inTurn(() => this.program.dispose());
  }
}

/** Where a conversation is, and what its next step reads. */
export interface TalkState {
  readonly sequence: TalkSequence;
  /** What is not in the sequence yet, in order. */
  readonly pending: TalkPart[];
  /** Where the last answer's first step was made: what it was made of lies before it, and can be gone back to. */
  answerBegins: TalkMark | undefined;
  /** Whether the model ended the last answer. */
  isEnded: boolean;
}

type Chances = Pick<AnswerOptions, 'text' | 'audio' | 'seed'>;

/** Numbers that choose step `index` and its codes: no two of an answer are the same. */
function chooseRuns(makes: TalkFlow['makes'], index: number, { text, audio, seed }: Chances): GraphRun[] {
  const settings = ({ temperature, topK }: TalkSampling, k: number) => [temperature, topK, uniformAt(seed, index * (CODEBOOKS + 1) + k)];
  if (makes === 'text') return [tokenRun(settings(text, CODEBOOKS), [TALK.text.token])];
  return [frameRun(Array.from({ length: CODEBOOKS }, (_, k) => settings(audio, k)), { pages: [[0], []] })];
}

function eventOf(makes: TalkFlow['makes'], result: ReadonlyMap<string, Float32Array>): TalkEvent {
  if (makes === 'text') return { token: result.get(TALK.text.token)![0]! };
  return { codes: Array.from({ length: CODEBOOKS }, (_, k) => result.get(codeName(k))![0]!) };
}

/** A part's first rows, and the rest. */
function cutPart(part: TalkPart, rows: number, dim: number): { readonly first: TalkPart; readonly rest: TalkPart } {
  if ('tokens' in part) return { first: { tokens: part.tokens.slice(0, rows) }, rest: { tokens: part.tokens.slice(rows) } };
  if ('frames' in part) return { first: { frames: part.frames.slice(0, rows) }, rest: { frames: part.frames.slice(rows) } };
  if ('graph' in part.heard) throw new Error(`what was heard has ${part.rows} rows, more than ${rows}: it must be the host's`);
  const all = Float32Array.from(part.heard);
  return { first: { heard: all.subarray(0, rows * dim), rows }, rest: { heard: all.subarray(rows * dim), rows: part.rows - rows } };
}

function talkRoom(contextLength: number, kvTypes: KvTypes): KvLayout {
  // Every position of a conversation may be a frame of one answer.
  const positions = SPECTRA_PER_FRAME * contextLength;
  return { ...kvTypes, pageTokens: PAGE_TOKENS, maxPages: Math.ceil(positions / PAGE_TOKENS) };
}

/** Bytes of the weights, and of one conversation of the whole context. */
export function talkBytes({ model, weights }: DecoderModel, contextLength: number): number {
  const ofWeights = [...weights.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const slots = (TALK_SLOTS + VOICE_SLOTS) * slotBytes(model);
  return ofWeights + slots + stateBytes(model, talkRoom(contextLength, { type: 'f16' }), Math.min(ROWS, contextLength));
}

/** Loads the model. @throws what the executor's `load` does */
export async function createTalkEngine(options: TalkEngineOptions): Promise<TalkEngine> {
  const { executor, decoder: { model, weights, config }, contextLength, mostSeconds, signal, onProgress } = options;
  const rows = executor.prefillRows ?? ROWS;
  const whole = config as Lfm2AudioConfig;
  const kv = { ...talkRoom(contextLength, options.kvTypes ?? { type: 'f16' }), sequences: MOST_TALKS };
  const frames = Math.floor((mostSeconds * NEMO_RATE) / NEMO_HOP) + 1;
  const cells = frames * whole.ears.bins;
  const sizes = { [CONFORMER.cells]: cells, tokens: rows, frames: rows, rows, outRows: 1, texts: 1, voices: 1, spans: MOST_SPANS };
  const snapshots = MOST_TALKS * (TALK_SLOTS + VOICE_SLOTS);
  const program = await executor.load({ model, weights, kv, sizes, snapshots, signal, onProgress });
  const isAhead = executor.kind === 'gpu' || executor.kind === 'software';
  return new TalkEngine(program, { config: whole, contextLength, rows, isAhead });
}
