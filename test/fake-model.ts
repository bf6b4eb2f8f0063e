/**
 * A model without weights whose logits are a hash of all tokens of the sequence so far, read back from the pages it was
 * given: a wrong page, start or position, or state that should have gone, changes every token after it.
 */
import { afterEach } from 'vitest';
import { createModelFromParts } from '../src/engine/model.ts';
import type { ModelOptions } from '../src/engine/model.ts';
import type { Model } from '../src/engine/api.ts';
import type { TextSide } from '../src/engine/prompt.ts';
import type { Executor, GraphRun, KvLayout, Program, ProgramRequest, SequenceRows, TokenChooser } from '../src/graph/executor.ts';
import { DECODER, modelOfDecoder } from '../src/graph/model-graphs.ts';
import type { ModelGraphs } from '../src/graph/model-graphs.ts';
import { nextPagedState, stateGroups } from '../src/graph/state.ts';
import type { State } from '../src/graph/state.ts';
import { CapacityError } from '../src/tensor/errors.ts';
import { createGrammarCompiler } from '../src/text/grammars/output-format.ts';
import { createTokenizer } from '../src/text/tokenizer.ts';
import type { Tokenizer } from '../src/text/tokenizer.ts';
import { fakeChooser } from './fake-chooser.ts';

export const FAKE_VOCAB = 300;
/** Token that ends an answer; its logit is low unless a test raises it. */
export const FAKE_END = 256;
export const FAKE_BOS = 257;

export interface FakeLog {
  /** [start, tokens] of every step. */
  readonly steps: { readonly start: number; readonly count: number }[];
  /** How many steps there were, of any number of sequences. */
  runs: number;
  pages: number;
  isDisposed: boolean;
}

type LoadOptions = Pick<ModelOptions, 'contextLength' | 'maxConcurrent' | 'queueLimit' | 'queueTimeoutMs' | 'memoryBudget' | 'spareMemory'>;

export interface FakeOptions extends Partial<LoadOptions> {
  /** Lets a test change the logits after the tokens of a sequence. */
  readonly adjust?: (logits: Float32Array, ids: readonly number[]) => void;
  /** Each step takes this many turns of the event loop. Default 0: it never leaves the thread. */
  readonly stepMs?: number;
  readonly modelContextLength?: number;
  /** The device's own number of rows of a prefill step. Default 256; null: none, so that the engine finds one by time. */
  readonly prefillRows?: number | null;
  readonly withoutTokenizer?: boolean;
  /** Ids of texts that the vocabulary has as tokens. */
  readonly idOf?: (text: string) => number | undefined;
  /** What its text side has beside, or in place of, what it says by itself. */
  readonly text?: Partial<TextSide>;
  /** States beside one of pages without a window: pages with one, slots. */
  readonly window?: number;
  readonly hasSlots?: boolean;
  /** Chooses tokens, up to so many steps a submit; default: it makes logits only. */
  readonly choosesSteps?: number;
  /** Of a program that chooses: it follows grammars too. Default false. */
  readonly followsGrammars?: boolean;
  /** Of a program that chooses: for how many sequences it has memory to do so. */
  readonly mostChoices?: number;
  /** Of a program that chooses: it leaves out steps behind the end of the last answer. Default false. */
  readonly stopsAtEnds?: boolean;
  /** Of a program that chooses: as `TokenChooser.sharesCores`. */
  readonly sharesCores?: boolean;
  /** Of a program that chooses: as `TokenChooser.prepare`. */
  readonly prepare?: TokenChooser['prepare'];
  /** As `Program.prepare`. */
  readonly prepareAll?: () => Promise<void>;
  /** Pages that the device has at most. */
  readonly devicePages?: number;
  /** Pages that the device turns out to have when a step uses them, as a GPU does. */
  readonly usablePages?: number;
}

export interface FakeModel {
  readonly model: Model;
  readonly log: FakeLog;
}

