/**
 * Runs graphs op by op in float64. It plans nothing, fuses nothing and keeps every value: the oracle, not a way to chat.
 * Weights stay in their file's blocks and are decoded as ops need them.
 */
import type {
  Executor,
  GraphRun,
  KvLayout,
  Program,
  ProgramRequest,
  RunInput,
  RunResults,
  SequenceRows,
  WeightSource,
} from '../graph/executor.ts';
import type { DimSizes } from '../graph/dims.ts';
import { roundKv } from '../graph/kv-codec.ts';
import { printModel } from '../graph/model-graphs.ts';
import type { GraphOp } from '../graph/ops/index.ts';
import { checkRuns, doneRun, readsInputs, stepsOfPart } from '../graph/run-check.ts';
import type { CheckedRun, DoneRun } from '../graph/run-check.ts';
import { slotStates, stateGroups } from '../graph/state.ts';
import type { PagedState, SlotState, StateGroup } from '../graph/state.ts';
import { groupPageBytes, slotBytes } from '../graph/state-sizes.ts';
import type { Value } from '../graph/value.ts';
import { sourceOf } from '../graph/weight-lookup.ts';
import { decodeRows } from '../tensor/codec/decode-rows.ts';
import { CapacityError, FormatError } from '../tensor/errors.ts';
import { elementsOf } from '../tensor/tensor-type.ts';
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
  /** By group. */
  readonly layouts: readonly GroupLayout[];
  /** By group, then page: for each state keys [pageTokens][heads * keyDim], then values [pageTokens][heads * valueDim]. */
  readonly pages: readonly Float64Array[][];
  /** By slot, then index of the state. */
  readonly slots: Map<number, Float64Array>[];
  /** The latest run of each graph, and its values. */
  readonly latest: Map<string, { readonly run: DoneRun; readonly values: Values }>;
  /** Values that share a scale where inputs of quantised matrices are rounded. */
  readonly roundingBlock: number | undefined;
}

