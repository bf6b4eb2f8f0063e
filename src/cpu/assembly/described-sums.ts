/**
 * Sums of products of 32 columns of eight packed rows of a described type, four rows in the lanes. `bits` are those of a code; they lie as
 * packed-described.ts says. A step is four columns; `isHigh` are the 16 columns of the high nibbles. Sums go through memory at `to`.
 */
import { dotCodes, firstForm, highNibbles, lowNibbles, secondForm, widen } from './dot-int8';
import { keepOrder, pairMask } from './opaque';

/** What is multiplied: codes as they are, or entries of the table that 12 is added to (e2m1 doubled). */
export const AS_CODED: i32 = 0;
export const E2M1_ABOVE: i32 = 1;

const E2M1_TABLE = memory.data<u8>([12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0], 16);
/** ggml's `kvalues_iq4nl` and 128: upper and lower halves. */
const IQ4_UPPER = memory.data<u8>([0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 9, 10, 11, 12, 13, 15], 16);
const PAIR_BITS = memory.data<i32>([0x03030303, 0x03030303, 0x03030303, 0x03030303], 16);
const FIFTH_BIT = memory.data<i32>([0x10101010, 0x10101010, 0x10101010, 0x10101010], 16);
const TWO_PAIRS = memory.data<i32>([0x33333333, 0x33333333, 0x33333333, 0x33333333], 16);
const THIRD_BITS = memory.data<i32>([0x44444444, 0x44444444, 0x44444444, 0x44444444], 16);
const IQ4_LOWER = memory.data<u8>([1, 8, 13, 15, 15, 13, 10, 6, 1, 13, 9, 6, 5, 5, 9, 1], 16);

// @ts-ignore: decorator
@inline
export function tableOf(kind: i32): v128 {
  return kind == E2M1_ABOVE ? v128.load(E2M1_TABLE) : i32x4.splat(0);
}

// @ts-ignore: decorator
@inline
function pairBits(): v128 {
  return v128.load(PAIR_BITS);
}

// @ts-ignore: decorator
@inline
function fifthBit(): v128 {
  return v128.load(FIFTH_BIT);
}

// @ts-ignore: decorator
@inline
function dotFour(columns: v128, codes: v128): v128 {
  return dotCodes(firstForm(columns), secondForm(columns), codes);
}

/** The vector with the codes of step s of four rows: their nibbles, or pairs of bits; of three bits, those of two steps. */
// @ts-ignore: decorator
@inline
export function lowerBits(bits: i32, codes: usize, s: i32, isHigh: bool): v128 {
  if (bits >= 4) return v128.load(codes + <usize>(s << 5));
  const pairs = v128.load(codes + <usize>((s >> 1) << 5));
  return bits == 3 ? threeBits(pairs, v128.load(codes, 64), s > 1, isHigh) : pairs;
}

/** The vector with the higher bits of step s, where there are any. */
// @ts-ignore: decorator
@inline
export function higherBits(bits: i32, codes: usize, s: i32): v128 {
  if (bits == 5) return v128.load(codes, 128);
  return bits == 6 ? v128.load(codes + <usize>((s >> 1) << 5), 128) : i32x4.splat(0);
}

/** Codes of four columns of four rows of what `lowerBits` and `higherBits` gave. */
// @ts-ignore: decorator
@inline
export function fourColumns(bits: i32, lower: v128, higher: v128, s: i32, isHigh: bool, mask: v128): v128 {
  const shift = ((s & 1) << 2) + (isHigh ? 2 : 0);
  if (bits == 2) return v128.and(shift == 0 ? lower : i16x8.shr_u(lower, shift), pairBits());
  if (bits == 3) return s & 1 ? highNibbles(lower, mask) : lowNibbles(lower, mask);
  const low = isHigh ? highNibbles(lower, mask) : lowNibbles(lower, mask);
  if (bits == 5) {
    const placed = isHigh ? (s == 0 ? higher : i16x8.shr_u(higher, s)) : i16x8.shl(higher, 4 - s);
    return v128.or(low, v128.and(placed, fifthBit()));
  }
  if (bits == 6) {
    const placed = shift < 4 ? i16x8.shl(higher, 4 - shift) : shift == 4 ? higher : i16x8.shr_u(higher, shift - 4);
    return v128.or(low, v128.and(placed, pairMask()));
  }
  return low;
}

