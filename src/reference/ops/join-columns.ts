import type { JoinColumnsOp } from '../../graph/ops/join-columns.ts';
import { widthOf } from '../../graph/value.ts';
import type { Value } from '../../graph/value.ts';
import type { RunOp } from '../op-run.ts';

export const runJoinColumns: RunOp<JoinColumnsOp> = (_, [a, b], run) => {
  const [left, right] = [run.floats(a), run.floats(b)];
  const [n, m] = [widthOf(a as Value), widthOf(b as Value)];
  const y = new Float64Array(left.length + right.length);
  for (let row = 0; row * (n + m) < y.length; row++) {
    y.set(left.subarray(row * n, (row + 1) * n), row * (n + m));
    y.set(right.subarray(row * m, (row + 1) * m), row * (n + m) + n);
  }
  return y;
};
