/**
 * Activations for quantised weights: int8 codes in blocks of 32, one form for every weight type.
 *
 * A block is 48 bytes: f32 d; i32 8 * S; i16 32 * E, 32 * O of codes 0..15; the same of codes 16..31; i8 codes[32]. S is the sum of all
 * codes, E that of codes whose number leaves 0 or 1 when divided by 4, O that of the others: a product's two 16-bit sums of a lane
 * of four columns. The sums carry what a weight format subtracts from its codes (8, 32, a minimum).
 *
 * d = max|x| / 127; code = x * (127 / max|x|), both operations rounded to f32, then to the nearest integer, ties to even.
 * Blocks with max|x| below 1e-30 have codes 0. A NaN or an infinity makes d NaN or infinite and the codes 0, so every
 * product with the block is NaN, as it would be with floats.
 */
import { takesFloats } from './weight-type';

export const ACTIVATION_BLOCK: usize = 48;
export const CODES: usize = 16;

/** Bytes of one row of activations in the form that weights of `type` are multiplied with; a multiple of 16. */
export function activationBytes(type: i32, cols: i32): i32 {
  if (takesFloats(type)) return (cols * 4 + 15) & ~15;
  return ((cols + 31) >> 5) * 48;
}

/** Where the block of a column, a multiple of 32, lies in a row of activations. */
// @ts-ignore: decorator
@inline
export function codesAt(row: usize, column: i32): usize {
  return row + <usize>(column >> 5) * ACTIVATION_BLOCK;
}

/** Rounds x (f32[cols], cols a multiple of 32) to blocks at `out`. */
export function quantizeRow(x: usize, out: usize, cols: i32): void {
  const end = x + (<usize>cols << 2);
  while (x < end) {
    quantizeBlock(x, out);
    x += 128;
    out += ACTIVATION_BLOCK;
  }
}

// @ts-ignore: decorator
@inline
function quantizeBlock(x: usize, out: usize): void {
  const max = maxMagnitude(x);
  const scale = max / 127;
  const inverse: f32 = max < <f32>1e-30 ? 0 : <f32>127 / max;
  const factor = f32x4.splat(inverse);
  const low = codesOf(x, factor);
  const high = codesOf(x + 64, factor);
  v128.store(out, low, 16);
  v128.store(out, high, 32);
  const lowSums = pairSums(low);
  const highSums = pairSums(high);
  const sum = i32x4.extract_lane(i32x4.extadd_pairwise_i16x8_s(i16x8.add(lowSums, highSums)), 0);
  store<f32>(out, scale);
  store<i32>(out, sum << 3, 4);
  v128.store32_lane(out, i16x8.shl(lowSums, 5), 0, 8);
  v128.store32_lane(out, i16x8.shl(highSums, 5), 0, 12);
}

/** Largest |x| of 32; NaN if there is one. */
// @ts-ignore: decorator
@inline
function maxMagnitude(x: usize): f32 {
  const a = f32x4.max(f32x4.abs(v128.load(x)), f32x4.abs(v128.load(x, 16)));
  const b = f32x4.max(f32x4.abs(v128.load(x, 32)), f32x4.abs(v128.load(x, 48)));
  const c = f32x4.max(f32x4.abs(v128.load(x, 64)), f32x4.abs(v128.load(x, 80)));
  const d = f32x4.max(f32x4.abs(v128.load(x, 96)), f32x4.abs(v128.load(x, 112)));
  let m = f32x4.max(f32x4.max(a, b), f32x4.max(c, d));
  m = f32x4.max(m, i32x4.shuffle(m, m, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.max(m, i32x4.shuffle(m, m, 1, 0, 3, 2)), 0);
}

// @ts-ignore: decorator
@inline
function codesOf(x: usize, factor: v128): v128 {
  const a = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x), factor)));
  const b = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x, 16), factor)));
  const c = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x, 32), factor)));
  const d = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x, 48), factor)));
  return i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
}

/** E and O of 16 codes, in every lane of 32 bits. */
// @ts-ignore: decorator
@inline
function pairSums(codes: v128): v128 {
  let s = i16x8.extadd_pairwise_i8x16_s(codes);
  s = i16x8.add(s, i32x4.shuffle(s, s, 2, 3, 0, 1));
  return i16x8.add(s, i32x4.shuffle(s, s, 1, 0, 3, 2));
}
