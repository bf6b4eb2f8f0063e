/**
 * Four rows of Q6_K times one row of activations. Super-block of 256: 128 bytes of low nibbles, 64 bytes of high
 * pairs, 16 signed scales of groups of 16, f16 d. value = d * scale * (code - 32), code 0..63.
 * A group's scale multiplies in the widening step, so that 32 values reach the float part as one integer (below 2^24).
 */
import { dotCodes, firstForm, highNibbles, lowNibbles, secondForm } from './dot-int8';
import { halvesToFloats } from './half';
import { gatherHalves, sumLanesI32 } from './lanes';
import { nibbleMask, pairMask } from './opaque';
import { ACTIVATION_BLOCK } from './quantize';
import { Q6_K_BYTES } from './weight-type';

/**
 * Lane r: the product of row r (at w0..w3) with the activation blocks [x, xEnd). `spill` holds 64 bytes: a row's sums
 * go through memory, because V8 would otherwise load all four rows before it computes and run out of registers
 * (4.3 GB/s instead of 7.5 on Node 20).
 */
export function dotQ6_K(w0: usize, w1: usize, w2: usize, w3: usize, x: usize, xEnd: usize, spill: usize): v128 {
  let total = f32x4.splat(0);
  const mask = nibbleMask();
  const pairs = pairMask();
  while (x < xEnd) {
    const d = halvesToFloats(gatherHalves(w0 + 208, w1 + 208, w2 + 208, w3 + 208));
    for (let half: usize = 0; half < 2; half++) {
      const low = half << 6;
      const high: usize = 128 + (half << 5);
      const scales: usize = 192 + (half << 3);
      total = addGroups(total, w0, w1, w2, w3, low, high, scales, x, d, spill, mask, pairs, 0);
      total = addGroups(total, w0, w1, w2, w3, low, high, scales, x + ACTIVATION_BLOCK, d, spill, mask, pairs, 1);
      total = addGroups(total, w0, w1, w2, w3, low, high, scales, x + 2 * ACTIVATION_BLOCK, d, spill, mask, pairs, 2);
      total = addGroups(total, w0, w1, w2, w3, low, high, scales, x + 3 * ACTIVATION_BLOCK, d, spill, mask, pairs, 3);
      x += 4 * ACTIVATION_BLOCK;
    }
    w0 += Q6_K_BYTES;
    w1 += Q6_K_BYTES;
    w2 += Q6_K_BYTES;
    w3 += Q6_K_BYTES;
  }
  return total;
}

// @ts-ignore: decorator
@inline
function addGroups(
  total: v128, w0: usize, w1: usize, w2: usize, w3: usize, low: usize, high: usize, scales: usize, x: usize, d: v128,
  spill: usize, mask: v128, pairs: v128, part: i32,
): v128 {
  const at = scales + (<usize>part << 1);
  v128.store(spill, rowGroups(w0 + low, w0 + high, w0 + at, x, mask, pairs, part));
  v128.store(spill, rowGroups(w1 + low, w1 + high, w1 + at, x, mask, pairs, part), 16);
  v128.store(spill, rowGroups(w2 + low, w2 + high, w2 + at, x, mask, pairs, part), 32);
  v128.store(spill, rowGroups(w3 + low, w3 + high, w3 + at, x, mask, pairs, part), 48);
  const sums = sumLanesI32(v128.load(spill), v128.load(spill, 16), v128.load(spill, 32), v128.load(spill, 48));
  return f32x4.add(total, f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(sums), d), v128.load32_splat(x)));
}

/** Two groups of a row, each times its scale. */
// @ts-ignore: decorator
@inline
function rowGroups(low: usize, high: usize, scales: usize, x: usize, mask: v128, pairs: v128, part: i32): v128 {
  const xLow = v128.load(x, 16);
  const xHigh = v128.load(x, 32);
  const firstCodes = sixBits(low, high, mask, pairs, part);
  const first = i16x8.sub(dotCodes(firstForm(xLow), secondForm(xLow), firstCodes), v128.load16_splat(x, 8));
  const secondCodes = sixBits(low + 16, high + 16, mask, pairs, part);
  const second = i16x8.sub(dotCodes(firstForm(xHigh), secondForm(xHigh), secondCodes), v128.load16_splat(x, 10));
  const bothScales = v128.load16_splat(scales);
  return i32x4.add(
    i32x4.dot_i16x8_s(first, i16x8.shr_s(i16x8.shl(bothScales, 8), 8)),
    i32x4.dot_i16x8_s(second, i16x8.shr_s(bothScales, 8)));
}

/** 16 codes of part 0..3 of a half super-block: nibbles at `low` (+32 for odd parts), bits 2 * part of `high`. */
// @ts-ignore: decorator
@inline
export function sixBits(low: usize, high: usize, mask: v128, pairMask: v128, part: i32): v128 {
  const nibbles = v128.load(part & 1 ? low + 32 : low);
  const pairs = v128.load(high);
  const lower = part & 2 ? highNibbles(nibbles, mask) : lowNibbles(nibbles, mask);
  if (part == 0) return v128.or(lower, v128.and(i16x8.shl(pairs, 4), pairMask));
  if (part == 1) return v128.or(lower, v128.and(i16x8.shl(pairs, 2), pairMask));
  if (part == 2) return v128.or(lower, v128.and(pairs, pairMask));
  return v128.or(lower, v128.and(i16x8.shr_u(pairs, 2), pairMask));
}
