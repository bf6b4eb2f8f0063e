import type { LinearOp } from '../../graph/ops/linear.ts';
import { roundedValues } from '../../tensor/codec/round-activations.ts';
import { takesInt8 } from '../../tensor/formats/weight-formats.ts';
import type { RunOp } from '../op-run.ts';

/** x [rows, cols], weight [out, cols], bias [out] -> [rows, out]. */
export function linear(x: Float64Array, weight: Float32Array, cols: number, bias?: Float32Array): Float64Array {
  const out = weight.length / cols;
  const rows = x.length / cols;
  const y = new Float64Array(rows * out);
  for (let row = 0; row < rows; row++) {
    for (let o = 0; o < out; o++) {
      let sum = bias === undefined ? 0 : bias[o]!;
      for (let i = 0, a = row * cols, b = o * cols; i < cols; i++) sum += x[a + i]! * weight[b + i]!;
      y[row * out + o] = sum;
    }
  }
  return y;
}

export const runLinear: RunOp<LinearOp> = ({ weight, bias }, [input], run) => {
  const { source } = run.weight(weight.id);
  const cols = source.shape[1] as number;
  const x = run.floats(input);
  const rounded = run.roundingBlock !== undefined && takesInt8(source.type) ? roundedValues(x, run.roundingBlock) : x;
  return linear(rounded, run.decoded(weight.id), cols, bias === undefined ? undefined : run.decoded(bias.id));
};
