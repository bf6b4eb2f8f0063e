/** What every executor asks of a list of runs before any of it runs: addresses are made from these numbers. */
import { InputError } from '../tensor/errors.ts';
import { sizesOf } from './dims.ts';
import type { DimSizes } from './dims.ts';
import type { GraphRun, RunInput, RunPart, SequenceRows, SlotPlace, StatePlace } from './executor.ts';
import type { Graph } from './graph.ts';
import { graphOf } from './model-graphs.ts';
import type { ModelGraphs } from './model-graphs.ts';
import { pagedStates, slotStates, stateName } from './state.ts';
import type { State } from './state.ts';
import { EMPTY_SLOT } from './state-sizes.ts';
import { formatShape } from './value.ts';
import type { Value } from './value.ts';

export interface RunLimits {
  /** Largest sizes of a graph's dims. */
  sizes(graph: string, withTaps: boolean): DimSizes;
  readonly pageTokens: number;
  /** Pages that exist, by group. */
  readonly pages: readonly number[];
  /** Slots that exist. */
  readonly slots: number;
  /** The latest run of each graph before the list, by its name: what it made is there. */
  readonly before: ReadonlyMap<string, DoneRun>;
}

/** A run that may be done: its graph, and the sizes of all its dims. */
export interface CheckedRun {
  readonly run: GraphRun;
  readonly graph: Graph;
  readonly sizes: DimSizes;
  /** What is wanted of it, by name. */
  readonly wanted: ReadonlyMap<string, Value>;
  /** Whether some of that is no output: a plan that keeps taps is needed. */
  readonly withTaps: boolean;
}

/** What has to be known of a run to read what it made. */
export type DoneRun = Pick<CheckedRun, 'graph' | 'sizes' | 'withTaps'>;

export function doneRun({ graph, sizes, withTaps }: CheckedRun): DoneRun {
  return { graph, sizes, withTaps };
}

/** The dim that sequences divide: that of the rows which states are written from; undefined for a graph without states. */
export function sequenceDim({ nodes, states }: Graph): string | undefined {
  const node = nodes.find(({ op }) => 'state' in op && op.state !== undefined);
  return states.length === 0 ? undefined : String(node?.inputs[0]?.shape[0]);
}

/** Positions that a run makes behind those of its sequences' rows. */
export function positionsAhead({ nodes }: Pick<Graph, 'nodes'>): number {
  return nodes.reduce((most, { op }) => (op.kind === 'attention' ? Math.max(most, op.ahead) : most), 0);
}

/** Names of the dims that a run of the graph gives. */
export function givenDims({ inputs, derivedDims }: Graph): readonly string[] {
  const derived = new Set(derivedDims.map(({ name }) => name));
  const named = [...inputs.values()].flatMap(({ shape }) => shape.filter((dim): dim is string => typeof dim === 'string'));
  return [...new Set(named)].filter((name) => !derived.has(name));
}

/** Elements of a value in a run. */
export function countOf({ shape }: Pick<Value<string>, 'shape'>, sizes: DimSizes): number {
  return shape.reduce<number>((product, dim) => product * (typeof dim === 'number' ? dim : (sizes[dim] as number)), 1);
}

/**
 * @throws InputError for what a caller may have meant (token ids, names of taps); Error for whatever else does not fit, which is the
 * engine's mistake
 */
export function checkRuns(model: ModelGraphs, runs: readonly GraphRun[], limits: RunLimits): readonly CheckedRun[] {
  if (runs.length === 0) throw new InputError('A submit needs at least one run.');
  const checked: CheckedRun[] = [];
  for (const run of runs) {
    const graph = graphOf(model, run.graph);
    const wanted = wantedOf(graph, run.wanted);
    const withTaps = run.wanted.some((name) => !graph.outputs.has(name));
    const sizes = checkedSizes(graph, run.dims, limits.sizes(run.graph, withTaps));
    checkSequences(graph, { run, sizes }, limits);
    checkPart(graph, run);
    checkInputs(graph, { run, sizes, before: [...limits.before.values(), ...checked] });
    checked.push({ run, graph, sizes, wanted, withTaps });
  }
  return checked;
}

function wantedOf({ name, outputs, taps }: Graph, wanted: readonly string[]): Map<string, Value> {
  return new Map(wanted.map((key) => {
    const value = outputs.get(key) ?? taps.get(key);
    if (value === undefined)
      throw new InputError(
        `The model's ${name} has no tap called ${JSON.stringify(key)}; it has ${[...taps.keys()].join(', ') || 'none'}.`,
      );
    return [key, value] as const;
  }));
}