function hash(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** What the fake model thinks comes after `ids`. */
export function fakeLogits(ids: readonly number[], adjust?: FakeOptions['adjust']): Float32Array {
  const state = ids.reduce((sum, id) => hash(Math.imul(sum, 31) + id), 7);
  const logits = Float32Array.from({ length: FAKE_VOCAB }, (_, id) => (hash(state + Math.imul(id, 2654435761)) / 2 ** 32) * 12 - 6);
  logits[FAKE_END] = -20;
  logits[FAKE_BOS] = -20;
  adjust?.(logits, ids);
  return logits;
}

/** Logits that make the model answer this text to what ends in `assistant:`, a byte a token, and end. */
export function saying(text: string): NonNullable<FakeOptions['adjust']> {
  const bytes = new TextEncoder().encode(text);
  const opening = 'assistant:';
  return (logits, ids) => {
    const at = ids.length - (String.fromCharCode(...ids).lastIndexOf(opening) + opening.length);
    logits[bytes[at] ?? FAKE_END] = 90;
  };
}

/** The tokens that the fake model's scores lead to one by one, with no engine. */
export function fakeGreedy(promptIds: readonly number[], count: number, adjust?: FakeOptions['adjust']): number[] {
  const ids = [...promptIds];
  for (let i = 0; i < count; i++) {
    const logits = fakeLogits(ids, adjust);
    ids.push(logits.indexOf(Math.max(...logits)));
  }
  return ids.slice(promptIds.length);
}

/** Tokens by position in the pages of one group, as they were written. */
function fakePages({ pageTokens }: KvLayout) {
  const pages: Int32Array[] = [];
  const cell = (table: ArrayLike<number>, position: number) => {
    const page = pages[table[Math.floor(position / pageTokens)] as number];
    if (page === undefined) throw new Error(`position ${position} has no page`);
    return { page, at: position % pageTokens };
  };
  return {
    ensure(count: number) {
      while (pages.length < count) pages.push(new Int32Array(pageTokens).fill(-1));
      return pages.length;
    },
    write(table: ArrayLike<number>, position: number, token: number) {
      const { page, at } = cell(table, position);
      page[at] = token;
    },
    /** Tokens of positions [from, end). */
    read: (table: ArrayLike<number>, from: number, end: number) =>
      Array.from({ length: end - from }, (_, i) => {
        const { page, at } = cell(table, from + i);
        return page[at] as number;
      }),
  };
}

/**
 * One sequence's rows of a step: writes their tokens, and gives all of the sequence up to each wanted row. What windows and slots hold must
 * be the same tokens.
 */
function fakeRows(groups: readonly ReturnType<typeof fakePages>[], slots: (readonly number[])[], windows: readonly (number | undefined)[]) {
  return ({ start, pages, slots: place }: SequenceRows, tokens: readonly number[]): ((row: number) => readonly number[]) => {
    for (const [group, table] of pages.entries()) tokens.forEach((token, i) => groups[group]?.write(table, start + i, token));
    const end = start + tokens.length;
    const all = groups[0]!.read(pages[0]!, 0, end);
    for (const [group, window] of windows.entries()) {
      if (window === undefined) continue;
      const from = Math.max(0, start - window);
      const seen = groups[group]!.read(pages[group]!, from, end);
      if (seen.join() !== all.slice(from).join()) throw new Error(`wrong tokens in window ${from}-${end}`);
    }
    if (place !== undefined) {
      const before = slots[place.read];
      if (before?.join() !== all.slice(0, start).join()) throw new Error(`slot ${place.read} is not of the first ${start} tokens`);
      slots[place.write] = all;
    }
    return (row) => all.slice(0, start + row + 1);
  };
}

export function fakeProgram(request: Pick<ProgramRequest, 'model' | 'kv' | 'sizes'>, options: FakeOptions, log: FakeLog): Program {
  const windows = stateGroups(request.model.states).map(({ window }) => window);
  const groups = windows.map(() => fakePages(request.kv));
  const slots: (readonly number[])[] = [];
  const rows = request.sizes['rows'] as number;
  const write = fakeRows(groups, slots, windows);
  const runDecoder = ({ inputs, sequences = [] }: GraphRun): Float32Array[] => {
    const [tokens, wanted] = [DECODER.tokens, DECODER.outIndices].map((name) => Array.from(inputs[name] as ArrayLike<number>));
    if (tokens!.length > rows) throw new Error(`step of ${tokens!.length} rows, loaded for ${rows}`);
    let first = 0;
    const idsOfRow = sequences.flatMap((sequence) => {
      log.steps.push({ start: sequence.start, count: sequence.rows });
      const upTo = write(sequence, tokens!.slice(first, (first += sequence.rows)));
      return Array.from({ length: sequence.rows }, (_, row) => () => upTo(row));
    });
    return wanted!.map((row) => fakeLogits(idsOfRow[row]!(), options.adjust));
  };
  // One buffer for all steps, as an executor may do: who keeps a view of it sees it change.
  const shared = new Float32Array(rows * FAKE_VOCAB);
  const program: Program = {
    model: request.model,
    limits: () => request.sizes,
    ensurePages(group, count) {
      if (count > Math.min(request.kv.maxPages * (request.kv.sequences ?? 1), options.devicePages ?? Infinity))
        throw new CapacityError(`the device has no room for ${count} pages`);
      const made = groups[group]!.ensure(count);
      if (group === 0) log.pages = made;
    },
    ensureSlots(count) {
      while (slots.length < count) slots.push([]);
    },
    snapshotSlot: async () => new Uint8Array(0),
    restoreSlot() {},
    async run(runs: readonly GraphRun[]) {
      if (log.isDisposed) throw new Error('run on a disposed program');
      log.runs++;
      const used = runs.flatMap(({ sequences = [] }) => sequences).flatMap(({ start, rows: own, pages }) =>
        Array.from(pages[0]!).slice(0, Math.ceil((start + own) / request.kv.pageTokens)),
      );
      if (Math.max(...used) >= (options.usablePages ?? Infinity)) throw new CapacityError('the device has no memory after all');
      const made = runs.flatMap(runDecoder);
      shared.fill(Number.NaN);
      made.forEach((row, index) => shared.set(row, index * FAKE_VOCAB));
      if (options.stepMs !== undefined) await new Promise((resolve) => setTimeout(resolve, options.stepMs));
      return [new Map([[DECODER.logits, shared.subarray(0, made.length * FAKE_VOCAB)]])];
    },
    memory: { weightBytes: 0, kvBytes: 0, workBytes: 0 },
    prepare: options.prepareAll,
    printPlan: () => 'fake',
    async dispose() {
      log.isDisposed = true;
    },
  };
  if (options.choosesSteps === undefined) return program;
  const { choosesSteps: mostSteps, ...own } = options;
  return { ...program, chooser: fakeChooser({ ...own, program, vocab: FAKE_VOCAB, mostSteps }) };
}

/** Bytes are tokens; 256 ends, 257 begins, the rest are words of three bytes that split characters. */
export function fakeTokenizer(idOf: FakeOptions['idOf'] = () => undefined): Tokenizer {
  const encoder = new TextEncoder();
  const emoji = encoder.encode('\u{1F98A}\u{1F333}');
  return createTokenizer({
    kind: 'bytes',
    vocabSize: FAKE_VOCAB - 10,
    special: { bos: FAKE_BOS, eos: FAKE_END, eot: undefined, eom: undefined, pad: undefined, unk: undefined },
    endIds: new Set([FAKE_END]),
    prefixIds: [FAKE_BOS],
    suffixIds: [],
    stripLeadingSpace: false,
    encodeBody: (text) => [...encoder.encode(text)],
    tokenBytes: (id) => (id < 256 ? Uint8Array.of(id) : id < 258 ? encoder.encode(`<${id}>`) : emoji.slice((id % 6) + 0, (id % 6) + 3)),
    tokenText: (id) => `<${id}>`,
    idOf,
    isSpecial: (id) => id === FAKE_END || id === FAKE_BOS,
  });
}

/** `role:content` and a line break for every message, tools and variables in front. */
export function fakeTextSide(tokenizer = fakeTokenizer()): TextSide {
  return {
    tokenizer,
    endIds: tokenizer.endIds,
    grammars: (vocabSize) => createGrammarCompiler(tokenizer, vocabSize, tokenizer.endIds),
    samplingDefaults: { temperature: 0.9, topK: 40 },
    encodeMessages(messages, { tools, variables }) {
      const head = tools === undefined && Object.keys(variables).length === 0 ? '' : JSON.stringify({ tools, variables });
      const turns = messages.map((message) => [...tokenizer.encode(`${message.role}:${message.content}`), FAKE_END]).flat();
      const open = messages.at(-1)?.role === 'assistant' ? turns.slice(0, -1) : [...turns, ...tokenizer.encode('assistant:')];
      return [FAKE_BOS, ...tokenizer.encode(head), ...open];
    },
  };
}

/** What options of the fake model's answers are checked against. */
export const FAKE_HOST = { vocabSize: FAKE_VOCAB, tokenizer: fakeTokenizer(), samplingDefaults: {} };

const NO_TEXT: TextSide = { tokenizer: undefined, encodeMessages: undefined, endIds: new Set([FAKE_END]), samplingDefaults: {} };

/** A decoder without nodes, and with the states that it is asked for. */
export function modelOfFake({ window, hasSlots = false }: Pick<FakeOptions, 'window' | 'hasSlots'>): ModelGraphs {
  const states: State[] = [nextPagedState([], { heads: 1, keyDim: 4, valueDim: 4 })];
  if (window !== undefined) states.push(nextPagedState(states, { heads: 1, keyDim: 4, valueDim: 4, window }));
  if (hasSlots) states.push({ kind: 'slot', index: states.length, shape: [4], dtype: 'f32' });
  return modelOfDecoder({
    name: 'decoder', inputs: new Map(), outputs: new Map(), derivedDims: [], nodes: [], states, weights: [], taps: new Map(),
  });
}

export async function loadFakeModel(options: FakeOptions = {}): Promise<FakeModel> {
  const { contextLength, maxConcurrent, queueLimit, queueTimeoutMs, memoryBudget, spareMemory } = options;
  const log: FakeLog = { steps: [], runs: 0, pages: 0, isDisposed: false };
  const executor: Executor = {
    kind: 'cpu',
    description: 'fake',
    // One sequence, unless a test says otherwise.
    memoryBytes: 0,
    prefillRows: options.prefillRows === null ? undefined : (options.prefillRows ?? 256),
    load: async (request) => fakeProgram(request, options, log),
  };
  const config = {
    architecture: 'fake', vocabSize: FAKE_VOCAB, contextLength: options.modelContextLength ?? 1024, dim: 8, layers: 1, heads: 1,
    kvHeads: 1, headDim: 8, ffnDim: 8, rmsEps: 1e-6, causal: true, tiedEmbeddings: true, biases: [],
  };
  const decoder = { config, model: modelOfFake(options), weights: new Map(), skipped: [], warnings: [] } as unknown as Parameters<
    typeof createModelFromParts
  >[0]['decoder'];
  const text = { ...(options.withoutTokenizer === true ? NO_TEXT : fakeTextSide(fakeTokenizer(options.idOf))), ...options.text };
  const model = await createModelFromParts(
    { name: 'fake', sizeBytes: 0, decoder, text },
    { executor, contextLength, maxConcurrent, queueLimit, queueTimeoutMs, memoryBudget, spareMemory },
  );
  return { model, log };
}

/** Loads fake models, which are disposed of after the test, as are others that it is told to keep. */
export function fakeModels() {
  const open: Model[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((model) => model.dispose()));
  });
  return {
    async load(options?: FakeOptions): Promise<FakeModel> {
      const fake = await loadFakeModel(options);
      open.push(fake.model);
      return fake;
    },
    keep: (model: Model) => void open.push(model),
  };
}
