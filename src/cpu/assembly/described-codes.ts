/**
 * Codes of 32 columns of sixteen packed rows of 2, 3, 5 and 6 bits, and of 4: where they lie, and how they are read. A vector holds four
 * bytes of each of four rows, and vectors of all rows are side by side: vector i begins 64 * i bytes behind the first. A step is four
 * columns, a byte of each; a half has four steps. What is cheap to mask lies lowest:
 *   two bits: a vector for each half; step s of it at bit 2 s.
 *   three: vector i has step i of the first half at bit 0, of the second half at bit 3. Their fourth steps: bits 6 and 7 of vectors 0 and
 *     1, and above them bit 6 and bit 7 of vector 2.
 *   four: two vectors for each half, steps in low and high nibbles by turns.
 *   five: vectors 0 to 2 have steps of the first half at bit 0, vectors 3 and 4 of the second. First half, step 3: bits 5 to 7 of vector 0,
 *     bits 5 and 6 of vector 1. Second half, step 2: bits 5 to 7 of vector 3, 5 and 6 of vector 4; step 3: bits 5 to 7 of vector 2, bit
 *     7 of vector 1, bit 7 of vector 4.
 *   six: three vectors for each half have its steps at bit 0; step 3 is in bits 6 and 7 of the first, second and third.
 */

/** One byte sixteen times. What is loaded is one value for the compiler, and not made anew at each use (see opaque.ts). */
const MASKS = memory.data<u64>([
  0x0303030303030303, 0x0303030303030303, 0x0c0c0c0c0c0c0c0c, 0x0c0c0c0c0c0c0c0c, 0, 0, 0, 0,
  0x0707070707070707, 0x0707070707070707, 0x0303030303030303, 0x0303030303030303, 0x0404040404040404, 0x0404040404040404, 0, 0,
  0x0f0f0f0f0f0f0f0f, 0x0f0f0f0f0f0f0f0f, 0, 0, 0, 0, 0, 0,
  0x1f1f1f1f1f1f1f1f, 0x1f1f1f1f1f1f1f1f, 0x0707070707070707, 0x0707070707070707,
  0x1818181818181818, 0x1818181818181818, 0x1010101010101010, 0x1010101010101010,
  0x3f3f3f3f3f3f3f3f, 0x3f3f3f3f3f3f3f3f, 0x0303030303030303, 0x0303030303030303,
  0x0c0c0c0c0c0c0c0c, 0x0c0c0c0c0c0c0c0c, 0x3030303030303030, 0x3030303030303030,
], 16);
const EIGHTS = memory.data<u64>([0x0808080808080808, 0x0808080808080808], 16);

/** Mask i (0 to 3) that `fourColumns` and the sums of `bits` take. */
// @ts-ignore: decorator
@inline
export function maskOf(bits: i32, i: i32): v128 {
  return v128.load(MASKS + <usize>(((bits - 2) << 6) + (i << 4)));
}

/**
 * Vector i of those that `fourColumns` reads; codes of sixteen rows begin at `codes`, those of four of them `side` bytes behind. (Both
 * constants are one addition, which becomes part of the load.)
 */
// @ts-ignore: decorator
@inline
export function vectorOf(bits: i32, isHigh: bool, i: i32, codes: usize, side: i32): v128 {
  return v128.load(codes + <usize>((vectorNumber(bits, isHigh, i) << 6) + side));
}

// @ts-ignore: decorator
@inline
function vectorNumber(bits: i32, isHigh: bool, i: i32): i32 {
  if (bits == 2) return isHigh ? 1 : 0;
  if (bits == 3) return i;
  if (bits == 4) return (isHigh ? 2 : 0) + i;
  if (bits == 6) return (isHigh ? 3 : 0) + i;
  // 0, 1, 2; and 3, 4, 2, 1.
  return !isHigh ? i : i < 2 ? 3 + i : 4 - i;
}

/** How many there are. */
// @ts-ignore: decorator
@inline
export function vectorsOf(bits: i32, isHigh: bool): i32 {
  return bits == 2 ? 1 : bits == 4 ? 2 : bits == 5 && isHigh ? 4 : 3;
}

