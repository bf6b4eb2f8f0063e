/** Vectors of the KV cache, f32 or f16: to and from f32. */
import { halvesToFloats } from './half';

/** Types of keys and values, mirrored in ops/attention.ts. */
export const KV_F32: i32 = 0;
export const KV_F16: i32 = 1;
export const KV_Q8: i32 = 2;
export const KV_Q4: i32 = 3;

/** 2^112, by which {@link lowOfPairs} and {@link highOfPairs} are too small. */
// @ts-ignore: decorator
@inline
function wholePower(): v128 {
  return f32x4.splat(reinterpret<f32>(0x77800000));
}

/**
 * 2^-112 of values 0..3 of eight f16 that lie in pairs: exponent and mantissa are moved over and not rebased, which is exact for subnormals
 * too. Infinity and NaN read as numbers from 2^-96 on: where a page may hold them ({@link packHalves} says so), {@link unpackAnyHalves}
 * reads it.
 */
// @ts-ignore: decorator
@inline
export function lowOfPairs(pairs: v128): v128 {
  return v128.and(i32x4.shr_s(i32x4.shl(pairs, 16), 3), i32x4.splat(0x8fffe000));
}

/** 2^-112 of values 4..7 likewise. */
// @ts-ignore: decorator
@inline
export function highOfPairs(pairs: v128): v128 {
  return v128.and(i32x4.shr_s(pairs, 3), i32x4.splat(0x8fffe000));
}

/** Unpacks `vectors` of `width` f16 values, a multiple of 4, that lie one after another. */
export function unpackHalves(from: usize, to: usize, vectors: i32, width: i32): void {
  for (; vectors > 0; vectors--) {
    const end = to + <usize>(width * 4);
    for (; to + 32 <= end; from += 16, to += 32) {
      const pairs = v128.load(from);
      v128.store(to, f32x4.mul(lowOfPairs(pairs), wholePower()));
      v128.store(to, f32x4.mul(highOfPairs(pairs), wholePower()), 16);
    }
    if (to == end) continue;
    v128.store(to, f32x4.mul(highOfPairs(i32x4.shl(v128.load_ext<u16>(from), 16)), wholePower()));
    from += 8;
    to = end;
  }
}

/** As {@link unpackHalves}, for infinity and NaN too. */
export function unpackAnyHalves(from: usize, to: usize, vectors: i32, width: i32): void {
  for (; vectors > 0; vectors--) {
    const end = to + <usize>(width * 4);
    for (; to + 32 <= end; from += 16, to += 32) {
      const pairs = v128.load(from);
      v128.store(to, halvesToFloats(i32x4.shl(pairs, 16)));
      v128.store(to, halvesToFloats(v128.and(pairs, i32x4.splat(0xffff0000))), 16);
    }
    if (to == end) continue;
    v128.store(to, halvesToFloats(i32x4.shl(v128.load_ext<u16>(from), 16)));
    from += 8;
    to = end;
  }
}

/** f16's infinity is nearer than its largest number, or x is NaN. */
// @ts-ignore: decorator
@inline
function isBeyondHalf(x: v128): v128 {
  return i32x4.ge_s(v128.and(x, i32x4.splat(0x7fffffff)), i32x4.splat(0x477ff000));
}

/** Four f16 patterns in the low halves of 32-bit lanes: nearest, ties to even, with subnormals, infinity and NaN. */
// @ts-ignore: decorator
@inline
function halvesOfFloats(x: v128): v128 {
  const magnitude = v128.and(x, i32x4.splat(0x7fffffff));
  const sign = v128.and(i32x4.shr_u(x, 16), i32x4.splat(0x8000));
  const odd = v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(1));
  const normal = i32x4.shr_u(i32x4.add(i32x4.sub(magnitude, i32x4.splat(0x38000000 - 0xfff)), odd), 13);
  // Adding 0.5 leaves a subnormal's 10 bits, rounded by the adder, at the low end of the mantissa.
  const small = i32x4.sub(f32x4.add(magnitude, f32x4.splat(0.5)), i32x4.splat(0x3f000000));
  let bits = v128.bitselect(small, normal, i32x4.lt_s(magnitude, i32x4.splat(0x38800000)));
  bits = v128.bitselect(i32x4.splat(0x7c00), bits, i32x4.ge_s(magnitude, i32x4.splat(0x477ff000)));
  bits = v128.bitselect(i32x4.splat(0x7e00), bits, i32x4.gt_s(magnitude, i32x4.splat(0x7f800000)));
  return v128.or(bits, sign);
}

/** Four floats, or those of them before `end` and zeros. */
// @ts-ignore: decorator
@inline
function loadUpTo(from: usize, end: usize): v128 {
  if (from + 16 <= end) return v128.load(from);
  let x = f32x4.splat(0);
  if (from < end) x = f32x4.replace_lane(x, 0, load<f32>(from));
  if (from + 4 < end) x = f32x4.replace_lane(x, 1, load<f32>(from, 4));
  if (from + 8 < end) x = f32x4.replace_lane(x, 2, load<f32>(from, 8));
  return x;
}

/**
 * Stores `count` floats as f16 and zeros up to `padded`, a multiple of 4. Of eight values i and i + 4 share a word, so that shifts and a
 * mask make floats of them; the last four lie in order where `padded` is no multiple of 8. True where infinity or NaN was stored.
 */
export function packHalves(from: usize, to: usize, count: i32, padded: i32): bool {
  const end = from + <usize>(count * 4);
  const paddedEnd = from + <usize>(padded * 4);
  let beyond = i32x4.splat(0);
  for (; from + 32 <= paddedEnd; from += 32, to += 16) {
    const low = loadUpTo(from, end), high = loadUpTo(from + 16, end);
    beyond = v128.or(beyond, v128.or(isBeyondHalf(low), isBeyondHalf(high)));
    v128.store(to, v128.or(halvesOfFloats(low), i32x4.shl(halvesOfFloats(high), 16)));
  }
  if (from < paddedEnd) {
    const last = loadUpTo(from, end);
    beyond = v128.or(beyond, isBeyondHalf(last));
    const halves = halvesOfFloats(last);
    v128.store64_lane(to, v128.shuffle<u16>(halves, halves, 0, 2, 4, 6, 0, 2, 4, 6), 0);
  }
  return v128.any_true(beyond);
}

/** Stores `count` floats and zeros up to `padded`. */
export function packFloats(from: usize, to: usize, count: i32, padded: i32): void {
  memory.copy(to, from, <usize>(count * 4));
  memory.fill(to + <usize>(count * 4), 0, <usize>((padded - count) * 4));
}
