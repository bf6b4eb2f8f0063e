/** Cuts a batch into steps that fit the memory of activations; attention over pages makes chunks equal to a whole. */
import type { SequenceStep } from '../graph/executor.ts';

export interface StepLimits {
  readonly rows: number;
  readonly outRows: number;
}

/** Steps in the order in which they must run. Rows and wanted rows keep their order. */
export function splitBatch(sequences: readonly SequenceStep[], limits: StepLimits): readonly (readonly SequenceStep[])[] {
  const rows = sequences.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const outRows = sequences.reduce((sum, { outputs }) => sum + outputs.length, 0);
  if (rows <= limits.rows && outRows <= limits.outRows) return [sequences];
  const steps: SequenceStep[][] = [];
  let current: SequenceStep[] = [];
  let left = { ...limits };
  const close = () => {
    if (current.length > 0) steps.push(current);
    current = [];
    left = { ...limits };
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

/** How far a step reaches into a sequence. */
function reach({ tokens, outputs }: SequenceStep, from: number, left: StepLimits): number {
  const byRows = Math.min(tokens.length, from + left.rows);
  // The first wanted row that would be one too many.
  const beyond = outputs.filter((at) => at >= from)[left.outRows];
  return beyond === undefined ? byRows : Math.min(byRows, beyond);
}
