/** Texts to embeddings: batches of whole texts through the encoder, states pooled to unit vectors. */
import type { SequenceStep } from '../graph/decoder-steps.ts';
import type { EncoderNames, Pooling } from '../graph/model-graphs.ts';
import { CapacityError, InputError } from '../tensor/errors.ts';
import { checkOptionNames, describeValue } from '../tensor/option-names.ts';
import { checkOperation } from '../tensor/progress.ts';
import type { EmbedInput, EmbedOptions } from './api.ts';
import { createBreather, yieldToEventLoop } from './event-loop.ts';
import type { ModelCore } from './model-core.ts';
import { EMBED_NAMES } from './option-names.ts';
import { checkIds, checkTextLength } from './prompt.ts';
import type { TextSide } from './prompt.ts';
import type { SequenceState } from './sequence-state.ts';

/** What embeds texts. */
export interface Embedder {
  readonly core: ModelCore;
  readonly encoder: Pick<EncoderNames, 'pooling'>;
  /** Numbers of an embedding. */
  readonly width: number;
  readonly text: TextSide;
}

/** @throws as `Model.embed` */
export async function embedTexts(embedder: Embedder, texts: readonly EmbedInput[], options: EmbedOptions): Promise<Float32Array[]> {
  const { core, width, encoder: { pooling } } = embedder;
  core.checkOpen();
  checkOptionNames(options, EMBED_NAMES, 'embed');
  checkOperation(options);
  const { signal, onProgress } = options;
  const kept = checkDimensions(options.dimensions, width);
  const sequences = await encodeTexts(embedder, texts, options);
  signal?.throwIfAborted();
  const total = sequences.reduce((sum, { length }) => sum + length, 0);
  const embeddings: Float32Array[] = [];
  const subscription = core.scheduler.subscribe({});
  try {
    let loaded = 0;
    onProgress?.({ phase: 'prefill', loaded, total });
    for (const batch of batchesOf(sequences, core)) {
      signal?.throwIfAborted();
      const batchPooled = await subscription.alone(() => runBatch(core, batch, { pooling, width, signal }), signal);
      for (const pooled of batchPooled) embeddings.push(unitVector(pooled, kept));
      loaded += batch.reduce((sum, { length }) => sum + length, 0);
      onProgress?.({ phase: 'prefill', loaded, total });
      await yieldToEventLoop();
    }
  } finally {
    subscription.leave();
  }
  return embeddings;
}

function checkDimensions(dimensions: number | undefined, width: number): number {
  if (dimensions === undefined) return width;
  if (Number.isSafeInteger(dimensions) && dimensions >= 1 && dimensions <= width) return dimensions;
  throw new InputError(
    `dimensions must be an integer from 1 to ${width}, the width of the model's embeddings, found ${describeValue(dimensions)}.`,
  );
}

function promptOf({ kind, prompt }: EmbedOptions, { embeddingPrompts }: TextSide): string {
  if (kind !== undefined && kind !== 'query' && kind !== 'document')
    throw new InputError(`kind must be "query" or "document", found ${describeValue(kind satisfies never)}.`);
  if (prompt === undefined) return embeddingPrompts?.[kind ?? 'default'] ?? '';
  if (typeof prompt !== 'string') throw new InputError(`prompt must be a string, found ${describeValue(prompt)}.`);
  if (kind !== undefined) throw new InputError('kind and prompt both say what goes before a text: pass one of them.');
  return prompt;
}

/** Token ids of all texts, checked; what else is due runs between them. */
async function encodeTexts({ core, text }: Embedder, texts: readonly EmbedInput[], options: EmbedOptions): Promise<number[][]> {
  if (!Array.isArray(texts)) throw new InputError(`texts must be an array, found ${describeValue(texts)}.`);
  const prompt = promptOf(options, text);
  const breathe = createBreather();
  const sequences: number[][] = [];
  for (const [index, one] of (texts as readonly EmbedInput[]).entries()) {
    options.signal?.throwIfAborted();
    await breathe();
    sequences.push(encodeOne({ core, text }, one, { prompt, where: `texts[${index}]` }));
  }
  return sequences;
}

interface TextPlace {
  readonly prompt: string;
  /** `texts[3]` */
  readonly where: string;
}

