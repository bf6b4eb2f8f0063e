/** Small vector steps that several kernels share: row sums, transposes, stores of part of a vector. */

/** Sums of four f32x4, one per lane. */
// @ts-ignore: decorator
@inline
export function sumLanesF32(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(i32x4.shuffle(a, b, 0, 4, 1, 5), i32x4.shuffle(a, b, 2, 6, 3, 7));
  const cd = f32x4.add(i32x4.shuffle(c, d, 0, 4, 1, 5), i32x4.shuffle(c, d, 2, 6, 3, 7));
  return f32x4.add(i64x2.shuffle(ab, cd, 0, 2), i64x2.shuffle(ab, cd, 1, 3));
}

/** Stores the 4x4 transpose (32-bit units) of rows a..d: unit i of every row goes to `to + 16 * i`. */
// @ts-ignore: decorator
@inline
export function storeTransposed(to: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab0 = i32x4.shuffle(a, b, 0, 4, 1, 5);
  const ab1 = i32x4.shuffle(a, b, 2, 6, 3, 7);
  const cd0 = i32x4.shuffle(c, d, 0, 4, 1, 5);
  const cd1 = i32x4.shuffle(c, d, 2, 6, 3, 7);
  v128.store(to, i64x2.shuffle(ab0, cd0, 0, 2));
  v128.store(to, i64x2.shuffle(ab0, cd0, 1, 3), 16);
  v128.store(to, i64x2.shuffle(ab1, cd1, 0, 2), 32);
  v128.store(to, i64x2.shuffle(ab1, cd1, 1, 3), 48);
}

/** Stores the first `count` (1 to 4) f32 lanes. */
// @ts-ignore: decorator
@inline
export function storeLanes(to: usize, value: v128, count: i32): void {
  if (count >= 4) {
    v128.store(to, value);
  } else {
    f32.store(to, f32x4.extract_lane(value, 0));
    if (count > 1) f32.store(to, f32x4.extract_lane(value, 1), 4);
    if (count > 2) f32.store(to, f32x4.extract_lane(value, 2), 8);
  }
}

/** i16 0..3 of eight, twice each: what pairs of products of four rows are multiplied with. */
// @ts-ignore: decorator
@inline
export function lowPairs(values: v128): v128 {
  return i16x8.shuffle(values, values, 0, 0, 1, 1, 2, 2, 3, 3);
}

/** i16 4..7 likewise. */
// @ts-ignore: decorator
@inline
export function highPairs(values: v128): v128 {
  return i16x8.shuffle(values, values, 4, 4, 5, 5, 6, 6, 7, 7);
}

/** i16 0..3 of eight in the high halves of four lanes, over zeros: of bf16 the values as f32. */
// @ts-ignore: decorator
@inline
export function lowAbove(eight: v128, zero: v128): v128 {
  return i16x8.shuffle(zero, eight, 0, 8, 1, 9, 2, 10, 3, 11);
}

/** i16 4..7 likewise. */
// @ts-ignore: decorator
@inline
export function highAbove(eight: v128, zero: v128): v128 {
  return i16x8.shuffle(zero, eight, 4, 12, 5, 13, 6, 14, 7, 15);
}
