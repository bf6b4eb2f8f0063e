/**
 * Panels of described types for the 16-bit GEMM: as panel-wide.ts has them. The second vector of a panel block is f32 minimum[4 rows],
 * divided by 8; where groups are 16 and scales floats, f32 scale[4 rows] of the second group; Q2_K's holds pairs of integers
 * i16[4 rows, 2], and an eighth of their f32 factor[4 rows] lies behind the weights. Integer scales of groups of 16 are in the weights.
 */
import { fourColumns, higherBits, lowerBits } from './described-sums';
import { factorAt, headsBytesOf, minimumAt, minimumFactorAt, scaleOf, subMinimumOf, subScaleOf } from './group-scales';
import { halfToFloat } from './half';
import { nibbleMask } from './opaque';
import { firstTwo, lastTwo, WIDE_PANEL_BLOCK } from './panel-wide';
import { e2m1Table, iq4Table } from './unpack-codes';
import {
  blockSizeOf, CODE_E2M1, CODE_IQ4, CODE_LESS_HALF, codeBitsOf, groupSizeOf, isDescribed, meaningOf, MINIMUM_NONE, minimumOf, Q4_K,
  SCALE_K3, SCALE_NIBBLES, scalesOf,
} from './weight-type';

/** What the end of a panel block does with its sums. */
export const FORM_SCALE: i32 = 0;
export const FORM_MINIMUM: i32 = 1;
export const FORM_PAIRED_MINIMUMS: i32 = 2;
export const FORM_TWO_SCALES: i32 = 3;

export const PAIRED_PANEL_BLOCK: usize = 304;

export function formOf(type: i32): i32 {
  if (type == Q4_K) return FORM_MINIMUM;
  if (!isDescribed(type)) return FORM_SCALE;
  if (scalesOf(type) == SCALE_NIBBLES) return FORM_PAIRED_MINIMUMS;
  if (minimumOf(type) != MINIMUM_NONE) return FORM_MINIMUM;
  return groupSizeOf(type) == 16 && scalesOf(type) != SCALE_K3 ? FORM_TWO_SCALES : FORM_SCALE;
}

export function widePanelBlock(type: i32): usize {
  return formOf(type) == FORM_PAIRED_MINIMUMS ? PAIRED_PANEL_BLOCK : WIDE_PANEL_BLOCK;
}

/** Panel blocks from `to` to `toEnd`, of rows 0 to 3 (`side` 0) or 4 to 7 (16) of the packed group at w. */
export function packWideDescribed(type: i32, to: usize, toEnd: usize, w: usize, side: usize): void {
  const size = blockSizeOf(type);
  const bits = codeBitsOf(type);
  const panelBlock = widePanelBlock(type);
  while (to < toEnd) {
    let codes = w + headsBytesOf(type);
    for (let column = 0; column < size; column += 32, to += panelBlock, codes += <usize>(32 * bits)) {
      storeHead(type, to, w, side >> 2, column);
      storeWeights(type, to + 32, codes, side);
      if (scalesOf(type) == SCALE_K3 || scalesOf(type) == SCALE_NIBBLES) scaleWeights(type, to + 32, w, side >> 2, column);
    }
    w = codes;
  }
}

/** What lies beside the weights, of four rows from row r on. */
function storeHead(type: i32, to: usize, w: usize, r: usize, column: i32): void {
  const form = formOf(type);
  for (let i: usize = 0; i < 4; i++) {
    const row = r + i;
    const at = to + 4 * i;
    if (form == FORM_PAIRED_MINIMUMS) {
      store<f32>(at, halfToFloat(load<u16>(factorAt(type, w, row, 8))));
      store<i32>(at, subMinimumOf(type, w, row, 8, column) | (subMinimumOf(type, w, row, 8, column + 16) << 16), 16);
      store<f32>(at, halfToFloat(load<u16>(minimumFactorAt(type, w, row, 8))) * <f32>0.125, 288);
    } else if (scalesOf(type) == SCALE_K3) {
      store<f32>(at, halfToFloat(load<u16>(factorAt(type, w, row, 8))));
    } else {
      store<f32>(at, scaleOf(type, w, row, 8, column));
      if (form == FORM_TWO_SCALES) store<f32>(at, scaleOf(type, w, row, 8, column + 16), 16);
      if (form == FORM_MINIMUM) store<f32>(at, minimumAt(type, w, row, 8, column) * <f32>0.125, 16);
    }
  }
}

/** i16 of what 32 columns of codes stand for. */
function storeWeights(type: i32, to: usize, codes: usize, side: usize): void {
  const bits = codeBitsOf(type);
  if (bits == 8) {
    for (let i: usize = 0; i < 256; i += 16) v128.store(to + i, v128.load8x8_u(codes + (side >> 1) + i));
    return;
  }
  for (let s = 0; s < 4; s++, to += 32) {
    const low = meant(type, columnsOf(bits, codes + side, s, false));
    const high = meant(type, columnsOf(bits, codes + side, s, true));
    v128.store(to, firstTwo(low));
    v128.store(to, lastTwo(low), 16);
    v128.store(to, firstTwo(high), 128);
    v128.store(to, lastTwo(high), 144);
  }
}

function columnsOf(bits: i32, codes: usize, s: i32, isHigh: bool): v128 {
  return fourColumns(bits, lowerBits(bits, codes, s, isHigh), higherBits(bits, codes, s), s, isHigh, nibbleMask());
}

function meant(type: i32, codes: v128): v128 {
  const meaning = meaningOf(type);
  if (meaning == CODE_IQ4) return i8x16.swizzle(iq4Table(), codes);
  if (meaning == CODE_E2M1) return i8x16.swizzle(e2m1Table(), codes);
  if (meaning != CODE_LESS_HALF) return codes;
  const range: i32 = 1 << codeBitsOf(type);
  return i8x16.sub(codes, i8x16.splat(<i8>(range >> 1)));
}

/** Weights times the integers that scale groups of 16. */
function scaleWeights(type: i32, to: usize, w: usize, r: usize, column: i32): void {
  for (let half: usize = 0; half < 256; half += 128, column += 16) {
    const scales = i32x4(twice(type, w, r, column), twice(type, w, r + 1, column),
      twice(type, w, r + 2, column), twice(type, w, r + 3, column));
    for (let i: usize = 0; i < 128; i += 16) {
      const at = to + half + i;
      v128.store(at, i16x8.mul(v128.load(at), scales));
    }
  }
}

function twice(type: i32, w: usize, r: usize, column: i32): i32 {
  return (subScaleOf(type, w, r, 8, column) & 0xffff) * 0x10001;
}
