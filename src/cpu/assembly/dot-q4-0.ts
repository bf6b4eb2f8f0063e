/**
 * Four rows of Q4_0 times one row of activations. Block: f16 scale, 16 bytes of nibbles (low: values 0..15, high: 16..31).
 * value = scale * (nibble - 8); the 8 is taken off once per block through the sum of x.
 */
import { dotCodes, widen } from './dot-int8';
import { halvesToFloats } from './half';
import { gatherHalves, sumLanesI32 } from './lanes';
import { ACTIVATION_BLOCK } from './quantize';
import { Q4_0_BYTES } from './weight-type';

/** Lane r: the product of row r (at w0..w3) with the activation blocks [x, xEnd). */
export function dotQ4_0(w0: usize, w1: usize, w2: usize, w3: usize, x: usize, xEnd: usize): v128 {
  let total = f32x4.splat(0);
  while (x < xEnd) {
    const low = v128.load(x, 16);
    const high = v128.load(x, 32);
    let sums: v128;
    if (RELAXED) {
      sums = sumLanesI32(nibbles(w0, low, high), nibbles(w1, low, high), nibbles(w2, low, high), nibbles(w3, low, high));
    } else {
      // Widened once for the four rows; a row's nibbles then widen by masks alone.
      const lowEven = i16x8.shr_s(i16x8.shl(low, 8), 8);
      const lowOdd = i16x8.shr_s(low, 8);
      const highEven = i16x8.shr_s(i16x8.shl(high, 8), 8);
      const highOdd = i16x8.shr_s(high, 8);
      sums = sumLanesI32(
        wideNibbles(w0, lowEven, lowOdd, highEven, highOdd), wideNibbles(w1, lowEven, lowOdd, highEven, highOdd),
        wideNibbles(w2, lowEven, lowOdd, highEven, highOdd), wideNibbles(w3, lowEven, lowOdd, highEven, highOdd));
    }
    sums = i32x4.sub(sums, v128.load32_splat(x, 12));
    const scales = halvesToFloats(gatherHalves(w0, w1, w2, w3));
    total = f32x4.add(total, f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(sums), scales), v128.load32_splat(x)));
    x += ACTIVATION_BLOCK;
    w0 += Q4_0_BYTES;
    w1 += Q4_0_BYTES;
    w2 += Q4_0_BYTES;
    w3 += Q4_0_BYTES;
  }
  return total;
}

// @ts-ignore: decorator
@inline
function nibbles(w: usize, low: v128, high: v128): v128 {
  const pairs = v128.load(w, 2);
  return widen(i16x8.add(
    dotCodes(low, v128.and(pairs, i8x16.splat(15))),
    dotCodes(high, i8x16.shr_u(pairs, 4))));
}

// @ts-ignore: decorator
@inline
function wideNibbles(w: usize, lowEven: v128, lowOdd: v128, highEven: v128, highOdd: v128): v128 {
  return wideNibblePairs(v128.load(w, 2), lowEven, lowOdd, highEven, highOdd);
}

/** Sums of low nibbles times `low` and high nibbles times `high`, where x is split into even and odd bytes as i16. */
// @ts-ignore: decorator
@inline
export function wideNibblePairs(pairs: v128, lowEven: v128, lowOdd: v128, highEven: v128, highOdd: v128): v128 {
  const mask = i16x8.splat(15);
  const even = i16x8.add(
    i16x8.mul(v128.and(pairs, mask), lowEven),
    i16x8.mul(v128.and(i16x8.shr_u(pairs, 4), mask), highEven));
  const odd = i16x8.add(
    i16x8.mul(v128.and(i16x8.shr_u(pairs, 8), mask), lowOdd),
    i16x8.mul(i16x8.shr_u(pairs, 12), highOdd));
  return widen(i16x8.add(even, odd));
}
