/**
 * The 16-bit GEMM's register tile: four weight rows (the lanes) by four or one rows of widened activations.
 *
 * A widened activation block is 80 bytes: the 16-byte head of an activation block, then its 32 codes as i16.
 */
import { madd } from './float-math';
import { addHalves, addPaired, halfSums, stepOf } from './group-ends';
import { storeLanes } from './lanes';
import { addGroup, TILE_SUMS_BYTES } from './panel-codes';
import { FORM_MINIMUM, FORM_PAIRED_MINIMUMS, FORM_SCALE, FORM_TWO_SCALES, PAIRED_PANEL_BLOCK } from './panel-described';
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
function panelBlock(form: i32): usize {
  return form == FORM_PAIRED_MINIMUMS ? PAIRED_PANEL_BLOCK : WIDE_PANEL_BLOCK;
}

/** `first` are the sums of the first half of the block where `form` has two scales; else `dots` are those of all. */
// @ts-ignore: decorator
@inline
function finish(form: i32, total: v128, first: v128, dots: v128, x: usize, scale: v128, panel: usize): v128 {
  if (form == FORM_MINIMUM) return addGroup(total, dots, x, scale, v128.load(panel, 16));
  if (form == FORM_TWO_SCALES) return addHalves(total, first, dots, scale, v128.load(panel, 16), stepOf(x));
  if (form == FORM_PAIRED_MINIMUMS) {
    const minimums = i32x4.dot_i16x8_s(v128.load(panel, 16), halfSums(x));
    return addPaired(total, dots, minimums, scale, v128.load(panel, 288), stepOf(x));
  }
  return madd(f32x4.convert_i32x4_s(dots), f32x4.mul(scale, v128.load32_splat(x)), total);
}

// @ts-ignore: decorator
@inline
function tile1(form: i32, panel: usize, panelEnd: usize, x: usize): v128 {
  let total = f32x4.splat(0);
  for (; panel < panelEnd; panel += panelBlock(form), x += WIDE_ACTIVATION_BLOCK) {
    let a = dot(v128.load(panel, 32), x, 0);
    a = i32x4.add(a, dot(v128.load(panel, 48), x, 1));
    a = i32x4.add(a, dot(v128.load(panel, 64), x, 2));
    a = i32x4.add(a, dot(v128.load(panel, 80), x, 3));
    a = i32x4.add(a, dot(v128.load(panel, 96), x, 4));
    a = i32x4.add(a, dot(v128.load(panel, 112), x, 5));
    a = i32x4.add(a, dot(v128.load(panel, 128), x, 6));
    a = i32x4.add(a, dot(v128.load(panel, 144), x, 7));
    const first = a;
    const ninth = dot(v128.load(panel, 160), x, 8);
    a = form == FORM_TWO_SCALES ? ninth : i32x4.add(a, ninth);
    a = i32x4.add(a, dot(v128.load(panel, 176), x, 9));
    a = i32x4.add(a, dot(v128.load(panel, 192), x, 10));
    a = i32x4.add(a, dot(v128.load(panel, 208), x, 11));
    a = i32x4.add(a, dot(v128.load(panel, 224), x, 12));
    a = i32x4.add(a, dot(v128.load(panel, 240), x, 13));
    a = i32x4.add(a, dot(v128.load(panel, 256), x, 14));
    a = i32x4.add(a, dot(v128.load(panel, 272), x, 15));
    total = finish(form, total, first, a, x, v128.load(panel), panel);
  }
  return total;
}

/** One row's products with the first half of a block: to `half`. */
// @ts-ignore: decorator
@inline
function firstHalf(x: usize, w0: v128, w1: v128, w2: v128, w3: v128, w4: v128, w5: v128, w6: v128, w7: v128, half: usize): void {
  let a = dot(w0, x, 0);
  a = i32x4.add(a, dot(w1, x, 1));
  a = i32x4.add(a, dot(w2, x, 2));
  a = i32x4.add(a, dot(w3, x, 3));
  a = i32x4.add(a, dot(w4, x, 4));
  a = i32x4.add(a, dot(w5, x, 5));
  a = i32x4.add(a, dot(w6, x, 6));
  a = i32x4.add(a, dot(w7, x, 7));
  v128.store(half, a);
}

/** The second half, and the row's total at `total`. */
// @ts-ignore: decorator
@inline
function secondHalf(
  form: i32, x: usize, w0: v128, w1: v128, w2: v128, w3: v128, w4: v128, w5: v128, w6: v128, w7: v128,
  scale: v128, panel: usize, half: usize, total: usize,
): void {
  let a = dot(w0, x, 8);
  a = i32x4.add(a, dot(w1, x, 9));
  a = i32x4.add(a, dot(w2, x, 10));
  a = i32x4.add(a, dot(w3, x, 11));
  a = i32x4.add(a, dot(w4, x, 12));
  a = i32x4.add(a, dot(w5, x, 13));
  a = i32x4.add(a, dot(w6, x, 14));
  a = i32x4.add(a, dot(w7, x, 15));
  const first = v128.load(half);
  if (form != FORM_TWO_SCALES) a = i32x4.add(a, first);
  v128.store(total, finish(form, v128.load(total), first, a, x, scale, panel));
}

