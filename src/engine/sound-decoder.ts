/**
 * Tokens of sounds: what runs a model whose decoder attends to what its listener made of a sound (`ListenerNames`). A sound is heard once;
 * tokens are then decoded over it, those of several sounds together. It knows no text, no windows and no rules of a family: those are
 * whoever's that drives it.
 */
import { decoderSteps } from '../graph/decoder-steps.ts';
import { sizesOf } from '../graph/dims.ts';
import type { Executor, GraphRun, Program } from '../graph/executor.ts';
import type { KvTypes } from '../graph/kv-types.ts';
import { graphOf } from '../graph/model-graphs.ts';
import type { ListenerNames, ModelGraphs } from '../graph/model-graphs.ts';
import { stateBytes } from '../graph/state-sizes.ts';
import { widthOf } from '../graph/value.ts';
import type { DecoderModel } from '../models/open-decoder.ts';
import { CapacityError, InputError } from '../tensor/errors.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import type { OnProgress } from '../tensor/progress.ts';
import { alignerSizes, alignTokens } from './align-tokens.ts';
import { takeDraft } from './drafted-answers.ts';
import type { DraftStep } from './drafted-answers.ts';
import { chooseAhead, likeliest, rowsBefore, takeTokens } from './greedy-answers.ts';
import type { Answer, AnswerBounds, GreedyOptions } from './greedy-answers.ts';
import { Heard, SoundPlaces } from './sound-places.ts';
import type { HeardSound, SoundRoom } from './sound-places.ts';

export type { HeardSound } from './sound-places.ts';

