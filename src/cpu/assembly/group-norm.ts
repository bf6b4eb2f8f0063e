/** Norms of groups of channels over all rows (Wu and He 2018). A work item is some groups that lie together. */
import { takeItems } from './control';
import { sumLanes } from './float-math';
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
    normGroups(op, rows, first, min(each, op.groups - first), scratch);
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
