import { axesOf } from '../../graph/ops/rope.ts';
import type { RopeOp } from '../../graph/ops/rope.ts';
import type { RunOp } from '../op-run.ts';

/** x [rows, heads * headDim]; turns dimensions i and i + rotaryDim / 2 of every head by the position of axis i times frequencies[i]. */
export function rope(
  x: Float64Array, positions: Int32Array, { heads, headDim, table }: Omit<RopeOp, 'kind'>, shift?: Int32Array,
): Float64Array {
  const half = table.frequencies.length;
  const { magnitude = 1, axes = [] } = table;
  const perRow = axesOf(table);
  const y = x.slice();
  for (let row = 0; row < positions.length / perRow; row++) {
    for (let head = 0; head < heads; head++) {
      const start = (row * heads + head) * headDim;
      for (let i = 0; i < half; i++) {
        const position = positions[row * perRow + (axes[i] ?? 0)]! + (shift?.[row] ?? 0);
        const angle = position * table.frequencies[i]!;
        const [cos, sin] = [magnitude * Math.cos(angle), magnitude * Math.sin(angle)];
        const [a, b] = [x[start + i]!, x[start + half + i]!];
        y[start + i] = a * cos - b * sin;
        y[start + half + i] = b * cos + a * sin;
      }
    }
  }
  return y;
}

export const runRope: RunOp<RopeOp> = (op, [x, positions, shift], run) =>
  rope(run.floats(x), run.ints(positions), op, shift && run.ints(shift));
