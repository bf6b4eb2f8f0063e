/** Steps of a model's decoder or encoder: tokens of sequences in, logits or states out, in runs that fit the memory of activations. */
import { CapacityError, InputError } from '../tensor/errors.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import type { GraphRun, Program, SequenceRows, WeightSource } from './executor.ts';
import { inputOf, isCausal } from './graph.ts';
import type { Graph } from './graph.ts';
import { decoderOf, graphOf } from './model-graphs.ts';
import type { DecoderNames, EncoderNames, TokenGraphNames } from './model-graphs.ts';
import { readTokenRows } from './token-rows.ts';

/** New tokens of one sequence, and where its state lies. */
export interface SequenceStep extends Omit<SequenceRows, 'rows'> {
  readonly tokens: ArrayLike<number>;
  /** Indices into `tokens` whose logits are wanted, ascending. */
  readonly outputs: readonly number[];
  /** What is added to the positions of its rows before they are turned; default 0. */
  readonly shift?: number | undefined;
}

export interface StepBatch {
  readonly sequences: readonly SequenceStep[];
  /** Names of the graph's taps whose values are wanted. */
  readonly taps?: readonly string[];
  /** Ends the reading of rows from the model's file, before a step; a step that runs is not cut off. */
  readonly signal?: CancelSignal | undefined;
}

export interface StepResult {
  /** [outRows, vocab], sequences in order. May be a view that the next run overwrites. */
  readonly logits: Float32Array;
  /** [rows, dim] by tap name; copies. */
  readonly taps: ReadonlyMap<string, Float32Array>;
}

/** Tokens that the decoder's tables have. */
export function tokenLimit(graph: Graph, names: DecoderNames): number {
  const tokens = inputOf(graph, names.tokens);
  const tables = graph.nodes.flatMap(({ op, inputs }) =>
    op.kind === 'embed' && inputs[0] === tokens ? [op.weight.shape[0] as number] : [],
  );
  return Math.min(...tables);
}

/** Runs the decoder of a program. */
export interface DecoderSteps {
  /** @throws InputError for tokens that cannot be meant and taps that there are not; what the program's `run` throws */
  run(batch: StepBatch): Promise<StepResult>;
}

/** `hostTable`: of a decoder with {@link TokenGraphNames.hostRows}. @throws Error where one is there without the other */
export function decoderSteps(program: Program, hostTable?: WeightSource): DecoderSteps {
  const names: DecoderNames = decoderOf(program.model);
  if (names.hostRows?.table.id !== hostTable?.id)
    throw new Error(`decoder: expected ${names.hostRows?.table.id ?? 'no table'} to read rows of, found ${hostTable?.id ?? 'none'}`);
  return {
    async run({ sequences, taps = [], signal }) {
      const valuesOf = await runSteps(program, { names, sequences, taps, output: names.logits, hostTable, signal });
      return { logits: valuesOf(names.logits), taps: new Map(taps.map((name) => [name, valuesOf(name).slice()])) };
    },
  };
}

/**
 * Runs the encoder of a program.
 * @returns states [outRows, width], sequences in order. May be a view that the next run overwrites
 * @throws as {@link DecoderSteps.run}
 */
export async function encoderStates(program: Program, names: EncoderNames, sequences: readonly SequenceStep[]): Promise<Float32Array> {
  return (await runSteps(program, { names, sequences, taps: [], output: names.states }))(names.states);
}

interface Steps {
  readonly names: TokenGraphNames;
  readonly sequences: readonly SequenceStep[];
  readonly taps: readonly string[];
  readonly output: string;
  readonly hostTable?: WeightSource | undefined;
  readonly signal?: CancelSignal | undefined;
}

/** Values of the output and of the taps, by name. */
async function runSteps(program: Program, wanted: Steps): Promise<(name: string) => Float32Array> {
  const { names, sequences, taps, output } = wanted;
  checkOutputs(sequences);
  const { rows = Infinity, outRows = Infinity } = program.limits(names.graph, taps.length > 0);
  const steps = splitBatch(sequences, { rows, outRows, causal: isCausal(graphOf(program.model, names.graph)) });
  const results: ReadonlyMap<string, Float32Array>[] = [];
  for (const step of steps) {
    const own = tokenRun(names, step, [output, ...taps]);
    // Without rows to read the step is under way when this function first waits.
    const run = names.hostRows === undefined ? own : await withHostRows(own, wanted);
    const [result] = (await program.run([run])) as readonly [ReadonlyMap<string, Float32Array>];
    // What runs next may overwrite it.
    results.push(steps.length === 1 ? result : copies(result));
  }
  return (name) => joined(results.map((result) => result.get(name) as Float32Array));
}

async function withHostRows(run: GraphRun, { names: { hostRows, tokens }, hostTable, signal }: Steps): Promise<GraphRun> {
  if (hostRows === undefined || hostTable === undefined) return run;
  const rows = await readTokenRows(hostTable, run.inputs[tokens] as ArrayLike<number>, { signal });
  return { ...run, inputs: { ...run.inputs, [hostRows.input]: rows } };
}

