/**
 * Sums of products of 32 columns of sixteen packed rows of a described type, four rows in the lanes, as described-codes.ts has their
 * codes. They are two i16 a row, i16[4 quads of rows, 4 rows, 2]: QUADS bytes. In the plain module a product takes five instructions.
 */
import { fourColumns, maskOf, vectorOf, vectorsOf } from './described-codes';
import { dotCodes, firstForm, secondForm, widen } from './dot-int8';

/** What is multiplied: codes as they are; e2m1 doubled and 12; of IQ4, codes and RESTS. */
export const AS_CODED: i32 = 0;
export const E2M1_ABOVE: i32 = 1;
export const IQ4_SPLIT: i32 = 2;

/** Bytes of sums of sixteen rows. */
export const QUADS: usize = 64;

const E2M1_TABLE = memory.data<u8>([12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0], 16);
/**
 * ggml's `kvalues_iq4nl` is 15 * code - 118 and a rest from -9 to 9, to which 9 is added here: so sums of codes and of rests, of 16 columns
 * and more, fit 16 bits, as those of halves of the table do, and the codes need no table.
 */
const RESTS = memory.data<u8>([0, 8, 14, 17, 18, 17, 15, 12, 8, 5, 2, 0, 0, 1, 6, 15], 16);
export const IQ4_STEP: i32 = 15;
export const IQ4_LESS: i32 = 118;

// @ts-ignore: decorator
@inline
function tableOf(kind: i32): v128 {
  return kind == E2M1_ABOVE ? v128.load(E2M1_TABLE) : kind == IQ4_SPLIT ? v128.load(RESTS) : i32x4.splat(0);
}

// @ts-ignore: decorator
@inline
function dotFour(columns: v128, codes: v128): v128 {
  return dotCodes(firstForm(columns), secondForm(columns), codes);
}

/** Entries of a table of 16 at indices below 16. */
// @ts-ignore: decorator
@inline
function lookUp(table: v128, indices: v128): v128 {
  return RELAXED ? i8x16.relaxed_swizzle(table, indices) : i8x16.swizzle(table, indices);
}

// @ts-ignore: decorator
@inline
function meant(kind: i32, codes: v128, table: v128): v128 {
  return kind == E2M1_ABOVE ? lookUp(table, codes) : codes;
}

/**
 * Sums of one half's columns (x0 to x3: those of a step in every lane) of four rows, whose codes are `side` bytes behind the first ones,
 * stored `place` bytes behind `to`; with those that are there where `isMore`. IQ4's sums of rests are QUADS bytes behind those of codes.
 */
// @ts-ignore: decorator
@inline
function storeHalf(
  bits: i32, kind: i32, isHigh: bool, codes: usize, side: i32, x0: v128, x1: v128, x2: v128, x3: v128,
  mask: v128, second: v128, third: v128, fourth: v128, table: v128, isMore: bool, to: usize, place: i32,
): void {
  const v0 = vectorOf(bits, isHigh, 0, codes, side);
  const v1 = vectorsOf(bits, isHigh) > 1 ? vectorOf(bits, isHigh, 1, codes, side) : v0;
  const v2 = vectorsOf(bits, isHigh) > 2 ? vectorOf(bits, isHigh, 2, codes, side) : v0;
  const v3 = vectorsOf(bits, isHigh) > 3 ? vectorOf(bits, isHigh, 3, codes, side) : v0;
  const c0 = fourColumns(bits, isHigh, 0, v0, v1, v2, v3, mask, second, third, fourth);
  const c1 = fourColumns(bits, isHigh, 1, v0, v1, v2, v3, mask, second, third, fourth);
  const c2 = fourColumns(bits, isHigh, 2, v0, v1, v2, v3, mask, second, third, fourth);
  const c3 = fourColumns(bits, isHigh, 3, v0, v1, v2, v3, mask, second, third, fourth);
  let sums = dotFour(x0, meant(kind, c0, table));
  if (isMore) sums = i16x8.add(sums, v128.load(to + <usize>place));
  if (bits == 2) {
    const even = i16x8.add(sums, dotFour(x2, c2));
    const odd = i16x8.add(dotFour(x1, c1), dotFour(x3, c3));
    v128.store(to + <usize>place, i16x8.add(even, i16x8.shr_s(odd, 2)));
    return;
  }
  sums = i16x8.add(sums, dotFour(x1, meant(kind, c1, table)));
  sums = i16x8.add(sums, dotFour(x2, meant(kind, c2, table)));
  v128.store(to + <usize>place, i16x8.add(sums, dotFour(x3, meant(kind, c3, table))));
  if (kind == IQ4_SPLIT) {
    let rests = dotFour(x0, lookUp(table, c0));
    if (isMore) rests = i16x8.add(rests, v128.load(to + <usize>place, QUADS));
    rests = i16x8.add(rests, dotFour(x1, lookUp(table, c1)));
    rests = i16x8.add(rests, dotFour(x2, lookUp(table, c2)));
    v128.store(to + <usize>place, i16x8.add(rests, dotFour(x3, lookUp(table, c3))), QUADS);
  }
}