function checkedSizes(graph: Graph, given: DimSizes, most: DimSizes): DimSizes {
  for (const dim of givenDims(graph)) {
    const size = given[dim];
    const limit = most[dim] ?? Infinity;
    if (size === undefined || !(Number.isInteger(size) && size >= 0 && size <= limit)) {
      throw new Error(`run of ${graph.name}: expected a size of dim ${dim} from 0 to ${limit}, found ${size}`);
    }
  }
  return sizesOf(graph.derivedDims, given);
}

function checkPart({ name, states }: Graph, { part }: GraphRun): void {
  if (part === undefined) return;
  const { from, to, of } = part;
  if (states.length > 0) throw new Error(`run of ${name}: it has states, and comes in no parts`);
  if (![from, to, of].every(Number.isInteger) || from < 0 || from >= to || to > of)
    throw new Error(`run of ${name}: expected a part of ${of}, found ${from} to ${to}`);
}

/** Which of `count` steps a part has, the first and the end; all of them of a run that has none. */
export function stepsOfPart(part: RunPart | undefined, count: number): readonly [from: number, end: number] {
  if (part === undefined) return [0, count];
  return [Math.floor((part.from * count) / part.of), Math.floor((part.to * count) / part.of)];
}

/** Whether a run reads its inputs: it begins. */
export function readsInputs({ part }: Pick<GraphRun, 'part'>): boolean {
  return part === undefined || part.from === 0;
}

interface InputCheck {
  readonly run: GraphRun;
  readonly sizes: DimSizes;
  readonly before: readonly DoneRun[];
}

function checkInputs(graph: Graph, { run, sizes, before }: InputCheck): void {
  for (const name of Object.keys(run.inputs)) if (!graph.inputs.has(name)) throw new Error(`run of ${graph.name}: it has no input ${name}`);
  for (const [name, value] of graph.inputs) {
    const input = run.inputs[name];
    if (input === undefined) throw new Error(`run of ${graph.name}: no input ${name} ${formatShape(value.shape)}`);
    const wanted = countOf(value, sizes);
    const found = lengthOf(input, before);
    if (found !== wanted)
      throw new Error(`run of ${graph.name}: expected ${wanted} numbers of input ${name} ${formatShape(value.shape)}, found ${found}`);
    if (value.dtype === 'i32' && !('graph' in input)) checkIndices(graph, { value, numbers: input, sizes });
  }
}

function lengthOf(input: RunInput, before: readonly DoneRun[]): number | string {
  if (!('graph' in input)) return input.length;
  const from = before.findLast(({ graph }) => graph.name === input.graph);
  const value = from?.graph.outputs.get(input.output);
  return from === undefined || value === undefined
    ? `no earlier run with output ${input.output} of ${input.graph}`
    : countOf(value, from.sizes);
}

interface IndexCheck {
  readonly value: Value;
  readonly numbers: ArrayLike<number>;
  readonly sizes: DimSizes;
}

/** Indices lie inside of what they are looked up in. */
function checkIndices(graph: Graph, check: IndexCheck): void {
  // Every step looks at all nodes: a function made in this loop would be garbage of each.
  for (const { op, inputs } of graph.nodes) {
    if (op.kind === 'embed' && inputs[0] === check.value) checkTokens(check.numbers, op.weight.shape[0] as number);
    if (op.kind === 'gatherRows' && inputs[1] === check.value) checkGathered(graph, inputs[0], check);
  }
}

function checkGathered({ name }: Graph, from: Value | undefined, { value, numbers, sizes }: IndexCheck): void {
  const outer = from?.shape[0];
  const rows = typeof outer === 'number' ? outer : (sizes[String(outer)] ?? 0);
  const bad = Array.from(numbers).find((row) => !(row >= 0 && row < rows));
  if (bad !== undefined) throw new Error(`run of ${name}: expected ${value.label} below ${rows}, found ${bad}`);
}

/** @throws InputError */
export function checkTokens(tokens: ArrayLike<number>, tokenLimit: number): void {
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as number;
    if (!(Number.isInteger(token) && token >= 0 && token < tokenLimit)) {
      throw new InputError(`Token ids must be whole numbers from 0 to ${tokenLimit - 1}, found ${token} at index ${i}.`);
    }
  }
}

