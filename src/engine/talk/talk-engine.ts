/**
 * LFM2-Audio as a program: reads parts of a conversation, and makes text and frames of speech step by step. It knows no text and no turns
 * of a chat; those are `talk.ts`'s.
 */
import type { GraphRun, Program, RunResults } from '../../graph/executor.ts';
import { EMPTY_SLOT } from '../../graph/state-sizes.ts';
import { conformerInputs, encodedFrames } from '../../models/conformer.ts';
import type { Lfm2AudioConfig } from '../../models/lfm2-audio-config.ts';
import { SPECTRA_PER_FRAME, TALK } from '../../models/lfm2-audio-graphs.ts';
import { CapacityError } from '../../tensor/errors.ts';
import type { CancelSignal } from '../../tensor/platform.ts';
import { createTurns } from '../speech/in-turn.ts';
import type { InTurn } from '../speech/in-turn.ts';
import { isFrame } from './talk-flow.ts';
import { takeAll } from './take-all.ts';
import { backboneRun, CHOSEN, embeddingRun, rowsOfPart } from './talk-runs.ts';
import type { TalkPart } from './talk-runs.ts';
import { MOST_STEPS_AHEAD, TalkSequence } from './talk-sequence.ts';
import type { TalkMark, TalkWalk } from './talk-sequence.ts';
import { chooseRuns, cutPart, eventOf, takeSteps } from './talk-steps.ts';
import type { AnswerOptions, AnswerStep, MadeSteps, TalkState } from './talk-steps.ts';
import { MOST_SPANS, Voice, VOICE_SLOTS } from './voice.ts';

/** Positions of a page of keys and values. */
export const PAGE_TOKENS = 64;

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
  /** Those that were given to the program. */
  #lists: Promise<unknown> = Promise.resolve();
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

  /** Runs lists one after another, whoever asks. A GPU is given the next one before it has done the one before. */
  run(runs: readonly GraphRun[]): Promise<RunResults> {
    const results = this.#isAhead ? this.program.run(runs) : this.#inTurn(() => this.program.run(runs));
    this.#lists = Promise.allSettled([this.#lists, results]);
    return results;
  }

  /**
   * Reads parts and makes the steps behind them, some at a time; without parts an answer goes on. What the next part follows is in
   * `state` at any time, also where the loop is left. On a GPU the next steps are under way while those that were made are spoken and
   * taken: where the loop is left they are waited for, and are as if they had not been.
   */
  async *answer(state: TalkState, parts: readonly TalkPart[], options: AnswerOptions): AsyncGenerator<AnswerStep> {
    const { flow, mostSteps, voice, signal } = options;
    state.pending.push(...parts);
    await this.#readAhead(state, signal);
    const pace = { text: MOST_STEPS_AHEAD, audio: 1 };
    const next = (made: number): Promise<MadeSteps> => {
      const steps = Math.min(flow.ahead, this.#isAhead ? pace[flow.makes] : 1, mostSteps - made);
      if (flow.makes === 'audio') pace.audio = Math.min(MOST_STEPS_AHEAD, 2 * pace.audio);
      return this.#steps(state, { steps, made, ...options });
    };
    let underWay: Promise<MadeSteps> | undefined;
    let spoken: Promise<Float32Array> | undefined;
    try {
      for (let made = 0, isFirst = true; made < mostSteps; isFirst = false) {
        signal?.throwIfAborted();
        const steps = await (underWay ?? next(made));
        underWay = undefined;
        if (isFirst && parts.length > 0) state.answerBegins = state.sequence.keep(steps.marks[0]!);
        const events = takeSteps(state, flow, steps);
        made += events.length;
        // The device speaks first, then goes on.
        const frames = voice === undefined ? [] : events.flatMap((event) => (isFrame(event, this.endOfAudio) ? [event.codes] : []));
        await spoken;
        spoken = frames.length === 0 ? undefined : voice!.push(frames);
        spoken?.catch(() => {});
        if (this.#isAhead && !state.isEnded && made < mostSteps) {
          underWay = next(made);
          underWay.catch(() => {});
        }
        yield { events, samples: spoken };
        if (state.isEnded) return;
      }
    } finally {
      await Promise.allSettled([underWay, spoken]);
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

  /** @throws CapacityError where they do not fit */
  async #steps(state: TalkState, { steps, made, flow: { makes }, ...options }: AnswerOptions & {
    readonly steps: number; readonly made: number;
  }): Promise<MadeSteps> {
    this.stepsThatFit(state, { least: steps });
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
    return { makes, events: last.map((at) => eventOf(makes, results[at]!)), marks };
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
    return this.#inTurn(async () => {
      await this.#lists;
      await this.program.dispose();
    });
  }
}
