/** Decides where the parts of one graph lie in memory: the step, the values of its plans, the programs. */
import { sizesOf } from '../graph/dims.ts';
import type { DimSizes } from '../graph/dims.ts';
import { isCausal } from '../graph/graph.ts';
import type { Graph } from '../graph/graph.ts';
import { isStep } from '../graph/patterns.ts';
import { largestSizes, tapSizes } from '../graph/run-sizes.ts';
import type { BufferSlot, FusionRule } from '../graph/plan.ts';
import { widthOf } from '../graph/value.ts';
import type { Dim, Value } from '../graph/value.ts';
import type { TypeOf } from '../graph/weight-lookup.ts';
import type { Addresses, RowsAt } from './cpu-op-rules.ts';
import { layOutBurst } from './burst-layout.ts';
import type { BurstLayout } from './burst-layout.ts';
import type { CpuValue } from './cpu-value.ts';
import type { KernelExports } from './kernel-module.ts';
import { mostWidth } from './kv-pages.ts';
import { planForCpu } from './lower.ts';
import type { CpuPlan } from './lower.ts';
import { createBump } from './memory.ts';
import type { Bump } from './memory.ts';
import type { CpuOp } from './ops/index.ts';
import { ownInputs } from './ops/linear.ts';
import { writeProgram } from './program-writer.ts';
import { layOutStep } from './step-layout.ts';
import type { StepLayout } from './step-layout.ts';
import { weightCode } from './weight-code.ts';

/** Query vectors of one tile of attention. */
const TILE_VECTORS = 32;
/** Rows of logits that there is always room for. */
const LEAST_OUT_ROWS = 8;

export interface PlannedProgram {
  readonly plan: CpuPlan;
  readonly words: Uint32Array;
  readonly address: number;
  /** By value id. Plain numbers: nothing here may keep the memory of a disposed program alive. */
  readonly rows: ReadonlyMap<number, RowsAt>;
  /** Most of each dim that a run gives. */
  readonly limits: DimSizes;
}

export interface GraphLayout {
  readonly graph: Graph;
  readonly step: StepLayout;
  readonly rowsPerTile: number;
  readonly kvHeads: number;
  readonly causal: boolean;
  readonly base: PlannedProgram;
  /** Keeps every tap of the graph; undefined for a graph without taps. */
  readonly tapped: PlannedProgram | undefined;
  /** Of a graph whose steps may go on by themselves. */
  readonly burst: BurstLayout | undefined;
}

/** Largest sizes over all attention ops of a graph, and the fewest key heads. */
export interface AttentionSizes {
  readonly group: number;
  readonly heads: number;
  readonly width: number;
  readonly kvHeads: number;
}

export function attentionSizes(graph: Graph): AttentionSizes {
  let [group, heads, width, kvHeads] = [1, 1, 4, Infinity];
  for (const { op } of graph.nodes) {
    if (op.kind !== 'attention' && op.kind !== 'storedAttention' && op.kind !== 'memoryWeights' && op.kind !== 'writeMemory') continue;
    width = Math.max(width, mostWidth(op.state.keyDim), mostWidth(op.state.valueDim));
    if (op.kind === 'writeMemory') continue;
    group = Math.max(group, op.heads / op.state.heads);
    heads = Math.max(heads, op.heads);
    kvHeads = Math.min(kvHeads, op.state.heads);
  }
  return { group, heads, width, kvHeads };
}

export function rowsPerTile({ group }: AttentionSizes): number {
  return Math.max(1, Math.floor(TILE_VECTORS / group));
}

/** Most of each dim that a run gives. */
export function graphLimits(graph: Graph, sizes: DimSizes): DimSizes {
  return largestSizes(graph, sizes, LEAST_OUT_ROWS);
}

export interface GraphLayoutOptions {
  readonly graph: Graph;
  /** What the caller set for dims. */
  readonly sizes: DimSizes;
  readonly maxPages: number;
  readonly threads: number;
  readonly kernels: Pick<KernelExports, 'activationBytes'>;
  readonly typeOf: TypeOf;
  /** Whether there is to be room for steps that go on by themselves. */
  readonly hasBursts: boolean;
  readonly rules?: readonly FusionRule<CpuOp, CpuValue>[] | undefined;
  /** Addresses that all graphs share. */
  readonly shared: Pick<Addresses, 'matrix' | 'vector' | 'partials' | 'pages' | 'threads'>;
}

