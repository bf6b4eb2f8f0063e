/**
 * Four rows of Q8_0 times one row of activations. Block: f16 scale, 32 signed bytes.
 * A signed byte is not a relaxed dot product's i7, so both modules widen to 16 bits: the loads do it.
 */
import { finiteHalves, magnitudeOf } from './half';
import { gatherHalves, poison, sumLanesI32 } from './lanes';
import { rebias } from './opaque';
import { ACTIVATION_BLOCK } from './quantize';
import { Q8_0_BYTES } from './weight-type';

/** Lane r: the product of row r (at w0..w3) with the activation blocks [x, xEnd). */
export function dotQ8_0(w0: usize, w1: usize, w2: usize, w3: usize, x: usize, xEnd: usize): v128 {
  let total = f32x4.splat(0);
  let largest = total;
  const bias = rebias();
  // Two blocks a pass: the engine makes constants, pointers and its stack check anew in each.
  const pairsEnd = xEnd - ACTIVATION_BLOCK;
  while (x < pairsEnd) {
    const first = gatherHalves(w0, w1, w2, w3);
    total = addBlock(total, w0, w1, w2, w3, x, first, bias);
    const second = gatherHalves(w0 + Q8_0_BYTES, w1 + Q8_0_BYTES, w2 + Q8_0_BYTES, w3 + Q8_0_BYTES);
    total = addBlock(total, w0 + Q8_0_BYTES, w1 + Q8_0_BYTES, w2 + Q8_0_BYTES, w3 + Q8_0_BYTES, x + ACTIVATION_BLOCK, second, bias);
    largest = i32x4.max_s(largest, i32x4.max_s(magnitudeOf(first), magnitudeOf(second)));
    x += 2 * ACTIVATION_BLOCK;
    w0 += 2 * Q8_0_BYTES;
    w1 += 2 * Q8_0_BYTES;
    w2 += 2 * Q8_0_BYTES;
    w3 += 2 * Q8_0_BYTES;
  }
  if (x < xEnd) {
    const scales = gatherHalves(w0, w1, w2, w3);
    total = addBlock(total, w0, w1, w2, w3, x, scales, bias);
    largest = i32x4.max_s(largest, magnitudeOf(scales));
  }
  return poison(total, largest);
}

// @ts-ignore: decorator
@inline
function addBlock(total: v128, w0: usize, w1: usize, w2: usize, w3: usize, x: usize, scales: v128, bias: v128): v128 {
  const a = v128.load8x8_s(x, 16);
  const b = v128.load8x8_s(x, 24);
  const c = v128.load8x8_s(x, 32);
  const d = v128.load8x8_s(x, 40);
  const sums = sumLanesI32(bytes(w0, a, b, c, d), bytes(w1, a, b, c, d), bytes(w2, a, b, c, d), bytes(w3, a, b, c, d));
  const product = f32x4.mul(f32x4.convert_i32x4_s(sums), finiteHalves(scales, bias));
  return f32x4.add(total, f32x4.mul(product, v128.load32_splat(x)));
}

// @ts-ignore: decorator
@inline
function bytes(w: usize, a: v128, b: v128, c: v128, d: v128): v128 {
  return i32x4.add(
    i32x4.add(i32x4.dot_i16x8_s(v128.load8x8_s(w, 2), a), i32x4.dot_i16x8_s(v128.load8x8_s(w, 10), b)),
    i32x4.add(i32x4.dot_i16x8_s(v128.load8x8_s(w, 18), c), i32x4.dot_i16x8_s(v128.load8x8_s(w, 26), d)));
}
