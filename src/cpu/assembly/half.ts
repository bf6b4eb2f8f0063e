/**
 * f16 to f32 without hardware: shift the exponent and mantissa into place and rebias by an integer add.
 * Exponents 0 and 31 take a slower path. The usual multiplication by 2^112 would be shorter, but x86 traps to
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

/** Values of four f16 that lie in the high halves of the lanes (low halves zero); any exponent. */
// @ts-ignore: decorator
@inline
export function halvesToFloats(halves: v128): v128 {
  return isOrdinary(halves) ? ordinaryHalves(halves) : anyHalves(halves);
}

/** True where no exponent is 0 or 31. Also right for eight f16: only bits 10 to 14 of each half are looked at. */
// @ts-ignore: decorator
@inline
function isOrdinary(halves: v128): bool {
  return i32x4.all_true(v128.and(i32x4.add(halves, i32x4.splat(0x04000000)), i32x4.splat(0x78000000)));
}

/** True where none of eight f16 has exponent 0 or 31. */
// @ts-ignore: decorator
@inline
export function areOrdinary(halves: v128): bool {
  return i16x8.all_true(v128.and(i16x8.add(halves, i16x8.splat(0x0400)), i16x8.splat(0x7800)));
}

/** As halvesToFloats, for exponents 1 to 30. */
// @ts-ignore: decorator
@inline
export function ordinaryHalves(halves: v128): v128 {
  return i32x4.add(v128.and(i32x4.shr_s(halves, 3), i32x4.splat(0x8fffe000)), i32x4.splat(REBIAS));
}

/** As halvesToFloats, without a branch. */
export function anyHalves(halves: v128): v128 {
  const magnitude = v128.and(i32x4.shr_u(halves, 3), i32x4.splat(0x0fffe000));
  const normal = i32x4.add(magnitude, i32x4.splat(REBIAS));
  const infinity = v128.and(i32x4.gt_s(magnitude, i32x4.splat(0x0f7fffff)), i32x4.splat(0x7f800000));
  const subnormal = f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_u(magnitude, 13)), f32x4.splat(5.960464477539063e-8));
  const isSubnormal = i32x4.gt_s(i32x4.splat(0x00800000), magnitude);
  const value = v128.bitselect(subnormal, v128.or(normal, infinity), isSubnormal);
  return v128.or(value, v128.and(halves, i32x4.splat(0x80000000)));
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
