/**
 * Four rows of Q4_0 times one row of activations. Block: f16 scale, 16 bytes of nibbles (low: values 0..15, high: 16..31).
 * value = scale * (nibble - 8); the 8 is taken off once per block through the sum of x.
 */
import { dotCodes, firstForm, highNibbles, lowNibbles, secondForm, sumRows } from './dot-int8';
import { finiteHalves, magnitudeOf } from './half';
import { gatherHalves, poison } from './lanes';
import { nibbleMask, ones, rebias } from './opaque';
import { ACTIVATION_BLOCK } from './quantize';
import { Q4_0_BYTES } from './weight-type';

/** Lane r: the product of row r (at w0..w3) with the activation blocks [x, xEnd). */
export function dotQ4_0(w0: usize, w1: usize, w2: usize, w3: usize, x: usize, xEnd: usize): v128 {
  let total = f32x4.splat(0);
  let largest = total;
  const mask = nibbleMask();
  const one = ones();
  const bias = rebias();
  // Two blocks a pass: the engine makes constants, pointers and its stack check anew in each.
  const pairsEnd = xEnd - ACTIVATION_BLOCK;
  while (x < pairsEnd) {
    const first = gatherHalves(w0, w1, w2, w3);
    total = addBlock(total, w0, w1, w2, w3, x, first, mask, one, bias);
    const second = gatherHalves(w0 + Q4_0_BYTES, w1 + Q4_0_BYTES, w2 + Q4_0_BYTES, w3 + Q4_0_BYTES);
    total = addBlock(total, w0 + Q4_0_BYTES, w1 + Q4_0_BYTES, w2 + Q4_0_BYTES, w3 + Q4_0_BYTES, x + ACTIVATION_BLOCK, second,
      mask, one, bias);
    largest = i32x4.max_s(largest, i32x4.max_s(magnitudeOf(first), magnitudeOf(second)));
    x += 2 * ACTIVATION_BLOCK;
    w0 += 2 * Q4_0_BYTES;
    w1 += 2 * Q4_0_BYTES;
    w2 += 2 * Q4_0_BYTES;
    w3 += 2 * Q4_0_BYTES;
  }
  if (x < xEnd) {
    const scales = gatherHalves(w0, w1, w2, w3);
    total = addBlock(total, w0, w1, w2, w3, x, scales, mask, one, bias);
    largest = i32x4.max_s(largest, magnitudeOf(scales));
  }
  return poison(total, largest);
}

// @ts-ignore: decorator
@inline
function addBlock(
  total: v128, w0: usize, w1: usize, w2: usize, w3: usize, x: usize, scales: v128, mask: v128, one: v128, bias: v128,
): v128 {
  const sums = i32x4.sub(blockSums(w0, w1, w2, w3, x, mask, one), v128.load32_splat(x, 12));
  const product = f32x4.mul(f32x4.convert_i32x4_s(sums), finiteHalves(scales, bias));
  return f32x4.add(total, f32x4.mul(product, v128.load32_splat(x)));
}

// @ts-ignore: decorator
@inline
function blockSums(w0: usize, w1: usize, w2: usize, w3: usize, x: usize, mask: v128, one: v128): v128 {
  const low = v128.load(x, 16);
  const high = v128.load(x, 32);
  const low1 = firstForm(low);
  const low2 = secondForm(low);
  const high1 = firstForm(high);
  const high2 = secondForm(high);
  return sumRows(nibbles(w0, low1, low2, high1, high2, mask), nibbles(w1, low1, low2, high1, high2, mask),
    nibbles(w2, low1, low2, high1, high2, mask), nibbles(w3, low1, low2, high1, high2, mask), one);
}

// @ts-ignore: decorator
@inline
function nibbles(w: usize, low1: v128, low2: v128, high1: v128, high2: v128, mask: v128): v128 {
  const pairs = v128.load(w, 2);
  return i16x8.add(dotCodes(low1, low2, lowNibbles(pairs, mask)), dotCodes(high1, high2, highNibbles(pairs, mask)));
}
