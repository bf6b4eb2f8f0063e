import type { OverlapAddOp } from '../../graph/ops/overlap-add.ts';
import type { RunOp } from '../op-run.ts';

export const runOverlapAdd: RunOp<OverlapAddOp> = ({ taps, stride, dilation, before, frames, bias }, [xValue], run) => {
  const x = run.floats(xValue);
  const width = xValue?.shape[1] as number;
  const channels = width / taps;
  const biases = bias && run.decoded(bias.id);
  const count = run.size(frames);
  const y = Float64Array.from({ length: count * channels }, (_, i) => biases?.[i % channels] ?? 0);
  for (let s = 0; s < x.length / width; s++) {
    for (let j = 0; j < taps; j++) {
      const t = s * stride + j * dilation - before;
      if (t < 0 || t >= count) continue;
      for (let c = 0; c < channels; c++) y[t * channels + c] = y[t * channels + c]! + x[s * width + j * channels + c]!;
    }
  }
  return y;
};
