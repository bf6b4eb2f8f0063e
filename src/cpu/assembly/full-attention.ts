/**
 * Every row of q over all rows of k and v (Vaswani et al. 2017), with a streaming softmax. A work item is one head of some rows, which
 * share each tile of keys and values while it is in cache.
 */
import { takeItems } from './control';
import { scaleRow } from './elementwise';
import { madd, sumOfEach } from './float-math';
import { attendTwoRows, scoreTwoRows } from './full-attention-pairs';
import { KEYS, weighTile } from './tile-weights';
import { FullAttentionRecord, rowsOf, StepRecord } from './step-records';

/** Rows of a work item; cpu/ops/full-attention.ts reckons the scratch by them and by the keys of a tile. */
const ROWS: i32 = 8;

export function runFullAttention(control: usize, op: FullAttentionRecord, step: StepRecord, scratch: usize): void {
  const rows = rowsOf(op, step);
  const keys = load<i32>(step.sizes + <usize>(op.keys * 4));
  const items = ((rows + ROWS - 1) / ROWS) * op.heads;
  for (let item = takeItems(control, 1); item < items; item = takeItems(control, 1)) {
    const first = (item / op.heads) * ROWS;
    attendHead(op, first, min(ROWS, rows - first), item % op.heads, keys, scratch);
  }
}

/**
 * The result so far is kept as a sum of values with the weight of the best key as 1, and divided by the sum of weights at the end.
 * Scratch: f32[2, 64] scores, then the best score and the sum of weights of each row.
 */
function attendHead(op: FullAttentionRecord, first: i32, rows: i32, head: i32, keys: i32, scores: usize): void {
  const kvHead = head / (op.heads / op.kvHeads);
  const q = op.q + <usize>first * op.qStride + <usize>(head * op.keyDim * 4);
  const out = op.out + <usize>first * op.outStride + <usize>(head * op.valueDim * 4);
  const sums = scores + <usize>(2 * KEYS * 4);
  for (let row: usize = 0; row < <usize>rows; row++) {
    memory.fill(out + row * op.outStride, 0, <usize>(op.valueDim * 4));
    store<f32>(sums + row * 8, -Infinity);
    store<f32>(sums + row * 8, 0, 4);
  }
  for (let key = 0; key < keys; key += KEYS) {
    const count = min(KEYS, keys - key);
    const k = op.k + <usize>key * op.kStride + <usize>(kvHead * op.keyDim * 4);
    const v = op.v + <usize>key * op.vStride + <usize>(kvHead * op.valueDim * 4);
    let row: usize = 0;
    for (; row + 2 <= <usize>rows; row += 2) {
      scoreTwoRows(q + row * op.qStride, op.qStride, op.keyDim, k, op.kStride, count, scores, op.scale);
      attendTwoRows(scores, count, sums + row * 8, v, op.vStride, out + row * op.outStride, op.outStride, op.valueDim);
    }
    if (row < <usize>rows) {
      scoreKeys(q + row * op.qStride, op.keyDim, k, op.kStride, count, scores, op.scale);
      attendTile(scores, count, sums + row * 8, v, op.vStride, out + row * op.outStride, op.valueDim);
    }
  }
  if (keys == 0) return;
  for (let row: usize = 0; row < <usize>rows; row++)
    scaleRow(out + row * op.outStride, <f32>1 / load<f32>(sums + row * 8, 4), out + row * op.outStride, op.valueDim);
}

/** scores[i] = scale * q . k[i]. Past `count`, up to a multiple of 4, they are those of its last key. */
export function scoreKeys(q: usize, dim: i32, k: usize, stride: usize, count: i32, scores: usize, scale: f32): void {
  const bytes = <usize>dim * 4;
  const scales = f32x4.splat(scale);
  for (let i = 0; i < count; i += 4) {
    const k0 = k + <usize>i * stride;
    const k1 = k + <usize>min(i + 1, count - 1) * stride;
    const k2 = k + <usize>min(i + 2, count - 1) * stride;
    const k3 = k + <usize>min(i + 3, count - 1) * stride;
    let a = f32x4.splat(0);
    let b = f32x4.splat(0);
    let c = f32x4.splat(0);
    let d = f32x4.splat(0);
    let at: usize = 0;
    for (; at + 16 <= bytes; at += 16) {
      const value = v128.load(q + at);
      a = madd(v128.load(k0 + at), value, a);
      b = madd(v128.load(k1 + at), value, b);
      c = madd(v128.load(k2 + at), value, c);
      d = madd(v128.load(k3 + at), value, d);
    }
    for (; at < bytes; at += 4) {
      const value = v128.load32_zero(q + at);
      a = madd(v128.load32_zero(k0 + at), value, a);
      b = madd(v128.load32_zero(k1 + at), value, b);
      c = madd(v128.load32_zero(k2 + at), value, c);
      d = madd(v128.load32_zero(k3 + at), value, d);
    }
    v128.store(scores + <usize>(i * 4), f32x4.mul(sumOfEach(a, b, c, d), scales));
  }
}

/** Adds a tile of keys to a row. `scores` has room up to a multiple of 4; `sums`: the row's best score so far, and the sum of weights. */
export function attendTile(scores: usize, count: i32, sums: usize, v: usize, stride: usize, out: usize, dim: i32): void {
  addValues(scores, count, weighTile(scores, count, sums), v, stride, out, dim);
}

/** out = kept * out + the sum over i of weights[i] * v[i]. */
function addValues(weights: usize, count: i32, kept: f32, v: usize, stride: usize, out: usize, dim: i32): void {
  const keptOf = f32x4.splat(kept);
  let at: usize = 0;
  const bytes = <usize>dim * 4;
  for (; at + 64 <= bytes; at += 64) {
    const to = out + at;
    let a = f32x4.mul(v128.load(to), keptOf);
    let b = f32x4.mul(v128.load(to, 16), keptOf);
    let c = f32x4.mul(v128.load(to, 32), keptOf);
    let d = f32x4.mul(v128.load(to, 48), keptOf);
    let from = v + at;
    for (let i = 0; i < count; i++) {
      const weight = v128.load32_splat(weights + <usize>(i * 4));
      a = madd(v128.load(from), weight, a);
      b = madd(v128.load(from, 16), weight, b);
      c = madd(v128.load(from, 32), weight, c);
      d = madd(v128.load(from, 48), weight, d);
      from += stride;
    }
    v128.store(to, a);
    v128.store(to, b, 16);
    v128.store(to, c, 32);
    v128.store(to, d, 48);
  }
  for (; at + 16 <= bytes; at += 16) {
    let a = f32x4.mul(v128.load(out + at), keptOf);
    let from = v + at;
    for (let i = 0; i < count; i++) {
      a = madd(v128.load(from), v128.load32_splat(weights + <usize>(i * 4)), a);
      from += stride;
    }
    v128.store(out + at, a);
  }
  for (; at < bytes; at += 4) {
    let sum = load<f32>(out + at) * kept;
    let from = v + at;
    for (let i = 0; i < count; i++) {
      sum += load<f32>(from) * load<f32>(weights + <usize>(i * 4));
      from += stride;
    }
    store<f32>(out + at, sum);
  }
}
