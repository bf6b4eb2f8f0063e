/**
 * The integer product under every quantised kernel. RELAXED is a constant of the build (see scripts/build-wasm.mjs):
 * the relaxed module has one instruction for it, the plain one widens.
 */

/**
 * Products of signed x with codes 0..127, added in pairs or in fours: eight i16 whose total is exact while
 * it fits. Which products share a lane differs between the modules; only sums over all lanes are used.
 */
// @ts-ignore: decorator
@inline
export function dotCodes(x: v128, codes: v128): v128 {
  if (RELAXED) return i16x8.relaxed_dot_i8x16_i7x16_s(x, codes);
  return i16x8.add(i16x8.extmul_low_i8x16_s(x, codes), i16x8.extmul_high_i8x16_s(x, codes));
}

/** Widens eight i16 sums to four i32. */
// @ts-ignore: decorator
@inline
export function widen(sums: v128): v128 {
  return i32x4.dot_i16x8_s(sums, i16x8.splat(1));
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
  const got = widen(dotCodes(x, codes));
  const want = i32x4.add(
    i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(x), i16x8.extend_low_i8x16_s(codes)),
    i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(x), i16x8.extend_high_i8x16_s(codes)));
  return total(got) == total(want);
}

function total(sums: v128): i32 {
  return i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1) + i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3);
}