/** Of three bits: those of two steps, in low and high nibbles. `thirds` are the rows' third bits, `second` the steps 2 and 3. */
// @ts-ignore: decorator
@inline
function threeBits(pairs: v128, thirds: v128, second: bool, isHigh: bool): v128 {
  const low = v128.and(isHigh ? i16x8.shr_u(pairs, 2) : pairs, v128.load(TWO_PAIRS));
  const placed = second ? i16x8.shl(thirds, isHigh ? 1 : 2) : isHigh ? i16x8.shr_u(thirds, 1) : thirds;
  return v128.or(low, v128.and(placed, v128.load(THIRD_BITS)));
}

// @ts-ignore: decorator
@inline
function meant(kind: i32, codes: v128, table: v128): v128 {
  return kind == E2M1_ABOVE ? i8x16.swizzle(table, codes) : codes;
}

/** Products of a step's four columns (`columns`: in every lane) with four rows: two sums a row. */
// @ts-ignore: decorator
@inline
function step(bits: i32, kind: i32, codes: usize, s: i32, isHigh: bool, columns: v128, mask: v128, table: v128): v128 {
  const four = fourColumns(bits, lowerBits(bits, codes, s, isHigh), higherBits(bits, codes, s), s, isHigh, mask);
  return dotFour(columns, meant(kind, four, table));
}

/** i16[4][8] at `to`: two sums a row, of rows 0 to 3 and 4 to 7 of the first 16 columns, then of the others. */
// @ts-ignore: decorator
@inline
export function sumsOf16(bits: i32, kind: i32, codes: usize, x: usize, mask: v128, table: v128, to: usize): void {
  let columns = v128.load32_splat(x, 16);
  let more = v128.load32_splat(x, 32);
  let aFirst = step(bits, kind, codes, 0, false, columns, mask, table);
  let aSecond = step(bits, kind, codes, 0, true, more, mask, table);
  let bFirst = step(bits, kind, codes + 16, 0, false, columns, mask, table);
  let bSecond = step(bits, kind, codes + 16, 0, true, more, mask, table);
  keepOrder(to, aFirst, bFirst);
  keepOrder(to + 32, aSecond, bSecond);
  columns = v128.load32_splat(x, 20);
  more = v128.load32_splat(x, 36);
  aFirst = i16x8.add(aFirst, step(bits, kind, codes, 1, false, columns, mask, table));
  aSecond = i16x8.add(aSecond, step(bits, kind, codes, 1, true, more, mask, table));
  bFirst = i16x8.add(bFirst, step(bits, kind, codes + 16, 1, false, columns, mask, table));
  bSecond = i16x8.add(bSecond, step(bits, kind, codes + 16, 1, true, more, mask, table));
  keepOrder(to, aFirst, bFirst);
  keepOrder(to + 32, aSecond, bSecond);
  columns = v128.load32_splat(x, 24);
  more = v128.load32_splat(x, 40);
  aFirst = i16x8.add(aFirst, step(bits, kind, codes, 2, false, columns, mask, table));
  aSecond = i16x8.add(aSecond, step(bits, kind, codes, 2, true, more, mask, table));
  bFirst = i16x8.add(bFirst, step(bits, kind, codes + 16, 2, false, columns, mask, table));
  bSecond = i16x8.add(bSecond, step(bits, kind, codes + 16, 2, true, more, mask, table));
  keepOrder(to, aFirst, bFirst);
  keepOrder(to + 32, aSecond, bSecond);
  columns = v128.load32_splat(x, 28);
  more = v128.load32_splat(x, 44);
  aFirst = i16x8.add(aFirst, step(bits, kind, codes, 3, false, columns, mask, table));
  aSecond = i16x8.add(aSecond, step(bits, kind, codes, 3, true, more, mask, table));
  bFirst = i16x8.add(bFirst, step(bits, kind, codes + 16, 3, false, columns, mask, table));
  bSecond = i16x8.add(bSecond, step(bits, kind, codes + 16, 3, true, more, mask, table));
  v128.store(to, aFirst);
  v128.store(to, bFirst, 16);
  v128.store(to, aSecond, 32);
  v128.store(to, bSecond, 48);
}

/** i32[4 rows], of rows 0 to 3 (`at` as sumsOf16's `to`) or 4 to 7 (16 bytes further): all 32 columns; of six bits, of codes less 32. */
// @ts-ignore: decorator
@inline
export function sumsOf32(bits: i32, kind: i32, at: usize, x: usize, one: v128): v128 {
  const low = v128.load(at);
  const high = v128.load(at, 32);
  // 16 columns with codes up to 31, or with codes less 32, fit 16 bits; on the way to them they may wrap around.
  if (bits == 6) {
    return i32x4.add(widen(i16x8.sub(low, v128.load32_splat(x, 8)), one), widen(i16x8.sub(high, v128.load32_splat(x, 12)), one));
  }
  if (bits == 5 || kind == E2M1_ABOVE) return i32x4.add(widen(low, one), widen(high, one));
  return widen(i16x8.add(low, high), one);
}

