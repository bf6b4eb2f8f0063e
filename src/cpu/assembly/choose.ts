/** One index of each row by its logits (graph/ops/choose.ts says how). A work item is a row. */
import { takeItems } from './control';
import { exp4 } from './float-math';
import { ChooseRecord, rowsOf, StepRecord } from './step-records';

export function runChoose(control: usize, op: ChooseRecord, step: StepRecord): void {
  const rows = rowsOf(op, step);
  for (let row = takeItems(control, 1); row < rows; row = takeItems(control, 1)) {
    const out = op.out + <usize>row * op.outStride;
    if (op.before && load<i32>(op.before + <usize>row * op.beforeStride) == op.end) {
      store<i32>(out, op.end);
      continue;
    }
    const settings = op.settings + <usize>row * op.settingsStride;
    const x = op.logits + <usize>row * op.logitsStride;
    const best = greatest(x, op.count);
    const temperature = load<f32>(settings);
    if (temperature <= 0 || valueAt(x, best) == -Infinity) store<i32>(out, best);
    else store<i32>(out, sampled(x, op.count, best, temperature, <i32>load<f32>(settings + 4), load<f32>(settings + 8)));
  }
}

// @ts-ignore: decorator
@inline
function valueAt(x: usize, index: i32): f32 {
  const value = load<f32>(x + <usize>(index * 4));
  return value == value ? value : -Infinity;
}

/** The index of the greatest value, of equal ones the first. */
function greatest(x: usize, count: i32): i32 {
  let best = 0;
  let most = valueAt(x, 0);
  for (let i = 1; i < count; i++) {
    const value = valueAt(x, i);
    if (value > most) {
      most = value;
      best = i;
    }
  }
  return best;
}

/** The bits of a float in an order that is that of the floats. */
// @ts-ignore: decorator
@inline
function orderOf(value: f32): u32 {
  const bits = reinterpret<u32>(value);
  return bits & 0x80000000 ? ~bits : bits | 0x80000000;
}

/** The `k`-th greatest of the orders, bit by bit: the greatest number that at least k of them reach. */
function leastKept(x: usize, count: i32, k: i32): u32 {
  let least: u32 = 0;
  for (let bit: u32 = 0x80000000; bit != 0; bit >>= 1) {
    const wanted = least | bit;
    let reached = 0;
    for (let i = 0; i < count; i++) reached += <i32>(orderOf(valueAt(x, i)) >= wanted);
    if (reached >= k) least = wanted;
  }
  return least;
}

function sampled(x: usize, count: i32, best: i32, temperature: f32, topK: i32, random: f32): i32 {
  const most = valueAt(x, best);
  const least: u32 = topK >= 1 && topK < count ? leastKept(x, count, topK) : 0;
  let total: f64 = 0;
  for (let i = 0; i < count; i++) total += <f64>share(valueAt(x, i), most, temperature, least);
  const wanted = <f64>random * total;
  let sum: f64 = 0;
  let last = best;
  for (let i = 0; i < count; i++) {
    const own = share(valueAt(x, i), most, temperature, least);
    if (own > 0) last = i;
    sum += <f64>own;
    if (sum > wanted) return i;
  }
  return last;
}

// @ts-ignore: decorator
@inline
function share(value: f32, most: f32, temperature: f32, least: u32): f32 {
  if (orderOf(value) < least) return 0;
  return f32x4.extract_lane(exp4(f32x4.splat((value - most) / temperature)), 0);
}
