/** Scales of sixteen packed rows as f32: the floats in front of a block's codes. */
import { halvesToFloats } from './half';
import { halfSigns } from './opaque';
import { SCALE_BF16, SCALE_F16, SCALE_F32, SCALE_UE4M3_HALF } from './weight-type';

/** f32 2^112: what moves f16's exponent, at its place in an f32, to f32's bias. */
const REBIAS: f32 = 5.192296858534828e33;

/**
 * f32[16] at `to`: those at `at`, times `factor`, a power of two. `isOdd`: some scale of the matrix is odd (packed-described.ts); e4m3 are
 * taken as such.
 */
// @ts-ignore: decorator
@inline
export function storeScales(format: i32, isOdd: bool, at: usize, factor: f32, to: usize): void {
  if (format == SCALE_F32) {
    for (let i: usize = 0; i < 64; i += 16) v128.store(to + i, f32x4.mul(v128.load(at + i), f32x4.splat(factor)));
    return;
  }
  // One branch where the format is known when it runs.
  if (format == SCALE_F16) storeSixteen(SCALE_F16, isOdd, at, at + 16, factor, to);
  else if (format == SCALE_BF16) storeSixteen(SCALE_BF16, isOdd, at, at + 16, factor, to);
  else if (format == SCALE_UE4M3_HALF) storeSixteen(SCALE_UE4M3_HALF, isOdd, at, at + 8, factor, to);
  else unreachable();
}

// @ts-ignore: decorator
@inline
function storeSixteen(format: i32, isOdd: bool, at: usize, next: usize, factor: f32, to: usize): void {
  const eight = loadEight(format, at);
  v128.store(to, fourScales(format, isOdd, eight, false, factor));
  v128.store(to, fourScales(format, isOdd, eight, true, factor), 16);
  const more = loadEight(format, next);
  v128.store(to, fourScales(format, isOdd, more, false, factor), 32);
  v128.store(to, fourScales(format, isOdd, more, true, factor), 48);
}

/** Scales of eight rows, i16 each, as `fourScales` takes them; not of f32. */
// @ts-ignore: decorator
@inline
export function loadEight(format: i32, at: usize): v128 {
  return format == SCALE_F16 || format == SCALE_BF16 ? v128.load(at) : v128.load8x8_u(at);
}

/** Of rows 0 to 3, or 4 to 7, of eight: through the high halves of their f32. */
// @ts-ignore: decorator
@inline
export function fourScales(format: i32, isOdd: bool, eight: v128, isUpper: bool, factor: f32): v128 {
  const zero = i32x4.splat(0);
  if (format == SCALE_F16) {
    if (isOdd) return times(halvesToFloats(interleaved(zero, eight, isUpper)), factor);
    const high = v128.and(i16x8.shr_s(eight, 3), halfSigns());
    return f32x4.mul(interleaved(i16x8.shl(eight, 13), high, isUpper), f32x4.splat(REBIAS * factor));
  }
  if (format == SCALE_BF16) return times(interleaved(zero, eight, isUpper), factor);
  if (format == SCALE_UE4M3_HALF) {
    const halves = i16x8.add(i16x8.shl(v128.andnot(eight, i16x8.splat(0x80)), 4), i16x8.splat(119 << 7));
    const numbers = i16x8.ne(eight, i16x8.splat(0x7f));
    return times(v128.and(ue4m3Halves(interleaved(zero, halves, isUpper)), interleaved(zero, numbers, isUpper)), factor);
  }
  return unreachable();
}

// @ts-ignore: decorator
@inline
function times(values: v128, factor: f32): v128 {
  return factor == 1 ? values : f32x4.mul(values, f32x4.splat(factor));
}

/** Four lanes of low and high halves. */
// @ts-ignore: decorator
@inline
function interleaved(low: v128, high: v128, isUpper: bool): v128 {
  return isUpper ? i16x8.shuffle(low, high, 4, 12, 5, 13, 6, 14, 7, 15) : i16x8.shuffle(low, high, 0, 8, 1, 9, 2, 10, 3, 11);
}

/**
 * The high halves of 2^(exponent - 128), of i16, which `fourScales` takes as bf16; `one` is 1 in each. The greater one of both is right for
 * normal values and for 2^-128 and 2^-127, which are odd.
 */
// @ts-ignore: decorator
@inline
export function powersOfTwo(isOdd: bool, exponents: v128, one: v128): v128 {
  const normal = i16x8.shl(i16x8.sub(exponents, one), 7);
  return isOdd ? i16x8.max_s(normal, i16x8.shl(i16x8.add(exponents, one), 5)) : normal;
}

/** Rebiased, a normal value is N and a subnormal one 2 (N - 2^-8), as in half.ts. */
// @ts-ignore: decorator
@inline
function ue4m3Halves(normal: v128): v128 {
  const difference = f32x4.sub(normal, f32x4.splat(0.00390625));
  return f32x4.pmin(normal, f32x4.add(difference, difference));
}
