/**
 * Four rows of blocks whose groups are 16, Q2_K, Q3_K and NVFP4, times one row of activations. Where a group's scale is an integer, pairs
 * of sums of 16 products, as i16, meet pairs of scales in one widening product, so that 32 values reach the float part as one integer.
 */
import { dotCodes, firstForm, highNibbles, lowNibbles, secondForm, widen } from './dot-int8';
import { addScaled, gatherHalves, gatherWords, halfSums } from './dot-sums';
import { Q2_K_D, Q3_K_D, Q3_K_SCALES } from './group-scales';
import { halvesToFloats } from './half';
import { storeTransposed } from './lanes';
import { nibbleMask, ones } from './opaque';
import { ACTIVATION_BLOCK } from './quantize';

const Q2_K_BYTES: usize = 84;
const Q3_K_BYTES: usize = 110;
const NVFP4_BYTES: usize = 36;
/** e2m1 doubled, and 12. */
const E2M1_ABOVE = memory.data<u8>([12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0], 16);

/** The lower four lanes are the sums of `a`'s lanes i and i + 4, the upper ones of `b`'s. */
// @ts-ignore: decorator
@inline
function fold(a: v128, b: v128): v128 {
  return i16x8.add(i64x2.shuffle(a, b, 0, 2), i64x2.shuffle(a, b, 1, 3));
}

/** Of four rows' folded sums: i32 [a's first group, a's second, b's first, b's second]. */
// @ts-ignore: decorator
@inline
function groupsOfTwo(a: v128, b: v128, one: v128): v128 {
  return widen(i16x8.narrow_i32x4_s(widen(a, one), widen(b, one)), one);
}

/** Lane r: the product of row r (at w0..w3) with the activation blocks [x, xEnd). `spill` holds 256 bytes. */
export function dotQ2_K(w0: usize, w1: usize, w2: usize, w3: usize, x: usize, xEnd: usize, spill: usize): v128 {
  let total = f32x4.splat(0);
  const one = ones();
  while (x < xEnd) {
    storeNibbleScales(spill, w0, w1, w2, w3);
    const d = halvesToFloats(gatherHalves(w0 + Q2_K_D, w1 + Q2_K_D, w2 + Q2_K_D, w3 + Q2_K_D));
    const dmin = quarter(halvesToFloats(gatherHalves(w0 + 82, w1 + 82, w2 + 82, w3 + 82)));
    for (let half: usize = 0; half < 2; half++) {
      const scales = spill + (half << 6);
      const at: usize = 16 + (half << 5);
      total = addQ2_K(total, 0, w0 + at, w1 + at, w2 + at, w3 + at, x, scales, d, dmin, one);
      total = addQ2_K(total, 1, w0 + at, w1 + at, w2 + at, w3 + at, x, scales, d, dmin, one);
      total = addQ2_K(total, 2, w0 + at, w1 + at, w2 + at, w3 + at, x, scales, d, dmin, one);
      total = addQ2_K(total, 3, w0 + at, w1 + at, w2 + at, w3 + at, x, scales, d, dmin, one);
      x += 4 * ACTIVATION_BLOCK;
    }
    w0 += Q2_K_BYTES;
    w1 += Q2_K_BYTES;
    w2 += Q2_K_BYTES;
    w3 += Q2_K_BYTES;
  }
  return total;
}

/** Sums of x are kept four times as large. */
// @ts-ignore: decorator
@inline
export function quarter(dmin: v128): v128 {
  return f32x4.mul(dmin, f32x4.splat(0.25));
}

/** Pairs of scales of 32 columns (i16[4 rows, 2]), 16 bytes apart, and 128 bytes further their minimums. */
function storeNibbleScales(to: usize, w0: usize, w1: usize, w2: usize, w3: usize): void {
  const a = v128.load(w0);
  const b = v128.load(w1);
  const c = v128.load(w2);
  const d = v128.load(w3);
  storePairs(to, lowNibbles(a), lowNibbles(b), lowNibbles(c), lowNibbles(d));
  storePairs(to + 128, highNibbles(a), highNibbles(b), highNibbles(c), highNibbles(d));
}

