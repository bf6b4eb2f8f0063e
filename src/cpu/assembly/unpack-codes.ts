/**
 * The codes of 32 columns of any described type as integers: an unpack function for each arrangement, then what a code stands for. This is
 * how rows in the file's order are read, by themselves or to be packed.
 */
import { highNibbles, lowNibbles } from './dot-int8';
import {
  arrangementOf, CODE_E2M1, CODE_IQ4, CODE_ITSELF, CODE_LESS_HALF, codeBitsOf, codesOffsetOf, highOffsetOf, meaningOf, NIBBLES_16,
  NIBBLES_16_HIGH, NIBBLES_32_HIGH, NIBBLES_8, PAIRS_32, PAIRS_32_HIGH, STREAM,
} from './weight-type';

/** ggml's `kvalues_iq4nl`, and e2m1 doubled. */
const IQ4 = memory.data<i8>([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], 16);
const E2M1 = memory.data<i8>([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], 16);
/** One bit a byte, from the lowest on. */
const BITS = memory.data<u8>([1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128], 16);

// @ts-ignore: decorator
@inline
export function iq4Table(): v128 {
  return v128.load(IQ4);
}

// @ts-ignore: decorator
@inline
export function e2m1Table(): v128 {
  return v128.load(E2M1);
}

// @ts-ignore: decorator
@inline
function bitOfByte(): v128 {
  return v128.load(BITS);
}

