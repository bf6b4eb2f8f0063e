/**
 * How sixteen rows of a described type lie once they are packed (`packed-rows.ts` has the rest): a block of all sixteen, then the next.
 * In front what a block holds besides its codes: each of its floats of sixteen rows; or f16 d[16], f16 dmin[16] where there are
 * minimums. Then, for each 32 columns, their codes: of eight bits as Q8_0's, others as described-codes.ts says. Where there are integers
 * under d, those of the columns that follow lie in front of them (`packed-heads.ts`), of sixteen rows:
 *   Q2_K: of 32 columns, bytes [16 rows][2 groups].
 *   Q5_K: of 64 columns, as Q4_K's.
 *   Q3_K: of 64 columns, each more 32, as six-bits.ts has four numbers: [8 rows][2 groups] of the first 32 columns of rows 0 to 7; of rows
 *     8 to 15; and of the other 32 columns likewise.
 *   IQ4_XS: of all columns, bytes [6][16 rows].
 */
import { fourColumns, maskOf, packCodes, vectorOf, vectorsOf } from './described-codes';
import { factorAt, integersAt, k3Scale, k4Minimum, k4Scale, minimumFactorAt } from './group-scales';
import { codesAt, integerBytesOf, isInterleaved, scalesAt } from './packed-heads';
import { putSixBits } from './six-bits';
import { unpackCodes } from './unpack-codes';
import {
  blockBytesOf, blockSizeOf, codeBitsOf, floatsOf, MEANING_MASK, MINIMUM_NONE, minimumOf, SCALE_BF16, SCALE_E8M0_HALF, SCALE_F16, SCALE_F32,
  SCALE_K3, SCALE_K4, SCALE_NIBBLES, SCALE_UE4M3_HALF, scaleBytesOf, scalesOf,
} from './weight-type';

const ROWS: usize = 16;

/** Bytes behind the rows in the scratch for packing. */
export const UNPACKED_ROW_BYTES: usize = 64;

/** Packs a block of sixteen rows that begin at `from`. Notes odd scales in the head of the matrix at w. */
export function packDescribed(type: i32, from: usize, rowBytes: usize, to: usize, w: usize, unpacked: usize): void {
  const bits = codeBitsOf(type);
  const size = blockSizeOf(type);
  memory.fill(to, 0, blockBytesOf(type) << 4);
  for (let r: usize = 0; r < ROWS; r++) packHead(type, from + r * rowBytes, r, to, w);
  for (let column = 0; column < size; column += 32) {
    const codes = codesAt(type, to, column);
    for (let r: usize = 0; r < ROWS; r++) {
      unpackCodes(type & ~MEANING_MASK, from + r * rowBytes, column, unpacked);
      const low = i8x16.narrow_i16x8_u(v128.load(unpacked), v128.load(unpacked, 16));
      const high = i8x16.narrow_i16x8_u(v128.load(unpacked, 32), v128.load(unpacked, 48));
      v128.store(unpacked, low);
      v128.store(unpacked, high, 16);
      if (isInterleaved(type)) storeInterleaved(low, high, unpacked);
      if (bits == 8) packBytes(unpacked, codes + 2 * r);
      else packCodes(bits, unpacked, codes + 4 * r);
    }
  }
}

function packHead(type: i32, from: usize, r: usize, to: usize, w: usize): void {
  const bytes = integerBytesOf(type);
  if (bytes != 0) {
    const d = load<u16>(factorAt(type, from, 0, 1));
    store<u16>(factorAt(type, to, r, ROWS), d);
    if (minimumOf(type) != MINIMUM_NONE) {
      const dmin = load<u16>(minimumFactorAt(type, from, 0, 1));
      store<u16>(minimumFactorAt(type, to, r, ROWS), dmin);
      if (d >= 0x7c00 || dmin >= 0x7c00) markOdd(w);
    }
    packIntegers(type, integersAt(type, from), bytes, r, to);
    return;
  }
  const format = scalesOf(type);
  const size = scaleBytesOf(type);
  for (let k: usize = 0; k < <usize>floatsOf(type); k++) {
    const at = from + k * size;
    const place = to + (ROWS * k + r) * size;
    if (isOddScale(format, at)) markOdd(w);
    if (format == SCALE_F32) store<u32>(place, load<u32>(at));
    else if (format == SCALE_F16 || format == SCALE_BF16) store<u16>(place, load<u16>(at));
    else store<u8>(place, load<u8>(at));
  }
}