// @ts-ignore: decorator
@inline
function storePairs(to: usize, a: v128, b: v128, c: v128, d: v128): void {
  storeTransposed(to, i16x8.extend_low_i8x16_s(a), i16x8.extend_low_i8x16_s(b), i16x8.extend_low_i8x16_s(c), i16x8.extend_low_i8x16_s(d));
  storeTransposed(to + 64,
    i16x8.extend_high_i8x16_s(a), i16x8.extend_high_i8x16_s(b), i16x8.extend_high_i8x16_s(c), i16x8.extend_high_i8x16_s(d));
}

/** Part 0..3 of 128 columns, whose pairs of bits begin at w0..w3. */
// @ts-ignore: decorator
@inline
function addQ2_K(
  total: v128, part: i32, w0: usize, w1: usize, w2: usize, w3: usize, x: usize, scales: usize, d: v128, dmin: v128, one: v128,
): v128 {
  const at = x + <usize>part * ACTIVATION_BLOCK;
  const low = v128.load(at, 16);
  const high = v128.load(at, 32);
  const low1 = firstForm(low);
  const low2 = secondForm(low);
  const high1 = firstForm(high);
  const high2 = secondForm(high);
  const ab = groupsOfTwo(twoBitRow(part, w0, low1, low2, high1, high2), twoBitRow(part, w1, low1, low2, high1, high2), one);
  const cd = groupsOfTwo(twoBitRow(part, w2, low1, low2, high1, high2), twoBitRow(part, w3, low1, low2, high1, high2), one);
  const from = scales + (<usize>part << 4);
  const dots = i32x4.dot_i16x8_s(i16x8.narrow_i32x4_s(ab, cd), v128.load(from));
  const minimums = i32x4.dot_i16x8_s(v128.load(from, 128), halfSums(at));
  return addPaired(total, dots, minimums, at, d, dmin);
}

/** total + (dots * d - minimums * dmin) * d(x). */
// @ts-ignore: decorator
@inline
export function addPaired(total: v128, dots: v128, minimums: v128, x: usize, d: v128, dmin: v128): v128 {
  const product = f32x4.mul(f32x4.convert_i32x4_s(dots), d);
  const offset = f32x4.mul(f32x4.convert_i32x4_s(minimums), dmin);
  return f32x4.add(total, f32x4.mul(f32x4.sub(product, offset), v128.load32_splat(x)));
}

// @ts-ignore: decorator
@inline
function twoBitRow(part: i32, w: usize, low1: v128, low2: v128, high1: v128, high2: v128): v128 {
  return fold(dotCodes(low1, low2, twoBits(part, v128.load(w))), dotCodes(high1, high2, twoBits(part, v128.load(w, 16))));
}

// @ts-ignore: decorator
@inline
function twoBits(part: i32, pairs: v128): v128 {
  return v128.and(part == 0 ? pairs : i16x8.shr_u(pairs, 2 * part), i8x16.splat(3));
}

/** As dotQ2_K; spill holds 128 bytes. value = d * scale * (code - 4), of which 4 * scale is taken off through the sums of x. */
export function dotQ3_K(w0: usize, w1: usize, w2: usize, w3: usize, x: usize, xEnd: usize, spill: usize): v128 {
  let total = f32x4.splat(0);
  const one = ones();
  while (x < xEnd) {
    storePairs(spill, k3Scales(w0), k3Scales(w1), k3Scales(w2), k3Scales(w3));
    const d = halvesToFloats(gatherHalves(w0 + Q3_K_D, w1 + Q3_K_D, w2 + Q3_K_D, w3 + Q3_K_D));
    total = addQ3_K(total, 0, w0, w1, w2, w3, x, spill, d, one);
    total = addQ3_K(total, 1, w0, w1, w2, w3, x, spill, d, one);
    total = addQ3_K(total, 2, w0, w1, w2, w3, x, spill, d, one);
    total = addQ3_K(total, 3, w0, w1, w2, w3, x, spill, d, one);
    total = addQ3_K(total, 4, w0, w1, w2, w3, x, spill, d, one);
    total = addQ3_K(total, 5, w0, w1, w2, w3, x, spill, d, one);
    total = addQ3_K(total, 6, w0, w1, w2, w3, x, spill, d, one);
    total = addQ3_K(total, 7, w0, w1, w2, w3, x, spill, d, one);
    x += 8 * ACTIVATION_BLOCK;
    w0 += Q3_K_BYTES;
    w1 += Q3_K_BYTES;
    w2 += Q3_K_BYTES;
    w3 += Q3_K_BYTES;
  }
  return total;
}

