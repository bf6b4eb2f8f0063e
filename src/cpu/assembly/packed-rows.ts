/**
 * How matrices of quantised weights lie in memory, once they are loaded: sixteen rows side by side, so that a product's lanes are
 * rows and weights are read in order. They take the bytes that they have in the file, and fill their place in groups of sixteen rows
 * (the last one with rows of zeros).
 *
 * A group holds a block (32 or 256 columns) of all its rows, then the next. "Of each row" are sixteen values, one a row:
 *   Q8_0: f16 scale of each row; codes of columns 2 i and 2 i + 1 of each row, for i in [0, 16).
 *   Q4_0: f16 scale of each row; nibbles of 32 columns.
 *   Q4_K: f16 d of each row; f16 dmin of each row; 4 times, for 64 columns: scale and minimum of the first 32, and of the others, as
 *     six-bits.ts has them; nibbles of 32 columns, twice.
 *   Q6_K: f16 d of each row; 8 times, for 32 columns: i8 scale of the first 16 of each row; of the others; codes (described-codes.ts).
 * All is read in order: a line of memory that is touched before those in front of it costs half the speed, where weights come from memory.
 * Nibbles of 32 columns are four steps of 64 bytes: step s has four bytes of each row, whose low nibbles are the codes of columns
 * 4 s to 4 s + 3, and whose high ones those of 16 more.
 *
 * A matrix has a head in front of it. Its last word says that some scales are odd, so that products convert them with more care: of
 * Q8_0, Q4_0 and described types subnormal ones, of Q4_K, Q2_K and Q5_K negative ones, and those that are not finite. A scale of zero of
 * Q8_0 and Q4_0 becomes 1, with codes that say zero.
 */
import { highNibbles, lowNibbles } from './dot-int8';
import { packDescribed, packK4 } from './packed-described';
import { SIX_BITS_BYTES } from './six-bits';
import { blockBytesOf, Q4_0, Q4_0_BYTES, Q4_K, Q4_K_BYTES, Q6_K, Q6_K_BYTES, Q8_0, Q8_0_BYTES } from './weight-type';

/** Mirrored in `src/cpu/packed-layout.ts`. */
export const GROUP_ROWS: i32 = 16;
const ROWS: usize = 16;
export const HEAD_BYTES: usize = 64;

const ONE: u16 = 0x3c00;

// @ts-ignore: decorator
@inline
export function isPacked(type: i32): bool {
  return type >= Q8_0;
}

/** True where some scales of the matrix at w are odd. */
// @ts-ignore: decorator
@inline
export function hasOddScales(w: usize): bool {
  return load<i32>(w - 4) != 0;
}

// @ts-ignore: decorator
@inline
function markOdd(w: usize): void {
  store<i32>(w - 4, 1);
}

// @ts-ignore: decorator
@inline
export function groupAt(w: usize, rowBytes: usize, row: i32): usize {
  return w + <usize>(row / GROUP_ROWS) * (ROWS * rowBytes);
}

/** Puts a matrix in order where it lies. scratch holds a group of rows and 64 bytes. */
export function packMatrix(type: i32, w: usize, rowBytes: usize, rows: i32, scratch: usize): void {
  for (let row = 0; row < rows; row += GROUP_ROWS) packGroup(type, w, rowBytes, row, min(GROUP_ROWS, rows - row), scratch);
}

/** Puts the group of `row` in order, which has `rows` rows in the matrix. */
export function packGroup(type: i32, w: usize, rowBytes: usize, row: i32, rows: i32, scratch: usize): void {
  let to = groupAt(w, rowBytes, row);
  const end = to + ROWS * rowBytes;
  memory.copy(scratch, to, <usize>rows * rowBytes);
  memory.fill(scratch + <usize>rows * rowBytes, 0, <usize>(GROUP_ROWS - rows) * rowBytes);
  let from = scratch;
  if (type == Q4_0) {
    for (; to < end; to += ROWS * Q4_0_BYTES, from += Q4_0_BYTES) packQ4_0(from, rowBytes, to, w);
  } else if (type == Q8_0) {
    for (; to < end; to += ROWS * Q8_0_BYTES, from += Q8_0_BYTES) packQ8_0(from, rowBytes, to, w);
  } else if (type == Q4_K) {
    for (; to < end; to += ROWS * Q4_K_BYTES, from += Q4_K_BYTES) packQ4_K(from, rowBytes, to, w);
  } else if (type == Q6_K) {
    for (; to < end; to += ROWS * Q6_K_BYTES, from += Q6_K_BYTES) packQ6_K(from, rowBytes, to);
  } else {
    const bytes = blockBytesOf(type);
    const unpacked = scratch + ROWS * rowBytes;
    for (; to < end; to += ROWS * bytes, from += bytes) packDescribed(type, from, rowBytes, to, w, unpacked);
  }
}

/** Stores a scale, and notes an odd one in the matrix's head. True where it is zero. */
// @ts-ignore: decorator
@inline
function packScale(bits: u16, to: usize, w: usize): bool {
  const isZero = (bits & 0x7fff) == 0;
  const exponent = bits & 0x7c00;
  if (!isZero && (exponent == 0 || exponent == 0x7c00)) markOdd(w);
  store<u16>(to, isZero ? ONE : bits);
  return isZero;
}

function packQ4_0(from: usize, rowBytes: usize, to: usize, w: usize): void {
  for (let r: usize = 0; r < ROWS; r++, from += rowBytes) {
    const isZero = packScale(load<u16>(from), to + 2 * r, w);
    const codes = to + 2 * ROWS + 4 * r;
    storeSteps(codes, isZero ? i8x16.splat(-0x78) : v128.load(from, 2));
  }
}