/**
 * Sums of all 32 columns at `to`; where `isSplit`, those of the second half QUADS bytes behind those of the first. All of them fit 16 bits
 * with codes up to 15; so do those with codes less half of their range or of their table, and may wrap around on the way to them.
 */
// @ts-ignore: decorator
@inline
export function storeSums(
  bits: i32, kind: i32, isSplit: bool, codes: usize, x: usize, to: usize,
): void {
  const mask = maskOf(bits, 0);
  const second = maskOf(bits, 1);
  const third = maskOf(bits, 2);
  const fourth = maskOf(bits, 3);
  const table = tableOf(kind);
  let x0 = v128.load32_splat(x, 16);
  let x1 = v128.load32_splat(x, 20);
  let x2 = v128.load32_splat(x, 24);
  let x3 = v128.load32_splat(x, 28);
  storeHalf(bits, kind, false, codes, 0, x0, x1, x2, x3, mask, second, third, fourth, table, false, to, 0);
  storeHalf(bits, kind, false, codes, 16, x0, x1, x2, x3, mask, second, third, fourth, table, false, to, 16);
  storeHalf(bits, kind, false, codes, 32, x0, x1, x2, x3, mask, second, third, fourth, table, false, to, 32);
  storeHalf(bits, kind, false, codes, 48, x0, x1, x2, x3, mask, second, third, fourth, table, false, to, 48);
  x0 = v128.load32_splat(x, 32);
  x1 = v128.load32_splat(x, 36);
  x2 = v128.load32_splat(x, 40);
  x3 = v128.load32_splat(x, 44);
  storeHalf(bits, kind, true, codes, 0, x0, x1, x2, x3, mask, second, third, fourth, table, !isSplit, to, (isSplit ? 64 : 0));
  storeHalf(bits, kind, true, codes, 16, x0, x1, x2, x3, mask, second, third, fourth, table, !isSplit, to, (isSplit ? 80 : 16));
  storeHalf(bits, kind, true, codes, 32, x0, x1, x2, x3, mask, second, third, fourth, table, !isSplit, to, (isSplit ? 96 : 32));
  storeHalf(bits, kind, true, codes, 48, x0, x1, x2, x3, mask, second, third, fourth, table, !isSplit, to, (isSplit ? 112 : 48));
}

/** i32[4 quads of rows, 4 rows] at `to`: all 32 columns of codes of eight bits, without signs. */
// @ts-ignore: decorator
@inline
export function storeSumsOfBytes(codes: usize, x: usize, to: usize): void {
  storeBytesHalf(codes, v128.load(x, 16), false, to);
  storeBytesHalf(codes + 256, v128.load(x, 32), true, to);
}