function encodeOne({ core, text }: Pick<Embedder, 'core' | 'text'>, one: EmbedInput, { prompt, where }: TextPlace): number[] {
  if (typeof one !== 'string') {
    if (typeof one !== 'object' || one === null)
      throw new InputError(`${where} must be a string or token ids, found ${describeValue(one)}.`);
    return checkIds(one, core, { where });
  }
  if (text.tokenizer === undefined) throw new InputError('This model has no tokenizer, so it cannot read texts: pass ids instead.');
  checkTextLength(prompt.length + one.length, text, core, { where });
  const whole = text.lowerCase === true ? (prompt + one).toLowerCase() : prompt + one;
  const ids = text.tokenizer.encode(whole, { addSpecial: true });
  if (ids.length === 0) throw new InputError(`${where} is a text without tokens: at least one is needed.`);
  return checkIds(ids, core, { where });
}

/** Texts in order, as many at a time as fit the rows of a step and its pages; one that is longer than a step comes alone. */
function* batchesOf(sequences: readonly (readonly number[])[], core: ModelCore): Generator<readonly (readonly number[])[]> {
  let batch: (readonly number[])[] = [];
  let [rows, pages] = [0, 0];
  for (const ids of sequences) {
    const ownPages = Math.ceil(ids.length / core.state.pageTokens);
    if (batch.length > 0 && (rows + ids.length > core.maxRows || pages + ownPages > core.stepPages)) {
      yield batch;
      batch = [];
      [rows, pages] = [0, 0];
    }
    batch.push(ids);
    [rows, pages] = [rows + ids.length, pages + ownPages];
  }
  if (batch.length > 0) yield batch;
}

interface PoolOptions {
  readonly pooling: Pooling;
  readonly width: number;
  readonly signal: AbortSignal | undefined;
}

/** The pooled states of each text, [width], not yet unit vectors. */
async function runBatch(
  core: ModelCore,
  batch: readonly (readonly number[])[],
  { pooling, width, signal }: PoolOptions,
): Promise<readonly Float64Array[]> {
  const states = batch.map(() => core.state.open());
  try {
    const sums = batch.map(() => new Float64Array(width));
    const longest = Math.max(...batch.map(({ length }) => length));
    // Only a text that comes alone may be longer than a step; without causality none is.
    for (let start = 0; start < longest; start += core.maxRows) {
      signal?.throwIfAborted();
      const steps = batch.map((ids, i) => stepOf(core, states[i] as SequenceState, { ids, start, pooling }));
      const rows = await core.encode(steps);
      let row = 0;
      for (const [i, { outputs }] of steps.entries())
        for (const _ of outputs) addRow(sums[i] as Float64Array, rows, row++);
    }
    return sums;
  } finally {
    for (const state of states) core.state.close(state);
  }
}

interface Chunk {
  readonly ids: readonly number[];
  readonly start: number;
  readonly pooling: Pooling;
}

/** The rows of a text from `start` on, as many as a step takes, and those of them that are pooled. */
function stepOf(core: ModelCore, state: SequenceState, { ids, start, pooling }: Chunk): SequenceStep {
  const end = Math.min(ids.length, start + core.maxRows);
  const tokens = ids.slice(start, end);
  const outputs = { mean: [...tokens.keys()], last: end === ids.length ? [end - start - 1] : [], cls: start === 0 ? [0] : [] }[pooling];
  return { tokens, start, ...core.state.begin(state, { start, end, accepted: start }), outputs };
}

function addRow(sum: Float64Array, rows: Float32Array, row: number): void {
  const width = sum.length;
  for (let i = 0; i < width; i++) sum[i] = (sum[i] as number) + (rows[row * width + i] as number);
}

/** The first `kept` numbers as a vector of length 1: a mean's factor falls out. @throws CapacityError for numbers that are none */
function unitVector(pooled: Float64Array, kept: number): Float32Array {
  const own = pooled.subarray(0, kept);
  const length = Math.hypot(...own);
  if (!(length > 0 && length < Infinity))
    throw new CapacityError(
      'The states of a text are not finite or all zero, so that they make no embedding: keys and values beyond f16, perhaps. ' +
        'Load the model with kvType "f32".',
    );
  return Float32Array.from(own, (value) => value / length);
}