function packQ8_0(from: usize, rowBytes: usize, to: usize, w: usize): void {
  for (let r: usize = 0; r < ROWS; r++, from += rowBytes) {
    const isZero = packScale(load<u16>(from), to + 2 * r, w);
    const codes = to + 2 * ROWS + 2 * r;
    const mask = i8x16.splat(isZero ? 0 : -1);
    storePairs(codes, v128.and(v128.load(from, 2), mask));
    storePairs(codes + 16 * ROWS, v128.and(v128.load(from, 18), mask));
  }
}

/** Stores the two bytes of a row that each of eight pairs of columns has. */
// @ts-ignore: decorator
@inline
function storePairs(to: usize, codes: v128): void {
  v128.store16_lane(to, codes, 0);
  v128.store16_lane(to + 2 * ROWS, codes, 1);
  v128.store16_lane(to + 4 * ROWS, codes, 2);
  v128.store16_lane(to + 6 * ROWS, codes, 3);
  v128.store16_lane(to + 8 * ROWS, codes, 4);
  v128.store16_lane(to + 10 * ROWS, codes, 5);
  v128.store16_lane(to + 12 * ROWS, codes, 6);
  v128.store16_lane(to + 14 * ROWS, codes, 7);
}

/** Where scales and minimums of block `block` of 32 columns and of its neighbour lie in the packed super-block at w; codes of `block`. */
export function scalesAtQ4_K(w: usize, block: usize): usize {
  return w + 4 * ROWS + (block >> 1) * (SIX_BITS_BYTES + 32 * ROWS);
}

export function codesAtQ4_K(w: usize, block: usize): usize {
  return scalesAtQ4_K(w, block) + SIX_BITS_BYTES + ((block & 1) << 8);
}

/** Likewise of Q6_K, of one block. */
export function scalesAtQ6_K(w: usize, block: usize): usize {
  return w + 2 * ROWS + 26 * ROWS * block;
}

export function codesAtQ6_K(w: usize, block: usize): usize {
  return scalesAtQ6_K(w, block) + 2 * ROWS;
}

function packQ4_K(from: usize, rowBytes: usize, to: usize, w: usize): void {
  for (let block: usize = 0; block < 8; block += 2) memory.fill(scalesAtQ4_K(to, block), 0, SIX_BITS_BYTES);
  for (let r: usize = 0; r < ROWS; r++, from += rowBytes) {
    const d = load<u16>(from);
    const dmin = load<u16>(from, 2);
    if (d >= 0x7c00 || dmin >= 0x7c00) markOdd(w);
    store<u16>(to + 2 * r, d);
    store<u16>(to + 2 * r, dmin, 2 * ROWS);
    for (let block: usize = 0; block < 8; block += 2) {
      packK4(scalesAtQ4_K(to, block) + r, from + 4, block);
      const codes = from + 16 + 16 * block;
      const at = codesAtQ4_K(to, block) + 4 * r;
      const a = v128.load(codes);
      const b = v128.load(codes, 16);
      storeSteps(at, v128.or(lowNibbles(a), i16x8.shl(lowNibbles(b), 4)));
      storeSteps(at + 16 * ROWS, v128.or(highNibbles(a), v128.andnot(b, i8x16.splat(15))));
    }
  }
}

/** Stores the four bytes of a row that each of four steps has. */
// @ts-ignore: decorator
@inline
function storeSteps(to: usize, codes: v128): void {
  v128.store32_lane(to, codes, 0);
  v128.store32_lane(to + 4 * ROWS, codes, 1);
  v128.store32_lane(to + 8 * ROWS, codes, 2);
  v128.store32_lane(to + 12 * ROWS, codes, 3);
}

function packQ6_K(from: usize, rowBytes: usize, to: usize): void {
  for (let r: usize = 0; r < ROWS; r++, from += rowBytes) {
    store<u16>(to + 2 * r, load<u16>(from, 208));
    for (let block: usize = 0; block < 8; block++) {
      const scales = scalesAtQ6_K(to, block) + r;
      store<u8>(scales, load<u8>(from + 2 * block, 192));
      store<u8>(scales, load<u8>(from + 2 * block, 193), ROWS);
      const part = <u32>block & 3;
      const low = from + ((block >> 2) << 6) + ((block & 1) << 5);
      const high = from + 128 + ((block >> 2) << 5);
      packSixBits(low, (part >> 1) << 2, high, part << 1, codesAtQ6_K(to, block) + 4 * r);
    }
  }
}

/** 32 codes of a row: nibbles `lowShift` bits up in the bytes at `low`, pairs `highShift` bits up in those at `high`. */
// @ts-ignore: decorator
@inline
function packSixBits(low: usize, lowShift: u32, high: usize, highShift: u32, to: usize): void {
  packHalf(low, lowShift, high, highShift, to);
  packHalf(low + 16, lowShift, high + 16, highShift, to + 12 * ROWS);
}

/** 16 codes: the last four become bits 6 and 7 of the others, two bits of each to the first four, and so on. */
// @ts-ignore: decorator
@inline
function packHalf(low: usize, lowShift: u32, high: usize, highShift: u32, to: usize): void {
  const nibbles = lowNibbles(i16x8.shr_u(v128.load(low), lowShift));
  const pairs = v128.and(i16x8.shr_u(v128.load(high), highShift), i8x16.splat(3));
  const codes = v128.or(nibbles, i16x8.shl(pairs, 4));
  const last = i32x4.mul(i32x4.shuffle(codes, codes, 3, 3, 3, 3), i32x4(64, 16, 4, 0));
  const bytes = v128.or(codes, v128.and(last, i8x16.splat(<i8>0xc0)));
  v128.store32_lane(to, bytes, 0);
  v128.store32_lane(to + 4 * ROWS, bytes, 1);
  v128.store32_lane(to + 8 * ROWS, bytes, 2);
}
