/** Decides where a program's parts lie in memory, before any of it is taken. */
import type { ProgramRequest, WeightSource } from '../graph/executor.ts';
import { isCausal, outputOf } from '../graph/graph.ts';
import type { Graph } from '../graph/graph.ts';
import type { RopeTable } from '../graph/ops/rope.ts';
import type { BufferSlot, FusionRule } from '../graph/plan.ts';
import { STEP_LOGITS } from '../graph/step-batch.ts';
import { widthOf } from '../graph/value.ts';
import { bytesOfElements } from '../tensor/tensor-type.ts';
import { mostPartials } from './attention-tiles.ts';
import { controlBytes } from './control-layout.ts';
import type { Addresses, MatrixAt, RowsAt } from './cpu-op-rules.ts';
import type { CpuValue } from './cpu-value.ts';
import type { KernelExports } from './kernel-module.ts';
import { layOutPages } from './kv-pages.ts';
import type { PageLayout } from './kv-pages.ts';
import { planForCpu } from './lower.ts';
import type { CpuPlan } from './lower.ts';
import { align, createBump } from './memory.ts';
import type { CpuOp } from './ops/index.ts';
import { chunkRows } from './ops/linear.ts';
import { writeProgram } from './program-writer.ts';
import { layOutStep } from './step-writer.ts';
import type { StepLayout } from './step-writer.ts';
import { WEIGHT_CODES } from './weight-codes.ts';

/** Runs that keep hidden states work on this many rows at a time: their activations are those of all layers. */
const TAP_ROWS = 64;
/** Query vectors of one tile of attention. */
const TILE_VECTORS = 32;
/** Words of an op that holds no list, and of one matrix: bounds for the room that programs take. */
const CHECK_RECORD_BYTES = 28;

export interface PlannedProgram {
  readonly plan: CpuPlan;
  readonly words: Uint32Array;
  readonly address: number;
  /** By value id. Plain numbers: nothing here may keep the memory of a disposed program alive. */
  readonly rows: ReadonlyMap<number, RowsAt>;
}

export interface ProgramLayout {
  readonly control: number;
  readonly scratch: number;
  readonly scratchBytes: number;
  readonly step: StepLayout;
  readonly pages: PageLayout;
  readonly checks: number;
  /** By weight id: where its file bytes lie, and its copy as f32 where a kernel reads it as a vector. */
  readonly weights: ReadonlyMap<string, MatrixAt>;
  readonly vectors: ReadonlyMap<string, number>;
  readonly weightBytes: number;
  /** Where KV pages begin; all else lies below. */
  readonly kvBegin: number;
  readonly maxRows: number;
  readonly tapRows: number;
  readonly maxOutRows: number;
  readonly rowsPerTile: number;
  readonly kvHeads: number;
  readonly causal: boolean;
  readonly base: PlannedProgram;
  /** Keeps every tap of the graph; undefined for a graph without taps. */
  readonly tapped: PlannedProgram | undefined;
}

export interface LayoutOptions {
  readonly request: ProgramRequest;
  readonly kernels: KernelExports;
  readonly threads: number;
  readonly rules?: readonly FusionRule<CpuOp, CpuValue>[] | undefined;
}

export function sourceOf(request: ProgramRequest, id: string): WeightSource {
  const source = request.weights.get(id);
  if (source === undefined) throw new Error(`graph ${request.graph.name}: no source for weight ${id}`);
  return source;
}

