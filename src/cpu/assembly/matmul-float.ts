/**
 * Prefill with float weights: eight weight rows at a time are converted to f32, interleaved so that lanes are rows, over
 * DEPTH columns, and multiplied with all rows of x; partial sums of later columns are added in y.
 */
import { loadFloat } from './dot-float';
import { packCodedPanel } from './coded-floats';
import { halvesToFloats, lowHalves } from './half';
import { storeLanes } from './lanes';
import { groupAt } from './packed-rows';
import { F16, F32, isCodedFloat } from './weight-type';

/** Columns of a panel: 8 rows of them fill a quarter of a first-level cache. */
const DEPTH: i32 = 256;

export const PANEL_BYTES: usize = 32 * <usize>DEPTH;

/** Arguments as matmul's. */
export function gemmFloat(
  type: i32, w: usize, rowBytes: usize, rowBegin: i32, rowEnd: i32, cols: i32,
  x: usize, xStride: usize, xRows: i32, y: usize, yStride: usize, scratch: usize,
): void {
  for (let row = rowBegin; row < rowEnd; row += 8) {
    const lanes = min(8, rowEnd - row);
    for (let k = 0; k < cols; k += DEPTH) {
      const depth = min(DEPTH, cols - k);
      packPanel(type, scratch, w, rowBytes, row, rowEnd - 1, k, depth);
      let values = x + (<usize>k << 2);
      let to = y + (<usize>row << 2);
      let r = 0;
      for (; r + 4 <= xRows; r += 4, values += 4 * xStride, to += 4 * yStride) {
        tile4(scratch, depth, values, xStride, to, yStride, lanes, k > 0);
      }
      for (; r < xRows; r++, values += xStride, to += yStride) tile1(scratch, depth, values, to, lanes, k > 0);
    }
  }
}

/** Eight rows from `row` on, columns [k, k + depth). */
function packPanel(type: i32, to: usize, w: usize, rowBytes: usize, row: i32, last: i32, k: i32, depth: i32): void {
  if (isCodedFloat(type)) {
    packCodedPanel(type, to, groupAt(w, rowBytes, row), row & 8, k, depth);
    return;
  }
  const from = w + <usize>k * (type == F32 ? 4 : 2);
  packRows(type, to, from, rowBytes, row, last, depth);
  packRows(type, to + 16, from, rowBytes, row + 4, last, depth);
}

/** Four rows from `row` on (those past `last` repeat it) as vectors 32 bytes apart, one per column. */
function packRows(type: i32, to: usize, w: usize, rowBytes: usize, row: i32, last: i32, depth: i32): void {
  let w0 = w + <usize>min(row, last) * rowBytes;
  let w1 = w + <usize>min(row + 1, last) * rowBytes;
  let w2 = w + <usize>min(row + 2, last) * rowBytes;
  let w3 = w + <usize>min(row + 3, last) * rowBytes;
  const bytes: usize = type == F32 ? 4 : 2;
  let k = 0;
  for (; k + 4 <= depth; k += 4, to += 128) {
    storeColumns(to, loadFour(type, w0), loadFour(type, w1), loadFour(type, w2), loadFour(type, w3));
    w0 += 4 * bytes;
    w1 += 4 * bytes;
    w2 += 4 * bytes;
    w3 += 4 * bytes;
  }
  for (; k < depth; k++, to += 32) {
    store<f32>(to, loadFloat(type, w0));
    store<f32>(to, loadFloat(type, w1), 4);
    store<f32>(to, loadFloat(type, w2), 8);
    store<f32>(to, loadFloat(type, w3), 12);
    w0 += bytes;
    w1 += bytes;
    w2 += bytes;
    w3 += bytes;
  }
}

// @ts-ignore: decorator
@inline
function loadFour(type: i32, at: usize): v128 {
  if (type == F32) return v128.load(at);
  const halves = lowHalves(v128.load64_zero(at));
  return type == F16 ? halvesToFloats(halves) : halves;
}

