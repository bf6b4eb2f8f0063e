/**
 * Eight packed rows of super-blocks with integers under their scales, Q2_K, Q3_K, Q5_K and IQ4_XS, and of NVFP4, whose groups are 16 as
 * well, times one row of activations. Where a group's scale is an integer it multiplies in the widening step.
 */
import { AS_CODED, E2M1_ABOVE, halvesOfIq4, sumsOf16, sumsOfIq4, tableOf } from './described-sums';
import { highNibbles, lowNibbles, widen } from './dot-int8';
import { madd, nmadd } from './float-math';
import { addHalves, addPaired, addScaled, halfSums } from './group-ends';
import { halvesToFloats, highHalves, lowHalves } from './half';
import { highPairs, lowPairs } from './lanes';
import { nibbleMask, ones, pairMask, sixBitMask } from './opaque';
import { ACTIVATION_BLOCK } from './quantize';
import { fourScales } from './row-scales';
import { SCALE_UE4M3_HALF } from './weight-type';

/** The bytes of two groups' integers, of eight rows each, as a pair for each row. */
// @ts-ignore: decorator
@inline
function inPairs(bytes: v128): v128 {
  return i8x16.shuffle(bytes, bytes, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
}

/** What goes through memory besides a block's sums lies behind them. */
const SUMS: usize = 64;

/** out f32[8] = products of the group at w with the activation blocks [x, xEnd). `spill` holds 256 bytes, 16-byte aligned. */
export function dotQ5_K(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  let low = f32x4.splat(0);
  let high = f32x4.splat(0);
  const mask = nibbleMask();
  const kept = spill + SUMS;
  const end = kept + 64;
  while (x < xEnd) {
    unpackScales(w, kept);
    storeFactors(w, kept);
    w += 128;
    for (let at = kept; at < end; at += 8, w += 160, x += ACTIVATION_BLOCK) {
      const scales = v128.load8x8_u(at);
      const minimums = v128.load8x8_u(at, 64);
      sumsOf16(5, AS_CODED, w, x, mask, mask, spill);
      const lowDots = scaled16(spill, lowPairs(scales), lowPairs(scales));
      low = addMinimum(low, lowDots, v128.load(end, 64), i32x4.extend_low_i16x8_u(minimums), v128.load(end, 96), x);
      const highDots = scaled16(spill + 16, highPairs(scales), highPairs(scales));
      high = addMinimum(high, highDots, v128.load(end, 80), i32x4.extend_high_i16x8_u(minimums), v128.load(end, 112), x);
    }
  }
  v128.store(out, low);
  v128.store(out, high, 16);
}

/** i32[4 rows]: sums of 16 columns (`at` as sumsOf16's `to`) times the first scales, and of the other 16 times the second ones. */
// @ts-ignore: decorator
@inline
function scaled16(at: usize, first: v128, second: v128): v128 {
  return i32x4.add(i32x4.dot_i16x8_s(v128.load(at), first), i32x4.dot_i16x8_s(v128.load(at, 32), second));
}

/** total + (dots * d - minimum * 8 S(x) * dmin / 8) * d(x); each of the two products has one rounding. */
// @ts-ignore: decorator
@inline
function addMinimum(total: v128, dots: v128, d: v128, minimum: v128, dmin: v128, x: usize): v128 {
  const product = f32x4.mul(f32x4.convert_i32x4_s(dots), d);
  const minimums = f32x4.mul(f32x4.convert_i32x4_s(minimum), dmin);
  const difference = nmadd(minimums, f32x4.convert_i32x4_s(v128.load32_splat(x, 4)), product);
  return madd(difference, v128.load32_splat(x), total);
}

/** Scales u8[8 groups, 8 rows], and minimums behind them, of the super-block at w. */
function unpackScales(w: usize, to: usize): void {
  for (let pair: usize = 0; pair < 32; pair += 16) {
    // Two groups of the first four, and of the other four.
    const a = v128.load(w + pair, 32);
    const b = v128.load(w + pair, 64);
    const c = v128.load(w + pair, 96);
    v128.store(to + pair, v128.and(a, sixBitMask()));
    v128.store(to + pair, v128.or(v128.and(c, nibbleMask()), v128.and(i16x8.shr_u(a, 2), pairMask())), 32);
    v128.store(to + pair, v128.and(b, sixBitMask()), 64);
    v128.store(to + pair, v128.or(highNibbles(c, nibbleMask()), v128.and(i16x8.shr_u(b, 2), pairMask())), 96);
  }
}

/** d and dmin / 8 of eight rows, as f32[4] each, 128 bytes behind `to`: d of rows 0 to 3 and 4 to 7, then dmin / 8. */
function storeFactors(w: usize, to: usize): void {
  const d = v128.load(w);
  const dmin = v128.load(w, 16);
  const eighth = f32x4.splat(0.125);
  v128.store(to, halvesToFloats(lowHalves(d)), 128);
  v128.store(to, halvesToFloats(highHalves(d)), 144);
  v128.store(to, f32x4.mul(halvesToFloats(lowHalves(dmin)), eighth), 160);
  v128.store(to, f32x4.mul(halvesToFloats(highHalves(dmin)), eighth), 176);
}

/** As dotQ5_K. */
export function dotQ2_K(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  let low = f32x4.splat(0);
  let high = f32x4.splat(0);
  const mask = nibbleMask();
  const kept = spill + SUMS;
  while (x < xEnd) {
    storeFactors(w, kept);
    let integers = w + 32;
    w += 160;
    for (const end = w; integers < end; integers += 16, w += 64, x += ACTIVATION_BLOCK) {
      const bytes = v128.load(integers);
      const scales = lowNibbles(bytes, mask);
      const first = i16x8.extend_low_i8x16_u(scales);
      const second = i16x8.extend_high_i8x16_u(scales);
      const minimums = inPairs(highNibbles(bytes, mask));
      const sums = halfSums(x);
      sumsOf16(2, AS_CODED, w, x, mask, mask, spill);
      const lowMinimums = i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(minimums), sums);
      const lowDots = scaled16(spill, lowPairs(first), lowPairs(second));
      low = addPaired(low, lowDots, lowMinimums, v128.load(kept, 128), v128.load(kept, 160), x);
      const highMinimums = i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(minimums), sums);
      const highDots = scaled16(spill + 16, highPairs(first), highPairs(second));
      high = addPaired(high, highDots, highMinimums, v128.load(kept, 144), v128.load(kept, 176), x);
    }
  }
  v128.store(out, low);
  v128.store(out, high, 16);
}

