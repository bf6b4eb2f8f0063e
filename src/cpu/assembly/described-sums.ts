/**
 * Sums of products of 32 columns of packed rows of a described type, four rows (`side` 0 or 16) in the lanes. `bits` are those of a code;
 * they lie as packed-described.ts says. A step is four columns; `isHigh` are the 16 columns of the high nibbles.
 */
import { dotCodes, firstForm, highNibbles, lowNibbles, secondForm, widen } from './dot-int8';
import { pairMask } from './opaque';

/** What is multiplied: codes as they are, or entries of the table that 12 is added to (e2m1 doubled). */
export const AS_CODED: i32 = 0;
export const E2M1_ABOVE: i32 = 1;

const E2M1_TABLE = memory.data<u8>([12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0], 16);
/** ggml's `kvalues_iq4nl` and 128: upper and lower halves. */
const IQ4_UPPER = memory.data<u8>([0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 9, 10, 11, 12, 13, 15], 16);
const IQ4_LOWER = memory.data<u8>([1, 8, 13, 15, 15, 13, 10, 6, 1, 13, 9, 6, 5, 5, 9, 1], 16);

// @ts-ignore: decorator
@inline
export function tableOf(kind: i32): v128 {
  return kind == E2M1_ABOVE ? v128.load(E2M1_TABLE) : i32x4.splat(0);
}

// @ts-ignore: decorator
@inline
function dotFour(x: usize, codes: v128): v128 {
  const columns = v128.load32_splat(x);
  return dotCodes(firstForm(columns), secondForm(columns), codes);
}

/** Codes of four columns of four rows, of types of 2, 4, 5 and 6 bits. */
// @ts-ignore: decorator
@inline
export function fourColumns(bits: i32, codes: usize, s: i32, isHigh: bool, mask: v128): v128 {
  const pairsAt = <usize>((s >> 1) << 5);
  const shift = ((s & 1) << 2) + (isHigh ? 2 : 0);
  if (bits == 2) {
    const pairs = v128.load(codes + pairsAt);
    return v128.and(shift == 0 ? pairs : i16x8.shr_u(pairs, shift), i8x16.splat(3));
  }
  const nibbles = v128.load(codes + <usize>(s << 5));
  const low = isHigh ? highNibbles(nibbles, mask) : lowNibbles(nibbles, mask);
  if (bits == 5) {
    const fifths = v128.load(codes, 128);
    const placed = isHigh ? (s == 0 ? fifths : i16x8.shr_u(fifths, s)) : i16x8.shl(fifths, 4 - s);
    return v128.or(low, v128.and(placed, i8x16.splat(16)));
  }
  if (bits == 6) {
    const pairs = v128.load(codes + pairsAt, 128);
    const placed = shift < 4 ? i16x8.shl(pairs, 4 - shift) : shift == 4 ? pairs : i16x8.shr_u(pairs, shift - 4);
    return v128.or(low, v128.and(placed, pairMask()));
  }
  return low;
}

/** Of three bits: those of two steps, in low and high nibbles. `thirds` are the rows' third bits, `second` the steps 2 and 3. */
// @ts-ignore: decorator
@inline
export function threeBits(pairs: v128, thirds: v128, second: bool, isHigh: bool): v128 {
  const low = v128.and(isHigh ? i16x8.shr_u(pairs, 2) : pairs, i8x16.splat(0x33));
  const placed = second ? i16x8.shl(thirds, isHigh ? 1 : 2) : isHigh ? i16x8.shr_u(thirds, 1) : thirds;
  return v128.or(low, v128.and(placed, i8x16.splat(0x44)));
}

/** Two 16-bit sums a row, of 16 columns. codes: of the first of the four rows. */
// @ts-ignore: decorator
@inline
export function sumsOf16(bits: i32, kind: i32, codes: usize, isHigh: bool, x: usize, mask: v128, table: v128): v128 {
  const at = x + (isHigh ? 32 : 16);
  if (bits == 3) {
    const thirds = v128.load(codes, 64);
    const first = threeBits(v128.load(codes), thirds, false, isHigh);
    const second = threeBits(v128.load(codes, 32), thirds, true, isHigh);
    return i16x8.add(
      i16x8.add(dotFour(at, lowNibbles(first, mask)), dotFour(at + 4, highNibbles(first, mask))),
      i16x8.add(dotFour(at + 8, lowNibbles(second, mask)), dotFour(at + 12, highNibbles(second, mask))));
  }
  return i16x8.add(
    i16x8.add(dotFour(at, meant(kind, fourColumns(bits, codes, 0, isHigh, mask), table)),
      dotFour(at + 4, meant(kind, fourColumns(bits, codes, 1, isHigh, mask), table))),
    i16x8.add(dotFour(at + 8, meant(kind, fourColumns(bits, codes, 2, isHigh, mask), table)),
      dotFour(at + 12, meant(kind, fourColumns(bits, codes, 3, isHigh, mask), table))));
}