// @ts-ignore: decorator
@inline
function storeColumns(to: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab0 = i32x4.shuffle(a, b, 0, 4, 1, 5);
  const ab1 = i32x4.shuffle(a, b, 2, 6, 3, 7);
  const cd0 = i32x4.shuffle(c, d, 0, 4, 1, 5);
  const cd1 = i32x4.shuffle(c, d, 2, 6, 3, 7);
  v128.store(to, i64x2.shuffle(ab0, cd0, 0, 2));
  v128.store(to, i64x2.shuffle(ab0, cd0, 1, 3), 32);
  v128.store(to, i64x2.shuffle(ab1, cd1, 0, 2), 64);
  v128.store(to, i64x2.shuffle(ab1, cd1, 1, 3), 96);
}

/** Eight weight rows by four rows of x. */
function tile4(panel: usize, depth: i32, x: usize, xStride: usize, y: usize, yStride: usize, lanes: i32, isLater: bool): void {
  let x1 = x + xStride;
  let x2 = x1 + xStride;
  let x3 = x2 + xStride;
  let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0;
  let b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  const end = panel + (<usize>depth << 5);
  for (; panel < end; panel += 32) {
    const a = v128.load(panel);
    const b = v128.load(panel, 16);
    let v = v128.load32_splat(x);
    a0 = f32x4.add(a0, f32x4.mul(a, v));
    b0 = f32x4.add(b0, f32x4.mul(b, v));
    v = v128.load32_splat(x1);
    a1 = f32x4.add(a1, f32x4.mul(a, v));
    b1 = f32x4.add(b1, f32x4.mul(b, v));
    v = v128.load32_splat(x2);
    a2 = f32x4.add(a2, f32x4.mul(a, v));
    b2 = f32x4.add(b2, f32x4.mul(b, v));
    v = v128.load32_splat(x3);
    a3 = f32x4.add(a3, f32x4.mul(a, v));
    b3 = f32x4.add(b3, f32x4.mul(b, v));
    x += 4;
    x1 += 4;
    x2 += 4;
    x3 += 4;
  }
  put(y, a0, b0, lanes, isLater);
  put(y + yStride, a1, b1, lanes, isLater);
  put(y + 2 * yStride, a2, b2, lanes, isLater);
  put(y + 3 * yStride, a3, b3, lanes, isLater);
}

function tile1(panel: usize, depth: i32, x: usize, y: usize, lanes: i32, isLater: bool): void {
  let a = f32x4.splat(0);
  let b = a;
  const end = panel + (<usize>depth << 5);
  for (; panel < end; panel += 32, x += 4) {
    const v = v128.load32_splat(x);
    a = f32x4.add(a, f32x4.mul(v128.load(panel), v));
    b = f32x4.add(b, f32x4.mul(v128.load(panel, 16), v));
  }
  put(y, a, b, lanes, isLater);
}

/** Stores `lanes` of the eight sums; `isLater` adds them to what is there. */
function put(y: usize, a: v128, b: v128, lanes: i32, isLater: bool): void {
  if (lanes == 8) {
    if (isLater) {
      a = f32x4.add(a, v128.load(y));
      b = f32x4.add(b, v128.load(y, 16));
    }
    v128.store(y, a);
    v128.store(y, b, 16);
    return;
  }
  putPart(y, a, min(4, lanes), isLater);
  if (lanes > 4) putPart(y + 16, b, lanes - 4, isLater);
}

function putPart(y: usize, sums: v128, lanes: i32, isLater: bool): void {
  if (isLater) {
    let before = v128.load32_zero(y);
    if (lanes > 1) before = v128.load32_lane(y, before, 1, 4);
    if (lanes > 2) before = v128.load32_lane(y, before, 2, 8);
    if (lanes > 3) before = v128.load32_lane(y, before, 3, 12);
    sums = f32x4.add(sums, before);
  }
  storeLanes(y, sums, lanes);
}
