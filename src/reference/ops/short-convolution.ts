import type { ShortConvolutionOp } from '../../graph/ops/short-convolution.ts';
import type { SlotPlace } from '../../graph/executor.ts';
import type { RunOp } from '../op-run.ts';

export const runShortConvolution: RunOp<ShortConvolutionOp> = ({ weight, bias, state }, [xValue], run) => {
  const [channels, width] = weight.shape as [number, number];
  const [x, weights, biases] = [run.floats(xValue), run.decoded(weight.id), bias && run.decoded(bias.id)];
  const y = new Float64Array(x.length);
  let firstRow = 0;
  for (const { rows, slots } of run.sequences) {
    const { read, write } = slots as SlotPlace;
    const before = run.slotOf(state, read).slice();
    /** The input of a channel at time t, which is negative before the rows. */
    const input = (t: number, c: number) => (t < 0 ? before[(width - 1 + t) * channels + c]! : x[(firstRow + t) * channels + c]!);
    for (let t = 0; t < rows; t++) {
      for (let c = 0; c < channels; c++) {
        let sum = biases?.[c] ?? 0;
        for (let j = 0; j < width; j++) sum += weights[c * width + j]! * input(t - (width - 1) + j, c);
        y[(firstRow + t) * channels + c] = sum;
      }
    }
    const after = run.slotOf(state, write);
    for (let s = 0; s < width - 1; s++) {
      for (let c = 0; c < channels; c++) after[s * channels + c] = Math.fround(input(rows - (width - 1) + s, c));
    }
    firstRow += rows;
  }
  return y;
};
