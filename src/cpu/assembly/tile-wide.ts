/**
 * The 16-bit GEMM's register tile: four weight rows (the lanes) by four or one rows of widened activations.
 *
 * A widened activation block is 80 bytes: the 16-byte head of an activation block, then its 32 codes as i16.
 */
import { addGroup } from './dot-q4-k';
import { storeLanes } from './lanes';
import { WIDE_PANEL_BLOCK } from './panel-wide';
import { ACTIVATION_BLOCK } from './quantize';

export const WIDE_ACTIVATION_BLOCK: usize = 80;

/** Widens the activation blocks [x, xEnd). */
export function widenRow(x: usize, xEnd: usize, to: usize): void {
  for (; x < xEnd; x += ACTIVATION_BLOCK, to += WIDE_ACTIVATION_BLOCK) {
    v128.store(to, v128.load(x));
    v128.store(to, v128.load8x8_s(x, 16), 16);
    v128.store(to, v128.load8x8_s(x, 24), 32);
    v128.store(to, v128.load8x8_s(x, 32), 48);
    v128.store(to, v128.load8x8_s(x, 40), 64);
  }
}

// @ts-ignore: decorator
@inline
function dot(weights: v128, x: usize, step: usize): v128 {
  return i32x4.dot_i16x8_s(weights, v128.load32_splat(x + 16 + 4 * step));
}

// @ts-ignore: decorator
@inline
function finish(hasMinimum: bool, total: v128, dots: v128, x: usize, scale: v128, panel: usize): v128 {
  if (hasMinimum) return addGroup(total, dots, x, scale, v128.load(panel, 16));
  return f32x4.add(total, f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(dots), scale), v128.load32_splat(x)));
}

// @ts-ignore: decorator
@inline
function tile1(hasMinimum: bool, panel: usize, panelEnd: usize, x: usize): v128 {
  let total = f32x4.splat(0);
  for (; panel < panelEnd; panel += WIDE_PANEL_BLOCK, x += WIDE_ACTIVATION_BLOCK) {
    let a = dot(v128.load(panel, 32), x, 0);
    a = i32x4.add(a, dot(v128.load(panel, 48), x, 1));
    a = i32x4.add(a, dot(v128.load(panel, 64), x, 2));
    a = i32x4.add(a, dot(v128.load(panel, 80), x, 3));
    a = i32x4.add(a, dot(v128.load(panel, 96), x, 4));
    a = i32x4.add(a, dot(v128.load(panel, 112), x, 5));
    a = i32x4.add(a, dot(v128.load(panel, 128), x, 6));
    a = i32x4.add(a, dot(v128.load(panel, 144), x, 7));
    a = i32x4.add(a, dot(v128.load(panel, 160), x, 8));
    a = i32x4.add(a, dot(v128.load(panel, 176), x, 9));
    a = i32x4.add(a, dot(v128.load(panel, 192), x, 10));
    a = i32x4.add(a, dot(v128.load(panel, 208), x, 11));
    a = i32x4.add(a, dot(v128.load(panel, 224), x, 12));
    a = i32x4.add(a, dot(v128.load(panel, 240), x, 13));
    a = i32x4.add(a, dot(v128.load(panel, 256), x, 14));
    a = i32x4.add(a, dot(v128.load(panel, 272), x, 15));
    total = finish(hasMinimum, total, a, x, v128.load(panel), panel);
  }
  return total;
}

