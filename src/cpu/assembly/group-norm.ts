/** Norms of groups of channels over all rows (Wu and He 2018). A work item is some groups that lie together. */
import { takeItems } from './control';
import { madd, sumLanes } from './float-math';
import { sumOf } from './norm';
import { GroupNormRecord } from './sound-records';
import { rowsOf, StepRecord } from './step-records';

/** Groups of a work item, so that narrow ones share the cache lines of a row; cpu/ops/group-norm.ts reckons the scratch by it. */
const GROUPS_PER_ITEM: i32 = 16;

export function runGroupNorm(control: usize, op: GroupNormRecord, step: StepRecord, scratch: usize): void {
  const rows = rowsOf(op, step);
  const each = min(GROUPS_PER_ITEM, (GROUPS_PER_ITEM + op.width - 1) / op.width);
  const items = (op.groups + each - 1) / each;
  for (let item = takeItems(control, 1); item < items; item = takeItems(control, 1)) {
    const first = item * each;
    const groups = min(each, op.groups - first);
    if (op.width == 1 && groups % 4 == 0) normChannels(op, rows, first, groups);
    else normGroups(op, rows, first, groups, scratch);
  }
}

/** Scratch: f64 of each group, its sum and then its mean; then f64 of each, its squares and then its factor. */
function normGroups(op: GroupNormRecord, rows: i32, first: i32, groups: i32, means: usize): void {
  const factors = means + <usize>(GROUPS_PER_ITEM * 8);
  const groupBytes = <usize>(op.width * 4);
  const begin = <usize>first * groupBytes;
  const values = <f64>rows * <f64>op.width;
  memory.fill(means, 0, <usize>(GROUPS_PER_ITEM * 16));
  for (let row = 0; row < rows; row++) {
    const x = op.x + <usize>row * op.xStride + begin;
    for (let g: usize = 0; g < <usize>groups; g++) addTo(means + g * 8, sumOf(x + g * groupBytes, op.width));
  }
  for (let g: usize = 0; g < <usize>groups; g++) store<f64>(means + g * 8, load<f64>(means + g * 8) / values);
  // The mean is taken off before the squares, so that they keep their precision where it is large.
  for (let row = 0; row < rows; row++) {
    const x = op.x + <usize>row * op.xStride + begin;
    for (let g: usize = 0; g < <usize>groups; g++)
      addTo(factors + g * 8, partSquares(x + g * groupBytes, <f32>load<f64>(means + g * 8), op.width));
  }
  for (let g: usize = 0; g < <usize>groups; g++)
    store<f64>(factors + g * 8, 1 / sqrt<f64>(load<f64>(factors + g * 8) / values + <f64>op.eps));
  for (let row = 0; row < rows; row++) {
    const at = <usize>row;
    for (let g: usize = 0; g < <usize>groups; g++) {
      const within = begin + g * groupBytes;
      const gain = op.gain ? op.gain + within : 0;
      const bias = op.bias ? op.bias + within : 0;
      writePart(
        op.x + at * op.xStride + within, <f32>load<f64>(means + g * 8), <f32>load<f64>(factors + g * 8), gain, bias,
        op.out + at * op.outStride + within, op.width,
      );
    }
  }
}

/** Rows whose sums f32 holds well enough before they join those of all. */
const ROWS_PER_SUM: i32 = 64;

/** Groups of one channel each, four at a time: sums of rows in f32, their totals in f64. */
function normChannels(op: GroupNormRecord, rows: i32, first: i32, channels: i32): void {
  for (let channel = first; channel < first + channels; channel += 4) {
    const within = <usize>channel * 4;
    const mean = channelTotals(op, rows, within, f32x4.splat(0), false);
    const squares = channelTotals(op, rows, within, mean, true);
    const root = f32x4.sqrt(f32x4.add(squares, f32x4.splat(op.eps)));
    let factor = f32x4.div(f32x4.splat(1), root);
    let shift = f32x4.neg(f32x4.mul(mean, factor));
    if (op.gain) {
      const gain = v128.load(op.gain + within);
      factor = f32x4.mul(factor, gain);
      shift = f32x4.sub(v128.load(op.bias + within), f32x4.mul(mean, factor));
    }
    let x = op.x + within;
    let out = op.out + within;
    for (let row = 0; row < rows; row++) {
      v128.store(out, madd(v128.load(x), factor, shift));
      x += op.xStride;
      out += op.outStride;
    }
  }
}

/** The means of four channels, or of the squares of what is left of them. */
function channelTotals(op: GroupNormRecord, rows: i32, within: usize, mean: v128, isSquares: bool): v128 {
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  for (let begin = 0; begin < rows; begin += ROWS_PER_SUM) {
    let sums = f32x4.splat(0);
    let x = op.x + <usize>begin * op.xStride + within;
    for (let row = begin; row < min(begin + ROWS_PER_SUM, rows); row++) {
      const value = f32x4.sub(v128.load(x), mean);
      sums = isSquares ? madd(value, value, sums) : f32x4.add(sums, value);
      x += op.xStride;
    }
    low = f64x2.add(low, f64x2.promote_low_f32x4(sums));
    high = f64x2.add(high, f64x2.promote_low_f32x4(v128.shuffle<i32>(sums, sums, 2, 3, 0, 1)));
  }
  const count = f64x2.splat(<f64>rows);
  const lowMeans = f32x4.demote_f64x2_zero(f64x2.div(low, count));
  const highMeans = f32x4.demote_f64x2_zero(f64x2.div(high, count));
  return v128.shuffle<i32>(lowMeans, highMeans, 0, 1, 4, 5);
}

// @ts-ignore: decorator
@inline
function addTo(sum: usize, part: f32): void {
  store<f64>(sum, load<f64>(sum) + <f64>part);
}

function partSquares(x: usize, mean: f32, count: i32): f32 {
  const means = f32x4.splat(mean);
  let sums = f32x4.splat(0);
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const value = f32x4.sub(v128.load(x + <usize>(i * 4)), means);
    sums = f32x4.add(sums, f32x4.mul(value, value));
  }
  let sum = sumLanes(sums);
  for (; i < count; i++) {
    const value = load<f32>(x + <usize>(i * 4)) - mean;
    sum += value * value;
  }
  return sum;
}

/** out[i] = (x[i] - mean) * factor * gain[i] + bias[i]; gain 0: neither. */
function writePart(x: usize, mean: f32, factor: f32, gain: usize, bias: usize, out: usize, count: i32): void {
  const means = f32x4.splat(mean);
  const factors = f32x4.splat(factor);
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const at = <usize>(i * 4);
    const value = f32x4.mul(f32x4.sub(v128.load(x + at), means), factors);
    v128.store(out + at, gain ? f32x4.add(f32x4.mul(value, v128.load(gain + at)), v128.load(bias + at)) : value);
  }
  for (; i < count; i++) {
    const at = <usize>(i * 4);
    const value = (load<f32>(x + at) - mean) * factor;
    store<f32>(out + at, gain ? value * load<f32>(gain + at) + load<f32>(bias + at) : value);
  }
}
