/**
 * Four numbers of six bits of each of sixteen packed rows, in three bytes a row: u8[3][16 rows]. The first two numbers are the low six bits
 * of bytes 0 and 1, the lower halves of the other two make up byte 2, and their upper pairs of bits lie at the top of bytes 0 and 1.
 */
import { nibbleMask, pairMask, sixBitMask } from './opaque';

export const SIX_BITS_BYTES: usize = 48;

/** Of one row, whose byte 0 is at `at`. */
export function packFour(at: usize, first: u32, second: u32, third: u32, fourth: u32): void {
  store<u8>(at, first | ((third >> 4) << 6));
  store<u8>(at, second | ((fourth >> 4) << 6), 16);
  store<u8>(at, (third & 15) | ((fourth & 15) << 4), 32);
}

/** Number i of the row whose byte 0 is at `at`. */
export function sixBitsAt(at: usize, i: usize): u32 {
  const low = load<u8>(at + ((i & 1) << 4));
  if (i < 2) return low & 63;
  const halves = load<u8>(at, 32);
  return (i == 2 ? halves & 15 : halves >> 4) | ((low >> 6) << 4);
}

/** u8[4][16 rows] at `to` of those at `at`. */
// @ts-ignore: decorator
@inline
export function unpackFour(at: usize, to: usize): void {
  const six = sixBitMask();
  const four = nibbleMask();
  const two = pairMask();
  const first = v128.load(at);
  const second = v128.load(at, 16);
  const halves = v128.load(at, 32);
  v128.store(to, v128.and(first, six));
  v128.store(to, v128.and(second, six), 16);
  v128.store(to, v128.or(v128.and(halves, four), v128.and(i16x8.shr_u(first, 2), two)), 32);
  v128.store(to, v128.or(v128.and(i16x8.shr_u(halves, 4), four), v128.and(i16x8.shr_u(second, 2), two)), 48);
}