/** Four rows of widened activations, `xStride` bytes apart; stores `lanes` results a row. */
// @ts-ignore: decorator
@inline
function tile4(hasMinimum: bool, panel: usize, panelEnd: usize, x: usize, xStride: usize, y: usize, yStride: usize, lanes: i32): void {
  let x1 = x + xStride;
  let x2 = x1 + xStride;
  let x3 = x2 + xStride;
  let t0 = f32x4.splat(0);
  let t1 = t0;
  let t2 = t0;
  let t3 = t0;
  for (; panel < panelEnd; panel += WIDE_PANEL_BLOCK) {
    let weights = v128.load(panel, 32);
    let a0 = dot(weights, x, 0);
    let a1 = dot(weights, x1, 0);
    let a2 = dot(weights, x2, 0);
    let a3 = dot(weights, x3, 0);
    weights = v128.load(panel, 48);
    a0 = i32x4.add(a0, dot(weights, x, 1));
    a1 = i32x4.add(a1, dot(weights, x1, 1));
    a2 = i32x4.add(a2, dot(weights, x2, 1));
    a3 = i32x4.add(a3, dot(weights, x3, 1));
    weights = v128.load(panel, 64);
    a0 = i32x4.add(a0, dot(weights, x, 2));
    a1 = i32x4.add(a1, dot(weights, x1, 2));
    a2 = i32x4.add(a2, dot(weights, x2, 2));
    a3 = i32x4.add(a3, dot(weights, x3, 2));
    weights = v128.load(panel, 80);
    a0 = i32x4.add(a0, dot(weights, x, 3));
    a1 = i32x4.add(a1, dot(weights, x1, 3));
    a2 = i32x4.add(a2, dot(weights, x2, 3));
    a3 = i32x4.add(a3, dot(weights, x3, 3));
    weights = v128.load(panel, 96);
    a0 = i32x4.add(a0, dot(weights, x, 4));
    a1 = i32x4.add(a1, dot(weights, x1, 4));
    a2 = i32x4.add(a2, dot(weights, x2, 4));
    a3 = i32x4.add(a3, dot(weights, x3, 4));
    weights = v128.load(panel, 112);
    a0 = i32x4.add(a0, dot(weights, x, 5));
    a1 = i32x4.add(a1, dot(weights, x1, 5));
    a2 = i32x4.add(a2, dot(weights, x2, 5));
    a3 = i32x4.add(a3, dot(weights, x3, 5));
    weights = v128.load(panel, 128);
    a0 = i32x4.add(a0, dot(weights, x, 6));
    a1 = i32x4.add(a1, dot(weights, x1, 6));
    a2 = i32x4.add(a2, dot(weights, x2, 6));
    a3 = i32x4.add(a3, dot(weights, x3, 6));
    weights = v128.load(panel, 144);
    a0 = i32x4.add(a0, dot(weights, x, 7));
    a1 = i32x4.add(a1, dot(weights, x1, 7));
    a2 = i32x4.add(a2, dot(weights, x2, 7));
    a3 = i32x4.add(a3, dot(weights, x3, 7));
    weights = v128.load(panel, 160);
    a0 = i32x4.add(a0, dot(weights, x, 8));
    a1 = i32x4.add(a1, dot(weights, x1, 8));
    a2 = i32x4.add(a2, dot(weights, x2, 8));
    a3 = i32x4.add(a3, dot(weights, x3, 8));
    weights = v128.load(panel, 176);
    a0 = i32x4.add(a0, dot(weights, x, 9));
    a1 = i32x4.add(a1, dot(weights, x1, 9));
    a2 = i32x4.add(a2, dot(weights, x2, 9));
    a3 = i32x4.add(a3, dot(weights, x3, 9));
    weights = v128.load(panel, 192);
    a0 = i32x4.add(a0, dot(weights, x, 10));
    a1 = i32x4.add(a1, dot(weights, x1, 10));
    a2 = i32x4.add(a2, dot(weights, x2, 10));
    a3 = i32x4.add(a3, dot(weights, x3, 10));
    weights = v128.load(panel, 208);
    a0 = i32x4.add(a0, dot(weights, x, 11));
    a1 = i32x4.add(a1, dot(weights, x1, 11));
    a2 = i32x4.add(a2, dot(weights, x2, 11));
    a3 = i32x4.add(a3, dot(weights, x3, 11));
    weights = v128.load(panel, 224);
    a0 = i32x4.add(a0, dot(weights, x, 12));
    a1 = i32x4.add(a1, dot(weights, x1, 12));
    a2 = i32x4.add(a2, dot(weights, x2, 12));
    a3 = i32x4.add(a3, dot(weights, x3, 12));
    weights = v128.load(panel, 240);
    a0 = i32x4.add(a0, dot(weights, x, 13));
    a1 = i32x4.add(a1, dot(weights, x1, 13));
    a2 = i32x4.add(a2, dot(weights, x2, 13));
    a3 = i32x4.add(a3, dot(weights, x3, 13));
    weights = v128.load(panel, 256);
    a0 = i32x4.add(a0, dot(weights, x, 14));
    a1 = i32x4.add(a1, dot(weights, x1, 14));
    a2 = i32x4.add(a2, dot(weights, x2, 14));
    a3 = i32x4.add(a3, dot(weights, x3, 14));
    weights = v128.load(panel, 272);
    a0 = i32x4.add(a0, dot(weights, x, 15));
    a1 = i32x4.add(a1, dot(weights, x1, 15));
    a2 = i32x4.add(a2, dot(weights, x2, 15));
    a3 = i32x4.add(a3, dot(weights, x3, 15));
    const scale = v128.load(panel);
    t0 = finish(hasMinimum, t0, a0, x, scale, panel);
    t1 = finish(hasMinimum, t1, a1, x1, scale, panel);
    t2 = finish(hasMinimum, t2, a2, x2, scale, panel);
    t3 = finish(hasMinimum, t3, a3, x3, scale, panel);
    x += WIDE_ACTIVATION_BLOCK;
    x1 += WIDE_ACTIVATION_BLOCK;
    x2 += WIDE_ACTIVATION_BLOCK;
    x3 += WIDE_ACTIVATION_BLOCK;
  }
  storeLanes(y, t0, lanes);
  storeLanes(y + yStride, t1, lanes);
  storeLanes(y + 2 * yStride, t2, lanes);
  storeLanes(y + 3 * yStride, t3, lanes);
}

export function wide4(panel: usize, panelEnd: usize, x: usize, xStride: usize, y: usize, yStride: usize, lanes: i32): void {
  tile4(false, panel, panelEnd, x, xStride, y, yStride, lanes);
}

export function wide1(panel: usize, panelEnd: usize, x: usize, y: usize, lanes: i32): void {
  storeLanes(y, tile1(false, panel, panelEnd, x), lanes);
}

/** With a minimum per group (Q4_K). */
export function affineWide4(panel: usize, panelEnd: usize, x: usize, xStride: usize, y: usize, yStride: usize, lanes: i32): void {
  tile4(true, panel, panelEnd, x, xStride, y, yStride, lanes);
}

export function affineWide1(panel: usize, panelEnd: usize, x: usize, y: usize, lanes: i32): void {
  storeLanes(y, tile1(true, panel, panelEnd, x), lanes);
}