/**
 * Four rows of widened activations, `xStride` bytes apart; stores `lanes` results a row. Sums go through memory in front of the
 * panel for the reason given in tile-codes.ts.
 */
// @ts-ignore: decorator
@inline
function tile4(form: i32, panel: usize, panelEnd: usize, x: usize, xStride: usize, y: usize, yStride: usize, lanes: i32): void {
  let x1 = x + xStride;
  let x2 = x1 + xStride;
  let x3 = x2 + xStride;
  const totals = panel - TILE_SUMS_BYTES;
  const halves = totals + 64;
  const zero = f32x4.splat(0);
  v128.store(totals, zero);
  v128.store(totals, zero, 16);
  v128.store(totals, zero, 32);
  v128.store(totals, zero, 48);
  for (; panel < panelEnd; panel += panelBlock(form)) {
    let w0 = v128.load(panel, 32);
    let w1 = v128.load(panel, 48);
    let w2 = v128.load(panel, 64);
    let w3 = v128.load(panel, 80);
    let w4 = v128.load(panel, 96);
    let w5 = v128.load(panel, 112);
    let w6 = v128.load(panel, 128);
    let w7 = v128.load(panel, 144);
    firstHalf(x, w0, w1, w2, w3, w4, w5, w6, w7, halves);
    firstHalf(x1, w0, w1, w2, w3, w4, w5, w6, w7, halves + 16);
    firstHalf(x2, w0, w1, w2, w3, w4, w5, w6, w7, halves + 32);
    firstHalf(x3, w0, w1, w2, w3, w4, w5, w6, w7, halves + 48);
    w0 = v128.load(panel, 160);
    w1 = v128.load(panel, 176);
    w2 = v128.load(panel, 192);
    w3 = v128.load(panel, 208);
    w4 = v128.load(panel, 224);
    w5 = v128.load(panel, 240);
    w6 = v128.load(panel, 256);
    w7 = v128.load(panel, 272);
    const scale = v128.load(panel);
    secondHalf(form, x, w0, w1, w2, w3, w4, w5, w6, w7, scale, panel, halves, totals);
    secondHalf(form, x1, w0, w1, w2, w3, w4, w5, w6, w7, scale, panel, halves + 16, totals + 16);
    secondHalf(form, x2, w0, w1, w2, w3, w4, w5, w6, w7, scale, panel, halves + 32, totals + 32);
    secondHalf(form, x3, w0, w1, w2, w3, w4, w5, w6, w7, scale, panel, halves + 48, totals + 48);
    x += WIDE_ACTIVATION_BLOCK;
    x1 += WIDE_ACTIVATION_BLOCK;
    x2 += WIDE_ACTIVATION_BLOCK;
    x3 += WIDE_ACTIVATION_BLOCK;
  }
  storeLanes(y, v128.load(totals), lanes);
  storeLanes(y + yStride, v128.load(totals, 16), lanes);
  storeLanes(y + 2 * yStride, v128.load(totals, 32), lanes);
  storeLanes(y + 3 * yStride, v128.load(totals, 48), lanes);
}

export function wide4(panel: usize, panelEnd: usize, x: usize, xStride: usize, y: usize, yStride: usize, lanes: i32): void {
  tile4(FORM_SCALE, panel, panelEnd, x, xStride, y, yStride, lanes);
}

export function wide1(panel: usize, panelEnd: usize, x: usize, y: usize, lanes: i32): void {
  storeLanes(y, tile1(FORM_SCALE, panel, panelEnd, x), lanes);
}

/** With a minimum per group. */
export function affineWide4(panel: usize, panelEnd: usize, x: usize, xStride: usize, y: usize, yStride: usize, lanes: i32): void {
  tile4(FORM_MINIMUM, panel, panelEnd, x, xStride, y, yStride, lanes);
}

export function affineWide1(panel: usize, panelEnd: usize, x: usize, y: usize, lanes: i32): void {
  storeLanes(y, tile1(FORM_MINIMUM, panel, panelEnd, x), lanes);
}

/** With two groups of 16 whose minimums are integers (Q2_K). */
export function pairedWide4(panel: usize, panelEnd: usize, x: usize, xStride: usize, y: usize, yStride: usize, lanes: i32): void {
  tile4(FORM_PAIRED_MINIMUMS, panel, panelEnd, x, xStride, y, yStride, lanes);
}

export function pairedWide1(panel: usize, panelEnd: usize, x: usize, y: usize, lanes: i32): void {
  storeLanes(y, tile1(FORM_PAIRED_MINIMUMS, panel, panelEnd, x), lanes);
}

/** With two groups of 16 whose scales are floats (NVFP4). */
export function twoScalesWide4(panel: usize, panelEnd: usize, x: usize, xStride: usize, y: usize, yStride: usize, lanes: i32): void {
  tile4(FORM_TWO_SCALES, panel, panelEnd, x, xStride, y, yStride, lanes);
}

export function twoScalesWide1(panel: usize, panelEnd: usize, x: usize, y: usize, lanes: i32): void {
  storeLanes(y, tile1(FORM_TWO_SCALES, panel, panelEnd, x), lanes);
}
