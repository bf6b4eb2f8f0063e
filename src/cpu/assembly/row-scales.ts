/** Scales of sixteen packed rows as f32: the floats in front of a block's codes. */
import { halvesToFloats, highHalves, lowHalves } from './half';
import { halfSigns } from './opaque';
import { SCALE_BF16, SCALE_E8M0_HALF, SCALE_F16, SCALE_F32, SCALE_UE4M3_HALF } from './weight-type';

/** f32 2^112: what moves f16's exponent, at its place in an f32, to f32's bias. */
const REBIAS: f32 = 5.192296858534828e33;

/**
 * f32[16] at `to`: those at `at`, times `factor`, a power of two. `isOdd`: some f16 of the matrix is subnormal, or not finite.
 */
// @ts-ignore: decorator
@inline
export function storeScales(format: i32, isOdd: bool, at: usize, factor: f32, to: usize): void {
  if (format == SCALE_F32) {
    for (let i: usize = 0; i < 64; i += 16) v128.store(to + i, f32x4.mul(v128.load(at + i), f32x4.splat(factor)));
    return;
  }
  const bytes: usize = format == SCALE_F16 || format == SCALE_BF16 ? 16 : 8;
  storeEight(format, isOdd, at, factor, to);
  storeEight(format, isOdd, at + bytes, factor, to + 32);
}

/** Of eight rows: through the high halves of their f32. */
// @ts-ignore: decorator
@inline
function storeEight(format: i32, isOdd: bool, at: usize, factor: f32, to: usize): void {
  if (format == SCALE_F16) {
    const halves = v128.load(at);
    if (isOdd) {
      v128.store(to, f32x4.mul(halvesToFloats(lowHalves(halves)), f32x4.splat(factor)));
      v128.store(to, f32x4.mul(halvesToFloats(highHalves(halves)), f32x4.splat(factor)), 16);
      return;
    }
    const low = i16x8.shl(halves, 13);
    const high = v128.and(i16x8.shr_s(halves, 3), halfSigns());
    const scale = f32x4.splat(REBIAS * factor);
    v128.store(to, f32x4.mul(i16x8.shuffle(low, high, 0, 8, 1, 9, 2, 10, 3, 11), scale));
    v128.store(to, f32x4.mul(i16x8.shuffle(low, high, 4, 12, 5, 13, 6, 14, 7, 15), scale), 16);
  } else if (format == SCALE_BF16) {
    const halves = v128.load(at);
    v128.store(to, f32x4.mul(lowHalves(halves), f32x4.splat(factor)));
    v128.store(to, f32x4.mul(highHalves(halves), f32x4.splat(factor)), 16);
  } else if (format == SCALE_E8M0_HALF) {
    const halves = powersOfTwo(v128.load8x8_u(at));
    v128.store(to, lowHalves(halves));
    v128.store(to, highHalves(halves), 16);
  } else if (format == SCALE_UE4M3_HALF) {
    const bytes = v128.load8x8_u(at);
    const magnitude = v128.andnot(bytes, i16x8.splat(0x80));
    const halves = i16x8.add(i16x8.shl(magnitude, 4), i16x8.splat(119 << 7));
    const numbers = i16x8.ne(bytes, i16x8.splat(0x7f));
    v128.store(to, v128.and(ue4m3Halves(lowHalves(halves)), lowHalves(numbers)));
    v128.store(to, v128.and(ue4m3Halves(highHalves(halves)), highHalves(numbers)), 16);
  } else {
    unreachable();
  }
}

/** The high halves of 2^(exponent - 128), of i16: the greater one of both is right for normal values and for 2^-128 and 2^-127. */
// @ts-ignore: decorator
@inline
function powersOfTwo(exponents: v128): v128 {
  const one = i16x8.splat(1);
  return i16x8.max_s(i16x8.shl(i16x8.sub(exponents, one), 7), i16x8.shl(i16x8.add(exponents, one), 5));
}

/** Rebiased, a normal value is N and a subnormal one 2 (N - 2^-8), as in half.ts. */
// @ts-ignore: decorator
@inline
function ue4m3Halves(normal: v128): v128 {
  const difference = f32x4.sub(normal, f32x4.splat(0.00390625));
  return f32x4.pmin(normal, f32x4.add(difference, difference));
}
