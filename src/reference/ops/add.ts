import type { AddOp } from '../../graph/ops/add.ts';
import type { RunOp } from '../op-run.ts';

export const runAdd: RunOp<AddOp> = (_, [a, b], run) => {
  const terms = run.floats(b);
  return run.floats(a).map((value, i) => value + terms[i]!);
};
