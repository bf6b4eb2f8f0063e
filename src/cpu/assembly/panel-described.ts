/**
 * Panels of described types for the 16-bit GEMM: as panel-wide.ts has them. The second vector of a panel block is f32 minimum[4 rows],
 * divided by 8; where groups are 16 and scales floats, f32 scale[4 rows] of the second group; Q2_K's holds pairs of integers
 * i16[4 rows, 2], and a quarter of their f32 factor[4 rows] lies behind the weights. Integer scales of groups of 16 are already in the
 * weights.
 */
import { quarter } from './dot-sixteens';
import { gatherHalves } from './dot-sums';
import { minimumAt, Q2_K_D, Q2_K_DMIN, Q3_K_D, scaleOf, subMinimumOf, subScaleOf } from './group-scales';
import { halvesToFloats } from './half';
import { storeTransposed } from './lanes';
import { WIDE_PANEL_BLOCK } from './panel-wide';
import { unpackCodes } from './unpack-codes';
import {
  blockBytesOf, blockSizeOf, groupSizeOf, isDescribed, MINIMUM_NONE, minimumOf, Q4_K, SCALE_K3, SCALE_NIBBLES, scalesOf,
} from './weight-type';

/** What the end of a panel block does with its sums. */
export const FORM_SCALE: i32 = 0;
export const FORM_MINIMUM: i32 = 1;
export const FORM_PAIRED_MINIMUMS: i32 = 2;
export const FORM_TWO_SCALES: i32 = 3;

export const PAIRED_PANEL_BLOCK: usize = 304;
/** Scratch in which a row's codes are unpacked: i16[4 rows, 32]. */
export const UNPACKED_BYTES: usize = 256;

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

/** `blocks` panel blocks at `to`; codes go through `unpacked`. */
export function packDescribed(type: i32, to: usize, blocks: i32, w0: usize, w1: usize, w2: usize, w3: usize, unpacked: usize): void {
  const size = blockSizeOf(type);
  const bytes = blockBytesOf(type);
  const panelBlock = widePanelBlock(type);
  const end = to + <usize>blocks * panelBlock;
  while (to < end) {
    for (let column = 0; column < size; column += 32, to += panelBlock) {
      storeHead(type, to, w0, w1, w2, w3, column);
      unpackRow(type, w0, column, unpacked);
      unpackRow(type, w1, column, unpacked + 64);
      unpackRow(type, w2, column, unpacked + 128);
      unpackRow(type, w3, column, unpacked + 192);
      for (let at: usize = 0; at < 64; at += 16) {
        const from = unpacked + at;
        storeTransposed(to + 32 + 4 * at, v128.load(from), v128.load(from, 64), v128.load(from, 128), v128.load(from, 192));
      }
    }
    w0 += bytes;
    w1 += bytes;
    w2 += bytes;
    w3 += bytes;
  }
}

function storeHead(type: i32, to: usize, w0: usize, w1: usize, w2: usize, w3: usize, column: i32): void {
  const form = formOf(type);
  if (form == FORM_PAIRED_MINIMUMS) {
    v128.store(to, halvesToFloats(gatherHalves(w0 + Q2_K_D, w1 + Q2_K_D, w2 + Q2_K_D, w3 + Q2_K_D)));
    v128.store(to, i32x4(minimumPair(type, w0, column), minimumPair(type, w1, column),
      minimumPair(type, w2, column), minimumPair(type, w3, column)), 16);
    v128.store(to, quarter(halvesToFloats(gatherHalves(w0 + Q2_K_DMIN, w1 + Q2_K_DMIN, w2 + Q2_K_DMIN, w3 + Q2_K_DMIN))), 288);
    return;
  }
  if (scalesOf(type) == SCALE_K3) {
    v128.store(to, halvesToFloats(gatherHalves(w0 + Q3_K_D, w1 + Q3_K_D, w2 + Q3_K_D, w3 + Q3_K_D)));
    return;
  }
  v128.store(to, scales(type, w0, w1, w2, w3, column));
  if (form == FORM_TWO_SCALES) v128.store(to, scales(type, w0, w1, w2, w3, column + 16), 16);
  if (form != FORM_MINIMUM) return;
  const minimums = f32x4(minimumAt(type, w0, column), minimumAt(type, w1, column),
    minimumAt(type, w2, column), minimumAt(type, w3, column));
  v128.store(to, f32x4.mul(minimums, f32x4.splat(0.125)), 16);
}

function scales(type: i32, w0: usize, w1: usize, w2: usize, w3: usize, column: i32): v128 {
  return f32x4(scaleOf(type, w0, column), scaleOf(type, w1, column), scaleOf(type, w2, column), scaleOf(type, w3, column));
}

function minimumPair(type: i32, block: usize, column: i32): i32 {
  return subMinimumOf(type, block, column) | (subMinimumOf(type, block, column + 16) << 16);
}

/** i16[32], times the integers that scale groups of 16. */
function unpackRow(type: i32, block: usize, column: i32, to: usize): void {
  unpackCodes(type, block, column, to);
  if (scalesOf(type) != SCALE_K3 && scalesOf(type) != SCALE_NIBBLES) return;
  const first = i16x8.splat(<i16>subScaleOf(type, block, column));
  const second = i16x8.splat(<i16>subScaleOf(type, block, column + 16));
  v128.store(to, i16x8.mul(v128.load(to), first));
  v128.store(to, i16x8.mul(v128.load(to, 16), first), 16);
  v128.store(to, i16x8.mul(v128.load(to, 32), second), 32);
  v128.store(to, i16x8.mul(v128.load(to, 48), second), 48);
}
