/** Four rows of super-blocks with eight groups of 32, Q5_K and IQ4_XS, times one row of activations. Scales go through memory. */
import { dotCodes, firstForm, highNibbles, lowNibbles, secondForm } from './dot-int8';
import { iq4Sums } from './dot-nibbles';
import { addScaled, firstHalves, sumRowsOf5 } from './dot-sums';
import { halvesToFloats } from './half';
import { nibbleMask, ones } from './opaque';
import { addGroup } from './panel-codes';
import { ACTIVATION_BLOCK } from './quantize';
import { iq4Table } from './unpack-codes';

const Q5_K_BYTES: usize = 176;

/** Lane r: the product of row r (at w0..w3) with the activation blocks [x, xEnd). `spill` holds 256 bytes. */
export function dotQ5_K(w0: usize, w1: usize, w2: usize, w3: usize, x: usize, xEnd: usize, spill: usize): v128 {
  let total = f32x4.splat(0);
  const mask = nibbleMask();
  const one = ones();
  while (x < xEnd) {
    storeScalesQ5_K(spill, w0, w1, w2, w3);
    total = addQ5_K(total, 0, w0, w1, w2, w3, x, spill, mask, one);
    total = addQ5_K(total, 1, w0, w1, w2, w3, x, spill, mask, one);
    total = addQ5_K(total, 2, w0, w1, w2, w3, x, spill, mask, one);
    total = addQ5_K(total, 3, w0, w1, w2, w3, x, spill, mask, one);
    total = addQ5_K(total, 4, w0, w1, w2, w3, x, spill, mask, one);
    total = addQ5_K(total, 5, w0, w1, w2, w3, x, spill, mask, one);
    total = addQ5_K(total, 6, w0, w1, w2, w3, x, spill, mask, one);
    total = addQ5_K(total, 7, w0, w1, w2, w3, x, spill, mask, one);
    x += 8 * ACTIVATION_BLOCK;
    w0 += Q5_K_BYTES;
    w1 += Q5_K_BYTES;
    w2 += Q5_K_BYTES;
    w3 += Q5_K_BYTES;
  }
  return total;
}

/** Scales and eighths of minimums (f32[4 rows] each) of a super-block's 8 groups, one behind the other. */
function storeScalesQ5_K(to: usize, w0: usize, w1: usize, w2: usize, w3: usize): void {
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
  const dmin = f32x4.mul(halvesToFloats(v128.and(factors, i32x4.splat(0xffff0000))), f32x4.splat(0.125));
  const late = to + 128;
  storeFour(to, d, v128.and(word0, i32x4.splat(LOW_6)));
  storeFour(to + 16, dmin, v128.and(word1, i32x4.splat(LOW_6)));
  storeFour(late, d, lateSixBits(word2, word0));
  storeFour(late + 16, dmin, lateSixBits(i32x4.shr_u(word2, 4), word1));
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
function storeFour(to: usize, factor: v128, bytes: v128): void {
  const mask = i32x4.splat(255);
  v128.store(to, f32x4.mul(factor, f32x4.convert_i32x4_s(v128.and(bytes, mask))));
  v128.store(to + 32, f32x4.mul(factor, f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(bytes, 8), mask))));
  v128.store(to + 64, f32x4.mul(factor, f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(bytes, 16), mask))));
  v128.store(to + 96, f32x4.mul(factor, f32x4.convert_i32x4_s(i32x4.shr_u(bytes, 24))));
}

/** Group 0..7 of the super-block and the activations at x. */
// @ts-ignore: decorator
@inline
function addQ5_K(
  total: v128, group: i32, w0: usize, w1: usize, w2: usize, w3: usize, x: usize, spill: usize, mask: v128, one: v128,
): v128 {
  const at = x + <usize>group * ACTIVATION_BLOCK;
  const low = v128.load(at, 16);
  const high = v128.load(at, 32);
  const low1 = firstForm(low);
  const low2 = secondForm(low);
  const high1 = firstForm(high);
  const high2 = secondForm(high);
  const sums = sumRowsOf5(fiveBitRow(group, w0, low1, low2, high1, high2, mask), fiveBitRow(group, w1, low1, low2, high1, high2, mask),
    fiveBitRow(group, w2, low1, low2, high1, high2, mask), fiveBitRow(group, w3, low1, low2, high1, high2, mask), one);
  const scales = spill + (<usize>group << 5);
  return addGroup(total, sums, at, v128.load(scales), v128.load(scales, 16));
}

// @ts-ignore: decorator
@inline
function fiveBitRow(group: i32, w: usize, low1: v128, low2: v128, high1: v128, high2: v128, mask: v128): v128 {
  const nibbles = w + 48 + (<usize>(group >> 1) << 5);
  return i16x8.add(
    dotCodes(low1, low2, fiveBits(group, v128.load(nibbles), v128.load(w, 16), mask)),
    dotCodes(high1, high2, fiveBits(group, v128.load(nibbles, 16), v128.load(w, 32), mask)));
}

// @ts-ignore: decorator
@inline
function fiveBits(group: i32, nibbles: v128, bits: v128, mask: v128): v128 {
  const low = group & 1 ? highNibbles(nibbles, mask) : lowNibbles(nibbles, mask);
  const placed = group < 4 ? i16x8.shl(bits, 4 - group) : group == 4 ? bits : i16x8.shr_u(bits, group - 4);
  return v128.or(low, v128.and(placed, i8x16.splat(16)));
}

/** As dotQ5_K; spill holds 128 bytes. */
export function dotIq4Xs(w0: usize, w1: usize, w2: usize, w3: usize, x: usize, xEnd: usize, spill: usize): v128 {
  let total = f32x4.splat(0);
  const mask = nibbleMask();
  const table = iq4Table();
  const spillEnd = spill + 8 * 16;
  while (x < xEnd) {
    storeScalesXs(spill, w0, w1, w2, w3);
    w0 += 8;
    w1 += 8;
    w2 += 8;
    w3 += 8;
    for (let scales = spill; scales < spillEnd; scales += 16) {
      total = addScaled(total, iq4Sums(w0, w1, w2, w3, x, mask, table), x, v128.load(scales));
      x += ACTIVATION_BLOCK;
      w0 += 16;
      w1 += 16;
      w2 += 16;
      w3 += 16;
    }
  }
  return total;
}

/** Scales (f32[4 rows]) of IQ4_XS's eight groups: f16 d, u16 of upper pairs of bits, u32 of nibbles. */
function storeScalesXs(to: usize, w0: usize, w1: usize, w2: usize, w3: usize): void {
  const w01 = v128.load64_lane(w1, v128.load64_zero(w0), 1);
  const w23 = v128.load64_lane(w3, v128.load64_zero(w2), 1);
  const heads = i32x4.shuffle(w01, w23, 0, 2, 4, 6);
  const nibbles = i32x4.shuffle(w01, w23, 1, 3, 5, 7);
  const d = firstHalves(heads);
  for (let group = 0; group < 8; group++) {
    const low = v128.and(i32x4.shr_u(nibbles, 4 * group), i32x4.splat(15));
    const high = v128.and(i32x4.shr_u(heads, 12 + 2 * group), i32x4.splat(48));
    const scale = f32x4.convert_i32x4_s(i32x4.sub(v128.or(low, high), i32x4.splat(32)));
    v128.store(to + <usize>(group << 4), f32x4.mul(d, scale));
  }
}
