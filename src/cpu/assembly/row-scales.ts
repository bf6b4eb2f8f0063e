/** Scales of four packed rows in the lanes of a vector: the floats in front of a block's codes. */
import { halvesToFloats, lowHalves } from './half';
import { signedHalfMask } from './opaque';
import { SCALE_BF16, SCALE_E8M0_HALF, SCALE_F16, SCALE_F32, SCALE_UE4M3_HALF } from './weight-type';

/** f32 2^112: what moves f16's exponent, at its place in an f32, to f32's bias. */
const REBIAS: f32 = 5.192296858534828e33;

/** Of the rows of `side` 0 or 1 of eight whose floats begin at `at`. `isOdd`: some f16 of the matrix is subnormal, or not finite. */
// @ts-ignore: decorator
@inline
export function fourScales(format: i32, isOdd: bool, at: usize, side: usize): v128 {
  if (format == SCALE_F16) {
    const halves = lowHalves(v128.load64_zero(at + (side << 3)));
    if (isOdd) return halvesToFloats(halves);
    return f32x4.mul(v128.and(i32x4.shr_s(halves, 3), signedHalfMask()), f32x4.splat(REBIAS));
  }
  if (format == SCALE_BF16) return lowHalves(v128.load64_zero(at + (side << 3)));
  if (format == SCALE_F32) return v128.load(at + (side << 4));
  const bytes = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(at + (side << 2))));
  if (format == SCALE_E8M0_HALF) return powersOfTwo(bytes);
  if (format == SCALE_UE4M3_HALF) return ue4m3Halves(bytes);
  return unreachable();
}

/** 2^(exponent - 128). */
// @ts-ignore: decorator
@inline
function powersOfTwo(exponents: v128): v128 {
  const one = i32x4.splat(1);
  const normal = i32x4.shl(i32x4.sub(i32x4.max_s(exponents, one), one), 23);
  // 2^-128 and 2^-127.
  const subnormal = i32x4.shl(i32x4.add(exponents, one), 21);
  return v128.bitselect(normal, subnormal, i32x4.gt_s(exponents, one));
}

/** Half of an e4m3 without its sign; of 0x7f, 0. As in half.ts: rebiased, a normal value is N and a subnormal one 2 (N - 2^-8). */
// @ts-ignore: decorator
@inline
function ue4m3Halves(bytes: v128): v128 {
  const magnitude = v128.and(bytes, i32x4.splat(0x7f));
  const normal = i32x4.add(i32x4.shl(magnitude, 20), i32x4.splat(119 << 23));
  const difference = f32x4.sub(normal, f32x4.splat(0.00390625));
  const value = f32x4.pmin(normal, f32x4.add(difference, difference));
  return v128.andnot(value, i32x4.eq(bytes, i32x4.splat(0x7f)));
}
