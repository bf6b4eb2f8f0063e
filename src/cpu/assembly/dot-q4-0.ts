/** Sixteen rows of Q4_0 (`packed-rows.ts`) times one row of activations. value = scale * (nibble - 8). */
import { addNibbles, nibbles, widen } from './dot-int8';
import { madd } from './float-math';
import { highScales, lowScales, ordinaryBits } from './half';
import { halfBias, halfSigns, keepOrder, nibbleMask, ones } from './opaque';
import { ACTIVATION_BLOCK } from './quantize';
import { Q4_0_BYTES } from './weight-type';

/** out f32[16] = products of the group at w with the activation blocks [x, xEnd). */
export function dotQ4_0(w: usize, x: usize, xEnd: usize, out: usize): void {
  dotGroup(false, w, x, xEnd, out);
}

/** The same, where scales have any exponent. */
export function dotOddQ4_0(w: usize, x: usize, xEnd: usize, out: usize): void {
  dotGroup(true, w, x, xEnd, out);
}

// @ts-ignore: decorator
@inline
function dotGroup(isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize): void {
  let first = f32x4.splat(0);
  let second = f32x4.splat(0);
  let third = f32x4.splat(0);
  let fourth = f32x4.splat(0);
  const mask = nibbleMask();
  const one = ones();
  const signs = halfSigns();
  const bias = halfBias();
  for (; x < xEnd; x += ACTIVATION_BLOCK, w += 16 * Q4_0_BYTES) {
    let columns = v128.load32_splat(x, 16);
    let more = v128.load32_splat(x, 32);
    let a = nibbles(v128.load(w, 32), columns, more, mask);
    let b = nibbles(v128.load(w, 48), columns, more, mask);
    let c = nibbles(v128.load(w, 64), columns, more, mask);
    let d = nibbles(v128.load(w, 80), columns, more, mask);
    keepOrder(out, a, b);
    keepOrder(out + 32, c, d);
    columns = v128.load32_splat(x, 20);
    more = v128.load32_splat(x, 36);
    a = addNibbles(a, v128.load(w, 96), columns, more, mask);
    b = addNibbles(b, v128.load(w, 112), columns, more, mask);
    c = addNibbles(c, v128.load(w, 128), columns, more, mask);
    d = addNibbles(d, v128.load(w, 144), columns, more, mask);
    keepOrder(out, a, b);
    keepOrder(out + 32, c, d);
    columns = v128.load32_splat(x, 24);
    more = v128.load32_splat(x, 40);
    a = addNibbles(a, v128.load(w, 160), columns, more, mask);
    b = addNibbles(b, v128.load(w, 176), columns, more, mask);
    c = addNibbles(c, v128.load(w, 192), columns, more, mask);
    d = addNibbles(d, v128.load(w, 208), columns, more, mask);
    keepOrder(out, a, b);
    keepOrder(out + 32, c, d);
    columns = v128.load32_splat(x, 28);
    more = v128.load32_splat(x, 44);
    a = addNibbles(a, v128.load(w, 224), columns, more, mask);
    b = addNibbles(b, v128.load(w, 240), columns, more, mask);
    c = addNibbles(c, v128.load(w, 256), columns, more, mask);
    d = addNibbles(d, v128.load(w, 272), columns, more, mask);
    keepOrder(out, a, b);
    keepOrder(out + 32, c, d);
    const halves = v128.load(w);
    const bits = ordinaryBits(halves, signs, bias);
    first = addBlock(first, widen(a, one), lowScales(isOdd, halves, bits), x);
    second = addBlock(second, widen(b, one), highScales(isOdd, halves, bits), x);
    const moreHalves = v128.load(w, 16);
    const moreBits = ordinaryBits(moreHalves, signs, bias);
    third = addBlock(third, widen(c, one), lowScales(isOdd, moreHalves, moreBits), x);
    fourth = addBlock(fourth, widen(d, one), highScales(isOdd, moreHalves, moreBits), x);
  }
  v128.store(out, first);
  v128.store(out, second, 16);
  v128.store(out, third, 32);
  v128.store(out, fourth, 48);
}

/** total + (sums - 8 S) * (scale * d), in the order that the GEMM kernels use too. */
// @ts-ignore: decorator
@inline
export function addBlock(total: v128, sums: v128, scale: v128, x: usize): v128 {
  const dots = f32x4.convert_i32x4_s(i32x4.sub(sums, v128.load32_splat(x, 4)));
  return madd(dots, f32x4.mul(scale, v128.load32_splat(x)), total);
}