function packIntegers(type: i32, from: usize, bytes: usize, r: usize, to: usize): void {
  const scales = scalesOf(type);
  if (scales == SCALE_K4) {
    for (let block: usize = 0; block < 8; block += 2) packK4(scalesAt(type, to, <i32>block << 5) + r, from, block);
  } else if (scales == SCALE_K3) {
    for (let group: usize = 0; group < 16; group++) {
      const at = scalesAt(type, to, <i32>group << 4) + 2 * (r & 7) + (group & 1);
      putSixBits(at, (group & 2) + (r >> 3), k3Scale(from, group) + 32);
    }
  } else if (scales == SCALE_NIBBLES) {
    for (let group: usize = 0; group < 16; group++) {
      store<u8>(scalesAt(type, to, <i32>group << 4) + 2 * r + (group & 1), load<u8>(from + group));
    }
  } else {
    for (let k: usize = 0; k < bytes; k++) store<u8>(scalesAt(type, to, 0) + r + ROWS * k, load<u8>(from + k));
  }
}

/** Two columns of 16 (a byte each) and two of 16 more by turns. */
// @ts-ignore: decorator
@inline
export function storeInterleaved(low: v128, high: v128, to: usize): void {
  v128.store(to, i16x8.shuffle(low, high, 0, 8, 1, 9, 2, 10, 3, 11));
  v128.store(to, i16x8.shuffle(low, high, 4, 12, 5, 13, 6, 14, 7, 15), 16);
}

/** Scales and minimums of 32 columns and of the next 32 of one row, from twelve bytes; their place is zero before. */
export function packK4(to: usize, from: usize, block: usize): void {
  putSixBits(to, 0, k4Scale(from, block));
  putSixBits(to, 1, k4Minimum(from, block));
  putSixBits(to, 2, k4Scale(from, block + 1));
  putSixBits(to, 3, k4Minimum(from, block + 1));
}

/** Of f16 and e4m3 one that is subnormal or not finite (zero is neither); of e8m0 one that is subnormal as an f32, halved. */
function isOddScale(format: i32, at: usize): bool {
  if (format == SCALE_F16) {
    const bits = load<u16>(at) & 0x7fff;
    return bits >= 0x7c00 || (bits < 0x0400 && bits != 0);
  }
  const bits = load<u8>(at);
  if (format == SCALE_E8M0_HALF) return bits < 2;
  return format == SCALE_UE4M3_HALF && (bits >= 0x7f || (bits < 8 && bits != 0));
}

// @ts-ignore: decorator
@inline
function markOdd(w: usize): void {
  store<i32>(w - 4, 1);
}

function packBytes(codes: usize, to: usize): void {
  for (let i: usize = 0; i < 16; i++) store<u16>(to + 32 * i, load<u16>(codes + 2 * i));
}

/** Columns i to i + 3 of 32 of row r of a described type, a byte each; i is a multiple of 4. */
export function packedColumns(type: i32, codes: usize, r: usize, i: usize): u32 {
  const bits = codeBitsOf(type);
  if (!isInterleaved(type)) return packedCodes(bits, codes, r, i);
  const place = (i & 15) << 1;
  const shift = <u32>(i & 16);
  return ((packedCodes(bits, codes, r, place) >> shift) & 0xffff) | ((packedCodes(bits, codes, r, place + 4) >> shift) << 16);
}

/** Codes i to i + 3 of 32, as they lie, of row r, a byte each; i is a multiple of 4. */
export function packedCodes(bits: i32, codes: usize, r: usize, i: usize): u32 {
  if (bits == 8) {
    const at = codes + ((i >> 1) << 5) + 2 * r;
    return <u32>load<u16>(at) | (<u32>load<u16>(at, 32) << 16);
  }
  const four = codesOfStep(bits, codes + ((r >> 2) << 4), <i32>(i >> 2) & 3, i > 15);
  switch (<i32>r & 3) {
    case 0: return i32x4.extract_lane(four, 0);
    case 1: return i32x4.extract_lane(four, 1);
    case 2: return i32x4.extract_lane(four, 2);
    default: return i32x4.extract_lane(four, 3);
  }
}

/** Codes of step s of one half of the four rows whose codes begin at `codes`: a byte each. */
// @ts-ignore: decorator
@inline
export function codesOfStep(bits: i32, codes: usize, s: i32, isHigh: bool): v128 {
  const last = vectorsOf(bits, isHigh) - 1;
  const v0 = vectorOf(bits, isHigh, 0, codes, 0);
  const v1 = vectorOf(bits, isHigh, min(1, last), codes, 0);
  const v2 = vectorOf(bits, isHigh, min(2, last), codes, 0);
  const v3 = vectorOf(bits, isHigh, min(3, last), codes, 0);
  const four = fourColumns(bits, isHigh, s, v0, v1, v2, v3, maskOf(bits, 0), maskOf(bits, 1), maskOf(bits, 2), maskOf(bits, 3));
  return bits == 2 && s & 1 ? i16x8.shr_u(four, 2) : four;
}