/** The run of a decoder or encoder for the new tokens of some sequences, without the rows that the host reads. */
export function tokenRun(names: TokenGraphNames, sequences: readonly SequenceStep[], wanted: readonly string[]): GraphRun {
  const rows = sequences.reduce((sum, { tokens }) => sum + tokens.length, 0);
  // As they are: whoever checks the run refuses what is no token.
  const tokens: number[] = [];
  const positions = new Int32Array(rows);
  const shifts = new Int32Array(rows);
  const outIndices: number[] = [];
  let row = 0;
  for (const { tokens: own, start, outputs, shift = 0 } of sequences) {
    shifts.fill(shift, row, row + own.length);
    for (const at of outputs) outIndices.push(row + at);
    for (let i = 0; i < own.length; i++, row++) {
      tokens.push(own[i] as number);
      positions[row] = start + i;
    }
  }
  return {
    graph: names.graph,
    dims: { rows, outRows: outIndices.length },
    inputs: {
      [names.tokens]: tokens,
      [names.positions]: positions,
      [names.outIndices]: outIndices,
      // Every sequence is one text.
      ...(names.shift === undefined ? {} : { [names.shift]: shifts }),
      ...(names.tokenTypes === undefined ? {} : { [names.tokenTypes]: new Int32Array(rows) }),
    },
    sequences: sequences.map(({ tokens: { length }, start, pages, slots, memory }) => ({ rows: length, start, pages, slots, memory })),
    wanted,
  };
}

function checkOutputs(sequences: readonly SequenceStep[]): void {
  if (sequences.length === 0) throw new InputError('A step needs at least one sequence.');
  for (const { tokens, outputs } of sequences) {
    if (outputs.some((at, i) => !(at >= 0 && at < tokens.length) || (i > 0 && at <= (outputs[i - 1] as number)))) {
      throw new Error(`run: outputs must rise from 0 to ${tokens.length - 1}, found ${outputs.join(', ')}`);
    }
  }
}

function copies(values: ReadonlyMap<string, Float32Array>): Map<string, Float32Array> {
  return new Map([...values].map(([name, numbers]) => [name, numbers.slice()]));
}

function joined(arrays: readonly Float32Array[]): Float32Array {
  if (arrays.length === 1) return arrays[0] as Float32Array;
  const all = new Float32Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    all.set(array, at);
    at += array.length;
  }
  return all;
}

/** Most logits of one step, in numbers: an executor holds them all at once. */
export const STEP_LOGITS = 2 ** 23;

export interface StepLimits {
  readonly rows: number;
  readonly outRows: number;
  /** False: rows see those after them, so that no sequence may be cut. */
  readonly causal: boolean;
}

/**
 * Steps in the order in which they must run; attention over pages makes chunks equal to a whole. Rows and wanted rows keep their order.
 * @throws CapacityError for a sequence that may not be cut and does not fit one step
 */
export function splitBatch(sequences: readonly SequenceStep[], limits: StepLimits): readonly (readonly SequenceStep[])[] {
  const rows = sequences.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const outRows = sequences.reduce((sum, { outputs }) => sum + outputs.length, 0);
  if (rows <= limits.rows && outRows <= limits.outRows) return [sequences];
  if (!limits.causal) return groupWhole(sequences, limits);
  const steps: SequenceStep[][] = [];
  let current: SequenceStep[] = [];
  let left = { rows: limits.rows, outRows: limits.outRows };
  const close = () => {
    if (current.length > 0) steps.push(current);
    current = [];
    left = { rows: limits.rows, outRows: limits.outRows };
  };
  for (const sequence of sequences) {
    for (let from = 0; from < sequence.tokens.length; ) {
      const to = reach(sequence, from, left);
      if (to === from) {
        close();
        continue;
      }
      const outputs = sequence.outputs.filter((at) => at >= from && at < to).map((at) => at - from);
      const tokens = Array.from({ length: to - from }, (_, i) => sequence.tokens[from + i] as number);
      if (sequence.slots !== undefined && tokens.length < sequence.tokens.length)
        throw new Error(`run: a sequence with slots cannot be cut: ${sequence.tokens.length} rows, at most ${limits.rows} fit`);
      const { pages, slots, memory, shift } = sequence;
      current.push({ tokens, start: sequence.start + from, pages, slots, memory, outputs, shift });
      left = { rows: left.rows - tokens.length, outRows: left.outRows - outputs.length };
      from = to;
      if (from < sequence.tokens.length) close();
    }
  }
  close();
  return steps;
}

/** As many sequences as fit into each step, none of them cut. */
function groupWhole(sequences: readonly SequenceStep[], limits: StepLimits): readonly (readonly SequenceStep[])[] {
  const steps: SequenceStep[][] = [];
  let left = { rows: 0, outRows: 0 };
  for (const sequence of sequences) {
    const [rows, outRows] = [sequence.tokens.length, sequence.outputs.length];
    if (rows > limits.rows || outRows > limits.outRows) {
      throw new CapacityError(
        'This model attends in both directions, so that the tokens of a sequence go into one step: ' +
        `${rows} tokens with ${outRows} rows of results ` +
          `were asked for, and a step holds ${limits.rows} and ${limits.outRows}. Ask for fewer at a time.`,
      );
    }
    if (rows > left.rows || outRows > left.outRows) {
      steps.push([]);
      left = { rows: limits.rows, outRows: limits.outRows };
    }
    steps.at(-1)?.push(sequence);
    left = { rows: left.rows - rows, outRows: left.outRows - outRows };
  }
  return steps;
}

/** How far a step reaches into a sequence. */
function reach({ tokens, outputs }: SequenceStep, from: number, left: Omit<StepLimits, 'causal'>): number {
  const byRows = Math.min(tokens.length, from + left.rows);
  // The first wanted row that would be one too many.
  const beyond = outputs.filter((at) => at >= from)[left.outRows];
  return beyond === undefined ? byRows : Math.min(byRows, beyond);
}
