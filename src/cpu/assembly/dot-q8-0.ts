/**
 * Sixteen rows of Q8_0 (`packed-rows.ts`) times one row of activations.
 * A signed byte is not a relaxed dot product's i7, so both modules widen to 16 bits: the loads do it.
 */
import { madd } from './float-math';
import { highScales, lowScales, ordinaryBits } from './half';
import { halfBias, halfSigns, keepOrder } from './opaque';
import { ACTIVATION_BLOCK } from './quantize';
import { Q8_0_BYTES } from './weight-type';

/** out f32[16] = products of the group at w with the activation blocks [x, xEnd). */
export function dotQ8_0(w: usize, x: usize, xEnd: usize, out: usize): void {
  dotGroup(false, w, x, xEnd, out);
}

/** The same, where scales have any exponent. */
export function dotOddQ8_0(w: usize, x: usize, xEnd: usize, out: usize): void {
  dotGroup(true, w, x, xEnd, out);
}

// @ts-ignore: decorator
@inline
function dotGroup(isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize): void {
  let first = f32x4.splat(0);
  let second = f32x4.splat(0);
  let third = f32x4.splat(0);
  let fourth = f32x4.splat(0);
  const signs = halfSigns();
  const bias = halfBias();
  for (; x < xEnd; x += ACTIVATION_BLOCK, w += 16 * Q8_0_BYTES) {
    let columns = i16x8.extend_low_i8x16_s(v128.load32_splat(x, 16));
    let a = twoPairs(columns, v128.load8x8_s(w, 32), v128.load8x8_s(w, 64));
    let b = twoPairs(columns, v128.load8x8_s(w, 40), v128.load8x8_s(w, 72));
    let c = twoPairs(columns, v128.load8x8_s(w, 48), v128.load8x8_s(w, 80));
    let d = twoPairs(columns, v128.load8x8_s(w, 56), v128.load8x8_s(w, 88));
    columns = i16x8.extend_low_i8x16_s(v128.load32_splat(x, 20));
    a = i32x4.add(a, twoPairs(columns, v128.load8x8_s(w, 96), v128.load8x8_s(w, 128)));
    b = i32x4.add(b, twoPairs(columns, v128.load8x8_s(w, 104), v128.load8x8_s(w, 136)));
    c = i32x4.add(c, twoPairs(columns, v128.load8x8_s(w, 112), v128.load8x8_s(w, 144)));
    d = i32x4.add(d, twoPairs(columns, v128.load8x8_s(w, 120), v128.load8x8_s(w, 152)));
    keepOrder(out, a, b);
    keepOrder(out + 32, c, d);
    columns = i16x8.extend_low_i8x16_s(v128.load32_splat(x, 24));
    a = i32x4.add(a, twoPairs(columns, v128.load8x8_s(w, 160), v128.load8x8_s(w, 192)));
    b = i32x4.add(b, twoPairs(columns, v128.load8x8_s(w, 168), v128.load8x8_s(w, 200)));
    c = i32x4.add(c, twoPairs(columns, v128.load8x8_s(w, 176), v128.load8x8_s(w, 208)));
    d = i32x4.add(d, twoPairs(columns, v128.load8x8_s(w, 184), v128.load8x8_s(w, 216)));
    columns = i16x8.extend_low_i8x16_s(v128.load32_splat(x, 28));
    a = i32x4.add(a, twoPairs(columns, v128.load8x8_s(w, 224), v128.load8x8_s(w, 256)));
    b = i32x4.add(b, twoPairs(columns, v128.load8x8_s(w, 232), v128.load8x8_s(w, 264)));
    c = i32x4.add(c, twoPairs(columns, v128.load8x8_s(w, 240), v128.load8x8_s(w, 272)));
    d = i32x4.add(d, twoPairs(columns, v128.load8x8_s(w, 248), v128.load8x8_s(w, 280)));
    keepOrder(out, a, b);
    keepOrder(out + 32, c, d);
    columns = i16x8.extend_low_i8x16_s(v128.load32_splat(x, 32));
    a = i32x4.add(a, twoPairs(columns, v128.load8x8_s(w, 288), v128.load8x8_s(w, 320)));
    b = i32x4.add(b, twoPairs(columns, v128.load8x8_s(w, 296), v128.load8x8_s(w, 328)));
    c = i32x4.add(c, twoPairs(columns, v128.load8x8_s(w, 304), v128.load8x8_s(w, 336)));
    d = i32x4.add(d, twoPairs(columns, v128.load8x8_s(w, 312), v128.load8x8_s(w, 344)));
    columns = i16x8.extend_low_i8x16_s(v128.load32_splat(x, 36));
    a = i32x4.add(a, twoPairs(columns, v128.load8x8_s(w, 352), v128.load8x8_s(w, 384)));
    b = i32x4.add(b, twoPairs(columns, v128.load8x8_s(w, 360), v128.load8x8_s(w, 392)));
    c = i32x4.add(c, twoPairs(columns, v128.load8x8_s(w, 368), v128.load8x8_s(w, 400)));
    d = i32x4.add(d, twoPairs(columns, v128.load8x8_s(w, 376), v128.load8x8_s(w, 408)));
    keepOrder(out, a, b);
    keepOrder(out + 32, c, d);
    columns = i16x8.extend_low_i8x16_s(v128.load32_splat(x, 40));
    a = i32x4.add(a, twoPairs(columns, v128.load8x8_s(w, 416), v128.load8x8_s(w, 448)));
    b = i32x4.add(b, twoPairs(columns, v128.load8x8_s(w, 424), v128.load8x8_s(w, 456)));
    c = i32x4.add(c, twoPairs(columns, v128.load8x8_s(w, 432), v128.load8x8_s(w, 464)));
    d = i32x4.add(d, twoPairs(columns, v128.load8x8_s(w, 440), v128.load8x8_s(w, 472)));
    columns = i16x8.extend_low_i8x16_s(v128.load32_splat(x, 44));
    a = i32x4.add(a, twoPairs(columns, v128.load8x8_s(w, 480), v128.load8x8_s(w, 512)));
    b = i32x4.add(b, twoPairs(columns, v128.load8x8_s(w, 488), v128.load8x8_s(w, 520)));
    c = i32x4.add(c, twoPairs(columns, v128.load8x8_s(w, 496), v128.load8x8_s(w, 528)));
    d = i32x4.add(d, twoPairs(columns, v128.load8x8_s(w, 504), v128.load8x8_s(w, 536)));
    keepOrder(out, a, b);
    keepOrder(out + 32, c, d);
    const halves = v128.load(w);
    const bits = ordinaryBits(halves, signs, bias);
    first = addBlock(first, a, lowScales(isOdd, halves, bits), x);
    second = addBlock(second, b, highScales(isOdd, halves, bits), x);
    const moreHalves = v128.load(w, 16);
    const moreBits = ordinaryBits(moreHalves, signs, bias);
    third = addBlock(third, c, lowScales(isOdd, moreHalves, moreBits), x);
    fourth = addBlock(fourth, d, highScales(isOdd, moreHalves, moreBits), x);
  }
  v128.store(out, first);
  v128.store(out, second, 16);
  v128.store(out, third, 32);
  v128.store(out, fourth, 48);
}

// @ts-ignore: decorator
@inline
function addBlock(total: v128, sums: v128, scale: v128, x: usize): v128 {
  return madd(f32x4.convert_i32x4_s(sums), f32x4.mul(scale, v128.load32_splat(x)), total);
}

/** Columns 0 to 3 (i16[4], twice) times two columns and two more of four rows. */
// @ts-ignore: decorator
@inline
function twoPairs(columns: v128, codes: v128, more: v128): v128 {
  return i32x4.add(
    i32x4.dot_i16x8_s(codes, i32x4.shuffle(columns, columns, 0, 0, 0, 0)),
    i32x4.dot_i16x8_s(more, i32x4.shuffle(columns, columns, 1, 1, 1, 1)));
}
