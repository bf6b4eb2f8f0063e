import type { ChannelConvolutionOp } from '../../graph/ops/channel-convolution.ts';
import type { RunOp } from '../op-run.ts';
import { windowsOf } from './windows.ts';

export const runChannelConvolution: RunOp<ChannelConvolutionOp> = (op, [x], run) => {
  const { taps, weight, bias } = op;
  const channels = weight.shape[0] as number;
  const frames = run.size(op.frames);
  const rows = windowsOf(run.floats(x), channels, frames, op);
  const [weights, biases] = [run.decoded(weight.id), bias && run.decoded(bias.id)];
  const y = new Float64Array(frames * channels);
  for (let i = 0; i < y.length; i++) {
    const [t, c] = [Math.floor(i / channels), i % channels];
    let sum = biases?.[c] ?? 0;
    for (let j = 0; j < taps; j++) sum += weights[c * taps + j]! * rows[(t * taps + j) * channels + c]!;
    y[i] = sum;
  }
  return y;
};
