import type { GatherRowsOp } from '../../graph/ops/gather-rows.ts';
import { widthOf } from '../../graph/value.ts';
import type { Value } from '../../graph/value.ts';
import type { RunOp } from '../op-run.ts';

export const runGatherRows: RunOp<GatherRowsOp> = (_, [from, indices], run) => {
  const width = widthOf(from as Value);
  const x = run.floats(from);
  const rows = run.ints(indices);
  const out = new Float64Array(rows.length * width);
  rows.forEach((row, i) => out.set(x.subarray(row * width, (row + 1) * width), i * width));
  return out;
};
