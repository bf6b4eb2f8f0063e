/**
 * Panels for the 16-bit GEMM (every type in the plain module, Q8_0 and Q6_K in both): four rows of i16 weights,
 * interleaved so that a vector holds two consecutive weights of each row. Offsets and Q6_K's group scales are
 * already in the weights: |(code - 32) * scale| <= 4,096 and 32 products stay below 2^24.
 * They are four of the rows of a group (`packed-rows.ts`); `side` is four times the number of the first one.
 *
 * A panel block (32 columns) is 288 bytes: f32 scale[4 rows]; f32 minimum[4 rows], divided by 8; 16 vectors of weights.
 */
import { highNibbles, lowNibbles } from './dot-int8';
import { storeFactors, UNPACKED_BYTES } from './dot-q4-k';
import { halvesToFloats, lowHalves } from './half';
import { codesOfStep } from './packed-described';
import { codesAtQ4_K, codesAtQ6_K, scalesAtQ4_K, scalesAtQ6_K } from './packed-rows';
import { storeScales } from './panel-codes';
import { unpackFour } from './six-bits';
import { Q4_0_BYTES, Q4_K_BYTES, Q6_K_BYTES, Q8_0_BYTES } from './weight-type';

export const WIDE_PANEL_BLOCK: usize = 288;

export function packWideQ8_0(to: usize, toEnd: usize, w: usize, side: usize): void {
  const half = side >> 1;
  for (; to < toEnd; to += WIDE_PANEL_BLOCK, w += 16 * Q8_0_BYTES) {
    v128.store(to, halvesToFloats(lowHalves(v128.load64_zero(w + half))));
    for (let i: usize = 0; i < 256; i += 16) v128.store(to + i, v128.load8x8_s(w + half + 2 * i, 32), 32);
  }
}

export function packWideQ4_0(to: usize, toEnd: usize, w: usize, side: usize): void {
  for (; to < toEnd; to += WIDE_PANEL_BLOCK, w += 16 * Q4_0_BYTES) {
    v128.store(to, halvesToFloats(lowHalves(v128.load64_zero(w + (side >> 1)))));
    storeNibbles(to + 32, w + 32 + side, i16x8.splat(8));
  }
}

/** spill: SPILL_BYTES. */
export function packWideQ4_K(to: usize, toEnd: usize, w: usize, side: usize, spill: usize): void {
  for (; to < toEnd; w += 16 * Q4_K_BYTES) {
    storeFactors(w, spill + UNPACKED_BYTES);
    for (let block: usize = 0; block < 8; block++, to += WIDE_PANEL_BLOCK) {
      if ((block & 1) == 0) unpackFour(scalesAtQ4_K(w, block), spill);
      storeScales(to, spill, block, side);
      storeNibbles(to + 32, codesAtQ4_K(w, block) + side, i16x8.splat(0));
    }
  }
}

export function packWideQ6_K(to: usize, toEnd: usize, w: usize, side: usize): void {
  for (; to < toEnd; w += 16 * Q6_K_BYTES) {
    const d = halvesToFloats(lowHalves(v128.load64_zero(w + (side >> 1))));
    for (let block: usize = 0; block < 8; block++, to += WIDE_PANEL_BLOCK) {
      v128.store(to, d);
      const codes = codesAtQ6_K(w, block) + side;
      const scales = scalesAtQ6_K(w, block) + (side >> 2);
      const first = fourScales(scales);
      const second = fourScales(scales + 16);
      storeScaled(to + 32, codesOfStep(6, codes, 0, false), first);
      storeScaled(to + 64, codesOfStep(6, codes, 1, false), first);
      storeScaled(to + 96, codesOfStep(6, codes, 2, false), first);
      storeScaled(to + 128, codesOfStep(6, codes, 3, false), first);
      storeScaled(to + 160, codesOfStep(6, codes, 0, true), second);
      storeScaled(to + 192, codesOfStep(6, codes, 1, true), second);
      storeScaled(to + 224, codesOfStep(6, codes, 2, true), second);
      storeScaled(to + 256, codesOfStep(6, codes, 3, true), second);
    }
  }
}

/** Four i8, twice each, as i16. */
// @ts-ignore: decorator
@inline
function fourScales(at: usize): v128 {
  const scales = v128.load32_zero(at);
  return i16x8.extend_low_i8x16_s(i8x16.shuffle(scales, scales, 0, 0, 1, 1, 2, 2, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0));
}

/** Bytes of four columns of four rows as i16: the first two columns of each row. */
// @ts-ignore: decorator
@inline
export function firstTwo(codes: v128): v128 {
  return i32x4.shuffle(i16x8.extend_low_i8x16_s(codes), i16x8.extend_high_i8x16_s(codes), 0, 2, 4, 6);
}

/** The other two. */
// @ts-ignore: decorator
@inline
export function lastTwo(codes: v128): v128 {
  return i32x4.shuffle(i16x8.extend_low_i8x16_s(codes), i16x8.extend_high_i8x16_s(codes), 1, 3, 5, 7);
}

/** 32 columns of nibbles, less `offset`. */
// @ts-ignore: decorator
@inline
function storeNibbles(to: usize, nibbles: usize, offset: v128): void {
  for (let step: usize = 0; step < 128; step += 32, nibbles += 64) {
    const pairs = v128.load(nibbles);
    const low = lowNibbles(pairs);
    const high = highNibbles(pairs);
    v128.store(to + step, i16x8.sub(firstTwo(low), offset));
    v128.store(to + step, i16x8.sub(lastTwo(low), offset), 16);
    v128.store(to + step, i16x8.sub(firstTwo(high), offset), 128);
    v128.store(to + step, i16x8.sub(lastTwo(high), offset), 144);
  }
}

/** Four columns of 6-bit codes of four rows, less 32 and times the rows' scales. */
// @ts-ignore: decorator
@inline
function storeScaled(to: usize, codes: v128, scales: v128): void {
  const offset = i16x8.splat(32);
  v128.store(to, i16x8.mul(i16x8.sub(firstTwo(codes), offset), scales));
  v128.store(to, i16x8.mul(i16x8.sub(lastTwo(codes), offset), scales), 16);
}
