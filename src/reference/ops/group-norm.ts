import type { GroupNormOp } from '../../graph/ops/group-norm.ts';
import type { RunOp } from '../op-run.ts';

export const runGroupNorm: RunOp<GroupNormOp> = ({ groups, eps, weight, bias }, [xValue], run) => {
  const x = run.floats(xValue);
  const channels = xValue?.shape[1] as number;
  const [gains, biases] = [weight && run.decoded(weight.id), bias && run.decoded(bias.id)];
  const width = channels / groups;
  const y = new Float64Array(x.length);
  for (let group = 0; group < groups; group++) {
    const places: number[] = [];
    for (let at = 0; at < x.length; at++) if (Math.floor((at % channels) / width) === group) places.push(at);
    const mean = places.reduce((sum, at) => sum + x[at]!, 0) / places.length;
    const variance = places.reduce((sum, at) => sum + (x[at]! - mean) ** 2, 0) / places.length;
    for (const at of places) {
      const c = at % channels;
      y[at] = ((gains?.[c] ?? 1) * (x[at]! - mean)) / Math.sqrt(variance + eps) + (biases?.[c] ?? 0);
    }
  }
  return y;
};
