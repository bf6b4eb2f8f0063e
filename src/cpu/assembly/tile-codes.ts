/**
 * The relaxed GEMM's register tile: four weight rows (the lanes) by four or one rows of activations, over a panel of 4-bit codes.
 * Eight steps of four columns add up in 16 bits: 16 products of at most 127 * 15 per lane are 30,480.
 */
import { dotCodes, widen } from './dot-int8';
import { addGroup } from './dot-q4-k';
import { storeLanes } from './lanes';
import { ones } from './opaque';
import { CODE_PANEL_BLOCK } from './panel-codes';
import { ACTIVATION_BLOCK } from './quantize';

/** Products of the panel with one row of activations; lane r is row r. */
// @ts-ignore: decorator
@inline
function tile1(hasMinimum: bool, panel: usize, panelEnd: usize, x: usize): v128 {
  let total = f32x4.splat(0);
  const one = ones();
  for (; panel < panelEnd; panel += CODE_PANEL_BLOCK, x += ACTIVATION_BLOCK) {
    let a = dot(panel, x, 0);
    a = i16x8.add(a, dot(panel, x, 1));
    a = i16x8.add(a, dot(panel, x, 2));
    a = i16x8.add(a, dot(panel, x, 3));
    a = i16x8.add(a, dot(panel, x, 4));
    a = i16x8.add(a, dot(panel, x, 5));
    a = i16x8.add(a, dot(panel, x, 6));
    a = i16x8.add(a, dot(panel, x, 7));
    total = finish(hasMinimum, total, a, x, v128.load(panel), panel, one);
  }
  return total;
}

// @ts-ignore: decorator
@inline
function dot(panel: usize, x: usize, step: usize): v128 {
  return dotWith(v128.load(panel + 32 + 16 * step), x, step);
}

// @ts-ignore: decorator
@inline
function dotWith(codes: v128, x: usize, step: usize): v128 {
  const columns = v128.load32_splat(x + 16 + 4 * step);
  // The plain module compiles this file too and never calls it.
  return dotCodes(columns, columns, codes);
}

// @ts-ignore: decorator
@inline
function finish(hasMinimum: bool, total: v128, sums: v128, x: usize, scale: v128, panel: usize, one: v128): v128 {
  if (hasMinimum) return addGroup(total, widen(sums, one), x, scale, v128.load(panel, 16));
  const dots = i32x4.sub(widen(sums, one), v128.load32_splat(x, 12));
  return f32x4.add(total, f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(dots), scale), v128.load32_splat(x)));
}

/** Four rows of activations, `xStride` bytes apart; stores `lanes` results a row. */
// @ts-ignore: decorator
@inline
function tile4(hasMinimum: bool, panel: usize, panelEnd: usize, x: usize, xStride: usize, y: usize, yStride: usize, lanes: i32): void {
  let x1 = x + xStride;
  let x2 = x1 + xStride;
  let x3 = x2 + xStride;
  const one = ones();
  let t0 = f32x4.splat(0);
  let t1 = t0;
  let t2 = t0;
  let t3 = t0;
  for (; panel < panelEnd; panel += CODE_PANEL_BLOCK) {
    let codes = v128.load(panel, 32);
    let a0 = dotWith(codes, x, 0);
    let a1 = dotWith(codes, x1, 0);
    let a2 = dotWith(codes, x2, 0);
    let a3 = dotWith(codes, x3, 0);
    codes = v128.load(panel, 48);
    a0 = i16x8.add(a0, dotWith(codes, x, 1));
    a1 = i16x8.add(a1, dotWith(codes, x1, 1));
    a2 = i16x8.add(a2, dotWith(codes, x2, 1));
    a3 = i16x8.add(a3, dotWith(codes, x3, 1));
    codes = v128.load(panel, 64);
    a0 = i16x8.add(a0, dotWith(codes, x, 2));
    a1 = i16x8.add(a1, dotWith(codes, x1, 2));
    a2 = i16x8.add(a2, dotWith(codes, x2, 2));
    a3 = i16x8.add(a3, dotWith(codes, x3, 2));
    codes = v128.load(panel, 80);
    a0 = i16x8.add(a0, dotWith(codes, x, 3));
    a1 = i16x8.add(a1, dotWith(codes, x1, 3));
    a2 = i16x8.add(a2, dotWith(codes, x2, 3));
    a3 = i16x8.add(a3, dotWith(codes, x3, 3));
    codes = v128.load(panel, 96);
    a0 = i16x8.add(a0, dotWith(codes, x, 4));
    a1 = i16x8.add(a1, dotWith(codes, x1, 4));
    a2 = i16x8.add(a2, dotWith(codes, x2, 4));
    a3 = i16x8.add(a3, dotWith(codes, x3, 4));
    codes = v128.load(panel, 112);
    a0 = i16x8.add(a0, dotWith(codes, x, 5));
    a1 = i16x8.add(a1, dotWith(codes, x1, 5));
    a2 = i16x8.add(a2, dotWith(codes, x2, 5));
    a3 = i16x8.add(a3, dotWith(codes, x3, 5));
    codes = v128.load(panel, 128);
    a0 = i16x8.add(a0, dotWith(codes, x, 6));
    a1 = i16x8.add(a1, dotWith(codes, x1, 6));
    a2 = i16x8.add(a2, dotWith(codes, x2, 6));
    a3 = i16x8.add(a3, dotWith(codes, x3, 6));
    codes = v128.load(panel, 144);
    a0 = i16x8.add(a0, dotWith(codes, x, 7));
    a1 = i16x8.add(a1, dotWith(codes, x1, 7));
    a2 = i16x8.add(a2, dotWith(codes, x2, 7));
    a3 = i16x8.add(a3, dotWith(codes, x3, 7));
    const scale = v128.load(panel);
    t0 = finish(hasMinimum, t0, a0, x, scale, panel, one);
    t1 = finish(hasMinimum, t1, a1, x1, scale, panel, one);
    t2 = finish(hasMinimum, t2, a2, x2, scale, panel, one);
    t3 = finish(hasMinimum, t3, a3, x3, scale, panel, one);
    x += ACTIVATION_BLOCK;
    x1 += ACTIVATION_BLOCK;
    x2 += ACTIVATION_BLOCK;
    x3 += ACTIVATION_BLOCK;
  }
  storeLanes(y, t0, lanes);
  storeLanes(y + yStride, t1, lanes);
  storeLanes(y + 2 * yStride, t2, lanes);
  storeLanes(y + 3 * yStride, t3, lanes);
}

/** Q4_0: the offset 8 comes off through the sum of x. */
export function codes4(panel: usize, panelEnd: usize, x: usize, xStride: usize, y: usize, yStride: usize, lanes: i32): void {
  tile4(false, panel, panelEnd, x, xStride, y, yStride, lanes);
}

export function codes1(panel: usize, panelEnd: usize, x: usize, y: usize, lanes: i32): void {
  storeLanes(y, tile1(false, panel, panelEnd, x), lanes);
}

/** Q4_K: a minimum per group. */
export function affineCodes4(panel: usize, panelEnd: usize, x: usize, xStride: usize, y: usize, yStride: usize, lanes: i32): void {
  tile4(true, panel, panelEnd, x, xStride, y, yStride, lanes);
}

export function affineCodes1(panel: usize, panelEnd: usize, x: usize, y: usize, lanes: i32): void {
  storeLanes(y, tile1(true, panel, panelEnd, x), lanes);
}