export interface SoundDecoderOptions {
  readonly executor: Executor;
  /** Of a model with a listener. */
  readonly decoder: Pick<DecoderModel, 'config' | 'model' | 'weights'>;
  /** Most rows of a sound: samples, or frames of features. */
  readonly mostRows: number;
  /** Sounds that are open at a time. Default 1. */
  readonly sounds?: number | undefined;
  /** Courses of tokens over them, those of the sounds themselves among them. Default: as many as sounds. */
  readonly courses?: number | undefined;
  /** Of keys and values. Default f32. */
  readonly kvTypes?: KvTypes | undefined;
  readonly signal?: CancelSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

export interface SoundStep {
  readonly sound: HeardSound;
  /** Those that follow what is there. */
  readonly tokens: ArrayLike<number>;
  /** Indices into `tokens` whose logits are wanted, ascending. */
  readonly outputs: readonly number[];
}

/** One call at a time. */
export interface SoundDecoder {
  readonly program: Program;
  readonly vocabSize: number;
  /** Positions of the decoder. */
  readonly contextLength: number;
  /**
   * Runs the listener over a sound: [rows, width], row-major. Where it is aborted the sound is closed.
   * @throws InputError for a sound of which nothing is left, CapacityError for a longer one than `mostRows`, and where as many are open as
   * there may be
   */
  hear(sound: ArrayLike<number>, signal?: CancelSignal): Promise<HeardSound>;
  /**
   * Another course of tokens over a sound, without any yet, which sees the same memory. It is closed by itself; the memory is there until
   * all are. @throws CapacityError where as many are open as there may be
   */
  branch(sound: HeardSound): HeardSound;
  /** One step of tokens over sounds: logits [outputs, vocabSize], steps in order, good until the next call. */
  logits(steps: readonly SoundStep[], signal?: CancelSignal): Promise<Float32Array>;
  /** The likeliest tokens over each sound, the end token among them; on a device that chooses tokens several steps at a time. */
  greedy(sounds: readonly HeardSound[], options: GreedyOptions): Promise<number[][]>;
  /**
   * How much each of these tokens, said over the sound from its beginning on, attends to each of its positions: by head that the model
   * aligns with, [tokens, memory]. The sound has no tokens afterwards. @throws Error for a model without an aligner
   */
  align(sound: HeardSound, tokens: ArrayLike<number>, signal?: CancelSignal): Promise<Float32Array[]>;
  /** Frees the program. Idempotent. */
  dispose(): Promise<void>;
}

const PAGE_TOKENS = 64;
/** Rows of a step: a prompt, or a token of each sound. */
const STEP_ROWS = 256;

/** @throws Error for a model without a listener */
export function listenerOf({ name, listener }: ModelGraphs): ListenerNames {
  if (listener === undefined) throw new Error(`model ${name}: it has no listener`);
  return listener;
}

/** Positions that a sound of so many rows leaves. */
export function memoryOf(model: ModelGraphs, rows: number): number {
  const { graph, rows: dim, memory } = listenerOf(model);
  return sizesOf(graphOf(model, graph).derivedDims, { [dim]: rows })[memory] as number;
}

type Sizes = Pick<SoundDecoderOptions, 'decoder' | 'mostRows' | 'sounds' | 'courses' | 'kvTypes'>;

function roomOf({ decoder, mostRows, sounds = 1, courses = sounds, kvTypes = { type: 'f32' } }: Sizes) {
  const { config: { contextLength }, model } = decoder;
  const pagesOf = (positions: number) => Math.ceil(positions / PAGE_TOKENS);
  const perSound = { memory: pagesOf(memoryOf(model, mostRows)), own: pagesOf(contextLength) };
  const maxPages = Math.max(1, perSound.memory, perSound.own);
  const sequences = Math.max(sounds, Math.ceil((courses * perSound.own) / maxPages));
  const kv = { ...kvTypes, pageTokens: PAGE_TOKENS, maxPages, sequences };
  return { perSound, kv, rows: Math.max(courses, Math.min(STEP_ROWS, contextLength)) };
}

/** Bytes of weights and states that it takes with a course a sound, before it is loaded. Further courses take more as they open. */
export function soundDecoderBytes(sizes: Sizes): number {
  const { kv, rows } = roomOf({ ...sizes, courses: undefined });
  const weights = [...sizes.decoder.weights.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return weights + stateBytes(sizes.decoder.model, kv, rows);
}

/** Loads a model that hears. @throws what the executor's `load` does */
export async function createSoundDecoder(options: SoundDecoderOptions): Promise<SoundDecoder> {
  const { executor, decoder: { config, model, weights }, mostRows, sounds = 1, courses = sounds, signal, onProgress } = options;
  const names = listenerOf(model);
  const { contextLength, vocabSize } = config;
  const { perSound, kv, rows } = roomOf(options);
  const sizes = { [names.rows]: mostRows, rows, outRows: rows, ...alignerSizes(model) };
  const program = await executor.load({ model, weights, kv, sizes, signal, onProgress });
  return new Decoding({ program, names, contextLength, vocabSize, mostRows, sounds, courses, perSound });
}

interface Parts extends SoundRoom {
  readonly names: ListenerNames;
  readonly contextLength: number;
  readonly vocabSize: number;
  readonly mostRows: number;
}

class Decoding implements SoundDecoder {
  readonly #parts: Parts;
  readonly #steps: ReturnType<typeof decoderSteps>;
  readonly #places: SoundPlaces;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#steps = decoderSteps(parts.program);
    this.#places = new SoundPlaces(parts);
  }

  get program(): Program {
    return this.#parts.program;
  }

  get vocabSize(): number {
    return this.#parts.vocabSize;
  }

  get contextLength(): number {
    return this.#parts.contextLength;
  }

  async hear(sound: ArrayLike<number>, signal?: CancelSignal): Promise<HeardSound> {
    const { program, names, mostRows } = this.#parts;
    const width = widthOf(graphOf(program.model, names.graph).inputs.get(names.sound) as { readonly shape: readonly (number | string)[] });
    const rows = sound.length / width;
    if (rows > mostRows) throw new CapacityError(`A sound may have ${mostRows} rows at a time, found ${rows}: give it in parts.`);
    const memory = memoryOf(program.model, rows);
    if (memory < 1) throw new InputError(`A sound of ${rows} rows is too short: nothing is left of it to hear.`);
    const heard = this.#places.open(memory);
    try {
      const run: GraphRun = {
        graph: names.graph, dims: { [names.rows]: rows },
        inputs: { [names.sound]: sound, [names.positions]: Int32Array.from({ length: memory }, (_, i) => i) },
        sequences: [{ rows: memory, start: 0, pages: heard.place.pages }],
        wanted: [],
      };
      await program.run([run], signal);
      return heard;
    } catch (error) {
      heard.close();
      throw error;
    }
  }

  branch(sound: HeardSound): HeardSound {
    return this.#places.branch(this.#own(sound));
  }

  async logits(steps: readonly SoundStep[], signal?: CancelSignal): Promise<Float32Array> {
    signal?.throwIfAborted();
    const sequences = steps.map(({ sound, tokens, outputs }) => {
      const heard = this.#own(sound);
      this.#checkRoom(heard, tokens.length);
      return { ...heard.place, tokens, start: heard.length, memory: heard.memory, outputs };
    });
    const { logits } = await this.#steps.run({ sequences, signal });
    for (const { sound, tokens } of steps) this.#own(sound).advance(tokens.length);
    return logits;
  }

  #own(sound: HeardSound): Heard {
    if (!(sound instanceof Heard)) throw new Error('a sound of another decoder');
    sound.checkOpen();
    return sound;
  }

