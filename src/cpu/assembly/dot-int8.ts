/**
 * The integer product under every quantised kernel. RELAXED is a constant of the build (see scripts/build-wasm.mjs):
 * the relaxed module has one instruction for it, the plain one widens.
 */

/** The first of two forms of 16 int8 that dotCodes takes: as they are, or every even one as i16. */
// @ts-ignore: decorator
@inline
export function firstForm(x: v128): v128 {
  return RELAXED ? x : i16x8.shr_s(i16x8.shl(x, 8), 8);
}

/** The second form: every odd one as i16; not used by the relaxed module. */
// @ts-ignore: decorator
@inline
export function secondForm(x: v128): v128 {
  return RELAXED ? x : i16x8.shr_s(x, 8);
}

/**
 * Products of 16 signed x (in their two forms, made once for several rows) with codes 0..127: lane i is the sum for
 * bytes 2i and 2i + 1, exact.
 */
// @ts-ignore: decorator
@inline
export function dotCodes(first: v128, second: v128, codes: v128): v128 {
  if (RELAXED) return i16x8.relaxed_dot_i8x16_i7x16_s(first, codes);
  return i16x8.add(i16x8.mul(v128.and(codes, i16x8.splat(255)), first), i16x8.mul(i16x8.shr_u(codes, 8), second));
}

/** The high nibbles of 16 bytes. (i8x16.shr_u would build its mask anew at every use.) */
// @ts-ignore: decorator
@inline
export function highNibbles(pairs: v128, mask: v128 = i8x16.splat(15)): v128 {
  return v128.and(i16x8.shr_u(pairs, 4), mask);
}

// @ts-ignore: decorator
@inline
export function lowNibbles(pairs: v128, mask: v128 = i8x16.splat(15)): v128 {
  return v128.and(pairs, mask);
}

/**
 * Products of four columns (`columns`: their int8 in every lane) with the low nibbles of four rows, and of four `more` with the high ones:
 * two 16-bit sums a row.
 */
// @ts-ignore: decorator
@inline
export function nibbles(pairs: v128, columns: v128, more: v128, mask: v128): v128 {
  return i16x8.add(
    dotCodes(firstForm(columns), secondForm(columns), lowNibbles(pairs, mask)),
    dotCodes(firstForm(more), secondForm(more), highNibbles(pairs, mask)));
}

/** sums + nibbles(...), one product after the other: V8 then has fewer of them waiting in registers. */
// @ts-ignore: decorator
@inline
export function addNibbles(sums: v128, pairs: v128, columns: v128, more: v128, mask: v128): v128 {
  const first = i16x8.add(sums, dotCodes(firstForm(columns), secondForm(columns), lowNibbles(pairs, mask)));
  return i16x8.add(first, dotCodes(firstForm(more), secondForm(more), highNibbles(pairs, mask)));
}

/** Widens eight i16 sums to four i32. */
// @ts-ignore: decorator
@inline
export function widen(sums: v128, one: v128 = i16x8.splat(1)): v128 {
  return i32x4.dot_i16x8_s(sums, one);
}

/**
 * 1 where this engine computes the relaxed dot product exactly, at the edges of its range. Engines have shipped baseline
 * compilers that did not, so a loader calls this on a fresh instance and takes the plain module on 0.
 */
export function relaxedIsExact(): i32 {
  if (!RELAXED) return 1;
  const rising = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const mixed = i8x16(-128, 127, -1, 1, 0, -127, 64, -64, 100, -100, 3, -3, 77, -78, 127, -128);
  const big = i8x16(127, 127, 126, 1, 63, 62, 15, 14, 0, 127, 90, 91, 33, 34, 127, 127);
  return agree(mixed, rising) & agree(mixed, big) & agree(i8x16.splat(-128), i8x16.splat(127)) & agree(rising, big) ? 1 : 0;
}

// Not inlined and fed through memory-free values only: the instruction must run, not be folded.
function agree(x: v128, codes: v128): bool {
  const got = widen(dotCodes(firstForm(x), secondForm(x), codes));
  const want = i32x4.add(
    i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(x), i16x8.extend_low_i8x16_s(codes)),
    i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(x), i16x8.extend_high_i8x16_s(codes)));
  return total(got) == total(want);
}

function total(sums: v128): i32 {
  return i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1) + i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3);
}