/** The 16 scales of a super-block, an i8 each: lower halves in 8 bytes, then four bytes with upper pairs of bits. */
// @ts-ignore: decorator
@inline
function k3Scales(w: usize): v128 {
  // From two bytes before them on, since the block ends two bytes behind.
  const bytes = v128.load(w + Q3_K_SCALES - 2);
  const halves = i8x16.shuffle(bytes, bytes, 2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5, 6, 7, 8, 9);
  const low = i64x2.shuffle(lowNibbles(halves), highNibbles(halves), 0, 3);
  const pairs = i8x16.shuffle(bytes, bytes, 10, 11, 12, 13, 10, 11, 12, 13, 10, 11, 12, 13, 10, 11, 12, 13);
  // Word i holds pair i of each byte: to bits 4 and 5.
  const up4 = v128.and(i16x8.shl(pairs, 4), i32x4(0x30303030, 0, 0, 0));
  const up2 = v128.and(i16x8.shl(pairs, 2), i32x4(0, 0x30303030, 0, 0));
  const down2 = v128.and(i16x8.shr_u(pairs, 2), i32x4(0, 0, 0, 0x30303030));
  const high = v128.or(v128.or(up4, up2), v128.or(v128.and(pairs, i32x4(0, 0, 0x30303030, 0)), down2));
  return i8x16.sub(v128.or(low, high), i8x16.splat(32));
}

/** Group of 32 columns, 0..7. */
// @ts-ignore: decorator
@inline
function addQ3_K(
  total: v128, group: i32, w0: usize, w1: usize, w2: usize, w3: usize, x: usize, scales: usize, d: v128, one: v128,
): v128 {
  const at = x + <usize>group * ACTIVATION_BLOCK;
  const low = v128.load(at, 16);
  const high = v128.load(at, 32);
  const low1 = firstForm(low);
  const low2 = secondForm(low);
  const high1 = firstForm(high);
  const high2 = secondForm(high);
  const ab = groupsOfTwo(threeBitRow(group, w0, low1, low2, high1, high2), threeBitRow(group, w1, low1, low2, high1, high2), one);
  const cd = groupsOfTwo(threeBitRow(group, w2, low1, low2, high1, high2), threeBitRow(group, w3, low1, low2, high1, high2), one);
  const pairs = v128.load(scales + (<usize>group << 4));
  const dots = i32x4.dot_i16x8_s(i16x8.narrow_i32x4_s(ab, cd), pairs);
  return addScaled(total, i32x4.sub(dots, i32x4.dot_i16x8_s(pairs, halfSums(at))), at, d);
}

// @ts-ignore: decorator
@inline
function threeBitRow(group: i32, w: usize, low1: v128, low2: v128, high1: v128, high2: v128): v128 {
  const pairs = w + 32 + (<usize>(group >> 2) << 5);
  return fold(
    dotCodes(low1, low2, threeBits(group, v128.load(pairs), v128.load(w))),
    dotCodes(high1, high2, threeBits(group, v128.load(pairs, 16), v128.load(w, 16))));
}

// @ts-ignore: decorator
@inline
function threeBits(group: i32, pairs: v128, bits: v128): v128 {
  const placed = group < 2 ? i16x8.shl(bits, 2 - group) : group == 2 ? bits : i16x8.shr_u(bits, group - 2);
  return v128.or(twoBits(group & 3, pairs), v128.and(placed, i8x16.splat(4)));
}

