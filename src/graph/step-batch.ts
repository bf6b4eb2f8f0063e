/** What every executor does with a batch before it runs: checks it, and cuts it into steps that fit the memory of activations. */
import { CapacityError, InputError } from '../tensor/errors.ts';
import type { SequenceStep } from './executor.ts';
import type { Graph } from './graph.ts';

export interface SequenceLimits {
  /** Token ids are below this. */
  readonly tokenLimit: number;
  readonly pageTokens: number;
  /** Pages that exist. */
  readonly pages: number;
}

/** Rows of the smallest embedding table that tokens are looked up in. */
export function tokenLimitOf(graph: Graph): number {
  const tables = graph.nodes.map(({ op }) => (op.kind === 'embed' ? (op.weight.shape[0] as number) : Infinity));
  return Math.min(...tables);
}

/** @throws InputError for tokens that cannot be meant; Error where pages or outputs do not fit the tokens, which is the engine's mistake */
export function checkSequences(sequences: readonly SequenceStep[], limits: SequenceLimits): void {
  if (sequences.length === 0) throw new InputError('A step needs at least one sequence.');
  for (const { tokens, start, pages, outputs } of sequences) {
    checkTokens(tokens, limits.tokenLimit);
    checkPages(pages, start + tokens.length, limits);
    if (outputs.some((at, i) => !(at >= 0 && at < tokens.length) || (i > 0 && at <= (outputs[i - 1] as number)))) {
      throw new Error(`run: outputs must rise from 0 to ${tokens.length - 1}, found ${outputs.join(', ')}`);
    }
  }
}

export function checkTokens(tokens: ArrayLike<number>, tokenLimit: number): void {
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as number;
    if (!(Number.isInteger(token) && token >= 0 && token < tokenLimit)) {
      throw new InputError(`Token ids must be whole numbers from 0 to ${tokenLimit - 1}, found ${token} at index ${i}.`);
    }
  }
}

/** @throws Error where `table` does not name existing pages for positions up to `end` */
export function checkPages(table: ArrayLike<number>, end: number, { pageTokens, pages }: Pick<SequenceLimits, 'pageTokens' | 'pages'>): void {
  const used = Math.ceil(end / pageTokens);
  for (let i = 0; i < used; i++) {
    const page = table[i];
    if (page === undefined || !(page >= 0 && page < pages)) {
      throw new Error(`run: positions up to ${end} need ${used} pages out of ${pages}, found ${page} as page ${i}`);
    }
  }
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
      current.push({ tokens, start: sequence.start + from, pages: sequence.pages, outputs });
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
        `This model attends in both directions, so that the tokens of a sequence go into one step: ${rows} tokens with ${outRows} rows of logits ` +
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