// @ts-ignore: decorator
@inline
function meant(kind: i32, codes: v128, table: v128): v128 {
  return kind == E2M1_ABOVE ? i8x16.swizzle(table, codes) : codes;
}

/** i32[4 rows]: sums of all 32 columns; of six bits, of codes less 32. */
// @ts-ignore: decorator
@inline
export function sumsOf32(bits: i32, kind: i32, codes: usize, x: usize, mask: v128, table: v128, one: v128): v128 {
  if (bits == 8) return sumsOfBytes(codes, x);
  const low = sumsOf16(bits, kind, codes, false, x, mask, table);
  const high = sumsOf16(bits, kind, codes, true, x, mask, table);
  // 16 columns with codes up to 31, or with codes less 32, fit 16 bits; on the way to them they may wrap around.
  if (bits == 6) return i32x4.add(widen(i16x8.sub(low, v128.load32_splat(x, 8)), one), widen(i16x8.sub(high, v128.load32_splat(x, 12)), one));
  if (bits == 5 || kind == E2M1_ABOVE) return i32x4.add(widen(low, one), widen(high, one));
  return widen(i16x8.add(low, high), one);
}

// @ts-ignore: decorator
@inline
function sumsOfBytes(codes: usize, x: usize): v128 {
  let sums = fourBytes(codes, x + 16);
  sums = i32x4.add(sums, fourBytes(codes + 32, x + 20));
  sums = i32x4.add(sums, fourBytes(codes + 64, x + 24));
  sums = i32x4.add(sums, fourBytes(codes + 96, x + 28));
  sums = i32x4.add(sums, fourBytes(codes + 128, x + 32));
  sums = i32x4.add(sums, fourBytes(codes + 160, x + 36));
  sums = i32x4.add(sums, fourBytes(codes + 192, x + 40));
  return i32x4.add(sums, fourBytes(codes + 224, x + 44));
}

/** Four columns, two and two, without signs. */
// @ts-ignore: decorator
@inline
function fourBytes(codes: usize, x: usize): v128 {
  const columns = i16x8.extend_low_i8x16_s(v128.load32_splat(x));
  return i32x4.add(
    i32x4.dot_i16x8_s(v128.load8x8_u(codes), i32x4.shuffle(columns, columns, 0, 0, 0, 0)),
    i32x4.dot_i16x8_s(v128.load8x8_u(codes, 16), i32x4.shuffle(columns, columns, 1, 1, 1, 1)));
}

/** i32[4 rows]: sums of 32 columns with IQ4's table, to which 128 is added: 16 times those of its upper halves, and its lower halves'. */
// @ts-ignore: decorator
@inline
export function sumsOfIq4(codes: usize, x: usize, mask: v128, one: v128): v128 {
  const upper = v128.load(IQ4_UPPER);
  const lower = v128.load(IQ4_LOWER);
  let low = fourColumns(4, codes, 0, false, mask);
  let high = fourColumns(4, codes, 0, true, mask);
  let a = i16x8.add(dotFour(x + 16, i8x16.swizzle(upper, low)), dotFour(x + 32, i8x16.swizzle(upper, high)));
  let b = i16x8.add(dotFour(x + 16, i8x16.swizzle(lower, low)), dotFour(x + 32, i8x16.swizzle(lower, high)));
  low = fourColumns(4, codes, 1, false, mask);
  high = fourColumns(4, codes, 1, true, mask);
  a = i16x8.add(a, i16x8.add(dotFour(x + 20, i8x16.swizzle(upper, low)), dotFour(x + 36, i8x16.swizzle(upper, high))));
  b = i16x8.add(b, i16x8.add(dotFour(x + 20, i8x16.swizzle(lower, low)), dotFour(x + 36, i8x16.swizzle(lower, high))));
  low = fourColumns(4, codes, 2, false, mask);
  high = fourColumns(4, codes, 2, true, mask);
  a = i16x8.add(a, i16x8.add(dotFour(x + 24, i8x16.swizzle(upper, low)), dotFour(x + 40, i8x16.swizzle(upper, high))));
  b = i16x8.add(b, i16x8.add(dotFour(x + 24, i8x16.swizzle(lower, low)), dotFour(x + 40, i8x16.swizzle(lower, high))));
  low = fourColumns(4, codes, 3, false, mask);
  high = fourColumns(4, codes, 3, true, mask);
  a = i16x8.add(a, i16x8.add(dotFour(x + 28, i8x16.swizzle(upper, low)), dotFour(x + 44, i8x16.swizzle(upper, high))));
  b = i16x8.add(b, i16x8.add(dotFour(x + 28, i8x16.swizzle(lower, low)), dotFour(x + 44, i8x16.swizzle(lower, high))));
  return i32x4.add(i32x4.dot_i16x8_s(a, i16x8.splat(16)), widen(b, one));
}