export function layOutProgram({ request, kernels, threads, rules }: LayoutOptions): ProgramLayout {
  const { graph, kv, maxRows } = request;
  const typeOf = (id: string) => sourceOf(request, id).type;
  const pages = layOutPages(graph, kv);
  const shapes = attentionShapes(graph);
  const rowsPerTile = Math.max(1, Math.floor(TILE_VECTORS / shapes.group));
  const limits = rowLimits(request);
  const plans = {
    base: planForCpu(graph, { typeOf, rules }),
    tapped: graph.taps.size === 0 ? undefined : planForCpu(graph, { typeOf, rules, taps: [...graph.taps.values()] }),
  };
  const bump = createBump(kernels.heapBase());
  const control = bump.take(controlBytes(threads));
  const step = layOutStep(bump, { maxRows, maxPages: kv.maxPages, threads, tables: ropeTables(graph) });
  const scratchBytes = scratchBytesOf({ request, kernels, threads }, rowsPerTile * shapes.group, shapes.width);
  const scratch = bump.take(scratchBytes * threads);
  const partials = bump.take(mostPartials(threads) * shapes.heads * (shapes.width + 4) * 4);
  const checks = bump.take(graph.weights.length * (CHECK_RECORD_BYTES + 4));
  const vectors = layOutVectors(request, bump);
  const activations = [
    placeSlots(plans.base, { rows: maxRows, outRows: limits.maxOutRows }, kernels),
    ...(plans.tapped ? [placeSlots(plans.tapped, { rows: limits.tapRows, outRows: Math.min(limits.tapRows, limits.maxOutRows) }, kernels)] : []),
  ];
  const activationsBegin = bump.take(Math.max(...activations.map(({ sizeBytes }) => sizeBytes)));
  const weights = new Map(graph.weights.map(({ id }) => [id, placeWeight(sourceOf(request, id), bump.take(sourceOf(request, id).sizeBytes))]));
  bump.take(64);
  const finish = (plan: CpuPlan, slots: PlacedSlots): PlannedProgram => {
    const rows = rowsOfPlan(plan, slots, activationsBegin);
    const at: Addresses = {
      pages, threads, partials,
      rowsOf: (value) => required(rows.get(value.id), value.label),
      matrix: (id) => required(weights.get(id), id),
      vector: (id) => vectors.get(id) ?? required(weights.get(id), id).address,
      ropeTable: (id) => required(step.tables.get(id), id).address,
    };
    const words = writeProgram(plan, at);
    return { plan, words, rows, address: bump.take(words.byteLength) };
  };
  const base = finish(plans.base, activations[0] as PlacedSlots);
  const tapped = plans.tapped && finish(plans.tapped, activations[1] as PlacedSlots);
  return {
    control, scratch, scratchBytes, step, pages, checks, weights, vectors, rowsPerTile, kvHeads: shapes.kvHeads, base, tapped, maxRows, ...limits,
    causal: isCausal(graph),
    weightBytes: graph.weights.reduce((sum, { id }) => sum + sourceOf(request, id).sizeBytes, 0),
    kvBegin: bump.take(0),
  };
}

function required<Item>(item: Item | undefined, id: string): Item {
  if (item === undefined) throw new Error(`CPU plan: nothing is placed for ${id}`);
  return item;
}

function rowLimits({ graph, maxRows }: ProgramRequest) {
  const vocab = widthOf(outputOf(graph, 'logits'));
  const maxOutRows = Math.min(maxRows, Math.max(8, Math.floor(STEP_LOGITS / vocab)));
  return { maxOutRows, tapRows: isCausal(graph) ? Math.min(maxRows, TAP_ROWS) : maxRows };
}

/** Largest sizes over all attention ops of a graph, and the fewest key heads. */
function attentionShapes(graph: Graph) {
  const shapes = { group: 1, heads: 1, width: 4, kvHeads: Infinity };
  for (const { op } of graph.nodes) {
    if (op.kind !== 'attention') continue;
    shapes.group = Math.max(shapes.group, op.heads / op.state.heads);
    shapes.heads = Math.max(shapes.heads, op.heads);
    shapes.width = Math.max(shapes.width, Math.ceil(op.state.keyDim / 4) * 4);
    shapes.kvHeads = Math.min(shapes.kvHeads, op.state.heads);
  }
  return shapes;
}

function ropeTables(graph: Graph): readonly RopeTable[] {
  const tables = new Map<string, RopeTable>();
  for (const { op } of graph.nodes) {
    if (op.kind !== 'rope') continue;
    const known = tables.get(op.table.id);
    if (known !== undefined && known !== op.table) throw new Error(`graph ${graph.name}: two rope tables are called ${op.table.id}`);
    tables.set(op.table.id, op.table);
  }
  return [...tables.values()];
}

