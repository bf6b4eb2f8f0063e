/**
 * Four rows of MLX's affine formats times one row of activations. A block is a group of 32, 64 or 128: scale, bias, codes one behind the
 * other. value = scale * code + bias, and the bias meets the sum of x.
 */
import { dotCodes, firstForm, highNibbles, lowNibbles, secondForm } from './dot-int8';
import { addOffset, sumLanesI32, sumRows } from './dot-sums';
import { fourScales } from './group-scales';
import { nibbleMask, ones } from './opaque';
import { ACTIVATION_BLOCK } from './quantize';
import { eightCodes } from './unpack-codes';
import { blockBytesOf, blockSizeOf, codeBitsOf, scaleBytesOf, scalesOf } from './weight-type';

/** Lane r: the product of row r (at w0..w3) with the activation blocks [x, xEnd). */
export function dotStream(type: i32, w0: usize, w1: usize, w2: usize, w3: usize, x: usize, xEnd: usize): v128 {
  switch (codeBitsOf(type)) {
    case 2: return dotGroups(2, type, w0, w1, w2, w3, x, xEnd);
    case 3: return dotGroups(3, type, w0, w1, w2, w3, x, xEnd);
    case 4: return dotGroups(4, type, w0, w1, w2, w3, x, xEnd);
    case 5: return dotGroups(5, type, w0, w1, w2, w3, x, xEnd);
    case 6: return dotGroups(6, type, w0, w1, w2, w3, x, xEnd);
    case 8: return dotGroups(8, type, w0, w1, w2, w3, x, xEnd);
    default: return unreachable();
  }
}

// @ts-ignore: decorator
@inline
function dotGroups(bits: i32, type: i32, w0: usize, w1: usize, w2: usize, w3: usize, x: usize, xEnd: usize): v128 {
  let total = f32x4.splat(0);
  const mask = nibbleMask();
  const one = ones();
  const format = scalesOf(type);
  const scaleBytes = scaleBytesOf(type);
  const codes: usize = 2 * scaleBytes;
  const bytes = blockBytesOf(type);
  const size = blockSizeOf(type);
  while (x < xEnd) {
    const scale = fourScales(format, w0, w1, w2, w3);
    const bias = fourScales(format, w0 + scaleBytes, w1 + scaleBytes, w2 + scaleBytes, w3 + scaleBytes);
    let from = codes;
    for (let column = 0; column < size; column += 32) {
      total = addOffset(total, groupSums(bits, w0 + from, w1 + from, w2 + from, w3 + from, x, mask, one), x, scale, bias);
      x += ACTIVATION_BLOCK;
      from += 4 * bits;
    }
    w0 += bytes;
    w1 += bytes;
    w2 += bytes;
    w3 += bytes;
  }
  return total;
}

/** Sums of 32 products of each row, whose codes begin at w0..w3. */
// @ts-ignore: decorator
@inline
function groupSums(bits: i32, w0: usize, w1: usize, w2: usize, w3: usize, x: usize, mask: v128, one: v128): v128 {
  return bits == 2 ? sums2(w0, w1, w2, w3, x, one) : bits == 4 ? sums4(w0, w1, w2, w3, x, mask, one) : sumsWide(bits, w0, w1, w2, w3, x);
}

/** Nibbles: low ones are even columns, high ones odd columns. */
// @ts-ignore: decorator
@inline
function sums4(w0: usize, w1: usize, w2: usize, w3: usize, x: usize, mask: v128, one: v128): v128 {
  const low = v128.load(x, 16);
  const high = v128.load(x, 32);
  const even = i8x16.shuffle(low, high, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const odd = i8x16.shuffle(low, high, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  const even1 = firstForm(even);
  const even2 = secondForm(even);
  const odd1 = firstForm(odd);
  const odd2 = secondForm(odd);
  return sumRows(row4(w0, even1, even2, odd1, odd2, mask), row4(w1, even1, even2, odd1, odd2, mask),
    row4(w2, even1, even2, odd1, odd2, mask), row4(w3, even1, even2, odd1, odd2, mask), one);
}

// @ts-ignore: decorator
@inline
function row4(w: usize, even1: v128, even2: v128, odd1: v128, odd2: v128, mask: v128): v128 {
  const pairs = v128.load(w);
  return i16x8.add(dotCodes(even1, even2, lowNibbles(pairs, mask)), dotCodes(odd1, odd2, highNibbles(pairs, mask)));
}

/**
 * Eight bytes hold 32 codes. Columns 4 i and 4 i + 1 are the bits 0 and 2 of byte i, the others bits 4 and 6; with the bytes twice in a
 * vector, the second half takes the upper of two without a shift, four times as large, and its sums are weighted less.
 */
// @ts-ignore: decorator
@inline
function sums2(w0: usize, w1: usize, w2: usize, w3: usize, x: usize, one: v128): v128 {
  const low = v128.load(x, 16);
  const high = v128.load(x, 32);
  const lower = i8x16.shuffle(low, high, 0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29);
  const upper = i8x16.shuffle(low, high, 2, 6, 10, 14, 18, 22, 26, 30, 3, 7, 11, 15, 19, 23, 27, 31);
  const lower1 = firstForm(lower);
  const lower2 = secondForm(lower);
  const upper1 = firstForm(upper);
  const upper2 = secondForm(upper);
  const mask = i64x2(0x0303030303030303, 0x0c0c0c0c0c0c0c0c);
  const weights = i16x8(4, 4, 4, 4, 1, 1, 1, 1);
  const sums = sumLanesI32(
    i32x4.dot_i16x8_s(row2(w0, lower1, lower2, upper1, upper2, mask), weights),
    i32x4.dot_i16x8_s(row2(w1, lower1, lower2, upper1, upper2, mask), weights),
    i32x4.dot_i16x8_s(row2(w2, lower1, lower2, upper1, upper2, mask), weights),
    i32x4.dot_i16x8_s(row2(w3, lower1, lower2, upper1, upper2, mask), weights));
  return i32x4.shr_s(sums, 2);
}

// @ts-ignore: decorator
@inline
function row2(w: usize, lower1: v128, lower2: v128, upper1: v128, upper2: v128, mask: v128): v128 {
  const bytes = v128.load64_splat(w);
  return i16x8.add(
    dotCodes(lower1, lower2, v128.and(bytes, mask)), dotCodes(upper1, upper2, v128.and(i16x8.shr_u(bytes, 4), mask)));
}

/** Codes of other widths are spread over 16 bits. */
// @ts-ignore: decorator
@inline
function sumsWide(bits: i32, w0: usize, w1: usize, w2: usize, w3: usize, x: usize): v128 {
  const a = v128.load8x8_s(x, 16);
  const b = v128.load8x8_s(x, 24);
  const c = v128.load8x8_s(x, 32);
  const d = v128.load8x8_s(x, 40);
  return sumLanesI32(rowWide(bits, w0, a, b, c, d), rowWide(bits, w1, a, b, c, d),
    rowWide(bits, w2, a, b, c, d), rowWide(bits, w3, a, b, c, d));
}

// @ts-ignore: decorator
@inline
function rowWide(bits: i32, w: usize, a: v128, b: v128, c: v128, d: v128): v128 {
  return i32x4.add(
    i32x4.add(i32x4.dot_i16x8_s(eightCodes(bits, w, 0), a), i32x4.dot_i16x8_s(eightCodes(bits, w, 1), b)),
    i32x4.add(i32x4.dot_i16x8_s(eightCodes(bits, w, 2), c), i32x4.dot_i16x8_s(eightCodes(bits, w, 3), d)));
}
