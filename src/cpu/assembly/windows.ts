/** Rows put side by side, the convolution of every channel over them, and the way back: rows taken apart and added up. */
import { itemsPerTake, takeItems } from './control';
import { addRow } from './elementwise';
import { madd } from './float-math';
import { ChannelConvolutionRecord, OverlapAddRecord, WindowsRecord } from './sound-records';
import { rowsOf, StepRecord } from './step-records';

export function runWindows(control: usize, op: WindowsRecord, step: StepRecord): void {
  const frames = rowsOf(op, step);
  const rows = load<i32>(step.sizes + <usize>(op.rows * 4));
  const take = itemsPerTake(control, frames);
  for (let first = takeItems(control, take); first < frames; first = takeItems(control, take)) {
    for (let t = first; t < min(first + take, frames); t++) window(op, t, rows);
  }
}

function window(op: WindowsRecord, t: i32, rows: i32): void {
  const rowBytes = <usize>op.channels * 4;
  const first = t * op.stride - op.before;
  let out = op.out + <usize>t * op.outStride;
  // Rows of x lie one after another: where all taps are there, so do those of a window.
  if (op.dilation == 1 && first >= 0 && first + op.taps <= rows && op.xStride == rowBytes) {
    memory.copy(out, op.x + <usize>first * rowBytes, <usize>op.taps * rowBytes);
    return;
  }
  for (let j = 0; j < op.taps; j++) {
    const row = first + j * op.dilation;
    if (row >= 0 && row < rows) memory.copy(out, op.x + <usize>row * op.xStride, rowBytes);
    else memory.fill(out, 0, rowBytes);
    out += rowBytes;
  }
}

/** Channels of a work item; cpu/ops/channel-convolution.ts reckons the scratch by it. */
const CHANNELS_PER_ITEM: i32 = 64;
const TAP_BYTES: usize = 256;
/** Rows of a work item: enough that putting the weights tap by tap is nothing beside them. */
const FRAMES_PER_ITEM: i32 = 64;

export function runChannelConvolution(control: usize, op: ChannelConvolutionRecord, step: StepRecord, scratch: usize): void {
  const frames = rowsOf(op, step);
  const rows = load<i32>(step.sizes + <usize>(op.rows * 4));
  const blocks = (op.channels + CHANNELS_PER_ITEM - 1) / CHANNELS_PER_ITEM;
  const items = blocks * ((frames + FRAMES_PER_ITEM - 1) / FRAMES_PER_ITEM);
  for (let item = takeItems(control, 1); item < items; item = takeItems(control, 1)) {
    const first = (item % blocks) * CHANNELS_PER_ITEM;
    const count = min(CHANNELS_PER_ITEM, op.channels - first);
    takeWeights(op, first, count, scratch);
    const from = (item / blocks) * FRAMES_PER_ITEM;
    for (let t = from; t < min(from + FRAMES_PER_ITEM, frames); t++) convolveRow(op, t, rows, first, count, scratch);
  }
}

/** Weights of channels [first, first + count), tap by tap. */
function takeWeights(op: ChannelConvolutionRecord, first: i32, count: i32, taps: usize): void {
  for (let c = 0; c < count; c++) {
    const weights = op.weight + <usize>((first + c) * op.taps) * 4;
    for (let j = 0; j < op.taps; j++) store<f32>(taps + <usize>j * TAP_BYTES + <usize>c * 4, load<f32>(weights + <usize>j * 4));
  }
}

function convolveRow(op: ChannelConvolutionRecord, t: i32, rows: i32, first: i32, count: i32, taps: usize): void {
  const out = op.out + <usize>t * op.outStride + <usize>first * 4;
  const bias = op.bias ? op.bias + <usize>first * 4 : 0;
  const x = op.x + <usize>first * 4;
  const start = t * op.stride - op.before;
  let c = 0;
  for (; c + 4 <= count; c += 4) {
    const at = <usize>c * 4;
    let sum = bias ? v128.load(bias + at) : f32x4.splat(0);
    for (let j = 0; j < op.taps; j++) {
      const row = start + j * op.dilation;
      if (row >= 0 && row < rows) sum = madd(v128.load(taps + <usize>j * TAP_BYTES + at), v128.load(x + <usize>row * op.xStride + at), sum);
    }
    v128.store(out + at, sum);
  }
  for (; c < count; c++) {
    const at = <usize>c * 4;
    let sum: f32 = bias ? load<f32>(bias + at) : 0;
    for (let j = 0; j < op.taps; j++) {
      const row = start + j * op.dilation;
      if (row >= 0 && row < rows) sum += load<f32>(taps + <usize>j * TAP_BYTES + at) * load<f32>(x + <usize>row * op.xStride + at);
    }
    store<f32>(out + at, sum);
  }
}

/** The sums of what rows of x have for each row of the result. */
export function runOverlapAdd(control: usize, op: OverlapAddRecord, step: StepRecord): void {
  const frames = rowsOf(op, step);
  const rows = load<i32>(step.sizes + <usize>(op.rows * 4));
  const take = itemsPerTake(control, frames);
  const partBytes = <usize>op.channels * 4;
  for (let first = takeItems(control, take); first < frames; first = takeItems(control, take)) {
    for (let t = first; t < min(first + take, frames); t++) {
      const out = op.out + <usize>t * op.outStride;
      if (op.bias) memory.copy(out, op.bias, partBytes);
      else memory.fill(out, 0, partBytes);
      for (let j = 0; j < op.taps; j++) {
        const at = t + op.before - j * op.dilation;
        if (at < 0 || at % op.stride != 0 || at / op.stride >= rows) continue;
        addRow(out, op.x + <usize>(at / op.stride) * op.xStride + <usize>j * partBytes, out, op.channels);
      }
    }
  }
}
