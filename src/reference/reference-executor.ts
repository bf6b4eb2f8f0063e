/**
 * Runs a graph op by op in float64. It plans nothing, fuses nothing and keeps every value: the oracle, not a way to chat.
 * Weights stay in their file's blocks and are decoded as ops need them.
 */
import { kvPageBytes } from '../graph/executor.ts';
import type { Executor, Program, ProgramRequest, SequenceStep, StepBatch, StepResult, WeightSource } from '../graph/executor.ts';
import { inputOf, outputOf, printGraph } from '../graph/graph.ts';
import type { GraphOp } from '../graph/ops/index.ts';
import type { PagedState } from '../graph/state.ts';
import type { Value } from '../graph/value.ts';
import { decodeRows } from '../tensor/codec/decode-rows.ts';
import { CapacityError, FormatError } from '../tensor/errors.ts';
import { f16ToF32, f32ToF16 } from '../tensor/half.ts';
import type { KvReader, OpRun, RunOp } from './op-run.ts';
import { REFERENCE_OPS } from './ops/index.ts';

export interface ReferenceOptions {
  /** `int8` rounds what quantised matrices are multiplied with, as the CPU executor's kernels do. Default `none`. */
  readonly activationRounding?: 'none' | 'int8';
  /** Values under one scale of that rounding. Default 32. */
  readonly roundingBlock?: 16 | 32 | undefined;
}

export function createReferenceExecutor(options: ReferenceOptions = {}): Executor {
  const rounding = options.activationRounding ?? 'none';
  return {
    kind: 'reference',
    description: `reference (float64${rounding === 'int8' ? ', int8 activations' : ''}, slow)`,
    load: (request) => loadProgram(request, rounding === 'int8' ? (options.roundingBlock ?? 32) : undefined),
  };
}

interface LoadedWeight {
  readonly source: WeightSource;
  readonly bytes: Uint8Array;
}

interface Session {
  readonly request: ProgramRequest;
  readonly weights: Map<string, LoadedWeight>;
  /** Keys and values by page: for each state keys [pageTokens][heads * keyDim], then values [pageTokens][heads * valueDim]. */
  readonly pages: Float64Array[];
  /** Values that share a scale where inputs of quantised matrices are rounded. */
  readonly roundingBlock: number | undefined;
}

async function loadProgram(request: ProgramRequest, roundingBlock: number | undefined): Promise<Program> {
  const { graph, signal, onProgress } = request;
  const session: Session = { request, weights: new Map(), pages: [], roundingBlock };
  const total = graph.weights.reduce((sum, { id }) => sum + sourceOf(request, id).sizeBytes, 0);
  let loaded = 0;
  // All of the memory before any of the reading: a model that does not fit is refused at once.
  for (const { id } of graph.weights) session.weights.set(id, { source: sourceOf(request, id), bytes: allocate(sourceOf(request, id)) });
  for (const { source, bytes } of session.weights.values()) {
    signal?.throwIfAborted();
    await source.read(bytes, { signal });
    checkFinite(source, bytes);
    loaded += bytes.length;
    onProgress?.({ phase: 'load', loaded, total });
  }
  const pageBytes = kvPageBytes(graph, request.kv);
  return {
    ensureKvPages: (count) => growPages(session, count),
    run: async (batch) => runBatch(session, batch),
    get memory() {
      return { weightBytes: total, kvBytes: session.pages.length * pageBytes, workBytes: 0 };
    },
    printPlan: () => printGraph(graph),
    async dispose() {
      session.weights.clear();
      session.pages.length = 0;
    },
  };
}

/** @throws CapacityError where the system gives no array of that size. */
function allocate({ sizeBytes, origin }: WeightSource): Uint8Array {
  try {
    return new Uint8Array(sizeBytes);
  } catch (cause) {
    throw new CapacityError(`${origin} takes ${Math.ceil(sizeBytes / 1e6)} MB of memory, which the system did not give. Use a smaller model.`, { cause });
  }
}

function sourceOf(request: ProgramRequest, id: string): WeightSource {
  const source = request.weights.get(id);
  if (source === undefined) throw new Error(`graph ${request.graph.name}: no source for weight ${id}`);
  return source;
}

