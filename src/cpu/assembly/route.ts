/** Routing of rows to experts: scores of logits, and the experts of the greatest ones. */
import { activationRow, SIGMOID } from './activation';
import { itemsPerTake, takeItems } from './control';
import { addRow, expRow, scaleRow } from './elementwise';
import { RouteRecord, rowsOf, StepRecord } from './step-records';

export function runRoute(control: usize, op: RouteRecord, step: StepRecord, scratch: usize): void {
  const rows = rowsOf(op, step);
  const take = itemsPerTake(control, rows);
  for (let first = takeItems(control, take); first < rows; first = takeItems(control, take)) {
    for (let row = first; row < min(first + take, rows); row++) {
      routeRow(op, op.logits + <usize>row * op.logitsStride, op.out + <usize>row * op.outStride, scratch);
    }
  }
}

/** Scratch: f32 scores and f32 keys of the experts, a multiple of 4 each, then a byte for each expert: 1 once it is chosen. */
function routeRow(op: RouteRecord, logits: usize, out: usize, scratch: usize): void {
  const scores = scratch;
  const room = <usize>(((op.experts + 3) & ~3) * 4);
  if (op.isSigmoid) activationRow(SIGMOID, logits, 0, scores, op.experts);
  else softmaxRow(logits, scores, op.experts);
  // The softmax keeps the order of the logits, which tell apart what it would round to one score.
  let keys = op.isSigmoid ? scores : logits;
  if (op.bias) {
    keys = scores + room;
    addRow(scores, op.bias, keys, op.experts);
  }
  const chosen = scores + 2 * room;
  memory.fill(chosen, 0, op.experts);
  let sum: f32 = op.eps;
  const ids = out + <usize>(op.used * 4);
  for (let i: usize = 0; i < <usize>op.used; i++) {
    const expert = greatest(keys, chosen, op.experts);
    store<u8>(chosen + <usize>expert, 1);
    const score = load<f32>(scores + <usize>(expert * 4));
    sum += score;
    store<f32>(out + i * 4, op.expertScale ? score * load<f32>(op.expertScale + <usize>(expert * 4)) : score);
    store<f32>(ids + i * 4, <f32>expert);
  }
  const factor = op.normalise ? op.scale / sum : op.scale;
  if (factor != 1) scaleRow(out, factor, out, op.used);
}

/** out = the softmax of x; both f32[count]. */
function softmaxRow(x: usize, out: usize, count: i32): void {
  let most = load<f32>(x);
  for (let i = 1; i < count; i++) most = max(most, load<f32>(x + <usize>(i * 4)));
  const padded = (count + 3) & ~3;
  for (let i = 0; i < padded; i++) store<f32>(out + <usize>(i * 4), i < count ? load<f32>(x + <usize>(i * 4)) - most : 0);
  expRow(out, out, padded);
  let sum: f32 = 0;
  for (let i = 0; i < count; i++) sum += load<f32>(out + <usize>(i * 4));
  scaleRow(out, <f32>1 / sum, out, count);
}

/** Of those not chosen, the first of the greatest key. NaN counts as the greatest, so that what follows is NaN too. */
function greatest(keys: usize, chosen: usize, count: i32): i32 {
  let best = -1;
  let bestKey: f32 = 0;
  for (let i = 0; i < count; i++) {
    if (load<u8>(chosen + <usize>i)) continue;
    const key = load<f32>(keys + <usize>(i * 4));
    if (best >= 0 && !(key > bestKey) && (key == key || bestKey != bestKey)) continue;
    best = i;
    bestKey = key;
  }
  return best;
}
