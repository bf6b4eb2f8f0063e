/**
 * What becomes of the sums of 32 columns, in the order that the GEMM kernels use too: d(x), which may be huge, comes last. `dx` is d(x),
 * `sum` is 8 S(x) as a float, both in every lane: loaded once for all rows, since nothing loads again what a store came after.
 */
import { madd, nmadd } from './float-math';

/** total + sums * (scale * d(x)). */
// @ts-ignore: decorator
@inline
export function addScaled(total: v128, sums: v128, scale: v128, dx: v128): v128 {
  return madd(f32x4.convert_i32x4_s(sums), f32x4.mul(scale, dx), total);
}

/** total + (sums * scale + eighth * 8 S(x)) * d(x). */
// @ts-ignore: decorator
@inline
export function addOffset(total: v128, sums: v128, scale: v128, eighth: v128, sum: v128, dx: v128): v128 {
  const product = f32x4.mul(f32x4.convert_i32x4_s(sums), scale);
  return madd(madd(eighth, sum, product), dx, total);
}

/** total + (dots * d - minimums * dmin) * d(x); `minimums` meet eightfold sums of x, dmin is divided by 8. */
// @ts-ignore: decorator
@inline
export function addPaired(total: v128, dots: v128, minimums: v128, d: v128, dmin: v128, dx: v128): v128 {
  const product = f32x4.mul(f32x4.convert_i32x4_s(dots), d);
  return madd(nmadd(f32x4.convert_i32x4_s(minimums), dmin, product), dx, total);
}

/** total + (first * scale0 + second * scale1) * d(x). */
// @ts-ignore: decorator
@inline
export function addHalves(total: v128, first: v128, second: v128, scale0: v128, scale1: v128, dx: v128): v128 {
  const product = f32x4.mul(f32x4.convert_i32x4_s(first), scale0);
  return madd(madd(f32x4.convert_i32x4_s(second), scale1, product), dx, total);
}

/** Eight times the sums of the codes 0..15 and 16..31 of the activation block at x: i16[2], four times. */
// @ts-ignore: decorator
@inline
export function halfSums(x: usize): v128 {
  const sums = i32x4.shr_s(i32x4.extadd_pairwise_i16x8_s(v128.load64_splat(x, 8)), 2);
  return i16x8.narrow_i32x4_s(sums, sums);
}

/** d(x) of the activation block at x. */
// @ts-ignore: decorator
@inline
export function stepOf(x: usize): v128 {
  return v128.load32_splat(x);
}

/** 8 S(x) of the activation block at x. */
// @ts-ignore: decorator
@inline
export function sumOf(x: usize): v128 {
  return f32x4.convert_i32x4_s(v128.load32_splat(x, 4));
}

/** Zeros for sixteen sums. They stay in memory where a block wants all registers: one load a sum and block, where two spills would be. */
// @ts-ignore: decorator
@inline
export function clearSums(out: usize): void {
  const zero = f32x4.splat(0);
  v128.store(out, zero);
  v128.store(out, zero, 16);
  v128.store(out, zero, 32);
  v128.store(out, zero, 48);
}