/** The largest need of any step: a tile of attention, a tile of a gated step beside the kernel's own, a normed row. */
function scratchBytesOf({ request, kernels, threads }: LayoutOptions, vectors: number, headWidth: number): number {
  const attention = 256 + vectors * (8 * headWidth + 136) + 16 + (2 * 32 + 4) * headWidth * 4;
  let need = attention;
  for (const { op, inputs } of request.graph.nodes) {
    if (op.kind === 'rmsNorm') need = Math.max(need, (inputs[0]?.shape[1] as number) * 4);
    if (op.kind !== 'linear') continue;
    const { type, shape, sizeBytes } = sourceOf(request, op.weight.id);
    const [out, cols] = shape as readonly [number, number];
    const chunk = chunkRows(out, sizeBytes / out, threads);
    const tile = align(Math.max(chunk.one * 4, chunk.many * 4 * request.maxRows));
    need = Math.max(need, tile + kernels.matmulScratchBytes(WEIGHT_CODES[type], cols));
  }
  return align(need);
}

/** Gains and biases that the file does not hold as f32 get a copy that is. */
function layOutVectors(request: ProgramRequest, bump: { take(sizeBytes: number): number }): Map<string, number> {
  const vectors = new Map<string, number>();
  for (const { op } of request.graph.nodes) {
    const refs = op.kind === 'rmsNorm' ? [op.weight] : op.kind === 'linear' && op.bias ? [op.bias] : [];
    for (const { id, shape } of refs) {
      if (sourceOf(request, id).type === 'f32' || vectors.has(id)) continue;
      vectors.set(id, bump.take((shape[0] as number) * 4));
    }
  }
  return vectors;
}

function placeWeight({ type, shape, sizeBytes, origin }: WeightSource, address: number): MatrixAt {
  const elements = shape.reduce((product, dim) => product * dim, 1);
  const expected = bytesOfElements(type, elements);
  if (sizeBytes !== expected) throw new Error(`${origin}: expected ${expected} bytes of ${type} for [${shape.join(', ')}], found ${sizeBytes}`);
  const rowBytes = bytesOfElements(type, shape.at(-1) as number);
  return { address, typeCode: WEIGHT_CODES[type], rowBytes };
}

interface PlacedSlots {
  readonly sizeBytes: number;
  readonly offsets: readonly number[];
  strideOf(value: CpuValue): number;
}

function placeSlots(plan: CpuPlan, sizes: { readonly rows: number; readonly outRows: number }, kernels: KernelExports): PlacedSlots {
  const bump = createBump(0);
  const rowBytes = ({ dtype, width }: { readonly dtype: string; readonly width: number }) =>
    dtype === 'q8' ? kernels.activationBytes(WEIGHT_CODES.q8_0, width) : width * 4;
  const rowsOf = ({ outer }: BufferSlot) => (typeof outer === 'number' ? outer : outer === 'outRows' ? sizes.outRows : sizes.rows);
  const offsets = plan.slots.map((slot) => bump.take(rowsOf(slot) * rowBytes(slot)));
  const strideOf = ({ dtype, shape }: CpuValue) =>
    rowBytes({ dtype, width: widthOf({ shape }) });
  return { sizeBytes: bump.end, offsets, strideOf };
}

function rowsOfPlan(plan: CpuPlan, slots: PlacedSlots, begin: number): ReadonlyMap<number, RowsAt> {
  const rows = new Map<number, RowsAt>();
  for (const { inputs, outputs } of plan.steps) {
    for (const value of [...inputs, ...outputs]) {
      const slot = required(plan.slotOf.get(value.id), value.label);
      rows.set(value.id, { address: begin + (slots.offsets[slot.index] as number), stride: slots.strideOf(value) });
    }
  }
  return rows;
}
