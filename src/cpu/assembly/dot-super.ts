/**
 * Sixteen packed rows of super-blocks with integers under their scales, Q2_K, Q3_K, Q5_K and IQ4_XS, times one row of activations. The
 * integers multiply in the widening step.
 */
import { AS_CODED, IQ4_SPLIT, iq4Offset, iq4Sums, ninePairSums, QUADS, storeSums } from './described-sums';
import { highNibbles, lowNibbles } from './dot-int8';
import { addDots, storeFactors, storePositiveFactors, UNPACKED_BYTES } from './dot-q4-k';
import { addPaired, addScaled, clearSums, halfSums, stepOf, sumOf } from './group-ends';
import { halvesToFloats, highHalves, lowHalves } from './half';
import { highPairs, lowPairs } from './lanes';
import { nibbleMask, ones } from './opaque';
import { storeInterleaved } from './packed-described';
import { ACTIVATION_BLOCK } from './quantize';
import { SIX_BITS_BYTES, unpackFour } from './six-bits';

/** What goes through memory besides a block's sums lies behind them. */
const KEPT: usize = 2 * QUADS;

/** out f32[16] = products of the group at w with the activation blocks [x, xEnd). `spill` holds SPILL_BYTES, 16-byte aligned. */
export function dotQ5_K(isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  clearSums(out);
  const kept = spill + KEPT;
  const end = kept + UNPACKED_BYTES;
  while (x < xEnd) {
    factorsOf(isOdd, w, end);
    w += 64;
    for (const wEnd = w + 4 * (SIX_BITS_BYTES + 640); w < wEnd; ) {
      unpackFour(w, kept);
      w += SIX_BITS_BYTES;
      for (let at = kept; at < end; at += 32, w += 320, x += ACTIVATION_BLOCK) {
        storeSums(5, AS_CODED, true, w, x, spill);
        const scales = v128.load8x8_u(at);
        const minimums = v128.load8x8_u(at, 16);
        const sum = sumOf(x);
        const dx = stepOf(x);
        const firstDots = scaled16(spill, lowPairs(scales), lowPairs(scales));
        addDotsTo(out, 0, firstDots, i32x4.extend_low_i16x8_u(minimums), end, sum, dx);
        const secondDots = scaled16(spill + 16, highPairs(scales), highPairs(scales));
        addDotsTo(out, 16, secondDots, i32x4.extend_high_i16x8_u(minimums), end, sum, dx);
        const moreScales = v128.load8x8_u(at, 8);
        const moreMinimums = v128.load8x8_u(at, 24);
        const thirdDots = scaled16(spill + 32, lowPairs(moreScales), lowPairs(moreScales));
        addDotsTo(out, 32, thirdDots, i32x4.extend_low_i16x8_u(moreMinimums), end, sum, dx);
        const fourthDots = scaled16(spill + 48, highPairs(moreScales), highPairs(moreScales));
        addDotsTo(out, 48, fourthDots, i32x4.extend_high_i16x8_u(moreMinimums), end, sum, dx);
      }
    }
  }
}

/** Adds to four sums `place` bytes behind `out`, with Q4_K's factors at `factors`. */
// @ts-ignore: decorator
@inline
function addDotsTo(out: usize, place: i32, dots: v128, minimums: v128, factors: usize, sum: v128, dx: v128): void {
  const d = v128.load(factors + <usize>place);
  const dmin = v128.load(factors + <usize>(64 + place));
  v128.store(out + <usize>place, addDots(v128.load(out + <usize>place), dots, minimums, d, dmin, sum, dx));
}

/** Q4_K's factors; a function, so that no branch is in the loop around it. */
function factorsOf(isOdd: bool, w: usize, to: usize): void {
  if (isOdd) storeFactors(w, to);
  else storePositiveFactors(w, to);
}

/** i32[4 rows]: sums of 16 columns at `at` times the first scales, and of the other 16 times the second ones. */
// @ts-ignore: decorator
@inline
function scaled16(at: usize, first: v128, second: v128): v128 {
  return i32x4.add(i32x4.dot_i16x8_s(v128.load(at), first), i32x4.dot_i16x8_s(v128.load(at, QUADS), second));
}

/** Where the codes of x lie in turns of two columns of either half; what storeSums takes for an activation block. */
// @ts-ignore: decorator
@inline
function interleave(x: usize, spill: usize): usize {
  storeInterleaved(v128.load(x, 16), v128.load(x, 32), spill + QUADS);
  return spill + QUADS - 16;
}

/** As dotQ5_K. Both groups of a row meet their scales in one product (packed-heads.ts). */
export function dotQ2_K(isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  let first = f32x4.splat(0);
  let second = f32x4.splat(0);
  let third = f32x4.splat(0);
  let fourth = f32x4.splat(0);
  const mask = nibbleMask();
  const factors = spill + KEPT;
  while (x < xEnd) {
    factorsOf(isOdd, w, factors);
    w += 64;
    for (const end = w + 8 * 160; w < end; w += 160, x += ACTIVATION_BLOCK) {
      storeSums(2, AS_CODED, false, w + 32, interleave(x, spill), spill);
      const sums = halfSums(x);
      const dx = stepOf(x);
      first = addGroups(first, spill, v128.load8x8_u(w), sums, v128.load(factors), v128.load(factors, 64), dx, mask);
      v128.store(out, first);
      second = addGroups(second, spill + 16, v128.load8x8_u(w, 8), sums, v128.load(factors, 16), v128.load(factors, 80), dx, mask);
      v128.store(out, second, 16);
      third = addGroups(third, spill + 32, v128.load8x8_u(w, 16), sums, v128.load(factors, 32), v128.load(factors, 96), dx, mask);
      v128.store(out, third, 32);
      fourth = addGroups(fourth, spill + 48, v128.load8x8_u(w, 24), sums, v128.load(factors, 48), v128.load(factors, 112), dx, mask);
      v128.store(out, fourth, 48);
    }
  }
}

