import type { GroupNormOp } from '../../graph/ops/group-norm.ts';
import type { RunOp } from '../op-run.ts';

export const runGroupNorm: RunOp<GroupNormOp> = ({ groups, eps, weight, bias }, [xValue, styleValue], run) => {
  const x = run.floats(xValue);
  const channels = xValue?.shape[1] as number;
  const style = styleValue && run.floats(styleValue);
  const gains = style?.subarray(0, channels) ?? (weight && run.decoded(weight.id));
  const biases = style?.subarray(channels) ?? (bias && run.decoded(bias.id));
  const width = channels / groups;
  const values = (x.length / channels) * width;
  const y = new Float64Array(x.length);
  for (let first = 0; first < channels; first += width) {
    let [sum, squares] = [0, 0];
    for (let row = first; row < x.length; row += channels) for (let at = row; at < row + width; at++) sum += x[at]!;
    const mean = sum / values;
    for (let row = first; row < x.length; row += channels) for (let at = row; at < row + width; at++) squares += (x[at]! - mean) ** 2;
    const root = Math.sqrt(squares / values + eps);
    for (let row = first; row < x.length; row += channels) {
      for (let at = row; at < row + width; at++) {
        const c = at % channels;
        y[at] = ((gains?.[c] ?? 1) * (x[at]! - mean)) / root + (biases?.[c] ?? 0);
      }
    }
  }
  return y;
};
