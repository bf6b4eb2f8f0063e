/** Steps that the kernels of described types share: sums of four rows, sums of x, the ends of groups, gathers of heads. */
import { madd } from './float-math';
import { halvesToFloats } from './half';
import { widen } from './dot-int8';

/**
 * Sums of eight i16 of four rows, one row per lane, where each half of a row's total fits 16 bits: for 32 products with
 * 4-bit codes they do (at most 30,480). Three levels of pairs cost 10 instructions; widening first and transposing, 13.
 */
// @ts-ignore: decorator
@inline
export function sumRows(a: v128, b: v128, c: v128, d: v128, one: v128): v128 {
  const ab = i16x8.narrow_i32x4_s(widen(a, one), widen(b, one));
  const cd = i16x8.narrow_i32x4_s(widen(c, one), widen(d, one));
  return widen(i16x8.narrow_i32x4_s(widen(ab, one), widen(cd, one)), one);
}

/** Sums of four i32x4, one per lane. */
// @ts-ignore: decorator
@inline
export function sumLanesI32(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.add(i32x4.shuffle(a, b, 0, 4, 1, 5), i32x4.shuffle(a, b, 2, 6, 3, 7));
  const cd = i32x4.add(i32x4.shuffle(c, d, 0, 4, 1, 5), i32x4.shuffle(c, d, 2, 6, 3, 7));
  return i32x4.add(i64x2.shuffle(ab, cd, 0, 2), i64x2.shuffle(ab, cd, 1, 3));
}

/** Four times the sums of the codes 0..15 and 16..31 of the activation block at x: i16[2], four times. */
// @ts-ignore: decorator
@inline
export function halfSums(x: usize): v128 {
  const sums = i32x4.shr_s(i32x4.extadd_pairwise_i16x8_s(v128.load64_splat(x, 8)), 3);
  return i16x8.narrow_i32x4_s(sums, sums);
}

/** The 16-bit values at four addresses in the high halves of the lanes; the low halves are zero. */
// @ts-ignore: decorator
@inline
export function gatherHalves(a: usize, b: usize, c: usize, d: usize): v128 {
  let halves = v128.load16_lane(a, i32x4.splat(0), 1);
  halves = v128.load16_lane(b, halves, 3);
  halves = v128.load16_lane(c, halves, 5);
  return v128.load16_lane(d, halves, 7);
}

/** As sumRows for codes up to 31: eight products of a row fit 16 bits, the sum of a half does not. */
// @ts-ignore: decorator
@inline
export function sumRowsOf5(a: v128, b: v128, c: v128, d: v128, one: v128): v128 {
  const ab = widen(i16x8.narrow_i32x4_s(widen(a, one), widen(b, one)), one);
  const cd = widen(i16x8.narrow_i32x4_s(widen(c, one), widen(d, one)), one);
  return i32x4.add(i32x4.shuffle(ab, cd, 0, 2, 4, 6), i32x4.shuffle(ab, cd, 1, 3, 5, 7));
}

/** total + (sums - times * 8 S(x)) * (scale * d(x)), in the order that the panels' tiles use too. */
// @ts-ignore: decorator
@inline
export function addLess(total: v128, sums: v128, times: f32, x: usize, scale: v128): v128 {
  const dots = f32x4.sub(f32x4.convert_i32x4_s(sums), f32x4.splat(times * <f32>load<i32>(x, 4)));
  return madd(dots, f32x4.mul(scale, v128.load32_splat(x)), total);
}

/** total + sums * (scale * d(x)), in the order that the panels' tiles use too. */
// @ts-ignore: decorator
@inline
export function addScaled(total: v128, sums: v128, x: usize, scale: v128): v128 {
  return madd(f32x4.convert_i32x4_s(sums), f32x4.mul(scale, v128.load32_splat(x)), total);
}

/** total + (sums * scale + offset / 8 * 8 S(x)) * d(x): what panel-codes.ts's addGroup makes of the negative of an eighth of the offset. */
// @ts-ignore: decorator
@inline
export function addOffset(total: v128, sums: v128, x: usize, scale: v128, offset: v128): v128 {
  const product = f32x4.mul(f32x4.convert_i32x4_s(sums), scale);
  const eighth = f32x4.mul(offset, f32x4.splat(0.125));
  const sum = madd(eighth, f32x4.convert_i32x4_s(v128.load32_splat(x, 4)), product);
  return madd(sum, v128.load32_splat(x), total);
}

/** The words at four addresses. */
// @ts-ignore: decorator
@inline
export function gatherWords(a: usize, b: usize, c: usize, d: usize): v128 {
  let words = v128.load32_zero(a);
  words = v128.load32_lane(b, words, 1);
  words = v128.load32_lane(c, words, 2);
  return v128.load32_lane(d, words, 3);
}

/** The first of two halves of every lane as a float; any pattern. */
// @ts-ignore: decorator
@inline
export function firstHalves(words: v128): v128 {
  return halvesToFloats(i32x4.shl(words, 16));
}

// @ts-ignore: decorator
@inline
export function secondHalves(words: v128): v128 {
  return halvesToFloats(v128.and(words, i32x4.splat(0xffff0000)));
}
