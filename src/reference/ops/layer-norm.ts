import type { LayerNormOp } from '../../graph/ops/layer-norm.ts';
import type { RunOp } from '../op-run.ts';

/** x [rows, n], gain [n], bias [n]. */
export function layerNorm(x: Float64Array, gain: Float32Array, bias: Float32Array | undefined, eps: number): Float64Array {
  const n = gain.length;
  const y = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += n) {
    const row = x.subarray(start, start + n);
    const mean = row.reduce((sum, value) => sum + value, 0) / n;
    const factor = 1 / Math.sqrt(row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / n + eps);
    for (let i = 0; i < n; i++) y[start + i] = (row[i]! - mean) * factor * gain[i]! + (bias?.[i] ?? 0);
  }
  return y;
}

export const runLayerNorm: RunOp<LayerNormOp> = ({ weight, bias, eps }, [x], run) =>
  layerNorm(run.floats(x), run.decoded(weight.id), bias && run.decoded(bias.id), eps);
