/** A convolution over rows and bins of every channel by itself. A work item is some cells of the result, with all their channels. */
import { itemsPerTake, takeItems } from './control';
import { madd } from './float-math';
import { PlaneConvolutionRecord } from './sound-records';
import { rowsOf, StepRecord } from './step-records';

export function runPlaneConvolution(control: usize, op: PlaneConvolutionRecord, step: StepRecord): void {
  const cells = rowsOf(op, step);
  const rows = load<i32>(step.sizes + <usize>(op.cells * 4)) / op.bins;
  const take = itemsPerTake(control, cells);
  for (let first = takeItems(control, take); first < cells; first = takeItems(control, take)) {
    for (let cell = first; cell < min(first + take, cells); cell++) convolveCell(op, cell, rows);
  }
}

/** A tap at a time, so that the channels of x are read as they lie. */
function convolveCell(op: PlaneConvolutionRecord, cell: i32, rows: i32): void {
  const out = op.out + <usize>cell * op.outStride;
  const row = (cell / op.outBins) * op.stride - op.before;
  const bin = (cell % op.outBins) * op.stride - op.before;
  if (op.bias) memory.copy(out, op.bias, <usize>op.channels * 4);
  else memory.fill(out, 0, <usize>op.channels * 4);
  for (let i = 0; i < op.taps; i++) {
    if (row + i < 0 || row + i >= rows) continue;
    for (let j = 0; j < op.taps; j++) {
      if (bin + j < 0 || bin + j >= op.bins) continue;
      const x = op.x + <usize>((row + i) * op.bins + bin + j) * op.xStride;
      addTap(op, x, op.weight + <usize>((i * op.taps + j) * op.channels) * 4, out);
    }
  }
}

/** out[c] += weights[c] * x[c / (channels / from)]. */
function addTap(op: PlaneConvolutionRecord, x: usize, weights: usize, out: usize): void {
  const each = op.channels / op.from;
  let c = 0;
  if (each == 1) {
    for (; c + 4 <= op.channels; c += 4) {
      const at = <usize>c * 4;
      v128.store(out + at, madd(v128.load(weights + at), v128.load(x + at), v128.load(out + at)));
    }
  } else if (op.from == 1) {
    const value = v128.load32_splat(x);
    for (; c + 4 <= op.channels; c += 4) {
      const at = <usize>c * 4;
      v128.store(out + at, madd(v128.load(weights + at), value, v128.load(out + at)));
    }
  }
  for (; c < op.channels; c++) {
    const at = <usize>c * 4;
    store<f32>(out + at, load<f32>(out + at) + load<f32>(weights + at) * load<f32>(x + <usize>(c / each) * 4));
  }
}