/** `integers` are i16[4 rows, 2 groups] of a scale in the low nibble and a minimum above it; `sums` are those of x, eight times. */
// @ts-ignore: decorator
@inline
function addGroups(total: v128, at: usize, integers: v128, sums: v128, d: v128, dmin: v128, dx: v128, mask: v128): v128 {
  const dots = i32x4.dot_i16x8_s(v128.load(at), v128.and(integers, mask));
  const minimums = i32x4.dot_i16x8_s(i16x8.shr_u(integers, 4), sums);
  return addPaired(total, dots, minimums, d, dmin, dx);
}

/** As dotQ2_K. Codes are multiplied less 4. */
export function dotQ3_K(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  let first = f32x4.splat(0);
  let second = f32x4.splat(0);
  let third = f32x4.splat(0);
  let fourth = f32x4.splat(0);
  const kept = spill + KEPT;
  const end = kept + UNPACKED_BYTES;
  while (x < xEnd) {
    storeHalves(w, end);
    w += 32;
    for (const wEnd = w + 4 * (SIX_BITS_BYTES + 384); w < wEnd; ) {
      unpackFour(w, kept, true);
      w += SIX_BITS_BYTES;
      for (let at = kept; at < end; at += 32, w += 192, x += ACTIVATION_BLOCK) {
        storeSums(3, AS_CODED, false, w, interleave(x, spill), spill);
        const less = i16x8.shr_s(halfSums(x), 1);
        const dx = stepOf(x);
        first = addScaled(first, lessTimes(spill, less, v128.load8x8_s(at)), v128.load(end), dx);
        v128.store(out, first);
        second = addScaled(second, lessTimes(spill + 16, less, v128.load8x8_s(at, 8)), v128.load(end, 16), dx);
        v128.store(out, second, 16);
        third = addScaled(third, lessTimes(spill + 32, less, v128.load8x8_s(at, 16)), v128.load(end, 32), dx);
        v128.store(out, third, 32);
        fourth = addScaled(fourth, lessTimes(spill + 48, less, v128.load8x8_s(at, 24)), v128.load(end, 48), dx);
        v128.store(out, fourth, 48);
      }
    }
  }
}

/** i32[4 rows]: sums of both groups at `at`, less what comes off them, times their scales. */
// @ts-ignore: decorator
@inline
function lessTimes(at: usize, less: v128, scales: v128): v128 {
  return i32x4.dot_i16x8_s(i16x8.sub(v128.load(at), less), scales);
}

/** f32[16] at `to` of f16[16]. */
// @ts-ignore: decorator
@inline
function storeHalves(from: usize, to: usize): void {
  const halves = v128.load(from);
  const more = v128.load(from, 16);
  v128.store(to, halvesToFloats(lowHalves(halves)));
  v128.store(to, halvesToFloats(highHalves(halves)), 16);
  v128.store(to, halvesToFloats(lowHalves(more)), 32);
  v128.store(to, halvesToFloats(highHalves(more)), 48);
}

/** As dotQ5_K. */
export function dotIq4Xs(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  let first = f32x4.splat(0);
  let second = f32x4.splat(0);
  let third = f32x4.splat(0);
  let fourth = f32x4.splat(0);
  const one = ones();
  const kept = spill + KEPT;
  const end = kept + 128;
  while (x < xEnd) {
    unpackXs(w + 32, kept);
    storeHalves(w, end);
    w += 128;
    for (let at = kept; at < end; at += 16, w += 256, x += ACTIVATION_BLOCK) {
      storeSums(4, IQ4_SPLIT, false, w, x, spill);
      const nine = ninePairSums(x);
      const offset = iq4Offset(x);
      const dx = stepOf(x);
      const scales = v128.load8x8_s(at);
      const more = v128.load8x8_s(at, 8);
      first = addScaled(first, iq4Sums(spill, nine, offset, one), factor(i32x4.extend_low_i16x8_s(scales), end), dx);
      v128.store(out, first);
      second = addScaled(second, iq4Sums(spill + 16, nine, offset, one), factor(i32x4.extend_high_i16x8_s(scales), end + 16), dx);
      v128.store(out, second, 16);
      third = addScaled(third, iq4Sums(spill + 32, nine, offset, one), factor(i32x4.extend_low_i16x8_s(more), end + 32), dx);
      v128.store(out, third, 32);
      fourth = addScaled(fourth, iq4Sums(spill + 48, nine, offset, one), factor(i32x4.extend_high_i16x8_s(more), end + 48), dx);
      v128.store(out, fourth, 48);
    }
  }
}

// @ts-ignore: decorator
@inline
function factor(scales: v128, at: usize): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(scales), v128.load(at));
}

/** Scales i8[8 groups, 16 rows] from six bytes of the rows: upper pairs of bits in two bytes, then lower halves in four. */
function unpackXs(bytes: usize, to: usize): void {
  const mask = nibbleMask();
  const upper = i8x16.splat(0x30);
  const less = i8x16.splat(32);
  for (let pair: usize = 0; pair < 4; pair++) {
    const halves = v128.load(bytes + (pair << 4), 32);
    const both = i16x8.shr_u(v128.load(bytes + ((pair >> 1) << 4)), <i32>((pair & 1) << 2));
    v128.store(to + (pair << 5), i8x16.sub(v128.or(lowNibbles(halves, mask), v128.and(i16x8.shl(both, 4), upper)), less));
    v128.store(to + (pair << 5), i8x16.sub(v128.or(highNibbles(halves, mask), v128.and(i16x8.shl(both, 2), upper)), less), 16);
  }
}
