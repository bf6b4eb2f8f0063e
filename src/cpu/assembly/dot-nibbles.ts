/**
 * Four rows of blocks of 32 nibbles times one row of activations: Q4_1, Q5_0, Q5_1, IQ4_NL, MXFP4. Low nibbles are values 0..15, high
 * ones 16..31; a word holds the fifth bits of Q5_0 and Q5_1. Codes are multiplied as they are, and what they stand for less is taken off
 * through the sum of x: 16 of Q5_0, 12 that MXFP4's table has more.
 */
import { dotCodes, firstForm, highNibbles, lowNibbles, secondForm } from './dot-int8';
import { addLess, addOffset, addScaled, firstHalves, gatherWords, secondHalves, sumLanesI32, sumRows, sumRowsOf5 } from './dot-sums';
import { fourScales } from './group-scales';
import { nibbleMask, ones } from './opaque';
import { ACTIVATION_BLOCK } from './quantize';
import { bitOfByte, fifthBits, iq4Table } from './unpack-codes';
import { SCALE_E8M0_HALF, SCALE_F16 } from './weight-type';

const Q4_1: i32 = 0;
const Q5_0: i32 = 1;
const Q5_1: i32 = 2;
const MXFP4: i32 = 3;

/** e2m1 doubled, and 12. */
const E2M1_ABOVE = memory.data<u8>([12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0], 16);

// @ts-ignore: decorator
@inline
function codesAt(kind: i32): usize {
  return kind == Q4_1 ? 4 : kind == Q5_0 ? 6 : kind == Q5_1 ? 8 : 1;
}

// @ts-ignore: decorator
@inline
function bytesOf(kind: i32): usize {
  return codesAt(kind) + 16;
}

// @ts-ignore: decorator
@inline
function dotBlocks(kind: i32, w0: usize, w1: usize, w2: usize, w3: usize, x: usize, xEnd: usize): v128 {
  let total = f32x4.splat(0);
  const mask = nibbleMask();
  const one = ones();
  const table = kind == MXFP4 ? v128.load(E2M1_ABOVE) : bitOfByte();
  while (x < xEnd) {
    const sums = blockSums(kind, w0, w1, w2, w3, x, mask, one, table);
    if (kind == Q4_1 || kind == Q5_1) {
      const heads = gatherWords(w0, w1, w2, w3);
      total = addOffset(total, sums, x, firstHalves(heads), secondHalves(heads));
    } else if (kind == Q5_0) {
      total = addLess(total, sums, 2, x, fourScales(SCALE_F16, w0, w1, w2, w3));
    } else {
      total = addLess(total, sums, 1.5, x, fourScales(SCALE_E8M0_HALF, w0, w1, w2, w3));
    }
    x += ACTIVATION_BLOCK;
    w0 += bytesOf(kind);
    w1 += bytesOf(kind);
    w2 += bytesOf(kind);
    w3 += bytesOf(kind);
  }
  return total;
}

// @ts-ignore: decorator
@inline
function blockSums(kind: i32, w0: usize, w1: usize, w2: usize, w3: usize, x: usize, mask: v128, one: v128, table: v128): v128 {
  const low = v128.load(x, 16);
  const high = v128.load(x, 32);
  const low1 = firstForm(low);
  const low2 = secondForm(low);
  const high1 = firstForm(high);
  const high2 = secondForm(high);
  const a = rowSums(kind, w0, low1, low2, high1, high2, mask, table);
  const b = rowSums(kind, w1, low1, low2, high1, high2, mask, table);
  const c = rowSums(kind, w2, low1, low2, high1, high2, mask, table);
  const d = rowSums(kind, w3, low1, low2, high1, high2, mask, table);
  return kind == Q4_1 ? sumRows(a, b, c, d, one) : sumRowsOf5(a, b, c, d, one);
}

// @ts-ignore: decorator
@inline
function rowSums(kind: i32, w: usize, low1: v128, low2: v128, high1: v128, high2: v128, mask: v128, table: v128): v128 {
  const pairs = v128.load(w + codesAt(kind));
  let low = lowNibbles(pairs, mask);
  let high = highNibbles(pairs, mask);
  if (kind == MXFP4) {
    low = i8x16.swizzle(table, low);
    high = i8x16.swizzle(table, high);
  } else if (kind != Q4_1) {
    const word = v128.load32_splat(w + (kind == Q5_0 ? 2 : 4));
    low = v128.or(low, fifthBits(word, 0, table));
    high = v128.or(high, fifthBits(word, 1, table));
  }
  return i16x8.add(dotCodes(low1, low2, low), dotCodes(high1, high2, high));
}

/** Lane r: the product of row r (at w0..w3) with the activation blocks [x, xEnd). */
export function dotQ4_1(w0: usize, w1: usize, w2: usize, w3: usize, x: usize, xEnd: usize): v128 {
  return dotBlocks(Q4_1, w0, w1, w2, w3, x, xEnd);
}

export function dotQ5_0(w0: usize, w1: usize, w2: usize, w3: usize, x: usize, xEnd: usize): v128 {
  return dotBlocks(Q5_0, w0, w1, w2, w3, x, xEnd);
}

export function dotQ5_1(w0: usize, w1: usize, w2: usize, w3: usize, x: usize, xEnd: usize): v128 {
  return dotBlocks(Q5_1, w0, w1, w2, w3, x, xEnd);
}

export function dotMxfp4(w0: usize, w1: usize, w2: usize, w3: usize, x: usize, xEnd: usize): v128 {
  return dotBlocks(MXFP4, w0, w1, w2, w3, x, xEnd);
}

/** Its table is signed and as wide as int8, so that both modules multiply 16 bits. */
export function dotIq4Nl(w0: usize, w1: usize, w2: usize, w3: usize, x: usize, xEnd: usize): v128 {
  let total = f32x4.splat(0);
  const mask = nibbleMask();
  const table = iq4Table();
  while (x < xEnd) {
    total = addScaled(total, iq4Sums(w0 + 2, w1 + 2, w2 + 2, w3 + 2, x, mask, table), x, fourScales(SCALE_F16, w0, w1, w2, w3));
    x += ACTIVATION_BLOCK;
    w0 += 18;
    w1 += 18;
    w2 += 18;
    w3 += 18;
  }
  return total;
}

/** Sums of 32 products with IQ4's table, whose nibbles lie at w0..w3. */
// @ts-ignore: decorator
@inline
export function iq4Sums(w0: usize, w1: usize, w2: usize, w3: usize, x: usize, mask: v128, table: v128): v128 {
  const a = v128.load8x8_s(x, 16);
  const b = v128.load8x8_s(x, 24);
  const c = v128.load8x8_s(x, 32);
  const d = v128.load8x8_s(x, 40);
  return sumLanesI32(iq4Row(w0, a, b, c, d, mask, table), iq4Row(w1, a, b, c, d, mask, table),
    iq4Row(w2, a, b, c, d, mask, table), iq4Row(w3, a, b, c, d, mask, table));
}

// @ts-ignore: decorator
@inline
function iq4Row(w: usize, a: v128, b: v128, c: v128, d: v128, mask: v128, table: v128): v128 {
  const pairs = v128.load(w);
  const low = i8x16.swizzle(table, lowNibbles(pairs, mask));
  const high = i8x16.swizzle(table, highNibbles(pairs, mask));
  return i32x4.add(
    i32x4.add(i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(low), a), i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(low), b)),
    i32x4.add(i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(high), c), i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(high), d)));
}