export function layOutGraph(bump: Bump, options: GraphLayoutOptions): GraphLayout {
  const { graph, typeOf, rules, maxPages, threads } = options;
  const limits = graphLimits(graph, options.sizes);
  const groups = options.shared.pages.pageBytes.length;
  const step = layOutStep(bump, { graph, sizes: sizesOf(graph.derivedDims, limits), maxPages, threads, groups });
  const plans = [
    { plan: planForCpu(graph, { typeOf, rules }), limits },
    ...(graph.taps.size === 0
      ? []
      : [{ plan: planForCpu(graph, { typeOf, rules, taps: [...graph.taps.values()] }), limits: tapSizes(graph, limits) }]),
  ];
  const placed = plans.map(({ plan, limits: own }) => placeSlots(plan, sizesOf(graph.derivedDims, own), options));
  // One of the plans runs at a time.
  const begin = bump.take(Math.max(...placed.map(({ sizeBytes }) => sizeBytes)));
  const [base, tapped] = plans.map(({ plan, limits: own }, i) => {
    const rows = rowsOfPlan(graph, { plan, slots: placed[i] as PlacedSlots, begin });
    const words = writeProgram(plan, addressesOf(options, { step, rows }));
    return { plan, words, rows, limits: own, address: bump.take(words.byteLength) };
  });
  const sizes = attentionSizes(graph);
  return {
    graph,
    step,
    base: base as PlannedProgram,
    tapped,
    burst: options.hasBursts ? layOutBurst(bump, step) : undefined,
    causal: isCausal(graph),
    kvHeads: sizes.kvHeads,
    rowsPerTile: rowsPerTile(sizes),
  };
}

function addressesOf(
  { shared }: GraphLayoutOptions,
  { step, rows }: { readonly step: StepLayout; readonly rows: ReadonlyMap<number, RowsAt> },
): Addresses {
  const required = <Item,>(item: Item | undefined, id: string): Item => {
    if (item === undefined) throw new Error(`CPU plan: nothing is placed for ${id}`);
    return item;
  };
  return {
    ...shared,
    rowsOf: (value) => required(rows.get(value.id), value.label),
    ropeTable: (table, { label }, shift) =>
      required(
        step.tables.find((each) => each.table === table && each.input === label && each.shift === shift?.label),
        `${table.id} at ${label}`,
      ).address,
    dim: (name: Dim) => step.dims.indexOf(name),
    pageTables: (group, ahead) => ({
      pages: group * step.pageWords * 4, rowPages: (ahead * step.groups + group) * step.rows * 4, rowSlots: ahead * step.rows * 4,
    }),
  };
}

interface PlacedSlots {
  readonly sizeBytes: number;
  readonly offsets: readonly number[];
  strideOf(value: CpuValue): number;
}

/** Slots of what each thread makes for itself of a single row. */
function ownSlots({ steps, slotOf }: CpuPlan): ReadonlySet<BufferSlot | undefined> {
  const made = steps.flatMap((step) => (isStep(step, 'linears') || isStep(step, 'gated') ? ownInputs(step) : []));
  return new Set(made.map(({ id }) => slotOf.get(id)));
}

function placeSlots(plan: CpuPlan, sizes: DimSizes, { kernels, threads }: Pick<GraphLayoutOptions, 'kernels' | 'threads'>): PlacedSlots {
  const bump = createBump(0);
  const rowBytes = ({ dtype, width }: { readonly dtype: string; readonly width: number }) =>
    dtype === 'q8' ? kernels.activationBytes(weightCode('q8_0'), width) : width * 4;
  const rowsOf = ({ outer }: BufferSlot) => (typeof outer === 'number' ? outer : (sizes[outer] as number));
  const own = ownSlots(plan);
  const offsets = plan.slots.map((slot) => bump.take(Math.max(rowsOf(slot), own.has(slot) ? threads : 0) * rowBytes(slot)));
  return { sizeBytes: bump.end, offsets, strideOf: ({ dtype, shape }) => rowBytes({ dtype, width: widthOf({ shape }) }) };
}

interface SlotsAt {
  readonly plan: CpuPlan;
  readonly slots: PlacedSlots;
  readonly begin: number;
}

function rowsOfPlan(graph: Graph, { plan, slots, begin }: SlotsAt): ReadonlyMap<number, RowsAt> {
  const rows = new Map<number, RowsAt>();
  const values: CpuValue[] = [
    ...(graph.inputs.values() as Iterable<Value>),
    ...plan.steps.flatMap(({ inputs, outputs }) => [...inputs, ...outputs]),
  ];
  for (const value of values) {
    const slot = plan.slotOf.get(value.id);
    if (slot !== undefined) rows.set(value.id, { address: begin + (slots.offsets[slot.index] as number), stride: slots.strideOf(value) });
  }
  return rows;
}