/** As dotQ5_K. Of code - 4, 4 times the scale comes off through the sums of x. */
export function dotQ3_K(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  let low = f32x4.splat(0);
  let high = f32x4.splat(0);
  const mask = nibbleMask();
  const kept = spill + SUMS;
  const end = kept + 128;
  while (x < xEnd) {
    unpackK3(w + 16, kept, mask);
    const halves = v128.load(w);
    v128.store(end, halvesToFloats(lowHalves(halves)));
    v128.store(end, halvesToFloats(highHalves(halves)), 16);
    w += 112;
    for (let at = kept; at < end; at += 16, w += 96, x += ACTIVATION_BLOCK) {
      const first = v128.load8x8_s(at);
      const second = v128.load8x8_s(at, 8);
      const pairs = inPairs(v128.load(at));
      const sums = halfSums(x);
      sumsOf16(3, AS_CODED, w, x, mask, mask, spill);
      const lowLess = i32x4.shr_s(i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(pairs), sums), 1);
      const lowDots = i32x4.sub(scaled16(spill, lowPairs(first), lowPairs(second)), lowLess);
      low = addScaled(low, lowDots, 0, v128.load(end), x);
      const highLess = i32x4.shr_s(i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(pairs), sums), 1);
      const highDots = i32x4.sub(scaled16(spill + 16, highPairs(first), highPairs(second)), highLess);
      high = addScaled(high, highDots, 0, v128.load(end, 16), x);
    }
  }
  v128.store(out, low);
  v128.store(out, high, 16);
}

