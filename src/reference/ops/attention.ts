import type { AttentionOp } from '../../graph/ops/attention.ts';
import type { KvReader, RunOp } from '../op-run.ts';

/** Heads and widths of an attention, and the factor of its scores. */
export interface AttendShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly keyDim: number;
  readonly valueDim: number;
  readonly scale: number;
}

/** One query row [heads * keyDim] over the keys of positions 0..last -> [heads * valueDim]. */
export function attendRow(q: Float64Array, last: number, read: KvReader, shape: AttendShape): Float64Array {
  const { heads, kvHeads, keyDim, valueDim, scale } = shape;
  const y = new Float64Array(heads * valueDim);
  for (let head = 0; head < heads; head++) {
    const kvHead = Math.floor(head / (heads / kvHeads));
    const scores = Array.from({ length: last + 1 }, (_, position) => {
      const k = read(0, position);
      let dot = 0;
      for (let i = 0; i < keyDim; i++) dot += q[head * keyDim + i]! * k[kvHead * keyDim + i]!;
      return dot * scale;
    });
    const highest = scores.reduce((a, b) => Math.max(a, b), -Infinity);
    const weights = scores.map((score) => Math.exp(score - highest));
    const total = weights.reduce((a, b) => a + b, 0);
    weights.forEach((weight, position) => {
      const v = read(1, position);
      for (let i = 0; i < valueDim; i++) y[head * valueDim + i]! += (weight / total) * v[kvHead * valueDim + i]!;
    });
  }
  return y;
}

export const runAttention: RunOp<AttentionOp> = (op, [qValue, kValue, vValue], run) => {
  const { heads: kvHeads, keyDim, valueDim } = op.state;
  const [q, k, v] = [run.floats(qValue), run.floats(kValue), run.floats(vValue)];
  const rowOf = (values: Float64Array, row: number, width: number) => values.subarray(row * width, (row + 1) * width);
  const shape: AttendShape = { heads: op.heads, kvHeads, keyDim, valueDim, scale: op.scale };
  const out = new Float64Array((q.length / keyDim) * valueDim);
  let row = 0;
  for (const sequence of run.sequences) {
    const at = run.stored(op.state, sequence);
    for (let i = 0; i < sequence.tokens.length; i++, row++) {
      const position = sequence.start + i;
      at(0, position).set(run.asStored(rowOf(k, row, kvHeads * keyDim)));
      at(1, position).set(run.asStored(rowOf(v, row, kvHeads * valueDim)));
      out.set(attendRow(rowOf(q, row, op.heads * keyDim), position, at, shape), row * op.heads * valueDim);
    }
  }
  return out;
};
