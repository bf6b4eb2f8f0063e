/**
 * Four rows of Q4_K times one row of activations. Super-block of 256: f16 d, f16 dmin, 12 bytes of 6-bit scales and
 * minimums of 8 groups, 128 bytes of nibbles (32 bytes hold two groups, low nibbles first).
 * value = d * scale * nibble - dmin * minimum.
 */
import { dotCodes, firstForm, highNibbles, lowNibbles, secondForm, sumRows } from './dot-int8';
import { halvesToFloats } from './half';
import { nibbleMask, ones } from './opaque';
import { ACTIVATION_BLOCK } from './quantize';

/**
 * Lane r: the product of row r (at w0..w3) with the activation blocks [x, xEnd). `spill` holds 256 bytes: a super-block's
 * scales go through memory, because V8 would otherwise compute them again for every group.
 */
export function dotQ4_K(w0: usize, w1: usize, w2: usize, w3: usize, x: usize, xEnd: usize, spill: usize): v128 {
  let total = f32x4.splat(0);
  const mask = nibbleMask();
  const one = ones();
  const spillEnd = spill + 8 * 32;
  while (x < xEnd) {
    storeScalesQ4_K(spill, 32, w0, w1, w2, w3);
    for (let scales = spill; scales < spillEnd; scales += 64) {
      const first = groupSums(w0, w1, w2, w3, x, mask, one, false);
      total = addGroup(total, first, x, v128.load(scales), v128.load(scales, 16));
      const second = groupSums(w0, w1, w2, w3, x + ACTIVATION_BLOCK, mask, one, true);
      total = addGroup(total, second, x + ACTIVATION_BLOCK, v128.load(scales, 32), v128.load(scales, 48));
      x += 2 * ACTIVATION_BLOCK;
      w0 += 32;
      w1 += 32;
      w2 += 32;
      w3 += 32;
    }
    // The nibbles of a super-block were 128 of its bytes.
    w0 += 16;
    w1 += 16;
    w2 += 16;
    w3 += 16;
  }
  return total;
}

/** Scales and minimums (f32[4 rows] each) of a super-block's 8 groups, `stride` bytes apart. */
export function storeScalesQ4_K(to: usize, stride: usize, w0: usize, w1: usize, w2: usize, w3: usize): void {
  // Word i of the four 16-byte heads, one row per lane.
  const h0 = v128.load(w0);
  const h1 = v128.load(w1);
  const h2 = v128.load(w2);
  const h3 = v128.load(w3);
  const a01 = i32x4.shuffle(h0, h1, 0, 4, 1, 5);
  const a23 = i32x4.shuffle(h2, h3, 0, 4, 1, 5);
  const b01 = i32x4.shuffle(h0, h1, 2, 6, 3, 7);
  const b23 = i32x4.shuffle(h2, h3, 2, 6, 3, 7);
  const factors = i64x2.shuffle(a01, a23, 0, 2);
  const word0 = i64x2.shuffle(a01, a23, 1, 3);
  const word1 = i64x2.shuffle(b01, b23, 0, 2);
  const word2 = i64x2.shuffle(b01, b23, 1, 3);
  const d = halvesToFloats(i32x4.shl(factors, 16));
  const dmin = halvesToFloats(v128.and(factors, i32x4.splat(0xffff0000)));
  const late = to + 4 * stride;
  storeFour(to, stride, d, v128.and(word0, i32x4.splat(LOW_6)));
  storeFour(to + 16, stride, dmin, v128.and(word1, i32x4.splat(LOW_6)));
  storeFour(late, stride, d, lateSixBits(word2, word0));
  storeFour(late + 16, stride, dmin, lateSixBits(i32x4.shr_u(word2, 4), word1));
}

const LOW_6: i32 = 0x3f3f3f3f;
const LOW_4: i32 = 0x0f0f0f0f;
const HIGH_2: i32 = 0x30303030;

/** Scales (or minimums) of groups 4..7: four low bits from `low`, two high bits from the top of the earlier word. */
// @ts-ignore: decorator
@inline
function lateSixBits(low: v128, early: v128): v128 {
  return v128.or(v128.and(low, i32x4.splat(LOW_4)), v128.and(i32x4.shr_u(early, 2), i32x4.splat(HIGH_2)));
}

/** factor times bytes 0..3 of every lane. */
// @ts-ignore: decorator
@inline
function storeFour(to: usize, stride: usize, factor: v128, bytes: v128): void {
  const mask = i32x4.splat(255);
  v128.store(to, f32x4.mul(factor, f32x4.convert_i32x4_s(v128.and(bytes, mask))));
  v128.store(to + stride, f32x4.mul(factor, f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(bytes, 8), mask))));
  v128.store(to + 2 * stride, f32x4.mul(factor, f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(bytes, 16), mask))));
  v128.store(to + 3 * stride, f32x4.mul(factor, f32x4.convert_i32x4_s(i32x4.shr_u(bytes, 24))));
}

/** total + (sums * scale - minimum * S(x)) * d(x), in the order that the GEMM kernels use too: d, which may be huge, comes last. */
// @ts-ignore: decorator
@inline
export function addGroup(total: v128, sums: v128, x: usize, scale: v128, minimum: v128): v128 {
  const product = f32x4.mul(f32x4.convert_i32x4_s(sums), scale);
  const offset = f32x4.mul(minimum, v128.load32_splat(x, 4));
  return f32x4.add(total, f32x4.mul(f32x4.sub(product, offset), v128.load32_splat(x)));
}

// @ts-ignore: decorator
@inline
function groupSums(w0: usize, w1: usize, w2: usize, w3: usize, x: usize, mask: v128, one: v128, isHigh: bool): v128 {
  const low = v128.load(x, 16);
  const high = v128.load(x, 32);
  const low1 = firstForm(low);
  const low2 = secondForm(low);
  const high1 = firstForm(high);
  const high2 = secondForm(high);
  return sumRows(nibbles(w0, low1, low2, high1, high2, mask, isHigh), nibbles(w1, low1, low2, high1, high2, mask, isHigh),
    nibbles(w2, low1, low2, high1, high2, mask, isHigh), nibbles(w3, low1, low2, high1, high2, mask, isHigh), one);
}

// @ts-ignore: decorator
@inline
function nibbles(w: usize, low1: v128, low2: v128, high1: v128, high2: v128, mask: v128, isHigh: bool): v128 {
  const a = v128.load(w, 16);
  const b = v128.load(w, 32);
  return i16x8.add(
    dotCodes(low1, low2, isHigh ? highNibbles(a, mask) : lowNibbles(a, mask)),
    dotCodes(high1, high2, isHigh ? highNibbles(b, mask) : lowNibbles(b, mask)));
}