/** i32[4 rows]: all 32 columns of codes of eight bits, without signs. */
// @ts-ignore: decorator
@inline
export function sumsOfBytes(codes: usize, x: usize): v128 {
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

/**
 * i16[4][8] at `to`: sums with the upper halves of IQ4's table of rows 0 to 3 and 4 to 7, then with its lower halves. 128 is added to the
 * table; 16 columns and more of each half fit 16 bits.
 */
// @ts-ignore: decorator
@inline
export function halvesOfIq4(codes: usize, x: usize, mask: v128, to: usize): void {
  const upper = v128.load(IQ4_UPPER);
  const lower = v128.load(IQ4_LOWER);
  let columns = v128.load32_splat(x, 16);
  let more = v128.load32_splat(x, 32);
  let aPairs = v128.load(codes, 0);
  let aUpper = throughTable(aPairs, upper, columns, more, mask);
  let aLower = throughTable(aPairs, lower, columns, more, mask);
  let bPairs = v128.load(codes, 16);
  let bUpper = throughTable(bPairs, upper, columns, more, mask);
  let bLower = throughTable(bPairs, lower, columns, more, mask);
  keepOrder(to, aUpper, bUpper);
  keepOrder(to + 32, aLower, bLower);
  columns = v128.load32_splat(x, 20);
  more = v128.load32_splat(x, 36);
  aPairs = v128.load(codes, 32);
  aUpper = i16x8.add(aUpper, throughTable(aPairs, upper, columns, more, mask));
  aLower = i16x8.add(aLower, throughTable(aPairs, lower, columns, more, mask));
  bPairs = v128.load(codes, 48);
  bUpper = i16x8.add(bUpper, throughTable(bPairs, upper, columns, more, mask));
  bLower = i16x8.add(bLower, throughTable(bPairs, lower, columns, more, mask));
  keepOrder(to, aUpper, bUpper);
  keepOrder(to + 32, aLower, bLower);
  columns = v128.load32_splat(x, 24);
  more = v128.load32_splat(x, 40);
  aPairs = v128.load(codes, 64);
  aUpper = i16x8.add(aUpper, throughTable(aPairs, upper, columns, more, mask));
  aLower = i16x8.add(aLower, throughTable(aPairs, lower, columns, more, mask));
  bPairs = v128.load(codes, 80);
  bUpper = i16x8.add(bUpper, throughTable(bPairs, upper, columns, more, mask));
  bLower = i16x8.add(bLower, throughTable(bPairs, lower, columns, more, mask));
  keepOrder(to, aUpper, bUpper);
  keepOrder(to + 32, aLower, bLower);
  columns = v128.load32_splat(x, 28);
  more = v128.load32_splat(x, 44);
  aPairs = v128.load(codes, 96);
  aUpper = i16x8.add(aUpper, throughTable(aPairs, upper, columns, more, mask));
  aLower = i16x8.add(aLower, throughTable(aPairs, lower, columns, more, mask));
  bPairs = v128.load(codes, 112);
  bUpper = i16x8.add(bUpper, throughTable(bPairs, upper, columns, more, mask));
  bLower = i16x8.add(bLower, throughTable(bPairs, lower, columns, more, mask));
  v128.store(to, aUpper);
  v128.store(to, bUpper, 16);
  v128.store(to, aLower, 32);
  v128.store(to, bLower, 48);
}

// @ts-ignore: decorator
@inline
function throughTable(pairs: v128, table: v128, columns: v128, more: v128, mask: v128): v128 {
  return i16x8.add(
    dotFour(columns, i8x16.swizzle(table, lowNibbles(pairs, mask))), dotFour(more, i8x16.swizzle(table, highNibbles(pairs, mask))));
}

/** i32[4 rows] of what halvesOfIq4 stored: sums with the table and 128. */
// @ts-ignore: decorator
@inline
export function sumsOfIq4(at: usize, one: v128): v128 {
  return i32x4.add(i32x4.dot_i16x8_s(v128.load(at), i16x8.splat(16)), widen(v128.load(at, 32), one));
}
