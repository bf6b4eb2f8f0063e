/**
 * Four numbers of six bits of each of sixteen packed rows, in three bytes a row: u8[3][16 rows]. The first two numbers are the low six bits
 * of bytes 0 and 1, the lower halves of the other two make up byte 2, and their upper pairs of bits lie at the top of bytes 0 and 1.
 */
import { nibbleMask, pairMask, sixBitMask } from './opaque';

export const SIX_BITS_BYTES: usize = 48;

const THIRTY_TWO = memory.data<i32>([0x20202020, 0x20202020, 0x20202020, 0x20202020], 16);

/** Puts number i of the row whose byte 0 is at `at` in its place, which is zero before. */
export function putSixBits(at: usize, i: usize, value: u32): void {
  const low = at + ((i & 1) << 4);
  if (i < 2) return orByte(low, value);
  orByte(low, (value >> 4) << 6);
  orByte(at + 32, i == 2 ? value & 15 : (value & 15) << 4);
}

// @ts-ignore: decorator
@inline
function orByte(at: usize, bits: u32): void {
  store<u8>(at, load<u8>(at) | bits);
}

/** Number i of the row whose byte 0 is at `at`. */
export function sixBitsAt(at: usize, i: usize): u32 {
  const low = load<u8>(at + ((i & 1) << 4));
  if (i < 2) return low & 63;
  const halves = load<u8>(at, 32);
  return (i == 2 ? halves & 15 : halves >> 4) | ((low >> 6) << 4);
}

/** u8[4][16 rows] at `to` of those at `at`; or i8, less 32. */
// @ts-ignore: decorator
@inline
export function unpackFour(at: usize, to: usize, isSigned: bool = false): void {
  const less = isSigned ? v128.load(THIRTY_TWO) : i32x4.splat(0);
  const six = sixBitMask();
  const four = nibbleMask();
  const two = pairMask();
  const first = v128.load(at);
  const second = v128.load(at, 16);
  const halves = v128.load(at, 32);
  v128.store(to, lessOf(isSigned, v128.and(first, six), less));
  v128.store(to, lessOf(isSigned, v128.and(second, six), less), 16);
  const third = v128.or(v128.and(halves, four), v128.and(i16x8.shr_u(first, 2), two));
  const fourth = v128.or(v128.and(i16x8.shr_u(halves, 4), four), v128.and(i16x8.shr_u(second, 2), two));
  v128.store(to, lessOf(isSigned, third, less), 32);
  v128.store(to, lessOf(isSigned, fourth, less), 48);
}

// @ts-ignore: decorator
@inline
function lessOf(isSigned: bool, numbers: v128, less: v128): v128 {
  return isSigned ? i8x16.sub(numbers, less) : numbers;
}
