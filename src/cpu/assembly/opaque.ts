/**
 * What the compiler is not to see through. Constant vectors are loaded from memory: as literals they cost V8 three instructions at
 * every use (newer versions) or the registers to keep them (older ones); a loaded value is one it cannot make anew.
 */

const NIBBLES = memory.data<i32>([0x0f0f0f0f, 0x0f0f0f0f, 0x0f0f0f0f, 0x0f0f0f0f], 16);
const ONES = memory.data<i32>([0x00010001, 0x00010001, 0x00010001, 0x00010001], 16);
const ZEROS = memory.data<i32>([0, 0, 0, 0], 16);
const PAIRS = memory.data<i32>([0x30303030, 0x30303030, 0x30303030, 0x30303030], 16);
const REBIAS = memory.data<i32>([0x38000000, 0x38000000, 0x38000000, 0x38000000], 16);
const HALF_SIGNS = memory.data<i32>([0x8fff8fff, 0x8fff8fff, 0x8fff8fff, 0x8fff8fff], 16);
const HALF_BIAS = memory.data<i32>([0x38003800, 0x38003800, 0x38003800, 0x38003800], 16);
const EIGHTH_HALF_BIAS = memory.data<i32>([0x36803680, 0x36803680, 0x36803680, 0x36803680], 16);
const EIGHTH_REBIAS = memory.data<i32>([0x36800000, 0x36800000, 0x36800000, 0x36800000], 16);
const SIX_BITS = memory.data<i32>([0x3f3f3f3f, 0x3f3f3f3f, 0x3f3f3f3f, 0x3f3f3f3f], 16);
const SIGNED_HALF = memory.data<i32>([0x8fffe000, 0x8fffe000, 0x8fffe000, 0x8fffe000], 16);

/** 15 in every byte. */
// @ts-ignore: decorator
@inline
export function nibbleMask(): v128 {
  return v128.load(NIBBLES);
}

/** 0x30 in every byte. */
// @ts-ignore: decorator
@inline
export function pairMask(): v128 {
  return v128.load(PAIRS);
}

/** 1 in every i16. */
// @ts-ignore: decorator
@inline
export function ones(): v128 {
  return v128.load(ONES);
}

/** 0 everywhere: as a literal it is made anew for each shuffle. */
// @ts-ignore: decorator
@inline
export function zeros(): v128 {
  return v128.load(ZEROS);
}

/** 112 << 23 in every i32: the exponent between f16's and f32's bias; as a float, 2^-15. */
// @ts-ignore: decorator
@inline
export function rebias(): v128 {
  return v128.load(REBIAS);
}

/** The bits of an f16's sign, exponent and mantissa, spread to an f32's places. */
// @ts-ignore: decorator
@inline
export function signedHalfMask(): v128 {
  return v128.load(SIGNED_HALF);
}

/** The bits of an f16's sign, exponent and seven of its mantissa, at the places of the high half of an f32. */
// @ts-ignore: decorator
@inline
export function halfSigns(): v128 {
  return v128.load(HALF_SIGNS);
}

/** 112 at the place of the exponent in the high half of an f32. */
// @ts-ignore: decorator
@inline
export function halfBias(): v128 {
  return v128.load(HALF_BIAS);
}

/** `halfBias` for an eighth of the value. */
// @ts-ignore: decorator
@inline
export function eighthHalfBias(): v128 {
  return v128.load(EIGHTH_HALF_BIAS);
}

/** `rebias` for an eighth of the value. */
// @ts-ignore: decorator
@inline
export function eighthRebias(): v128 {
  return v128.load(EIGHTH_REBIAS);
}

/** 63 in every byte. */
// @ts-ignore: decorator
@inline
export function sixBitMask(): v128 {
  return v128.load(SIX_BITS);
}

/**
 * Stores two vectors that nothing reads. V8 moves arithmetic, but no loads over a store: without it, it loads all that a block of the loop
 * needs first, and runs out of registers (Q4_0 decodes at 18.6 GB/s instead of 21.8 on Node 20, Q6_K at 13 instead of 18.3).
 */
// @ts-ignore: decorator
@inline
export function keepOrder(at: usize, a: v128, b: v128): void {
  v128.store(at, a);
  v128.store(at, b, 16);
}