/** Blocks of four groups of 16: a byte of scale each, then 8 bytes of nibbles each, of which the low ones come first. */
export function dotNvfp4(w0: usize, w1: usize, w2: usize, w3: usize, x: usize, xEnd: usize): v128 {
  let total = f32x4.splat(0);
  const mask = nibbleMask();
  const one = ones();
  const table = v128.load(E2M1_ABOVE);
  while (x < xEnd) {
    const scales = gatherWords(w0, w1, w2, w3);
    total = addNvfp4(total, scales, w0 + 4, w1 + 4, w2 + 4, w3 + 4, x, mask, one, table);
    total = addNvfp4(total, i32x4.shr_u(scales, 16), w0 + 20, w1 + 20, w2 + 20, w3 + 20, x + ACTIVATION_BLOCK, mask, one, table);
    x += 2 * ACTIVATION_BLOCK;
    w0 += NVFP4_BYTES;
    w1 += NVFP4_BYTES;
    w2 += NVFP4_BYTES;
    w3 += NVFP4_BYTES;
  }
  return total;
}

// @ts-ignore: decorator
@inline
function addNvfp4(
  total: v128, scales: v128, w0: usize, w1: usize, w2: usize, w3: usize, x: usize, mask: v128, one: v128, table: v128,
): v128 {
  const low = v128.load(x, 16);
  const high = v128.load(x, 32);
  // Of both groups the first halves, which meet low nibbles, and the second ones.
  const firsts = i64x2.shuffle(low, high, 0, 2);
  const seconds = i64x2.shuffle(low, high, 1, 3);
  const first1 = firstForm(firsts);
  const first2 = secondForm(firsts);
  const second1 = firstForm(seconds);
  const second2 = secondForm(seconds);
  const ab = groupsOfTwo(nvfp4Row(w0, first1, first2, second1, second2, mask, table),
    nvfp4Row(w1, first1, first2, second1, second2, mask, table), one);
  const cd = groupsOfTwo(nvfp4Row(w2, first1, first2, second1, second2, mask, table),
    nvfp4Row(w3, first1, first2, second1, second2, mask, table), one);
  const dots0 = i32x4.sub(i32x4.shuffle(ab, cd, 0, 2, 4, 6), twelveSums(x, 0));
  const dots1 = i32x4.sub(i32x4.shuffle(ab, cd, 1, 3, 5, 7), twelveSums(x, 4));
  return addHalves(total, dots0, dots1, x, ue4m3Halves(scales), ue4m3Halves(i32x4.shr_u(scales, 8)));
}

/** 12 times the sum of 16 codes of x, whose parts lie `at` bytes further. */
// @ts-ignore: decorator
@inline
function twelveSums(x: usize, at: usize): v128 {
  return i32x4.splat((3 * (<i32>load<i16>(x + at, 8) + <i32>load<i16>(x + at, 10))) >> 3);
}

// @ts-ignore: decorator
@inline
function nvfp4Row(w: usize, first1: v128, first2: v128, second1: v128, second2: v128, mask: v128, table: v128): v128 {
  const pairs = v128.load(w);
  return i16x8.add(
    dotCodes(first1, first2, i8x16.swizzle(table, lowNibbles(pairs, mask))),
    dotCodes(second1, second2, i8x16.swizzle(table, highNibbles(pairs, mask))));
}

/** total + (first * scale0 + second * scale1) * d(x). */
// @ts-ignore: decorator
@inline
export function addHalves(total: v128, first: v128, second: v128, x: usize, scale0: v128, scale1: v128): v128 {
  const product = f32x4.mul(f32x4.convert_i32x4_s(first), scale0);
  return f32x4.add(total, f32x4.mul(f32x4.add(product, f32x4.mul(f32x4.convert_i32x4_s(second), scale1)), v128.load32_splat(x)));
}

/**
 * Half of the e4m3 in the low bytes of the lanes, without its sign; of 0x7f, 0. As in half.ts: rebiased, a normal value is N and a
 * subnormal one 2 (N - 2^-8).
 */
// @ts-ignore: decorator
@inline
function ue4m3Halves(bytes: v128): v128 {
  const magnitude = v128.and(bytes, i32x4.splat(0x7f));
  const normal = i32x4.add(i32x4.shl(magnitude, 20), i32x4.splat(119 << 23));
  const difference = f32x4.sub(normal, f32x4.splat(0.00390625));
  const value = f32x4.pmin(normal, f32x4.add(difference, difference));
  return v128.andnot(value, i32x4.eq(v128.and(bytes, i32x4.splat(255)), i32x4.splat(0x7f)));
}