/** 16 in every byte whose bit of 16 is set: bits `half` * 16 and on of a word that is in every lane. */
// @ts-ignore: decorator
@inline
function fifthBits(word: v128, half: i32, bits: v128): v128 {
  const spread = half == 0
    ? i8x16.shuffle(word, word, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1)
    : i8x16.shuffle(word, word, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
  return v128.and(i8x16.eq(v128.and(spread, bits), bits), i8x16.splat(16));
}

/** Writes i16[32]: what the codes of columns [column, column + 32) of a block stand for. */
export function unpackCodes(type: i32, block: usize, column: i32, to: usize): void {
  const codes = block + codesOffsetOf(type);
  const high = block + highOffsetOf(type);
  switch (arrangementOf(type)) {
    case NIBBLES_16: return unpackNibbles16(type, codes + <usize>(column >> 1), to);
    case NIBBLES_16_HIGH: return unpackNibbles16High(type, codes, high, to);
    case NIBBLES_32_HIGH: return unpackNibbles32High(type, codes + <usize>((column >> 6) << 5), high, column, to);
    case NIBBLES_8: return unpackNibbles8(type, codes + <usize>(column >> 1), to);
    case PAIRS_32: return unpackPairs32(type, codes + <usize>((column >> 7) << 5), 0, column, to);
    case PAIRS_32_HIGH: return unpackPairs32(type, codes + <usize>((column >> 7) << 5), high, column, to);
    case STREAM: return unpackStream(type, codes + <usize>((column * codeBitsOf(type)) >> 3), to);
    default: unreachable();
  }
}

function unpackNibbles16(type: i32, codes: usize, to: usize): void {
  const pairs = v128.load(codes);
  storeMeant(type, to, lowNibbles(pairs), highNibbles(pairs));
}

function unpackNibbles16High(type: i32, codes: usize, high: usize, to: usize): void {
  const pairs = v128.load(codes);
  const word = v128.load32_splat(high);
  const bits = bitOfByte();
  storeMeant(type, to, v128.or(lowNibbles(pairs), fifthBits(word, 0, bits)), v128.or(highNibbles(pairs), fifthBits(word, 1, bits)));
}

function unpackNibbles32High(type: i32, codes: usize, high: usize, column: i32, to: usize): void {
  const first = i8x16.shr_u(v128.load(codes), (column >> 3) & 4);
  const second = i8x16.shr_u(v128.load(codes, 16), (column >> 3) & 4);
  const bit = column >> 5;
  storeMeant(type, to,
    v128.or(lowNibbles(first), i8x16.shl(oneBit(high, bit), 4)), v128.or(lowNibbles(second), i8x16.shl(oneBit(high + 16, bit), 4)));
}

// @ts-ignore: decorator
@inline
function oneBit(at: usize, bit: i32): v128 {
  return v128.and(i8x16.shr_u(v128.load(at), bit), i8x16.splat(1));
}

function unpackNibbles8(type: i32, codes: usize, to: usize): void {
  const pairs = v128.load(codes);
  const low = lowNibbles(pairs);
  const high = highNibbles(pairs);
  storeMeant(type, to, i64x2.shuffle(low, high, 0, 2), i64x2.shuffle(low, high, 1, 3));
}

/** `high` is 0 where there is no plane of high bits. */
function unpackPairs32(type: i32, codes: usize, high: usize, column: i32, to: usize): void {
  const shift = (column >> 4) & 6;
  const mask = i8x16.splat(3);
  let first = v128.and(i8x16.shr_u(v128.load(codes), shift), mask);
  let second = v128.and(i8x16.shr_u(v128.load(codes, 16), shift), mask);
  if (high) {
    first = v128.or(first, i8x16.shl(oneBit(high, column >> 5), 2));
    second = v128.or(second, i8x16.shl(oneBit(high + 16, column >> 5), 2));
  }
  storeMeant(type, to, first, second);
}

function unpackStream(type: i32, codes: usize, to: usize): void {
  for (let i: usize = 0; i < 4; i++) v128.store(to + (i << 4), eightCodes(codeBitsOf(type), codes, i));
}

/** Codes 8 * i to 8 * i + 7 of a stream, as i16. Their bytes are the last of eight that are read, so that nothing behind the block is. */
// @ts-ignore: decorator
@inline
function eightCodes(bits: i32, codes: usize, i: usize): v128 {
  const bytes = v128.load64_zero(codes + i * <usize>bits + <usize>bits - 8);
  // Each lane gets the two bytes that its code lies in; a product moves the code to the top of the lane.
  if (bits == 2) {
    const lanes = i8x16.shuffle(bytes, bytes, 6, 7, 6, 7, 6, 7, 6, 7, 7, 8, 7, 8, 7, 8, 7, 8);
    return i16x8.shr_u(i16x8.mul(lanes, i16x8(16384, 4096, 1024, 256, 16384, 4096, 1024, 256)), 14);
  }
  if (bits == 3) {
    const lanes = i8x16.shuffle(bytes, bytes, 5, 6, 5, 6, 5, 6, 6, 7, 6, 7, 6, 7, 7, 8, 7, 8);
    return i16x8.shr_u(i16x8.mul(lanes, i16x8(8192, 1024, 128, 4096, 512, 64, 2048, 256)), 13);
  }
  if (bits == 4) {
    const lanes = i8x16.shuffle(bytes, bytes, 4, 5, 4, 5, 5, 6, 5, 6, 6, 7, 6, 7, 7, 8, 7, 8);
    return i16x8.shr_u(i16x8.mul(lanes, i16x8(4096, 256, 4096, 256, 4096, 256, 4096, 256)), 12);
  }
  if (bits == 5) {
    const lanes = i8x16.shuffle(bytes, bytes, 3, 4, 3, 4, 4, 5, 4, 5, 5, 6, 6, 7, 6, 7, 7, 8);
    return i16x8.shr_u(i16x8.mul(lanes, i16x8(2048, 64, 512, 16, 128, 1024, 32, 256)), 11);
  }
  if (bits == 6) {
    const lanes = i8x16.shuffle(bytes, bytes, 2, 3, 2, 3, 3, 4, 4, 5, 5, 6, 5, 6, 6, 7, 7, 8);
    return i16x8.shr_u(i16x8.mul(lanes, i16x8(1024, 16, 64, 256, 1024, 16, 64, 256)), 10);
  }
  if (bits == 8) return i16x8.extend_low_i8x16_u(bytes);
  unreachable();
  return bytes;
}

function storeMeant(type: i32, to: usize, first: v128, second: v128): void {
  const meaning = meaningOf(type);
  if (meaning == CODE_IQ4 || meaning == CODE_E2M1) {
    const table = meaning == CODE_IQ4 ? iq4Table() : e2m1Table();
    first = i8x16.swizzle(table, first);
    second = i8x16.swizzle(table, second);
  } else if (meaning == CODE_LESS_HALF) {
    const range: i32 = 1 << codeBitsOf(type);
    const half = i8x16.splat(<i8>(range >> 1));
    first = i8x16.sub(first, half);
    second = i8x16.sub(second, half);
  } else if (meaning != CODE_ITSELF) unreachable();
  v128.store(to, i16x8.extend_low_i8x16_s(first));
  v128.store(to, i16x8.extend_high_i8x16_s(first), 16);
  v128.store(to, i16x8.extend_low_i8x16_s(second), 32);
  v128.store(to, i16x8.extend_high_i8x16_s(second), 48);
}

/** What one code stands for. */
export function codeMeaning(type: i32, code: i32): i32 {
  switch (meaningOf(type)) {
    case CODE_ITSELF: return code;
    case CODE_LESS_HALF: {
      const range: i32 = 1 << codeBitsOf(type);
      return code - (range >> 1);
    }
    case CODE_IQ4: return load<i8>(IQ4 + <usize>code);
    case CODE_E2M1: return load<i8>(E2M1 + <usize>code);
    default: return unreachable();
  }
}
