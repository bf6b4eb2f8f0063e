import type { WindowsOp } from '../../graph/ops/windows.ts';
import type { RunOp } from '../op-run.ts';

/** x [rows, channels] -> [frames, taps * channels]. */
export function windowsOf(x: Float64Array, channels: number, frames: number, span: Omit<WindowsOp, 'kind' | 'frames'>): Float64Array {
  const { taps, stride, dilation, before } = span;
  const y = new Float64Array(frames * taps * channels);
  for (let t = 0; t < frames; t++) {
    for (let j = 0; j < taps; j++) {
      const row = t * stride + j * dilation - before;
      if (row < 0 || row >= x.length / channels) continue;
      y.set(x.subarray(row * channels, (row + 1) * channels), (t * taps + j) * channels);
    }
  }
  return y;
}

export const runWindows: RunOp<WindowsOp> = (op, [x], run) => windowsOf(run.floats(x), x?.shape[1] as number, run.size(op.frames), op);
