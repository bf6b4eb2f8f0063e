/**
 * Runs graphs op by op in float64. It plans nothing, fuses nothing and keeps every value: the oracle, not a way to chat.
 * Weights stay in their file's blocks and are decoded as ops need them.
 */
import { kvPageBytes } from '../graph/executor.ts';
import type { Executor, GraphRun, Program, ProgramRequest, RunInput, RunResults, SequenceRows, WeightSource } from '../graph/executor.ts';
import { printModel } from '../graph/model-graphs.ts';
import type { GraphOp } from '../graph/ops/index.ts';
import { checkRuns } from '../graph/run-check.ts';
import type { CheckedRun } from '../graph/run-check.ts';
import type { PagedState } from '../graph/state.ts';
import type { Value } from '../graph/value.ts';
import { sourceOf } from '../graph/weight-lookup.ts';
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
  const { model, signal, onProgress } = request;
  const session: Session = { request, weights: new Map(), pages: [], roundingBlock };
  const total = model.weights.reduce((sum, { id }) => sum + sourceOf(request, id).sizeBytes, 0);
  let loaded = 0;
  // All of the memory before any of the reading: a model that does not fit is refused at once.
  for (const { id } of model.weights) session.weights.set(id, { source: sourceOf(request, id), bytes: allocate(sourceOf(request, id)) });
  for (const { source, bytes } of session.weights.values()) {
    signal?.throwIfAborted();
    await source.read(bytes, { signal });
    checkFinite(source, bytes);
    loaded += bytes.length;
    onProgress?.({ phase: 'load', loaded, total });
  }
  const pageBytes = kvPageBytes(model, request.kv);
  return {
    model,
    limits: () => request.sizes,
    ensureKvPages: (count) => growPages(session, count),
    run: async (runs) => runAll(session, runs),
    get memory() {
      return { weightBytes: total, kvBytes: session.pages.length * pageBytes, workBytes: 0 };
    },
    printPlan: () => printModel(model),
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
    throw new CapacityError(
      `${origin} takes ${Math.ceil(sizeBytes / 1e6)} MB of memory, which the system did not give. Use a smaller model.`,
      { cause },
    );
  }
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
      `${source.origin}: expected finite weights, found ${row[bad]} in row ${at / rowBytes}, column ${bad}. The file is damaged: ` +
        'get it again.',
    );
  }
}

function stateOffsets(session: Session) {
  const { model, kv } = session.request;
  const offsets: number[] = [0];
  for (const { heads, keyDim, valueDim } of model.states)
    offsets.push((offsets.at(-1) as number) + kv.pageTokens * heads * (keyDim + valueDim));
  return offsets;
}

function growPages(session: Session, count: number): void {
  const size = stateOffsets(session).at(-1) as number;
  while (session.pages.length < count) session.pages.push(new Float64Array(size));
}

function runAll(session: Session, runs: readonly GraphRun[]): RunResults {
  const { model, kv } = session.request;
  const checked = checkRuns(model, runs, { sizes: () => session.request.sizes, pageTokens: kv.pageTokens, pages: session.pages.length });
  /** Outputs of the runs so far, by graph and name: the latest of each graph. */
  const made = new Map<string, Float64Array | Int32Array>();
  return checked.map((run) => {
    const values = runGraph(session, run, made);
    for (const [name, { id }] of run.graph.outputs) made.set(`${run.graph.name}.${name}`, values.get(id) as Float64Array);
    return new Map([...run.wanted].map(([name, { id }]) => [name, Float32Array.from(values.get(id) as Float64Array)]));
  });
}

type Values = Map<number, Float64Array | Int32Array>;

function runGraph(session: Session, { run, graph }: CheckedRun, made: ReadonlyMap<string, Float64Array | Int32Array>): Values {
  const values: Values = new Map();
  for (const [name, { id, dtype }] of graph.inputs) {
    const input = run.inputs[name] as RunInput;
    const numbers = 'graph' in input ? (made.get(`${input.graph}.${input.output}`) as Float64Array) : Array.from(input);
    values.set(id, dtype === 'i32' ? Int32Array.from(numbers) : Float64Array.from(numbers));
  }
  const ops = opRun(session, run.sequences ?? [], values);
  for (const { op, inputs, outputs } of graph.nodes) {
    const compute = REFERENCE_OPS[op.kind] as unknown as RunOp<GraphOp>;
    values.set((outputs[0] as Value).id, compute(op, inputs, ops));
  }
  return values;
}

function opRun(session: Session, sequences: readonly SequenceRows[], values: Values): OpRun {
  const weight = (id: string) => session.weights.get(id) as LoadedWeight;
  return {
    sequences,
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
function kvReader(session: Session, { index, heads, keyDim, valueDim }: PagedState, sequence: SequenceRows): KvReader {
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
