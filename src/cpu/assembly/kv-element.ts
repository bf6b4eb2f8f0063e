/** Elements of the KV cache, f32 or f16: to and from f32, four at a time. */
import { halvesToFloats } from './half';

/** Types of keys and values, mirrored in ops/attention.ts. */
export const KV_F32: i32 = 0;
export const KV_F16: i32 = 1;
export const KV_Q8: i32 = 2;
export const KV_Q4: i32 = 3;

/**
 * The f32 values of four f16 patterns, sign-extended to 32 bits. The exponent is moved over and rebased by a
 * multiplication, which is exact for subnormals too. Infinity and NaN read as numbers from 65,536 on: where a page may hold
 * them ({@link packHalves} says so), {@link unpackAnyHalves} reads it.
 */
// @ts-ignore: decorator
@inline
function floatsOfHalves(halves: v128): v128 {
  const moved = v128.and(i32x4.shl(halves, 13), i32x4.splat(0x8fffffff));
  return f32x4.mul(moved, f32x4.splat(reinterpret<f32>(0x77800000)));
}

/** Four elements from `at` on. T is f32, or u16 for f16. */
// @ts-ignore: decorator
@inline
export function loadElements<T>(at: usize): v128 {
  if (sizeof<T>() == 2) return floatsOfHalves(v128.load_ext<i16>(at));
  return v128.load(at);
}

/** Unpacks `count` (a multiple of 4) f16 elements. */
export function unpackHalves(from: usize, to: usize, count: i32): void {
  for (let i = 0; i < count; i += 4) {
    v128.store(to + <usize>(i * 4), loadElements<u16>(from + <usize>(i * 2)));
  }
}

/** As {@link unpackHalves}, for infinity and NaN too. */
export function unpackAnyHalves(from: usize, to: usize, count: i32): void {
  for (let i = 0; i < count; i += 4) {
    v128.store(to + <usize>(i * 4), halvesToFloats(i32x4.shl(v128.load_ext<u16>(from + <usize>(i * 2)), 16)));
  }
}

/** f16's infinity is nearer than its largest number, or x is NaN. */
// @ts-ignore: decorator
@inline
function isBeyondHalf(x: v128): v128 {
  return i32x4.ge_s(v128.and(x, i32x4.splat(0x7fffffff)), i32x4.splat(0x477ff000));
}

/** Four f16 patterns in the low halves of 32-bit lanes: nearest, ties to even, with subnormals, infinity and NaN. */
// @ts-ignore: decorator
@inline
function halvesOfFloats(x: v128): v128 {
  const magnitude = v128.and(x, i32x4.splat(0x7fffffff));
  const sign = v128.and(i32x4.shr_u(x, 16), i32x4.splat(0x8000));
  const odd = v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(1));
  const normal = i32x4.shr_u(i32x4.add(i32x4.sub(magnitude, i32x4.splat(0x38000000 - 0xfff)), odd), 13);
  // Adding 0.5 leaves a subnormal's 10 bits, rounded by the adder, at the low end of the mantissa.
  const small = i32x4.sub(f32x4.add(magnitude, f32x4.splat(0.5)), i32x4.splat(0x3f000000));
  let bits = v128.bitselect(small, normal, i32x4.lt_s(magnitude, i32x4.splat(0x38800000)));
  bits = v128.bitselect(i32x4.splat(0x7c00), bits, i32x4.ge_s(magnitude, i32x4.splat(0x477ff000)));
  bits = v128.bitselect(i32x4.splat(0x7e00), bits, i32x4.gt_s(magnitude, i32x4.splat(0x7f800000)));
  return v128.or(bits, sign);
}

// @ts-ignore: decorator
@inline
function storeElements<T>(at: usize, x: v128): void {
  if (sizeof<T>() == 2) v128.store64_lane(at, packLow(halvesOfFloats(x)), 0);
  else v128.store(at, x);
}

// @ts-ignore: decorator
@inline
function packLow(x: v128): v128 {
  return v128.shuffle<u16>(x, x, 0, 2, 4, 6, 0, 2, 4, 6);
}

/** Stores `count` floats as T and zeros up to `padded`, a multiple of 4. Lanes of the result are not zero where a float is beyond f16. */
// @ts-ignore: decorator
@inline
function packElements<T>(from: usize, to: usize, count: i32, padded: i32): v128 {
  let beyond = i32x4.splat(0);
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const x = v128.load(from + <usize>(i * 4));
    if (sizeof<T>() == 2) beyond = v128.or(beyond, isBeyondHalf(x));
    storeElements<T>(to + <usize>i * sizeof<T>(), x);
  }
  if (i == padded) return beyond;
  let last = f32x4.splat(0);
  if (i + 0 < count) last = f32x4.replace_lane(last, 0, load<f32>(from + <usize>(i * 4)));
  if (i + 1 < count) last = f32x4.replace_lane(last, 1, load<f32>(from + <usize>(i * 4), 4));
  if (i + 2 < count) last = f32x4.replace_lane(last, 2, load<f32>(from + <usize>(i * 4), 8));
  if (sizeof<T>() == 2) beyond = v128.or(beyond, isBeyondHalf(last));
  storeElements<T>(to + <usize>i * sizeof<T>(), last);
  return beyond;
}

/** True where infinity or NaN was stored. */
export function packHalves(from: usize, to: usize, count: i32, padded: i32): bool {
  return v128.any_true(packElements<u16>(from, to, count, padded));
}

export function packFloats(from: usize, to: usize, count: i32, padded: i32): void {
  packElements<f32>(from, to, count, padded);
}
