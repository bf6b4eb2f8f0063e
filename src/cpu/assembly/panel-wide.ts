/**
 * Panels for the 16-bit GEMM (every type in the plain module, Q8_0 and Q6_K in both): four rows of i16 weights,
 * interleaved so that a vector holds two consecutive weights of each row. Offsets and Q6_K's group scales are
 * already in the weights: |(code - 32) * scale| <= 4,096 and 32 products stay below 2^24.
 *
 * A panel block (32 columns) is 288 bytes: f32 scale[4 rows]; f32 minimum[4 rows]; 16 vectors of weights.
 */
import { highNibbles, lowNibbles } from './dot-int8';
import { storeScalesQ4_K } from './dot-q4-k';
import { sixBits } from './dot-q6-k';
import { halvesToFloats } from './half';
import { gatherHalves, storeTransposed } from './lanes';
import { nibbleMask, pairMask } from './opaque';
import { Q4_0_BYTES, Q4_K_BYTES, Q6_K_BYTES, Q8_0_BYTES } from './weight-type';

export const WIDE_PANEL_BLOCK: usize = 288;

export function packWideQ8_0(to: usize, blocks: i32, w0: usize, w1: usize, w2: usize, w3: usize): void {
  for (let b = 0; b < blocks; b++) {
    v128.store(to, halvesToFloats(gatherHalves(w0, w1, w2, w3)));
    storeBytes(to + 32, v128.load(w0, 2), v128.load(w1, 2), v128.load(w2, 2), v128.load(w3, 2));
    storeBytes(to + 160, v128.load(w0, 18), v128.load(w1, 18), v128.load(w2, 18), v128.load(w3, 18));
    to += WIDE_PANEL_BLOCK;
    w0 += Q8_0_BYTES;
    w1 += Q8_0_BYTES;
    w2 += Q8_0_BYTES;
    w3 += Q8_0_BYTES;
  }
}

export function packWideQ4_0(to: usize, blocks: i32, w0: usize, w1: usize, w2: usize, w3: usize): void {
  for (let b = 0; b < blocks; b++) {
    v128.store(to, halvesToFloats(gatherHalves(w0, w1, w2, w3)));
    storeNibbles(to + 32, to + 160, v128.load(w0, 2), v128.load(w1, 2), v128.load(w2, 2), v128.load(w3, 2), i8x16.splat(8));
    to += WIDE_PANEL_BLOCK;
    w0 += Q4_0_BYTES;
    w1 += Q4_0_BYTES;
    w2 += Q4_0_BYTES;
    w3 += Q4_0_BYTES;
  }
}

export function packWideQ4_K(to: usize, blocks: i32, w0: usize, w1: usize, w2: usize, w3: usize): void {
  for (let b = 0; b < blocks; b += 8) {
    storeScalesQ4_K(to, WIDE_PANEL_BLOCK, w0, w1, w2, w3);
    for (let run: usize = 16; run < Q4_K_BYTES; run += 16) {
      const codes = to + (run & 16 ? 32 : 160);
      storeNibbles(codes, codes + WIDE_PANEL_BLOCK,
        v128.load(w0 + run), v128.load(w1 + run), v128.load(w2 + run), v128.load(w3 + run), i8x16.splat(0));
      if (!(run & 16)) to += 2 * WIDE_PANEL_BLOCK;
    }
    w0 += Q4_K_BYTES;
    w1 += Q4_K_BYTES;
    w2 += Q4_K_BYTES;
    w3 += Q4_K_BYTES;
  }
}

export function packWideQ6_K(to: usize, blocks: i32, w0: usize, w1: usize, w2: usize, w3: usize): void {
  const mask = nibbleMask();
  const pairs = pairMask();
  for (let b = 0; b < blocks; b += 8) {
    const d = halvesToFloats(gatherHalves(w0 + 208, w1 + 208, w2 + 208, w3 + 208));
    for (let half: usize = 0; half < 2; half++) {
      for (let part = 0; part < 4; part++) {
        v128.store(to, d);
        for (let side: usize = 0; side < 2; side++) {
          const low = (half << 6) + (side << 4);
          const high: usize = 128 + (half << 5) + (side << 4);
          const scale: usize = 192 + (half << 3) + (<usize>part << 1) + side;
          const a = sixBits(w0 + low, w0 + high, mask, pairs, part);
          const b = sixBits(w1 + low, w1 + high, mask, pairs, part);
          const c = sixBits(w2 + low, w2 + high, mask, pairs, part);
          const e = sixBits(w3 + low, w3 + high, mask, pairs, part);
          storeScaled(to + 32 + (side << 7), a, b, c, e, w0 + scale, w1 + scale, w2 + scale, w3 + scale);
        }
        to += WIDE_PANEL_BLOCK;
      }
    }
    w0 += Q6_K_BYTES;
    w1 += Q6_K_BYTES;
    w2 += Q6_K_BYTES;
    w3 += Q6_K_BYTES;
  }
}

/** 16 columns of signed bytes of four rows, as 8 vectors at `to`. */
// @ts-ignore: decorator
@inline
function storeBytes(to: usize, a: v128, b: v128, c: v128, d: v128): void {
  storeTransposed(to, i16x8.extend_low_i8x16_s(a), i16x8.extend_low_i8x16_s(b), i16x8.extend_low_i8x16_s(c), i16x8.extend_low_i8x16_s(d));
  storeTransposed(to + 64,
    i16x8.extend_high_i8x16_s(a), i16x8.extend_high_i8x16_s(b), i16x8.extend_high_i8x16_s(c), i16x8.extend_high_i8x16_s(d));
}

// @ts-ignore: decorator
@inline
function storeNibbles(low: usize, high: usize, a: v128, b: v128, c: v128, d: v128, offset: v128): void {
  storeBytes(low, i8x16.sub(lowNibbles(a), offset), i8x16.sub(lowNibbles(b), offset),
    i8x16.sub(lowNibbles(c), offset), i8x16.sub(lowNibbles(d), offset));
  storeBytes(high, i8x16.sub(highNibbles(a), offset), i8x16.sub(highNibbles(b), offset),
    i8x16.sub(highNibbles(c), offset), i8x16.sub(highNibbles(d), offset));
}

/** 16 columns of 6-bit codes of four rows, less 32 and times the row's group scale (an i8 at s0..s3). */
function storeScaled(to: usize, a: v128, b: v128, c: v128, d: v128, s0: usize, s1: usize, s2: usize, s3: usize): void {
  const f0 = i16x8.splat(load<i8>(s0));
  const f1 = i16x8.splat(load<i8>(s1));
  const f2 = i16x8.splat(load<i8>(s2));
  const f3 = i16x8.splat(load<i8>(s3));
  storeTransposed(to, scaledLow(a, f0), scaledLow(b, f1), scaledLow(c, f2), scaledLow(d, f3));
  storeTransposed(to + 64, scaledHigh(a, f0), scaledHigh(b, f1), scaledHigh(c, f2), scaledHigh(d, f3));
}

// @ts-ignore: decorator
@inline
function scaledLow(codes: v128, factor: v128): v128 {
  return i16x8.mul(i16x8.sub(i16x8.extend_low_i8x16_s(codes), i16x8.splat(32)), factor);
}

// @ts-ignore: decorator
@inline
function scaledHigh(codes: v128, factor: v128): v128 {
  return i16x8.mul(i16x8.sub(i16x8.extend_high_i8x16_s(codes), i16x8.splat(32)), factor);
}
