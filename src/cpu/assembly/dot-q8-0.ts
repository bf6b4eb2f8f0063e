/**
 * Eight rows of Q8_0 (`packed-rows.ts`) times one row of activations.
 * A signed byte is not a relaxed dot product's i7, so both modules widen to 16 bits: the loads do it.
 */
import { halvesToFloats, highHalves, highOrdinary, lowHalves, lowOrdinary, ordinaryBits } from './half';
import { halfBias, halfSigns, keepOrder } from './opaque';
import { ACTIVATION_BLOCK } from './quantize';
import { Q8_0_BYTES } from './weight-type';

/** out f32[8] = products of the group at w with the activation blocks [x, xEnd). */
export function dotQ8_0(w: usize, x: usize, xEnd: usize, out: usize): void {
  dotEight(false, w, x, xEnd, out);
}

/** The same, where scales have any exponent. */
export function dotOddQ8_0(w: usize, x: usize, xEnd: usize, out: usize): void {
  dotEight(true, w, x, xEnd, out);
}

// @ts-ignore: decorator
@inline
function dotEight(isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize): void {
  let low = f32x4.splat(0);
  let high = f32x4.splat(0);
  const signs = halfSigns();
  const bias = halfBias();
  for (; x < xEnd; x += ACTIVATION_BLOCK, w += 8 * Q8_0_BYTES) {
    let columns = i16x8.extend_low_i8x16_s(v128.load32_splat(x, 16));
    let a = twoPairs(columns, v128.load8x8_s(w, 16), v128.load8x8_s(w, 32));
    let b = twoPairs(columns, v128.load8x8_s(w, 24), v128.load8x8_s(w, 40));
    columns = i16x8.extend_low_i8x16_s(v128.load32_splat(x, 20));
    a = i32x4.add(a, twoPairs(columns, v128.load8x8_s(w, 48), v128.load8x8_s(w, 64)));
    b = i32x4.add(b, twoPairs(columns, v128.load8x8_s(w, 56), v128.load8x8_s(w, 72)));
    keepOrder(out, a, b);
    columns = i16x8.extend_low_i8x16_s(v128.load32_splat(x, 24));
    a = i32x4.add(a, twoPairs(columns, v128.load8x8_s(w, 80), v128.load8x8_s(w, 96)));
    b = i32x4.add(b, twoPairs(columns, v128.load8x8_s(w, 88), v128.load8x8_s(w, 104)));
    columns = i16x8.extend_low_i8x16_s(v128.load32_splat(x, 28));
    a = i32x4.add(a, twoPairs(columns, v128.load8x8_s(w, 112), v128.load8x8_s(w, 128)));
    b = i32x4.add(b, twoPairs(columns, v128.load8x8_s(w, 120), v128.load8x8_s(w, 136)));
    keepOrder(out, a, b);
    columns = i16x8.extend_low_i8x16_s(v128.load32_splat(x, 32));
    a = i32x4.add(a, twoPairs(columns, v128.load8x8_s(w, 144), v128.load8x8_s(w, 160)));
    b = i32x4.add(b, twoPairs(columns, v128.load8x8_s(w, 152), v128.load8x8_s(w, 168)));
    columns = i16x8.extend_low_i8x16_s(v128.load32_splat(x, 36));
    a = i32x4.add(a, twoPairs(columns, v128.load8x8_s(w, 176), v128.load8x8_s(w, 192)));
    b = i32x4.add(b, twoPairs(columns, v128.load8x8_s(w, 184), v128.load8x8_s(w, 200)));
    keepOrder(out, a, b);
    columns = i16x8.extend_low_i8x16_s(v128.load32_splat(x, 40));
    a = i32x4.add(a, twoPairs(columns, v128.load8x8_s(w, 208), v128.load8x8_s(w, 224)));
    b = i32x4.add(b, twoPairs(columns, v128.load8x8_s(w, 216), v128.load8x8_s(w, 232)));
    columns = i16x8.extend_low_i8x16_s(v128.load32_splat(x, 44));
    a = i32x4.add(a, twoPairs(columns, v128.load8x8_s(w, 240), v128.load8x8_s(w, 256)));
    b = i32x4.add(b, twoPairs(columns, v128.load8x8_s(w, 248), v128.load8x8_s(w, 264)));
    const halves = v128.load(w);
    const bits = ordinaryBits(halves, signs, bias);
    const lowScale = isOdd ? halvesToFloats(lowHalves(halves)) : lowOrdinary(halves, bits);
    const highScale = isOdd ? halvesToFloats(highHalves(halves)) : highOrdinary(halves, bits);
    low = addBlock(low, a, lowScale, x);
    high = addBlock(high, b, highScale, x);
  }
  v128.store(out, low);
  v128.store(out, high, 16);
}

// @ts-ignore: decorator
@inline
function addBlock(total: v128, sums: v128, scale: v128, x: usize): v128 {
  return f32x4.add(total, f32x4.mul(f32x4.convert_i32x4_s(sums), f32x4.mul(scale, v128.load32_splat(x))));
}

/** Columns 0 to 3 (i16[4], twice) times two columns and two more of four rows. */
// @ts-ignore: decorator
@inline
function twoPairs(columns: v128, codes: v128, more: v128): v128 {
  return i32x4.add(
    i32x4.dot_i16x8_s(codes, i32x4.shuffle(columns, columns, 0, 0, 0, 0)),
    i32x4.dot_i16x8_s(more, i32x4.shuffle(columns, columns, 1, 1, 1, 1)));
}
