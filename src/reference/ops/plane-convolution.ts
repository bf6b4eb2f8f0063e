import type { PlaneConvolutionOp } from '../../graph/ops/plane-convolution.ts';
import type { RunOp } from '../op-run.ts';

export const runPlaneConvolution: RunOp<PlaneConvolutionOp> = (op, [xValue], run) => {
  const { taps, stride, before, bins, outBins, weight, bias } = op;
  const x = run.floats(xValue);
  const from = xValue?.shape[1] as number;
  const channels = weight.shape[1] as number;
  const rows = x.length / (bins * from);
  const [weights, biases] = [run.decoded(weight.id), bias && run.decoded(bias.id)];
  const y = new Float64Array(run.size(op.cells) * channels);
  for (let at = 0; at < y.length; at++) {
    const [cell, c] = [Math.floor(at / channels), at % channels];
    const [t, b] = [Math.floor(cell / outBins), cell % outBins];
    let sum = biases?.[c] ?? 0;
    for (let i = 0; i < taps; i++) {
      for (let j = 0; j < taps; j++) {
        const [row, bin] = [t * stride + i - before, b * stride + j - before];
        if (row < 0 || row >= rows || bin < 0 || bin >= bins) continue;
        sum += weights[(i * taps + j) * channels + c]! * x[(row * bins + bin) * from + Math.floor(c / (channels / from))]!;
      }
    }
    y[at] = sum;
  }
  return y;
};