async function loadProgram(request: ProgramRequest, roundingBlock: number | undefined): Promise<Program> {
  const { model, signal, onProgress } = request;
  const groups = stateGroups(model.states);
  const layouts = groups.map((group) => layOutGroup(group, request.kv));
  const session: Session = {
    request, weights: new Map(), layouts, pages: groups.map(() => []), slots: [], latest: new Map(), roundingBlock,
  };
  const total = model.weights.reduce((sum, { id }) => sum + sourceOf(request, id).sizeBytes, 0);
  let loaded = 0;
  // All of the memory before any of the reading: a model that does not fit is refused at once.
  for (const { id } of model.weights) session.weights.set(id, { source: sourceOf(request, id), bytes: allocate(sourceOf(request, id)) });
  for (const { source, bytes } of session.weights.values()) {
    signal?.throwIfAborted();
    await source.read(0, bytes, { signal });
    checkFinite(source, bytes);
    loaded += bytes.length;
    onProgress?.({ phase: 'load', loaded, total });
  }
  const pageBytes = groups.map((group) => groupPageBytes(group, request.kv));
  return {
    model,
    limits: () => request.sizes,
    ensurePages: (group, count) => growPages(session, group, count),
    ...slotsOf(session),
    run: async (runs) => runAll(session, runs),
    get memory() {
      const ofPages = session.pages.reduce((sum, pages, group) => sum + pages.length * (pageBytes[group] as number), 0);
      return { weightBytes: total, kvBytes: ofPages + session.slots.length * slotBytes(model), workBytes: 0 };
    },
    printPlan: () => printModel(model),
    async dispose() {
      session.weights.clear();
      for (const pages of session.pages) pages.length = 0;
      session.slots.length = 0;
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
  const rowBytes = (bytes.length / elementsOf(source.shape)) * columns;
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

/** Where the states of a group lie in its pages, by index of the state, and how long a page is. */
interface GroupLayout {
  readonly offsets: ReadonlyMap<number, number>;
  readonly length: number;
}

function layOutGroup({ states }: StateGroup, { pageTokens }: KvLayout): GroupLayout {
  const offsets = new Map<number, number>();
  let length = 0;
  for (const { index, heads, keyDim, valueDim } of states) {
    offsets.set(index, length);
    length += pageTokens * heads * (keyDim + valueDim);
  }
  return { offsets, length };
}

function growPages({ layouts, pages: all }: Session, group: number, count: number): void {
  const { length } = layouts[group] as GroupLayout;
  const pages = all[group] as Float64Array[];
  while (pages.length < count) pages.push(new Float64Array(length));
}

function slotsOf({ request: { model }, slots }: Session): Pick<Program, 'ensureSlots' | 'snapshotSlot' | 'restoreSlot'> {
  const states = slotStates(model.states);
  const arrays = (slot: number) => states.map(({ index }) => slots[slot]?.get(index) as Float64Array);
  const length = ({ shape }: SlotState) => elementsOf(shape);
  return {
    ensureSlots(count) {
      while (slots.length < count) slots.push(new Map(states.map((state) => [state.index, new Float64Array(length(state))])));
    },
    snapshotSlot: async (slot) => new Uint8Array(Float64Array.from(arrays(slot).flatMap((array) => [...array])).buffer),
    restoreSlot(slot, snapshot) {
      const expected = states.reduce((sum, state) => sum + length(state), 0) * 8;
      if (snapshot.length !== expected) throw new Error(`restoreSlot: expected ${expected} bytes, found ${snapshot.length}`);
      const numbers = new Float64Array(snapshot.slice().buffer);
      let at = 0;
      for (const array of arrays(slot)) array.set(numbers.subarray(at, (at += array.length)));
    },
  };
}

function runAll(session: Session, runs: readonly GraphRun[]): RunResults {
  const { model, kv } = session.request;
  const checked = checkRuns(model, runs, {
    sizes: () => session.request.sizes,
    pageTokens: kv.pageTokens,
    pages: session.pages.map(({ length }) => length),
    slots: session.slots.length,
    before: new Map([...session.latest].map(([graph, { run }]) => [graph, run])),
  });
  return checked.map((run) => {
    const values = runGraph(session, run);
    session.latest.set(run.graph.name, { run: doneRun(run), values });
    return new Map([...run.wanted].map(([name, { id }]) => [name, Float32Array.from(values.get(id) as Float64Array)]));
  });
}

type Values = Map<number, Float64Array | Int32Array>;

function runGraph(session: Session, { run, graph, sizes }: CheckedRun): Values {
  const begins = readsInputs(run);
  const values: Values = begins ? new Map() : (session.latest.get(graph.name)?.values ?? new Map());
  for (const [name, { id, dtype }] of begins ? graph.inputs : []) {
    const input = run.inputs[name] as RunInput;
    const numbers = 'graph' in input ? madeBy(session, input) : Array.from(input);
    values.set(id, dtype === 'i32' ? Int32Array.from(numbers) : Float64Array.from(numbers));
  }
  const ops = opRun(session, { sequences: run.sequences ?? [], sizes, values });
  for (const { op, inputs, outputs } of graph.nodes.slice(...stepsOfPart(run.part, graph.nodes.length))) {
    const compute = REFERENCE_OPS[op.kind] as unknown as RunOp<GraphOp>;
    const numbers = compute(op, inputs, ops);
    for (const { id } of outputs) values.set(id, numbers);
  }
  return values;
}

function madeBy({ latest }: Session, { graph, output }: { readonly graph: string; readonly output: string }): Float64Array {
  const { run, values } = latest.get(graph)!;
  return values.get(run.graph.outputs.get(output)!.id) as Float64Array;
}

interface RunState {
  readonly sequences: readonly SequenceRows[];
  readonly sizes: DimSizes;
  readonly values: Values;
}

function opRun(session: Session, { sequences, sizes, values }: RunState): OpRun {
  const weight = (id: string) => session.weights.get(id) as LoadedWeight;
  return {
    sequences,
    roundingBlock: session.roundingBlock,
    size: (dim) => (typeof dim === 'number' ? dim : (sizes[dim] as number)),
    floats: (value) => values.get((value as Value).id) as Float64Array,
    ints: (value) => values.get((value as Value).id) as Int32Array,
    weight,
    decoded(id) {
      const { source, bytes } = weight(id);
      const numbers = new Float32Array(elementsOf(source.shape));
      decodeRows(source.type, bytes, numbers);
      return numbers;
    },
    stored: (state, sequence) => kvReader(session, state, sequence),
    slotOf: (state, slot) => session.slots[slot]?.get(state.index) as Float64Array,
    asStored({ keyDim, valueDim }, part, numbers) {
      const { type, valueType = type } = session.request.kv;
      return part === 0 ? roundKv(type, numbers, keyDim) : roundKv(valueType, numbers, valueDim);
    },
  };
}

/** Where the vector of a position lies, for one sequence and one attention state. */
function kvReader(session: Session, { index, group, heads, keyDim, valueDim }: PagedState, sequence: SequenceRows): KvReader {
  const { pageTokens } = session.request.kv;
  const keys = session.layouts[group]?.offsets.get(index) as number;
  const parts = [{ base: keys, width: heads * keyDim }, { base: keys + pageTokens * heads * keyDim, width: heads * valueDim }] as const;
  return (part, position) => {
    const page = session.pages[group]?.[sequence.pages[group]?.[Math.floor(position / pageTokens)] as number];
    if (page === undefined) throw new Error(`no KV page for position ${position}`);
    const { base, width } = parts[part];
    const start = base + (position % pageTokens) * width;
    return page.subarray(start, start + width);
  };
}
