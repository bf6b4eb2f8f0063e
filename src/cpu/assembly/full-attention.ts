/** Every row of q over all rows of k and v (Vaswani et al. 2017), with a streaming softmax. A work item is one head of one row. */
import { itemsPerTake, takeItems } from './control';
import { scaleRow } from './elementwise';
import { exp1, madd, sumLanes } from './float-math';
import { FullAttentionRecord, rowsOf, StepRecord } from './step-records';

export function runFullAttention(control: usize, op: FullAttentionRecord, step: StepRecord): void {
  const items = rowsOf(op, step) * op.heads;
  const keys = load<i32>(step.sizes + <usize>(op.keys * 4));
  const take = itemsPerTake(control, items);
  for (let first = takeItems(control, take); first < items; first = takeItems(control, take)) {
    for (let item = first; item < min(first + take, items); item++) attendHead(op, item / op.heads, item % op.heads, keys);
  }
}

/** The result so far is kept as a sum of values with the weight of the best key as 1, and divided by the sum of weights at the end. */
function attendHead(op: FullAttentionRecord, row: i32, head: i32, keys: i32): void {
  const kvHead = head / (op.heads / op.kvHeads);
  const q = op.q + <usize>row * op.qStride + <usize>(head * op.keyDim * 4);
  const out = op.out + <usize>row * op.outStride + <usize>(head * op.valueDim * 4);
  memory.fill(out, 0, <usize>(op.valueDim * 4));
  let best: f32 = -Infinity;
  let total: f32 = 0;
  for (let key = 0; key < keys; key++) {
    const score = op.scale * dot(q, op.k + <usize>key * op.kStride + <usize>(kvHead * op.keyDim * 4), op.keyDim);
    let weight: f32 = 1;
    if (score > best) {
      scaleRow(out, exp1(best - score), out, op.valueDim);
      total *= exp1(best - score);
      best = score;
    } else weight = exp1(score - best);
    total += weight;
    addScaled(out, op.v + <usize>key * op.vStride + <usize>(kvHead * op.valueDim * 4), weight, op.valueDim);
  }
  if (keys > 0) scaleRow(out, <f32>1 / total, out, op.valueDim);
}

function dot(a: usize, b: usize, count: i32): f32 {
  let sums = f32x4.splat(0);
  let i = 0;
  for (; i + 4 <= count; i += 4) sums = madd(v128.load(a + <usize>(i * 4)), v128.load(b + <usize>(i * 4)), sums);
  let sum = sumLanes(sums);
  for (; i < count; i++) sum += load<f32>(a + <usize>(i * 4)) * load<f32>(b + <usize>(i * 4));
  return sum;
}

function addScaled(x: usize, y: usize, factor: f32, count: i32): void {
  const factors = f32x4.splat(factor);
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const at = <usize>(i * 4);
    v128.store(x + at, madd(v128.load(y + at), factors, v128.load(x + at)));
  }
  for (; i < count; i++) store<f32>(x + <usize>(i * 4), load<f32>(x + <usize>(i * 4)) + factor * load<f32>(y + <usize>(i * 4)));
}
