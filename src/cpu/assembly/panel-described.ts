/**
 * Panels of described types for the 16-bit GEMM: as panel-wide.ts has them. The second vector of a panel block is f32 minimum[4 rows],
 * divided by 8; where groups are 16 and scales floats, f32 scale[4 rows] of the second group; Q2_K's holds pairs of integers
 * i16[4 rows, 2], and an eighth of their f32 factor[4 rows] lies behind the weights. Integer scales of groups of 16 are in the weights.
 */
import { factorAt, minimumAt, minimumFactorAt, packedSubMinimum, packedSubScale, scaleOf } from './group-scales';
import { halfToFloat } from './half';
import { codesOfStep } from './packed-described';
import { integerBytesOf, isInterleaved, scalesAt, scalesBytesOf, unitOf } from './packed-heads';
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

/** Panel blocks from `to` to `toEnd`, of four rows of the packed group at w: `side` is four times the number of the first. */
export function packWideDescribed(type: i32, to: usize, toEnd: usize, w: usize, side: usize): void {
  const size = blockSizeOf(type);
  const codeBytes = <usize>(64 * codeBitsOf(type));
  const lastOfUnit = (1 << unitOf(type)) - 1;
  const scalesBytes = scalesBytesOf(type);
  const panelBlock = widePanelBlock(type);
  while (to < toEnd) {
    let scales = scalesAt(type, w, 0);
    let codes = scales + scalesBytes;
    for (let column = 0; column < size; column += 32, to += panelBlock, codes += codeBytes) {
      if (column > 0 && (column & lastOfUnit) == 0) {
        scales = codes;
        codes += scalesBytes;
      }
      storeHead(type, to, w, scales, side >> 2, column);
      storeWeights(type, to + 32, codes, side);
      if (scalesOf(type) == SCALE_K3 || scalesOf(type) == SCALE_NIBBLES) scaleWeights(type, to + 32, scales, side >> 2, column);
    }
    w = codes;
  }
}

/** What lies beside the weights, of four rows from row r on, whose scales are at `scales` (packed-heads.ts). */
function storeHead(type: i32, to: usize, w: usize, scales: usize, r: usize, column: i32): void {
  const form = formOf(type);
  const isSuper = integerBytesOf(type) != 0;
  const group = <usize>(column >> 4);
  for (let i: usize = 0; i < 4; i++) {
    const row = r + i;
    const at = to + 4 * i;
    if (!isSuper) {
      store<f32>(at, scaleOf(type, w, row, 16, column));
      if (form == FORM_TWO_SCALES) store<f32>(at, scaleOf(type, w, row, 16, column + 16), 16);
      if (form == FORM_MINIMUM) store<f32>(at, minimumAt(type, w, row, 16, column) * <f32>0.125, 16);
      continue;
    }
    // Integers of groups of 16 are in the weights.
    const d = halfToFloat(load<u16>(factorAt(type, w, row, 16)));
    store<f32>(at, groupSizeOf(type) == 16 ? d : d * <f32>packedSubScale(type, scales, row, group));
    if (form == FORM_SCALE) continue;
    const dmin = halfToFloat(load<u16>(minimumFactorAt(type, w, row, 16)));
    const minimum = packedSubMinimum(type, scales, row, group);
    if (form == FORM_MINIMUM) store<f32>(at, dmin * <f32>minimum * <f32>0.125, 16);
    else {
      store<i32>(at, minimum | (packedSubMinimum(type, scales, row, group + 1) << 16), 16);
      store<f32>(at, dmin * <f32>0.125, 288);
    }
  }
}

/** i16 of what 32 columns of codes stand for. */
function storeWeights(type: i32, to: usize, codes: usize, side: usize): void {
  switch (codeBitsOf(type)) {
    case 2: return isInterleaved(type) ? storeCodes(2, true, type, to, codes + side) : storeCodes(2, false, type, to, codes + side);
    case 3: return isInterleaved(type) ? storeCodes(3, true, type, to, codes + side) : storeCodes(3, false, type, to, codes + side);
    case 4: return storeCodes(4, false, type, to, codes + side);
    case 5: return storeCodes(5, false, type, to, codes + side);
    case 6: return storeCodes(6, false, type, to, codes + side);
    case 8: {
      for (let i: usize = 0; i < 256; i += 16) v128.store(to + i, v128.load8x8_u(codes + (side >> 1) + 2 * i));
      return;
    }
    default: unreachable();
  }
}

/** Steps of four columns, or of two of either half: `step` bytes apart, the second pair of columns `next` bytes behind the first. */
// @ts-ignore: decorator
@inline
function storeCodes(bits: i32, isInTurns: bool, type: i32, to: usize, codes: usize): void {
  const step: usize = isInTurns ? 16 : 32;
  const next: usize = isInTurns ? 128 : 16;
  storeStep(type, to, next, codesOfStep(bits, codes, 0, false));
  storeStep(type, to + step, next, codesOfStep(bits, codes, 1, false));
  storeStep(type, to + 2 * step, next, codesOfStep(bits, codes, 2, false));
  storeStep(type, to + 3 * step, next, codesOfStep(bits, codes, 3, false));
  storeStep(type, to + 4 * step, next, codesOfStep(bits, codes, 0, true));
  storeStep(type, to + 5 * step, next, codesOfStep(bits, codes, 1, true));
  storeStep(type, to + 6 * step, next, codesOfStep(bits, codes, 2, true));
  storeStep(type, to + 7 * step, next, codesOfStep(bits, codes, 3, true));
}

/** i16 of what the codes of a step stand for. */
function storeStep(type: i32, to: usize, next: usize, codes: v128): void {
  const weights = meant(type, codes);
  v128.store(to, firstTwo(weights));
  v128.store(to + next, lastTwo(weights));
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
function scaleWeights(type: i32, to: usize, integers: usize, r: usize, column: i32): void {
  let group = <usize>(column >> 4);
  for (let half: usize = 0; half < 256; half += 128, group++) {
    const scales = i32x4(twice(type, integers, r, group), twice(type, integers, r + 1, group),
      twice(type, integers, r + 2, group), twice(type, integers, r + 3, group));
    for (let i: usize = 0; i < 128; i += 16) {
      const at = to + half + i;
      v128.store(at, i16x8.mul(v128.load(at), scales));
    }
  }
}

function twice(type: i32, integers: usize, r: usize, group: usize): i32 {
  return (packedSubScale(type, integers, r, group) & 0xffff) * 0x10001;
}
