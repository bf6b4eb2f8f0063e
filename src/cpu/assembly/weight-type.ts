/**
 * Numbers of weight types, as `src/cpu/weight-code.ts` makes them of a format's record. Those below LEAST_DESCRIBED have kernels of their
 * own; from there on a number holds how codes and scales lie in a block, in bits, from the lowest:
 * arrangement 4 | log2 of block size, less 4: 3 | bits of a code, less 1: 3 | scales 4 | minimum 2 | meaning of a code 3 |
 * log2 of group size, less 4: 2 | offset of the codes 6 | offset of their high bits, halved 4.
 */
export const F32: i32 = 0;
export const F16: i32 = 1;
export const BF16: i32 = 2;
export const Q8_0: i32 = 3;
export const Q4_0: i32 = 4;
export const Q4_K: i32 = 5;
export const Q6_K: i32 = 6;
export const LEAST_DESCRIBED: i32 = 16;

export const Q8_0_BYTES: usize = 34;
export const Q4_0_BYTES: usize = 18;
export const Q4_K_BYTES: usize = 144;
export const Q6_K_BYTES: usize = 210;

/** Arrangements of codes: nibbles, or pairs of bits, in runs of so many bytes; with a plane of high bits, as a stream or in runs of 32. */
export const NIBBLES_16: i32 = 1;
export const NIBBLES_16_HIGH: i32 = 2;
export const NIBBLES_32_HIGH: i32 = 3;
export const NIBBLES_8: i32 = 4;
export const PAIRS_32: i32 = 5;
export const PAIRS_32_HIGH: i32 = 6;
/** Codes one behind the other from the lowest bit on. */
export const STREAM: i32 = 7;

/** Scales: floats in front of the codes, one a group; then the packings of integers under a super-block's f16. */
export const SCALE_F16: i32 = 0;
export const SCALE_BF16: i32 = 1;
export const SCALE_F32: i32 = 2;
export const SCALE_E8M0: i32 = 3;
export const SCALE_E8M0_HALF: i32 = 4;
export const SCALE_UE4M3_HALF: i32 = 5;
export const SCALE_K4: i32 = 6;
export const SCALE_NIBBLES: i32 = 7;
export const SCALE_K3: i32 = 8;
export const SCALE_XS: i32 = 9;

export const MINIMUM_NONE: i32 = 0;
/** Added to scale * code. */
export const MINIMUM_ADDED: i32 = 1;
export const MINIMUM_SUBTRACTED: i32 = 2;
/** Subtracted from the code: a zero point. */
export const MINIMUM_TIMES_SCALE: i32 = 3;

/** What a code stands for: itself; itself less half of its range; an entry of a codebook. */
export const CODE_ITSELF: i32 = 0;
export const CODE_LESS_HALF: i32 = 1;
export const CODE_IQ4: i32 = 2;
export const CODE_E2M1: i32 = 3;
export const CODE_E4M3: i32 = 4;
/** The bits of a number that hold it. */
export const MEANING_MASK: i32 = 7 << 16;

// @ts-ignore: decorator
@inline
export function arrangementOf(type: i32): i32 {
  return type & 15;
}

// @ts-ignore: decorator
@inline
export function blockSizeOf(type: i32): i32 {
  return 1 << logarithmOfBlock(type);
}

/** To base 2. */
// @ts-ignore: decorator
@inline
export function logarithmOfBlock(type: i32): i32 {
  return ((type >> 4) & 7) + 4;
}

// @ts-ignore: decorator
@inline
export function codeBitsOf(type: i32): i32 {
  return ((type >> 7) & 7) + 1;
}

// @ts-ignore: decorator
@inline
export function scalesOf(type: i32): i32 {
  return (type >> 10) & 15;
}

// @ts-ignore: decorator
@inline
export function minimumOf(type: i32): i32 {
  return (type >> 14) & 3;
}

// @ts-ignore: decorator
@inline
export function meaningOf(type: i32): i32 {
  return (type >> 16) & 7;
}

// @ts-ignore: decorator
@inline
export function groupSizeOf(type: i32): i32 {
  return 16 << ((type >> 19) & 3);
}

// @ts-ignore: decorator
@inline
export function codesOffsetOf(type: i32): usize {
  return (type >> 21) & 63;
}

// @ts-ignore: decorator
@inline
export function highOffsetOf(type: i32): usize {
  return ((type >> 27) & 15) << 1;
}

/** Bytes of one scale in front of the codes. */
export function scaleBytesOf(type: i32): usize {
  switch (scalesOf(type)) {
    case SCALE_F16:
    case SCALE_BF16: return 2;
    case SCALE_F32: return 4;
    case SCALE_E8M0:
    case SCALE_E8M0_HALF:
    case SCALE_UE4M3_HALF: return 1;
    default: return unreachable();
  }
}

/** Floats in front of the codes of a block. */
// @ts-ignore: decorator
@inline
export function floatsOf(type: i32): i32 {
  return blockSizeOf(type) / groupSizeOf(type) * (minimumOf(type) == MINIMUM_NONE ? 1 : 2);
}

/** Bytes of a block of a described type. */
export function blockBytesOf(type: i32): usize {
  const codes = <usize>((blockSizeOf(type) * codeBitsOf(type)) >> 3);
  switch (scalesOf(type)) {
    case SCALE_K4: return codes + 16;
    case SCALE_NIBBLES: return codes + 20;
    case SCALE_K3: return codes + 14;
    case SCALE_XS: return codes + 8;
    default: return codes + scaleBytesOf(type) * <usize>floatsOf(type);
  }
}

// @ts-ignore: decorator
@inline
export function isDescribed(type: i32): bool {
  return type >= LEAST_DESCRIBED;
}

/** Traps at a number that no kernel has. */
export function requireKnown(type: i32): void {
  if (type >= F32 && type <= Q6_K) return;
  const arrangement = arrangementOf(type);
  const bits = codeBitsOf(type);
  const isKnown = isDescribed(type) && arrangement >= NIBBLES_16 && arrangement <= STREAM && bits != 1 && bits != 7;
  if (!isKnown) unreachable();
}

/** Blocks whose codes are floats. */
// @ts-ignore: decorator
@inline
export function isCodedFloat(type: i32): bool {
  return isDescribed(type) && meaningOf(type) == CODE_E4M3;
}

/** Types that are multiplied with f32 activations. */
// @ts-ignore: decorator
@inline
export function takesFloats(type: i32): bool {
  return type <= BF16 || isCodedFloat(type);
}