function checkSequences(graph: Graph, { run, sizes }: Pick<InputCheck, 'run' | 'sizes'>, limits: RunLimits): void {
  const dim = sequenceDim(graph);
  if (dim === undefined) return;
  const sequences = run.sequences ?? [];
  const rows = sequences.reduce((sum, sequence) => sum + sequence.rows, 0);
  if (sequences.length === 0 || rows !== sizes[dim])
    throw new Error(`run of ${graph.name}: expected sequences of ${sizes[dim]} rows together, found ${rows}`);
  const readsMemory = attendsToMemory(graph);
  const ahead = positionsAhead(graph);
  for (const sequence of sequences) {
    if (ahead > 0 && sequence.rows !== 1)
      throw new Error(`run of ${graph.name}: it makes ${ahead + 1} positions of each row; expected sequences of 1, found ${sequence.rows}`);
    const memory = readsMemory ? checkMemory(graph, sequence) : undefined;
    checkPlace(sequence, { states: graph.states, end: sequence.start + sequence.rows + ahead, rows: sequence.rows, memory }, limits);
  }
}

/** Whether runs must say what memories hold. */
export function attendsToMemory({ nodes }: Graph): boolean {
  return nodes.some(({ op }) => (op.kind === 'storedAttention' && op.state.memory) || op.kind === 'memoryWeights');
}

function checkMemory({ name }: Graph, { memory }: SequenceRows): number {
  if (memory !== undefined && Number.isInteger(memory) && memory >= 1) return memory;
  throw new Error(`run of ${name}: it attends to a memory; expected how many positions that of each sequence holds, found ${memory}`);
}

/** What is to be done at a place. */
export interface PlaceUse {
  readonly states: readonly State[];
  /** Position after the last row. */
  readonly end: number;
  /** Of one sequence, in one run. */
  readonly rows: number;
  /** Positions of the memories that rows attend to; undefined: the rows write them, as other states. */
  readonly memory?: number | undefined;
}

/** @throws Error where a place does not name existing pages up to `end`, or the slots that rows need */
export function checkPlace({ pages, slots }: StatePlace, use: PlaceUse, limits: Omit<RunLimits, 'sizes' | 'before'>): void {
  const { states, end, rows, memory = end } = use;
  const { pageTokens } = limits;
  const beyond = pagedStates(states).find(({ positions = Infinity }) => end > positions);
  if (beyond !== undefined) throw new Error(`run: ${stateName(beyond)} has ${beyond.positions} positions, found ${end}`);
  const groups = new Map(pagedStates(states).map((state) => [state.group, state.memory ? memory : end]));
  for (const [group, used] of groups) checkPages(pages[group] ?? [], used, { pageTokens, pages: limits.pages[group] ?? 0 });
  if (slotStates(states).length > 0) checkSlots(slots, rows, limits);
}

function checkSlots(place: SlotPlace | undefined, rows: number, { slots }: Pick<RunLimits, 'slots'>): void {
  const { read = -1, write = -1 } = place ?? {};
  const exists = (slot: number) => Number.isInteger(slot) && slot >= 0 && slot < slots;
  if (exists(read) && exists(write) && write !== EMPTY_SLOT && (read !== write || rows === 1)) return;
  throw new Error(`run: ${rows} rows need a slot to read and another to write out of ${slots}, found ${read} and ${write}`);
}

function checkPages(
  table: ArrayLike<number>,
  end: number,
  { pageTokens, pages }: { readonly pageTokens: number; readonly pages: number },
): void {
  const used = Math.ceil(end / pageTokens);
  for (let i = 0; i < used; i++) {
    const page = table[i];
    if (page === undefined || !(page >= 0 && page < pages)) {
      throw new Error(`run: positions up to ${end} need ${used} pages out of ${pages}, found ${page} as page ${i}`);
    }
  }
}

/** How much of a sequence's pages a run of a graph uses. */
export interface PagesUse {
  readonly pageTokens: number;
  /** {@link positionsAhead} of the graph. */
  readonly ahead: number;
}

/** Pages that a sequence has in a run, in the group in which it has most. */
export function pagesOfSequence({ start, rows, memory = 0 }: SequenceRows, { pageTokens, ahead }: PagesUse): number {
  return Math.ceil(Math.max(start + rows + ahead, memory) / pageTokens);
}

/** Words that the page table of one group takes in a run. */
export function pageTableWords(sequences: readonly SequenceRows[], use: PagesUse): number {
  return sequences.reduce((sum, sequence) => sum + pagesOfSequence(sequence, use), 0);
}
