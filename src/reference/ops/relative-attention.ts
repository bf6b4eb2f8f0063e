import type { RelativeAttentionOp } from '../../graph/ops/relative-attention.ts';
import type { RunOp } from '../op-run.ts';

export interface RelativeShape extends Pick<RelativeAttentionOp, 'heads' | 'headDim' | 'scale'> {
  /** [heads, headDim] each. */
  readonly contentBias: ArrayLike<number>;
  readonly positionBias: ArrayLike<number>;
}

/** q, k, v [rows, heads * headDim], p [2 * rows - 1, heads * headDim] -> [rows, heads * headDim]. */
export function relativeAttend(
  [q, k, v, p]: readonly [Float64Array, Float64Array, Float64Array, Float64Array],
  { heads, headDim, scale, contentBias, positionBias }: RelativeShape,
): Float64Array {
  const width = heads * headDim;
  const rows = q.length / width;
  const y = new Float64Array(q.length);
  for (let i = 0; i < rows; i++) {
    for (let head = 0; head < heads; head++) {
      const scores = Array.from({ length: rows }, (_, j) => {
        let sum = 0;
        for (let d = head * headDim; d < (head + 1) * headDim; d++) {
          sum += (q[i * width + d]! + contentBias[d]!) * k[j * width + d]!;
          sum += (q[i * width + d]! + positionBias[d]!) * p[(rows - 1 - i + j) * width + d]!;
        }
        return sum * scale;
      });
      const highest = scores.reduce((a, b) => Math.max(a, b), -Infinity);
      const weights = scores.map((score) => Math.exp(score - highest));
      const total = weights.reduce((a, b) => a + b, 0);
      for (let d = head * headDim; d < (head + 1) * headDim; d++)
        y[i * width + d] = weights.reduce((sum, weight, j) => sum + (weight / total) * v[j * width + d]!, 0);
    }
  }
  return y;
}

export const runRelativeAttention: RunOp<RelativeAttentionOp> = (op, [q, k, v, p], run) => {
  const { heads, headDim, scale, contentBias, positionBias } = op;
  const shape = { heads, headDim, scale, contentBias: run.decoded(contentBias.id), positionBias: run.decoded(positionBias.id) };
  return relativeAttend([run.floats(q), run.floats(k), run.floats(v), run.floats(p)], shape);
};
