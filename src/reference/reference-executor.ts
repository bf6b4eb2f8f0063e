/**
 * Runs a graph op by op in float64. It plans nothing, fuses nothing and keeps every value: the oracle, not a way to chat.
 * Weights stay in their file's blocks and are decoded as ops need them.
 */
import { kvPageBytes } from '../graph/executor.ts';
import type { Executor, Program, ProgramRequest, SequenceStep, StepBatch, StepResult, WeightSource } from '../graph/executor.ts';
import { printGraph } from '../graph/graph.ts';
import type { GraphNode } from '../graph/graph.ts';
import type { AttentionOp, GraphOp } from '../graph/op.ts';
import type { Value } from '../graph/value.ts';
import { decodeRows } from '../tensor/codec/decode-rows.ts';
import { CapacityError, FormatError } from '../tensor/errors.ts';
import { f16ToF32, f32ToF16 } from '../tensor/half.ts';
import { isQuantized } from '../tensor/tensor-type.ts';
import { attendRow, linear, rmsNorm, roundActivations, rope, swiglu } from './reference-ops.ts';

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
  /** Keys and values by page: [states][2][pageTokens][kvHeads * headDim]. */
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
  for (const state of graph.states) offsets.push((offsets.at(-1) as number) + 2 * kv.pageTokens * state.kvHeads * state.headDim);
  return offsets;
}

function growPages(session: Session, count: number): void {
  const size = stateOffsets(session).at(-1) as number;
  while (session.pages.length < count) session.pages.push(new Float64Array(size));
}

interface Run {
  readonly session: Session;
  readonly batch: StepBatch;
  readonly values: Map<number, Float64Array | Int32Array>;
}

function runBatch(session: Session, batch: StepBatch): StepResult {
  const { graph } = session.request;
  const run: Run = { session, batch, values: new Map() };
  const { tokens, positions, outIndices } = graph.inputs;
  let rows = 0;
  const outRows = batch.sequences.flatMap((sequence) => {
    const wanted = sequence.outputs.map((at) => rows + at);
    rows += sequence.tokens.length;
    return wanted;
  });
  run.values.set(tokens.id, Int32Array.from(batch.sequences.flatMap((sequence) => Array.from(sequence.tokens))));
  run.values.set(positions.id, Int32Array.from(batch.sequences.flatMap((s) => Array.from(s.tokens, (_, i) => s.start + i))));
  run.values.set(outIndices.id, Int32Array.from(outRows));
  for (const node of graph.nodes) run.values.set((node.outputs[0] as Value).id, runNode(run, node));
  const taps = (batch.taps ?? []).map((name): [string, Float32Array] => {
    const value = graph.taps.get(name);
    if (value === undefined) throw new Error(`graph ${graph.name} has no tap ${name}`);
    return [name, Float32Array.from(floats(run, value))];
  });
  return { logits: Float32Array.from(floats(run, graph.logits)), taps: new Map(taps) };
}

function floats(run: Run, value: Value | undefined): Float64Array {
  return run.values.get((value as Value).id) as Float64Array;
}

function ints(run: Run, value: Value | undefined): Int32Array {
  return run.values.get((value as Value).id) as Int32Array;
}

function runNode(run: Run, { op, inputs }: GraphNode): Float64Array {
  const [first, second, third] = inputs;
  switch (op.kind) {
    case 'embed':
      return gatherEmbeddings(run, op.weight.id, ints(run, first));
    case 'rmsNorm':
      return rmsNorm(floats(run, first), decoded(run, op.weight.id), op);
    case 'linear':
      return runLinear(run, op, floats(run, first));
    case 'rope':
      return rope(floats(run, first), ints(run, second), op);
    case 'attention':
      return runAttention(run, op, [floats(run, first), floats(run, second), floats(run, third)]);
    case 'swiglu':
      return swiglu(floats(run, first), floats(run, second));
    case 'add':
      return floats(run, first).map((value, i) => value + floats(run, second)[i]!);
    case 'gatherRows':
      return gatherRows(floats(run, first), ints(run, second), (first as Value).shape[1] as number);
    default:
      throw new Error(`reference executor: no rule for op ${JSON.stringify(op satisfies never)}`);
  }
}

function decoded(run: Run, id: string): Float32Array {
  const { source, bytes } = run.session.weights.get(id) as LoadedWeight;
  const values = new Float32Array(source.shape.reduce((a, b) => a * b, 1));
  decodeRows(source.type, bytes, values);
  return values;
}

function gatherEmbeddings(run: Run, id: string, tokens: Int32Array): Float64Array {
  const { source, bytes } = run.session.weights.get(id) as LoadedWeight;
  const [rows, cols] = source.shape as [number, number];
  const rowBytes = bytes.length / rows;
  const row = new Float32Array(cols);
  const out = new Float64Array(tokens.length * cols);
  tokens.forEach((token, i) => {
    decodeRows(source.type, bytes.subarray(token * rowBytes, (token + 1) * rowBytes), row);
    out.set(row, i * cols);
  });
  return out;
}

function runLinear(run: Run, op: GraphOp & { kind: 'linear' }, x: Float64Array): Float64Array {
  const { source } = run.session.weights.get(op.weight.id) as LoadedWeight;
  const cols = source.shape[1] as number;
  const { roundingBlock } = run.session;
  const rounded = roundingBlock !== undefined && isQuantized(source.type) ? roundActivations(x, cols, roundingBlock) : x;
  return linear(rounded, decoded(run, op.weight.id), cols, op.bias === undefined ? undefined : decoded(run, op.bias.id));
}

function gatherRows(x: Float64Array, indices: Int32Array, width: number): Float64Array {
  const out = new Float64Array(indices.length * width);
  indices.forEach((row, i) => out.set(x.subarray(row * width, (row + 1) * width), i * width));
  return out;
}

type Qkv = readonly [Float64Array, Float64Array, Float64Array];

function runAttention(run: Run, op: AttentionOp, [q, k, v]: Qkv): Float64Array {
  const out = new Float64Array(q.length);
  const qWidth = op.heads * op.headDim;
  const kvWidth = op.kvHeads * op.headDim;
  let row = 0;
  for (const sequence of run.batch.sequences) {
    const at = kvAddress(run.session, op, sequence);
    for (let i = 0; i < sequence.tokens.length; i++, row++) {
      const position = sequence.start + i;
      at(0, position).set(storedKv(run.session, k.subarray(row * kvWidth, (row + 1) * kvWidth)));
      at(1, position).set(storedKv(run.session, v.subarray(row * kvWidth, (row + 1) * kvWidth)));
      out.set(attendRow(q.subarray(row * qWidth, (row + 1) * qWidth), position, at, op), row * qWidth);
    }
  }
  return out;
}

/** Where the vector of a position lies, for one sequence and one attention state. */
function kvAddress(session: Session, op: AttentionOp, sequence: SequenceStep) {
  const { pageTokens } = session.request.kv;
  const width = op.kvHeads * op.headDim;
  const base = stateOffsets(session)[op.state.index] as number;
  return (part: 0 | 1, position: number): Float64Array => {
    const page = session.pages[sequence.pages[Math.floor(position / pageTokens)] as number];
    if (page === undefined) throw new Error(`no KV page for position ${position}`);
    const start = base + (part * pageTokens + (position % pageTokens)) * width;
    return page.subarray(start, start + width);
  };
}

function storedKv(session: Session, values: Float64Array): Float64Array {
  return session.request.kv.type === 'f32' ? values.map(Math.fround) : values.map((value) => f16ToF32(f32ToF16(value)));
}
