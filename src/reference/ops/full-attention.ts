import type { FullAttentionOp } from '../../graph/ops/full-attention.ts';
import type { RunOp } from '../op-run.ts';
import { attendRow } from './attention.ts';

/** q [rows, heads * keyDim], k [keys, kvHeads * keyDim], v [keys, kvHeads * valueDim] -> [rows, heads * valueDim]. */
export function fullAttention(
  [q, k, v]: readonly [Float64Array, Float64Array, Float64Array],
  shape: Omit<FullAttentionOp, 'kind'>,
): Float64Array {
  const { heads, kvHeads, keyDim, valueDim } = shape;
  const widths = [kvHeads * keyDim, kvHeads * valueDim] as const;
  const read = (part: 0 | 1, row: number) => (part === 0 ? k : v).subarray(row * widths[part], (row + 1) * widths[part]);
  const keys = k.length / widths[0];
  const rows = q.length / (heads * keyDim);
  const y = new Float64Array(rows * heads * valueDim);
  for (let row = 0; row < (keys > 0 ? rows : 0); row++) {
    y.set(
      attendRow(q.subarray(row * heads * keyDim, (row + 1) * heads * keyDim), { first: 0, last: keys - 1 }, read, shape),
      row * heads * valueDim,
    );
  }
  return y;
}

export const runFullAttention: RunOp<FullAttentionOp> = (op, [q, k, v], run) =>
  fullAttention([run.floats(q), run.floats(k), run.floats(v)], op);