function checkFinite(source: WeightSource, bytes: Uint8Array): void {
  const columns = source.shape.at(-1) as number;
  const rowBytes = (bytes.length / source.shape.reduce((a, b) => a * b, 1)) * columns;
  const row = new Float32Array(columns);
  for (let at = 0; at < bytes.length; at += rowBytes) {
    decodeRows(source.type, bytes.subarray(at, at + rowBytes), row);
    const bad = row.findIndex((value) => !Number.isFinite(value));
    if (bad < 0) continue;
    throw new FormatError(
      `${source.origin}: expected finite weights, found ${row[bad]} in row ${at / rowBytes}, column ${bad}. The file is damaged: get it again.`,
    );
  }
}

function stateOffsets(session: Session) {
  const { graph, kv } = session.request;
  const offsets: number[] = [0];
  for (const { heads, keyDim, valueDim } of graph.states) offsets.push((offsets.at(-1) as number) + kv.pageTokens * heads * (keyDim + valueDim));
  return offsets;
}

function growPages(session: Session, count: number): void {
  const size = stateOffsets(session).at(-1) as number;
  while (session.pages.length < count) session.pages.push(new Float64Array(size));
}

function runBatch(session: Session, batch: StepBatch): StepResult {
  const { graph } = session.request;
  const values = new Map<number, Float64Array | Int32Array>();
  let rows = 0;
  const outRows = batch.sequences.flatMap((sequence) => {
    const wanted = sequence.outputs.map((at) => rows + at);
    rows += sequence.tokens.length;
    return wanted;
  });
  const give = (input: string, numbers: readonly number[]) => values.set(inputOf(graph, input).id, Int32Array.from(numbers));
  give('tokens', batch.sequences.flatMap((sequence) => Array.from(sequence.tokens)));
  give('positions', batch.sequences.flatMap((s) => Array.from(s.tokens, (_, i) => s.start + i)));
  give('outIndices', outRows);
  const run = opRun(session, batch, values);
  for (const { op, inputs, outputs } of graph.nodes) {
    const compute = REFERENCE_OPS[op.kind] as unknown as RunOp<GraphOp>;
    values.set((outputs[0] as Value).id, compute(op, inputs, run));
  }
  const result = (value: Value) => Float32Array.from(run.floats(value));
  const taps = (batch.taps ?? []).map((name): [string, Float32Array] => {
    const value = graph.taps.get(name);
    if (value === undefined) throw new Error(`graph ${graph.name} has no tap ${name}`);
    return [name, result(value)];
  });
  return { logits: result(outputOf(graph, 'logits')), taps: new Map(taps) };
}

function opRun(session: Session, batch: StepBatch, values: ReadonlyMap<number, Float64Array | Int32Array>): OpRun {
  const weight = (id: string) => session.weights.get(id) as LoadedWeight;
  return {
    sequences: batch.sequences,
    roundingBlock: session.roundingBlock,
    floats: (value) => values.get((value as Value).id) as Float64Array,
    ints: (value) => values.get((value as Value).id) as Int32Array,
    weight,
    decoded(id) {
      const { source, bytes } = weight(id);
      const numbers = new Float32Array(source.shape.reduce((a, b) => a * b, 1));
      decodeRows(source.type, bytes, numbers);
      return numbers;
    },
    stored: (state, sequence) => kvReader(session, state, sequence),
    asStored: (numbers) => (session.request.kv.type === 'f32' ? numbers.map(Math.fround) : numbers.map((x) => f16ToF32(f32ToF16(x)))),
  };
}

/** Where the vector of a position lies, for one sequence and one attention state. */
function kvReader(session: Session, { index, heads, keyDim, valueDim }: PagedState, sequence: SequenceStep): KvReader {
  const { pageTokens } = session.request.kv;
  const keys = stateOffsets(session)[index] as number;
  const parts = [{ base: keys, width: heads * keyDim }, { base: keys + pageTokens * heads * keyDim, width: heads * valueDim }] as const;
  return (part, position) => {
    const page = session.pages[sequence.pages[Math.floor(position / pageTokens)] as number];
    if (page === undefined) throw new Error(`no KV page for position ${position}`);
    const { base, width } = parts[part];
    const start = base + (position % pageTokens) * width;
    return page.subarray(start, start + width);
  };
}
