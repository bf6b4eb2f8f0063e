/**
 * f16 to f32 without hardware: shift the exponent and mantissa into place and rebias by an integer add.
 * Subnormals and infinities cost more steps. The usual multiplication by 2^112 would be shorter, but x86 traps to
 * microcode on subnormal operands: 39 ns a vector instead of 0.6, and K-quants have subnormal scales.
 */

const REBIAS: i32 = 112 << 23;

/** Value of one f16 bit pattern. */
export function halfToFloat(bits: u32): f32 {
  const sign = (bits & 0x8000) << 16;
  const magnitude = (bits & 0x7fff) << 13;
  if (magnitude < 0x00800000) {
    const value = <f32>(bits & 0x7fff) * <f32>5.960464477539063e-8;
    return reinterpret<f32>(reinterpret<u32>(value) | sign);
  }
  const infinity: u32 = magnitude >= 0x0f800000 ? 0x7f800000 : 0;
  return reinterpret<f32>((magnitude + REBIAS) | infinity | sign);
}

/** Values of four f16 that lie in the high halves of the lanes (low halves zero); any pattern. */
// @ts-ignore: decorator
@inline
export function halvesToFloats(halves: v128): v128 {
  const beyond = i32x4.gt_s(magnitudeOf(halves), i32x4.splat(0x0f7fffff));
  return v128.or(finiteHalves(halves), v128.and(beyond, i32x4.splat(0x7f800000)));
}

/** The f16 magnitudes at the places of an f32's exponent and mantissa. */
// @ts-ignore: decorator
@inline
export function magnitudeOf(halves: v128): v128 {
  return i32x4.shr_u(i32x4.shl(halves, 1), 4);
}

/**
 * As halvesToFloats, for finite values. Rebiased, a normal value is N; a subnormal one is 2 (N - 2^-15), because its
 * leading bit is not there. The lesser of the two is the right one on either side of 2^-14.
 */
// @ts-ignore: decorator
@inline
function finiteHalves(halves: v128): v128 {
  const bias = i32x4.splat(REBIAS);
  const value = orSubnormal(i32x4.add(magnitudeOf(halves), bias), bias);
  return v128.or(value, i32x4.shl(i32x4.shr_u(halves, 31), 31));
}

/** The value whose exponent and mantissa were added to `bias` (as a float, half the least normal value): `normal`, or a subnormal one. */
// @ts-ignore: decorator
@inline
export function orSubnormal(normal: v128, bias: v128): v128 {
  const difference = f32x4.sub(normal, bias);
  return f32x4.pmin(normal, f32x4.add(difference, difference));
}

/** 0 in a lane where a half has exponent 0 or 31, for {@link ordinaryHalves}. */
// @ts-ignore: decorator
@inline
export function exponentMarks(halves: v128): v128 {
  return v128.and(i16x8.add(halves, i16x8.splat(0x0400)), i16x8.splat(0x7800));
}

/** Values of four f16, sign-extended to i32, of exponents 1 to 30; mask and bias are opaque.ts's. */
// @ts-ignore: decorator
@inline
export function ordinaryHalves(extended: v128, mask: v128, bias: v128): v128 {
  return i32x4.add(v128.and(i32x4.shl(extended, 13), mask), bias);
}

/** Halves 0..3 of eight in the high halves of four lanes (a bf16 is then its own f32). */
// @ts-ignore: decorator
@inline
export function lowHalves(halves: v128): v128 {
  return i16x8.shuffle(i32x4.splat(0), halves, 0, 8, 1, 9, 2, 10, 3, 11);
}

/** Halves 4..7 likewise. */
// @ts-ignore: decorator
@inline
export function highHalves(halves: v128): v128 {
  return i16x8.shuffle(i32x4.splat(0), halves, 4, 12, 5, 13, 6, 14, 7, 15);
}

/** The high 16 bits of eight f16 as f32, for values of exponents 1 to 30; signs and bias are opaque.ts's halfSigns and halfBias. */
// @ts-ignore: decorator
@inline
export function ordinaryBits(halves: v128, signs: v128, bias: v128): v128 {
  return i16x8.add(v128.and(i16x8.shr_s(halves, 3), signs), bias);
}

/** Values of f16 0..3 of eight, of exponents 1 to 30, whose `ordinaryBits` are `bits`. */
// @ts-ignore: decorator
@inline
export function lowOrdinary(halves: v128, bits: v128): v128 {
  return i16x8.shuffle(i16x8.shl(halves, 13), bits, 0, 8, 1, 9, 2, 10, 3, 11);
}

/** Values of f16 4..7 likewise. */
// @ts-ignore: decorator
@inline
export function highOrdinary(halves: v128, bits: v128): v128 {
  return i16x8.shuffle(i16x8.shl(halves, 13), bits, 4, 12, 5, 13, 6, 14, 7, 15);
}

/** Values of f16 0..3 of eight: of any, or of those whose `ordinaryBits` are `bits`. */
// @ts-ignore: decorator
@inline
export function lowScales(isAny: bool, halves: v128, bits: v128): v128 {
  return isAny ? halvesToFloats(lowHalves(halves)) : lowOrdinary(halves, bits);
}

/** Values of f16 4..7 likewise. */
// @ts-ignore: decorator
@inline
export function highScales(isAny: bool, halves: v128, bits: v128): v128 {
  return isAny ? halvesToFloats(highHalves(halves)) : highOrdinary(halves, bits);
}