/** Of one half, whose columns are `x`; with those at `to` where there are more. */
// @ts-ignore: decorator
@inline
function storeBytesHalf(codes: usize, x: v128, isMore: bool, to: usize): void {
  const low = i16x8.extend_low_i8x16_s(x);
  const high = i16x8.extend_high_i8x16_s(x);
  const x0 = i32x4.shuffle(low, low, 0, 0, 0, 0);
  const x1 = i32x4.shuffle(low, low, 1, 1, 1, 1);
  const x2 = i32x4.shuffle(low, low, 2, 2, 2, 2);
  const x3 = i32x4.shuffle(low, low, 3, 3, 3, 3);
  const x4 = i32x4.shuffle(high, high, 0, 0, 0, 0);
  const x5 = i32x4.shuffle(high, high, 1, 1, 1, 1);
  const x6 = i32x4.shuffle(high, high, 2, 2, 2, 2);
  const x7 = i32x4.shuffle(high, high, 3, 3, 3, 3);
  for (let end = to + QUADS; to < end; to += 16, codes += 8) {
    let sums = i32x4.dot_i16x8_s(v128.load8x8_u(codes), x0);
    if (isMore) sums = i32x4.add(sums, v128.load(to));
    sums = i32x4.add(sums, i32x4.dot_i16x8_s(v128.load8x8_u(codes, 32), x1));
    sums = i32x4.add(sums, i32x4.dot_i16x8_s(v128.load8x8_u(codes, 64), x2));
    sums = i32x4.add(sums, i32x4.dot_i16x8_s(v128.load8x8_u(codes, 96), x3));
    sums = i32x4.add(sums, i32x4.dot_i16x8_s(v128.load8x8_u(codes, 128), x4));
    sums = i32x4.add(sums, i32x4.dot_i16x8_s(v128.load8x8_u(codes, 160), x5));
    sums = i32x4.add(sums, i32x4.dot_i16x8_s(v128.load8x8_u(codes, 192), x6));
    v128.store(to, i32x4.add(sums, i32x4.dot_i16x8_s(v128.load8x8_u(codes, 224), x7)));
  }
}

/** i32[4 rows] of codes as they are, from what was stored at `at`. */
// @ts-ignore: decorator
@inline
export function sumsOf32(bits: i32, at: usize, x: usize, one: v128): v128 {
  if (bits == 8) return v128.load(at);
  if (bits < 5) return widen(v128.load(at), one);
  if (bits == 5) return i32x4.add(widen(v128.load(at), one), widen(v128.load(at, QUADS), one));
  // 16 columns fit 16 bits less 32 times their sum.
  const low = widen(i16x8.sub(v128.load(at), v128.load32_splat(x, 8)), one);
  const high = widen(i16x8.sub(v128.load(at, QUADS), v128.load32_splat(x, 12)), one);
  return i32x4.add(i32x4.add(low, high), i32x4.shl(v128.load32_splat(x, 4), 2));
}

/** 16 E and 16 O of the whole block at x, in every lane of four columns (quantize.ts). */
// @ts-ignore: decorator
@inline
export function sixteenPairSums(x: usize): v128 {
  return i16x8.add(i16x8.shr_s(v128.load32_splat(x, 8), 1), i16x8.shr_s(v128.load32_splat(x, 12), 1));
}

/** What comes off the sums of all 32 columns of E2M1_ABOVE: 12 E and 12 O. */
// @ts-ignore: decorator
@inline
export function twelvePairSums(x: usize): v128 {
  const sixteen = sixteenPairSums(x);
  return i16x8.sub(sixteen, i16x8.shr_s(sixteen, 2));
}

/** What comes off IQ4's sums of rests: 9 E and 9 O. */
// @ts-ignore: decorator
@inline
export function ninePairSums(x: usize): v128 {
  const sixteen = sixteenPairSums(x);
  return i16x8.add(i16x8.shr_s(sixteen, 1), i16x8.shr_s(sixteen, 4));
}

/** What comes off IQ4's sums of all columns. */
// @ts-ignore: decorator
@inline
export function iq4Offset(x: usize): v128 {
  return i32x4.splat((IQ4_LESS * load<i32>(x, 4)) >> 3);
}

/** i32[4 rows] of IQ4: sums of codes and of rests at `at`. */
// @ts-ignore: decorator
@inline
export function iq4Sums(at: usize, nine: v128, offset: v128, one: v128): v128 {
  const rests = i32x4.sub(widen(i16x8.sub(v128.load(at, QUADS), nine), one), offset);
  return i32x4.add(i32x4.dot_i16x8_s(v128.load(at), i16x8.splat(<i16>IQ4_STEP)), rests);
}