/** Scales i8[16 groups, 8 rows] from twelve bytes of eight rows each: lower halves in 8 bytes, then four bytes with upper pairs of bits. */
function unpackK3(bytes: usize, to: usize, mask: v128): void {
  const upper = i8x16.splat(0x30);
  const less = i8x16.splat(32);
  for (let pair: usize = 0; pair < 4; pair++) {
    // Groups 2 pair and 2 pair + 1, and those 8 further.
    const halves = v128.load(bytes + (pair << 4));
    const bits = v128.load(bytes + 64 + ((pair & 1) << 4));
    const early = pair < 2 ? i16x8.shl(bits, 4) : i16x8.shl(bits, 2);
    const late = pair < 2 ? bits : i16x8.shr_u(bits, 2);
    v128.store(to + (pair << 4), i8x16.sub(v128.or(lowNibbles(halves, mask), v128.and(early, upper)), less));
    v128.store(to + (pair << 4), i8x16.sub(v128.or(highNibbles(halves, mask), v128.and(late, upper)), less), 64);
  }
}

/** As dotQ5_K. */
export function dotIq4Xs(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  let low = f32x4.splat(0);
  let high = f32x4.splat(0);
  const mask = nibbleMask();
  const one = ones();
  const kept = spill + SUMS;
  const end = kept + 64;
  while (x < xEnd) {
    for (let group: usize = 0; group < 8; group++) store<u64>(kept + (group << 3), xsScales(w + 16, group));
    const halves = v128.load(w);
    v128.store(end, halvesToFloats(lowHalves(halves)));
    v128.store(end, halvesToFloats(highHalves(halves)), 16);
    w += 64;
    for (let at = kept; at < end; at += 8, w += 128, x += ACTIVATION_BLOCK) {
      halvesOfIq4(w, x, mask, spill);
      const scales = i16x8.sub(v128.load8x8_u(at), i16x8.splat(32));
      const lowScale = f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(scales)), v128.load(end));
      low = addScaled(low, sumsOfIq4(spill, one), 128, lowScale, x);
      const highScale = f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(scales)), v128.load(end, 16));
      high = addScaled(high, sumsOfIq4(spill + 16, one), 128, highScale, x);
    }
  }
  v128.store(out, low);
  v128.store(out, high, 16);
}

/** The scales, plus 32, of a group of eight rows: upper pairs of bits in two bytes, then lower halves in four. */
// @ts-ignore: decorator
@inline
function xsScales(bytes: usize, group: usize): u64 {
  const halves = load<u64>(bytes + ((2 + (group >> 1)) << 3)) >> ((group & 1) << 2);
  const bits = load<u64>(bytes + ((group >> 2) << 3)) >> ((group & 3) << 1);
  return (halves & 0x0f0f0f0f0f0f0f0f) | ((bits & 0x0303030303030303) << 4);
}

/** Blocks of four groups of 16, each with a byte of scale. */
export function dotNvfp4(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  let low = f32x4.splat(0);
  let high = f32x4.splat(0);
  const mask = nibbleMask();
  const one = ones();
  const table = tableOf(E2M1_ABOVE);
  while (x < xEnd) {
    let scales = w;
    w += 32;
    for (const end = w; scales < end; scales += 16, w += 128, x += ACTIVATION_BLOCK) {
      sumsOf16(4, E2M1_ABOVE, w, x, mask, table, spill);
      low = addNvfp4(low, spill, scales, 0, x, one);
      high = addNvfp4(high, spill + 16, scales, 1, x, one);
    }
  }
  v128.store(out, low);
  v128.store(out, high, 16);
}

// @ts-ignore: decorator
@inline
function addNvfp4(total: v128, at: usize, scales: usize, side: usize, x: usize, one: v128): v128 {
  const first = i32x4.sub(widen(v128.load(at), one), twelveSums(x, 8));
  const second = i32x4.sub(widen(v128.load(at, 32), one), twelveSums(x, 12));
  return addHalves(total, first, second,
    fourScales(SCALE_UE4M3_HALF, false, scales, side), fourScales(SCALE_UE4M3_HALF, false, scales + 8, side), x);
}

/** 12 times the sum of 16 codes of x, of which two parts lie at `at`. */
// @ts-ignore: decorator
@inline
function twelveSums(x: usize, at: usize): v128 {
  return i32x4.splat((3 * (<i32>load<i16>(x + at) + <i32>load<i16>(x + at, 2))) >> 3);
}
