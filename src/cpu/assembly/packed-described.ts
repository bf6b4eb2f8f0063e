/**
 * How eight rows of a described type lie once they are packed (`packed-rows.ts` has the rest): a block of all eight rows, then the next.
 * In front what a block holds besides its codes: each of its floats of eight rows; or f16 d[8], f16 dmin[8] where there are minimums, and
 * the bytes of the integers under them, of eight rows each. Then, for each 32 columns, their codes:
 *   four bits and more: the nibbles, as Q4_0's. Five: 32 bytes of fifth bits; in the place of its four columns, step s has bit s for
 *     the low nibbles and bit 4 + s for the high ones. Six: 64 bytes of high bits, as Q6_K's.
 *   two and three bits: 64 bytes of pairs, as Q6_K's high bits. Three: 32 bytes of third bits, of which steps 0 and 1 have bits 2 and 6,
 *     for the columns of high nibbles bits 3 and 7; steps 2 and 3 have bits 0 and 4, 1 and 5.
 *   eight bits: as Q8_0's.
 */
import { factorAt, headsBytesOf, integerBytesOf, integersAt, minimumFactorAt } from './group-scales';
import { unpackCodes } from './unpack-codes';
import {
  blockSizeOf, codeBitsOf, floatsOf, MEANING_MASK, MINIMUM_NONE, minimumOf, SCALE_BF16, SCALE_F16, SCALE_F32, scaleBytesOf, scalesOf,
} from './weight-type';

const LOW_4: u32 = 0x0f0f0f0f;
const PAIRS: u32 = 0x03030303;
const ONES: u32 = 0x01010101;

/** Bytes behind the eight rows in the scratch for packing. */
export const UNPACKED_ROW_BYTES: usize = 64;

/** Packs a block of eight rows that begin at `from`. Notes odd scales in the head of the matrix at w. */
export function packDescribed(type: i32, from: usize, rowBytes: usize, to: usize, w: usize, unpacked: usize): void {
  const bits = codeBitsOf(type);
  const size = blockSizeOf(type);
  let codes = to + headsBytesOf(type);
  memory.fill(codes, 0, <usize>(size * bits));
  for (let r: usize = 0; r < 8; r++) packHead(type, from + r * rowBytes, r, to, w);
  for (let column = 0; column < size; column += 32, codes += <usize>(32 * bits)) {
    for (let r: usize = 0; r < 8; r++) {
      unpackCodes(type & ~MEANING_MASK, from + r * rowBytes, column, unpacked);
      v128.store(unpacked, i8x16.narrow_i16x8_u(v128.load(unpacked), v128.load(unpacked, 16)));
      v128.store(unpacked, i8x16.narrow_i16x8_u(v128.load(unpacked, 32), v128.load(unpacked, 48)), 16);
      if (bits == 8) packBytes(unpacked, codes + 2 * r);
      else packCodes(bits, unpacked, codes + 4 * r);
    }
  }
}

function packHead(type: i32, from: usize, r: usize, to: usize, w: usize): void {
  const bytes = integerBytesOf(type);
  if (bytes != 0) {
    store<u16>(factorAt(type, to, r, 8), load<u16>(factorAt(type, from, 0, 1)));
    if (minimumOf(type) != MINIMUM_NONE) store<u16>(minimumFactorAt(type, to, r, 8), load<u16>(minimumFactorAt(type, from, 0, 1)));
    const integers = integersAt(type, to, r, 8);
    for (let k: usize = 0; k < bytes; k++) store<u8>(integers + 8 * k, load<u8>(integersAt(type, from, 0, 1) + k));
    return;
  }
  const format = scalesOf(type);
  const size = scaleBytesOf(type);
  for (let k: usize = 0; k < <usize>floatsOf(type); k++) {
    const at = from + k * size;
    const place = to + (8 * k + r) * size;
    if (format == SCALE_F16) noteOdd(load<u16>(at), w);
    if (format == SCALE_F32) store<u32>(place, load<u32>(at));
    else if (format == SCALE_F16 || format == SCALE_BF16) store<u16>(place, load<u16>(at));
    else store<u8>(place, load<u8>(at));
  }
}

/** A scale that is subnormal or not finite; zero is neither. */
function noteOdd(bits: u32, w: usize): void {
  const exponent = bits & 0x7c00;
  if (exponent == 0x7c00 || (exponent == 0 && (bits & 0x7fff) != 0)) store<i32>(w - 4, 1);
}

function packBytes(codes: usize, to: usize): void {
  for (let i: usize = 0; i < 16; i++) store<u16>(to + 16 * i, load<u16>(codes + 2 * i));
}

/** 32 codes of a row; the place is zero before. */
function packCodes(bits: i32, codes: usize, to: usize): void {
  for (let s: usize = 0; s < 4; s++) {
    const low = load<u32>(codes + 4 * s);
    const high = load<u32>(codes + 4 * s, 16);
    const pairs = to + ((s >> 1) << 5);
    const shift = <u32>((s & 1) << 2);
    if (bits >= 4) store<u32>(to + 32 * s, (low & LOW_4) | ((high & LOW_4) << 4));
    else put(pairs, ((low & PAIRS) | ((high & PAIRS) << 2)) << shift);
    if (bits == 6) put(pairs + 128, (((low >> 4) & PAIRS) | (((high >> 4) & PAIRS) << 2)) << shift);
    if (bits == 5) put(to + 128, (((low >> 4) & ONES) << <u32>s) | (((high >> 4) & ONES) << (4 + <u32>s)));
    if (bits == 3) {
      const bit = (s >> 1 ? 0 : 2) + shift;
      put(to + 64, (((low >> 2) & ONES) << bit) | (((high >> 2) & ONES) << (bit + 1)));
    }
  }
}

// @ts-ignore: decorator
@inline
function put(at: usize, bits: u32): void {
  store<u32>(at, load<u32>(at) | bits);
}

/** Column i of 32 of row r. */
export function packedCode(bits: i32, codes: usize, r: usize, i: usize): i32 {
  if (bits == 8) return load<u8>(codes + ((i >> 1) << 4) + 2 * r + (i & 1));
  const s = (i >> 2) & 3;
  const at = codes + 4 * r + (i & 3);
  const pairs = at + ((s >> 1) << 5);
  const isHigh = <i32>(i >> 4);
  const shift = <i32>((s & 1) << 2) + 2 * isHigh;
  const low = bits >= 4 ? (<i32>load<u8>(at + 32 * s) >> (4 * isHigh)) & 15 : (<i32>load<u8>(pairs) >> shift) & 3;
  if (bits == 6) return low | (((<i32>load<u8>(pairs, 128) >> shift) & 3) << 4);
  if (bits == 5) return low | (((<i32>load<u8>(at, 128) >> (<i32>s + 4 * isHigh)) & 1) << 4);
  if (bits == 3) return low | (((<i32>load<u8>(at, 64) >> ((s >> 1 ? 0 : 2) + <i32>((s & 1) << 2) + isHigh)) & 1) << 2);
  return low;
}
