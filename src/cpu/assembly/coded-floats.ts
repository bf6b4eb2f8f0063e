/** Blocks of e4m3 values under a scale (mxfp8, fp8_g128), which multiply f32 activations: the scale, then a byte for each value. */
import { scaleOf } from './group-scales';
import { blockBytesOf, blockSizeOf, codesOffsetOf } from './weight-type';

/** What moves e4m3's exponent, at its place in an f32, to f32's bias. Its subnormal values are f32's until then. */
const REBIAS: f32 = 1.329227995784916e36;

/** Writes `count` values (whole blocks) of the row at `w` as f32. */
export function expandCodedFloats(type: i32, w: usize, out: usize, count: i32): void {
  const size = blockSizeOf(type);
  const bytes = blockBytesOf(type);
  const end = out + (<usize>count << 2);
  for (; out < end; w += bytes) {
    const scale = f32x4.splat(scaleOf(type, w, 0, 1, 0));
    const codes = w + codesOffsetOf(type);
    for (let i = 0; i < size; i += 8, out += 32) {
      const eight = v128.load8x8_s(codes + <usize>i);
      v128.store(out, f32x4.mul(e4m3Values(i32x4.extend_low_i16x8_s(eight)), scale));
      v128.store(out, f32x4.mul(e4m3Values(i32x4.extend_high_i16x8_s(eight)), scale), 16);
    }
  }
}

/** Values of four e4m3, sign-extended; no NaN, which loading refuses. */
// @ts-ignore: decorator
@inline
function e4m3Values(extended: v128): v128 {
  return f32x4.mul(v128.and(i32x4.shl(extended, 20), i32x4.splat(0x87f00000)), f32x4.splat(REBIAS));
}

/** Lane r: the product of row r (at w0..w3) with x (f32[cols]). */
export function dotCodedFloats(type: i32, w0: usize, w1: usize, w2: usize, w3: usize, x: usize, cols: i32): v128 {
  return f32x4(dotRow(type, w0, x, cols), dotRow(type, w1, x, cols), dotRow(type, w2, x, cols), dotRow(type, w3, x, cols));
}

function dotRow(type: i32, w: usize, x: usize, cols: i32): f32 {
  const size = blockSizeOf(type);
  const bytes = blockBytesOf(type);
  const end = x + (<usize>cols << 2);
  let a = f32x4.splat(0);
  let b = a;
  for (; x < end; w += bytes) {
    const scale = f32x4.splat(scaleOf(type, w, 0, 1, 0));
    const codes = w + codesOffsetOf(type);
    for (let i = 0; i < size; i += 8, x += 32) {
      const eight = v128.load8x8_s(codes + <usize>i);
      // The scale first: a product of code and activation might overflow that the scaled one does not.
      a = f32x4.add(a, f32x4.mul(f32x4.mul(e4m3Values(i32x4.extend_low_i16x8_s(eight)), scale), v128.load(x)));
      b = f32x4.add(b, f32x4.mul(f32x4.mul(e4m3Values(i32x4.extend_high_i16x8_s(eight)), scale), v128.load(x, 16)));
    }
  }
  const pairs = f32x4.add(a, b);
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1) + f32x4.extract_lane(pairs, 2) + f32x4.extract_lane(pairs, 3);
}