/** Codes of step s (four columns of four rows, a byte each) of one half, from its vectors. Of two bits, those of odd steps four times. */
// @ts-ignore: decorator
@inline
export function fourColumns(
  bits: i32, isHigh: bool, s: i32, v0: v128, v1: v128, v2: v128, v3: v128, mask: v128, second: v128, third: v128, fourth: v128,
): v128 {
  if (bits == 2) return v128.and(s < 2 ? v0 : i16x8.shr_u(v0, 4), s & 1 ? second : mask);
  if (bits == 4) {
    const pairs = s < 2 ? v0 : v1;
    return v128.and(s & 1 ? i16x8.shr_u(pairs, 4) : pairs, mask);
  }
  if (bits == 3) {
    if (s < 3) {
      const codes = s == 0 ? v0 : s == 1 ? v1 : v2;
      return v128.and(isHigh ? i16x8.shr_u(codes, 3) : codes, mask);
    }
    return isHigh ? joined(v1, 6, second, v2, 5, third) : joined(v0, 6, second, v2, 4, third);
  }
  if (bits == 6) {
    if (s < 3) return v128.and(s == 0 ? v0 : s == 1 ? v1 : v2, mask);
    return v128.or(joined(v0, 6, second, v1, 4, third), v128.and(i16x8.shr_u(v2, 2), fourth));
  }
  if (s == 0) return v128.and(v0, mask);
  if (s == 1) return v128.and(v1, mask);
  if (!isHigh) return s == 2 ? v128.and(v2, mask) : joined(v0, 5, second, v1, 2, third);
  if (s == 2) return joined(v0, 5, second, v1, 2, third);
  return v128.or(joined(v2, 5, second, v1, 3, fourth), v128.and(i16x8.shr_u(v3, 4), v128.load(EIGHTS)));
}

/** Bits of a and b, shifted down, under their masks. */
// @ts-ignore: decorator
@inline
function joined(a: v128, shift: i32, mask: v128, b: v128, otherShift: i32, otherMask: v128): v128 {
  return v128.or(v128.and(i16x8.shr_u(a, shift), mask), v128.and(i16x8.shr_u(b, otherShift), otherMask));
}

/** Puts codes of 32 columns of one row (`bytes`, one a column) in their place, which is zero before; `to` is the row's first one. */
export function packCodes(bits: i32, bytes: usize, to: usize): void {
  for (let s: usize = 0; s < 4; s++) {
    packStep(bits, false, <i32>s, load<u32>(bytes + 4 * s), to);
    packStep(bits, true, <i32>s, load<u32>(bytes + 4 * s, 16), to);
  }
}

/** Of one step. */
function packStep(bits: i32, isHigh: bool, s: i32, codes: u32, to: usize): void {
  if (bits == 2) return put(to, isHigh ? 1 : 0, codes, 0x03030303, 0, 2 * s);
  if (bits == 4) return put(to, (isHigh ? 2 : 0) + (s >> 1), codes, 0x0f0f0f0f, 0, (s & 1) << 2);
  if (bits == 3) {
    if (s < 3) return put(to, s, codes, 0x07070707, 0, isHigh ? 3 : 0);
    put(to, isHigh ? 1 : 0, codes, 0x03030303, 0, 6);
    return put(to, 2, codes, 0x01010101, 2, isHigh ? 7 : 6);
  }
  if (bits == 6) {
    const first = isHigh ? 3 : 0;
    if (s < 3) return put(to, first + s, codes, 0x3f3f3f3f, 0, 0);
    for (let i = 0; i < 3; i++) put(to, first + i, codes, 0x03030303, 2 * i, 6);
    return;
  }
  if (!isHigh && s < 3) return put(to, s, codes, 0x1f1f1f1f, 0, 0);
  if (isHigh && s < 2) return put(to, 3 + s, codes, 0x1f1f1f1f, 0, 0);
  if (!isHigh || s == 2) {
    const first = isHigh ? 3 : 0;
    put(to, first, codes, 0x07070707, 0, 5);
    return put(to, first + 1, codes, 0x03030303, 3, 5);
  }
  put(to, 2, codes, 0x07070707, 0, 5);
  put(to, 1, codes, 0x01010101, 3, 7);
  put(to, 4, codes, 0x01010101, 4, 7);
}

/** Bits `mask` of codes, from bit `from` on, to bit `bit` of vector i. */
// @ts-ignore: decorator
@inline
function put(to: usize, i: i32, codes: u32, mask: u32, from: i32, bit: i32): void {
  const at = to + <usize>(i << 6);
  store<u32>(at, load<u32>(at) | (((codes >> <u32>from) & mask) << <u32>bit));
}
