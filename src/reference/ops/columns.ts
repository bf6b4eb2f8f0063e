import type { ColumnsOp } from '../../graph/ops/columns.ts';
import { widthOf } from '../../graph/value.ts';
import type { Value } from '../../graph/value.ts';
import type { RunOp } from '../op-run.ts';

export const runColumns: RunOp<ColumnsOp> = ({ start, width }, [x], run) => {
  const from = run.floats(x);
  const all = widthOf(x as Value);
  const y = new Float64Array((from.length / all) * width);
  for (let row = 0; row * width < y.length; row++) y.set(from.subarray(row * all + start, row * all + start + width), row * width);
  return y;
};
