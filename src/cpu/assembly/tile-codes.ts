/**
 * The relaxed GEMM's register tile: four weight rows (the lanes) by four or one rows of activations, over a panel of 4-bit codes.
 * Eight steps of four columns add up in 16 bits: 16 products of at most 127 * 15 per lane are 30,480.
 */
import { dotCodes, widen } from './dot-int8';
import { addBlock } from './dot-q4-0';
import { storeLanes } from './lanes';
import { ones } from './opaque';
import { addGroup, CODE_PANEL_BLOCK, TILE_SUMS_BYTES } from './panel-codes';
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
  return addBlock(total, widen(sums, one), scale, x);
}

/** Adds one row's products with a block of the panel to the totals at `total`. */
// @ts-ignore: decorator
@inline
function addRow(
  hasMinimum: bool, x: usize, c0: v128, c1: v128, c2: v128, c3: v128, c4: v128, c5: v128, c6: v128, c7: v128,
  scale: v128, panel: usize, one: v128, total: usize,
): void {
  let a = dotWith(c0, x, 0);
  a = i16x8.add(a, dotWith(c1, x, 1));
  a = i16x8.add(a, dotWith(c2, x, 2));
  a = i16x8.add(a, dotWith(c3, x, 3));
  a = i16x8.add(a, dotWith(c4, x, 4));
  a = i16x8.add(a, dotWith(c5, x, 5));
  a = i16x8.add(a, dotWith(c6, x, 6));
  a = i16x8.add(a, dotWith(c7, x, 7));
  v128.store(total, finish(hasMinimum, v128.load(total), a, x, scale, panel, one));
}

/**
 * Four rows of activations, `xStride` bytes apart; stores `lanes` results a row. The totals lie in memory in front of the panel:
 * the stores keep V8 from loading all four rows first, which took 32 spills a block (34 GMAC/s on Node 20).
 */
// @ts-ignore: decorator
@inline
function tile4(hasMinimum: bool, panel: usize, panelEnd: usize, x: usize, xStride: usize, y: usize, yStride: usize, lanes: i32): void {
  let x1 = x + xStride;
  let x2 = x1 + xStride;
  let x3 = x2 + xStride;
  const one = ones();
  const totals = panel - TILE_SUMS_BYTES;
  const zero = f32x4.splat(0);
  v128.store(totals, zero);
  v128.store(totals, zero, 16);
  v128.store(totals, zero, 32);
  v128.store(totals, zero, 48);
  for (; panel < panelEnd; panel += CODE_PANEL_BLOCK) {
    const c0 = v128.load(panel, 32);
    const c1 = v128.load(panel, 48);
    const c2 = v128.load(panel, 64);
    const c3 = v128.load(panel, 80);
    const c4 = v128.load(panel, 96);
    const c5 = v128.load(panel, 112);
    const c6 = v128.load(panel, 128);
    const c7 = v128.load(panel, 144);
    const scale = v128.load(panel);
    addRow(hasMinimum, x, c0, c1, c2, c3, c4, c5, c6, c7, scale, panel, one, totals);
    addRow(hasMinimum, x1, c0, c1, c2, c3, c4, c5, c6, c7, scale, panel, one, totals + 16);
    addRow(hasMinimum, x2, c0, c1, c2, c3, c4, c5, c6, c7, scale, panel, one, totals + 32);
    addRow(hasMinimum, x3, c0, c1, c2, c3, c4, c5, c6, c7, scale, panel, one, totals + 48);
    x += ACTIVATION_BLOCK;
    x1 += ACTIVATION_BLOCK;
    x2 += ACTIVATION_BLOCK;
    x3 += ACTIVATION_BLOCK;
  }
  storeLanes(y, v128.load(totals), lanes);
  storeLanes(y + yStride, v128.load(totals, 16), lanes);
  storeLanes(y + 2 * yStride, v128.load(totals, 32), lanes);
  storeLanes(y + 3 * yStride, v128.load(totals, 48), lanes);
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
