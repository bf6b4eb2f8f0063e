/**
 * Each channel over its last few values. A work item is a block of channels of one sequence: it goes through the rows one after another,
 * then leaves the last inputs in the slot, which may be the one that it has read. The inputs that a row sees lie in a ring of `width` rows
 * in scratch, the weights beside them in rows of taps, so that four channels are computed at a time.
 */
import { activationRow } from './activation';
import { takeItems } from './control';
import { madd } from './float-math';
import { SEQUENCE_BYTES, SequenceRecord, ShortConvolutionRecord, StepRecord } from './step-records';

/** The host reckons the scratch by it (cpu/ops/short-convolution.ts). */
const CHANNELS_PER_ITEM: i32 = 64;
const ROW_BYTES: usize = 256;

export function runShortConvolution(control: usize, op: ShortConvolutionRecord, step: StepRecord, scratch: usize): void {
  const blocks = (op.channels + CHANNELS_PER_ITEM - 1) / CHANNELS_PER_ITEM;
  const items = step.sequenceCount * blocks;
  for (let item = takeItems(control, 1); item < items; item = takeItems(control, 1)) {
    const sequence = changetype<SequenceRecord>(step.sequences + <usize>(item / blocks) * SEQUENCE_BYTES);
    const first = (item % blocks) * CHANNELS_PER_ITEM;
    convolve(op, sequence, first, min(CHANNELS_PER_ITEM, op.channels - first), scratch);
  }
}

/** Channels [first, first + count). Scratch: f32[width, 64] of weights, f32[width, 64] of inputs. */
function convolve(op: ShortConvolutionRecord, sequence: SequenceRecord, first: i32, count: i32, taps: usize): void {
  const width = op.width;
  const ring = taps + <usize>width * ROW_BYTES;
  for (let c = 0; c < count; c++) {
    const weights = op.weight + <usize>((first + c) * width) * 4;
    for (let j = 0; j < width; j++) store<f32>(taps + <usize>j * ROW_BYTES + <usize>c * 4, load<f32>(weights + <usize>j * 4));
  }
  const slotRow = <usize>op.channels * 4;
  const inSlot = op.stateOffset + <usize>first * 4;
  for (let s = 0; s < width - 1; s++)
    memory.copy(ring + <usize>s * ROW_BYTES, sequence.read + inSlot + <usize>s * slotRow, <usize>count * 4);
  // Where the next row's input goes: into the place of the oldest one.
  let next = width - 1;
  for (let t = 0; t < sequence.rows; t++) {
    const row = sequence.firstRow + t;
    takeInputs(op, row, first, count, ring + <usize>next * ROW_BYTES);
    next = after(next, width);
    convolveRow(op, row, first, count, taps, ring, next);
  }
  for (let s = 0; s < width - 1; s++) {
    next = after(next, width);
    memory.copy(sequence.write + inSlot + <usize>s * slotRow, ring + <usize>next * ROW_BYTES, <usize>count * 4);
  }
}

/** The row of a ring behind another. */
// @ts-ignore: decorator
@inline
function after(row: i32, width: i32): i32 {
  return row + 1 == width ? 0 : row + 1;
}

/** What the convolution reads of a row: its values, or products of two parts of them. */
function takeInputs(op: ShortConvolutionRecord, row: i32, first: i32, count: i32, to: usize): void {
  const x = op.x + <usize>row * op.xStride + <usize>first * 4;
  if (!op.gated) return memory.copy(to, x, <usize>count * 4);
  const before = x + <usize>op.before * 4;
  const inner = x + <usize>op.inner * 4;
  let c = 0;
  for (; c + 4 <= count; c += 4) {
    const at = <usize>c * 4;
    v128.store(to + at, f32x4.mul(v128.load(before + at), v128.load(inner + at)));
  }
  for (; c < count; c++) {
    const at = <usize>c * 4;
    store<f32>(to + at, load<f32>(before + at) * load<f32>(inner + at));
  }
}

/** `oldest`: the row of the ring that the first tap is for. */
function convolveRow(op: ShortConvolutionRecord, row: i32, first: i32, count: i32, taps: usize, ring: usize, oldest: i32): void {
  const out = op.out + <usize>row * op.outStride + <usize>first * 4;
  const bias = op.bias ? op.bias + <usize>first * 4 : 0;
  const gate = op.gated ? op.x + <usize>row * op.xStride + <usize>(first + op.after) * 4 : 0;
  let c = 0;
  for (; c + 4 <= count; c += 4) {
    const at = <usize>c * 4;
    let sum = bias ? v128.load(bias + at) : f32x4.splat(0);
    let from = oldest;
    for (let j = 0; j < op.width; j++) {
      sum = madd(v128.load(taps + <usize>j * ROW_BYTES + at), v128.load(ring + <usize>from * ROW_BYTES + at), sum);
      from = after(from, op.width);
    }
    v128.store(out + at, gate ? f32x4.mul(sum, v128.load(gate + at)) : sum);
  }
  for (; c < count; c++) {
    const at = <usize>c * 4;
    let sum: f32 = bias ? load<f32>(bias + at) : 0;
    let from = oldest;
    for (let j = 0; j < op.width; j++) {
      sum += load<f32>(taps + <usize>j * ROW_BYTES + at) * load<f32>(ring + <usize>from * ROW_BYTES + at);
      from = after(from, op.width);
    }
    store<f32>(out + at, gate ? sum * load<f32>(gate + at) : sum);
  }
  if (op.fn >= 0) activationRow(op.fn, out, 0, out, count);
}