  #checkRoom(heard: Heard, count: number): void {
    const { contextLength } = this.#parts;
    if (heard.length + count > contextLength)
      throw new CapacityError(`The decoder has ${contextLength} positions; ${heard.length} are taken, and ${count} more were asked for.`);
  }

  async greedy(sounds: readonly HeardSound[], options: GreedyOptions): Promise<number[][]> {
    const { prompt, drafts = [] } = options;
    if (prompt.length === 0) throw new InputError('greedy needs a prompt of at least one token.');
    const all = sounds.map((sound) => this.#own(sound));
    for (const heard of all) this.#checkRoom(heard, prompt.length);
    // The last token of an answer is not in the state.
    const room = this.#parts.contextLength - prompt.length + 1 - Math.max(0, ...all.map(({ length }) => length));
    const bounds: AnswerBounds = { ...options, most: Math.min(options.maxTokens ?? Infinity, room) };
    const answers = all.map((heard): Answer => ({ heard, tokens: [], isDone: bounds.most < 1 }));
    for (const [i, draft] of drafts.entries())
      await takeDraft(answers[i] as Answer, draft, bounds, ({ answer, ...step }) => this.#answerSteps([{ ...step, answer }], bounds));
    const { chooser } = this.#parts.program;
    await (chooser === undefined ? this.#onHost(answers, bounds) : chooseAhead(chooser, answers, bounds));
    for (const { heard, tokens } of answers) heard.advance(prompt.length + Math.max(0, tokens.length - 1));
    return answers.map(({ tokens }) => tokens);
  }

  async #onHost(answers: readonly Answer[], bounds: AnswerBounds): Promise<void> {
    const { vocabSize } = this.#parts;
    for (;;) {
      const open = answers.filter(({ isDone }) => !isDone);
      if (open.length === 0) return;
      bounds.signal?.throwIfAborted();
      const steps = open.map((answer) => {
        const rows = rowsBefore(answer, bounds);
        return { answer, ...rows, outputs: [rows.tokens.length - 1] };
      });
      const logits = await this.#answerSteps(steps, bounds);
      open.forEach((answer, row) => takeTokens(answer, [likeliest(logits.subarray(row * vocabSize, (row + 1) * vocabSize))], bounds));
    }
  }

  async #answerSteps(steps: readonly DraftStep[], { signal }: AnswerBounds): Promise<Float32Array> {
    const sequences = steps.map(({ answer: { heard }, ...step }) => ({ ...heard.place, ...step, memory: heard.memory }));
    return (await this.#steps.run({ sequences, signal })).logits;
  }

  async align(sound: HeardSound, tokens: ArrayLike<number>, signal?: CancelSignal): Promise<Float32Array[]> {
    const heard = this.#own(sound);
    heard.rewind(0);
    this.#checkRoom(heard, tokens.length);
    return alignTokens(this.#parts.program, { tokens, place: heard.place, memory: heard.memory, signal });
  }

  async dispose(): Promise<void> {
    await this.#parts.program.dispose();
  }
}
