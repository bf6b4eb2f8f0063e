import type { RmsNormOp } from '../../graph/ops/rms-norm.ts';
import { widthOf } from '../../graph/value.ts';
import type { Value } from '../../graph/value.ts';
import type { RunOp } from '../op-run.ts';

/** x [rows, groups * n], gain [n]. */
export function rmsNorm(x: Float64Array, gain: Float32Array, { eps }: Pick<RmsNormOp, 'eps'>): Float64Array {
  const n = gain.length;
  const y = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += n) {
    let squares = 0;
    for (let i = 0; i < n; i++) squares += x[start + i]! * x[start + i]!;
    const factor = 1 / Math.sqrt(squares / n + eps);
    for (let i = 0; i < n; i++) y[start + i] = x[start + i]! * factor * gain[i]!;
  }
  return y;
}

export const runRmsNorm: RunOp<RmsNormOp> = (op, [x], run) => {
  const gain = op.weight === undefined ? new Float32Array(widthOf(x as Value) / op.groups).fill(1) : run.decoded(op.weight.id);
  return rmsNorm(run.floats(x), gain, op);
};
