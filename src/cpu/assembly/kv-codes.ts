/**
 * Keys and values as codes of 8 or 4 bits (graph/kv-types.ts): 16 codes share a bf16 scale. A vector is its codes, then its scales, then a
 * pad.
 */
import { maxLanes } from './float-math';

/** Values of a group. */
const GROUP: i32 = 16;
/** A scale below this (2^-100, as bits) counts as none. */
const LEAST_SCALE: u32 = 0x0d800000;

/** Scales of a vector, behind its codes. */
// @ts-ignore: decorator
@inline
function scalesOf(vector: usize, width: i32, codeBytes: i32): usize {
  return vector + <usize>((width / GROUP) * codeBytes);
}

/** `vectors` of `width` values, `bytes` apart, to f32 [vectors, width]. */
export function unpackBytes(from: usize, to: usize, vectors: i32, width: i32, bytes: i32): void {
  for (let n = 0; n < vectors; n++) {
    const scales = scalesOf(from, width, 16);
    for (let group = 0; group < width / GROUP; group++) {
      const scale = bf16Splat(scales, group);
      const codes = v128.load(from + <usize>(group * 16));
      storeScaled(i16x8.extend_low_i8x16_s(codes), scale, to);
      storeScaled(i16x8.extend_high_i8x16_s(codes), scale, to + 32);
      to += 64;
    }
    from += <usize>bytes;
  }
}

export function unpackNibbles(from: usize, to: usize, vectors: i32, width: i32, bytes: i32): void {
  const low = i8x16.splat(15), eight = i8x16.splat(8);
  for (let n = 0; n < vectors; n++) {
    const scales = scalesOf(from, width, 8);
    for (let group = 0; group < width / GROUP; group++) {
      const scale = bf16Splat(scales, group);
      const pairs = v128.load64_zero(from + <usize>(group * 8));
      const lows = v128.and(pairs, low), highs = i8x16.shr_u(pairs, 4);
      const codes = i8x16.sub(v128.shuffle<i32>(lows, highs, 0, 4, 1, 5), eight);
      storeScaled(i16x8.extend_low_i8x16_s(codes), scale, to);
      storeScaled(i16x8.extend_high_i8x16_s(codes), scale, to + 32);
      to += 64;
    }
    from += <usize>bytes;
  }
}

/** A group's scale as f32, four times. */
// @ts-ignore: decorator
@inline
function bf16Splat(scales: usize, group: i32): v128 {
  return i32x4.splat(<i32>load<u16>(scales + <usize>(group * 2)) << 16);
}

/** Eight codes times their scale. */
// @ts-ignore: decorator
@inline
function storeScaled(codes: v128, scale: v128, to: usize): void {
  v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(codes)), scale));
  v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(codes)), scale), 16);
}

/** Four floats from `i` on, zeros from `count` on. */
// @ts-ignore: decorator
@inline
function valuesAt(from: usize, i: i32, count: i32): v128 {
  if (i + 4 <= count) return v128.load(from + <usize>(i * 4));
  let x = f32x4.splat(0);
  if (i + 0 < count) x = f32x4.replace_lane(x, 0, load<f32>(from + <usize>(i * 4)));
  if (i + 1 < count) x = f32x4.replace_lane(x, 1, load<f32>(from + <usize>(i * 4), 4));
  if (i + 2 < count) x = f32x4.replace_lane(x, 2, load<f32>(from + <usize>(i * 4), 8));
  return x;
}

/** The bf16 pattern of a group's scale, 0 where there is none; f32x4.max and min give NaN where there is one. */
function scaleOf(a: v128, b: v128, c: v128, d: v128, isNibbles: bool): u32 {
  const most = maxLanes(f32x4.max(f32x4.max(a, b), f32x4.max(c, d)));
  const opposite = maxLanes(f32x4.neg(f32x4.min(f32x4.min(a, b), f32x4.min(c, d))));
  const isNegative = opposite >= most;
  const magnitude: f32 = (isNegative ? opposite : most) * (isNibbles ? <f32>0.125 : <f32>1.0 / <f32>127.0);
  const bits = reinterpret<u32>(magnitude) & 0x7fffffff;
  if (bits >= 0x7f800000) return 0x7fc0;
  const scale = (bits + 0xffff) >> 16;
  if (scale << 16 < LEAST_SCALE) return 0;
  return isNibbles && !isNegative ? scale | 0x8000 : scale;
}

/** Codes -levels..most of four values. */
// @ts-ignore: decorator
@inline
function codesOf(x: v128, reciprocal: v128, levels: i32, most: i32): v128 {
  const code = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(x, reciprocal)));
  return i32x4.max_s(i32x4.min_s(code, i32x4.splat(most)), i32x4.splat(-levels));
}

/** Stores `count` floats as codes of groups, zeros up to `padded`, a multiple of 16, then their scales. */
export function packCodes(from: usize, to: usize, count: i32, padded: i32, isNibbles: bool): void {
  const levels = isNibbles ? 8 : 127, most = isNibbles ? 7 : 127;
  const codeBytes = isNibbles ? 8 : 16;
  const scales = scalesOf(to, padded, codeBytes);
  const groups = padded / GROUP;
  for (let group = 0; group < groups; group++) {
    const i = group * GROUP;
    const a = valuesAt(from, i, count), b = valuesAt(from, i + 4, count);
    const c = valuesAt(from, i + 8, count), d = valuesAt(from, i + 12, count);
    const scale = scaleOf(a, b, c, d, isNibbles);
    store<u16>(scales + <usize>(group * 2), <u16>scale);
    const reciprocal = f32x4.splat(scale == 0 || scale == 0x7fc0 ? 0 : <f32>1.0 / reinterpret<f32>(scale << 16));
    const low = i16x8.narrow_i32x4_s(codesOf(a, reciprocal, levels, most), codesOf(b, reciprocal, levels, most));
    const high = i16x8.narrow_i32x4_s(codesOf(c, reciprocal, levels, most), codesOf(d, reciprocal, levels, most));
    const codes = i8x16.narrow_i16x8_s(low, high);
    const at = to + <usize>(group * codeBytes);
    if (isNibbles) {
      const plain = i8x16.add(codes, i8x16.splat(8));
      const firsts = v128.shuffle<i32>(plain, plain, 0, 2, 0, 2), seconds = v128.shuffle<i32>(plain, plain, 1, 3, 1, 3);
      v128.store64_lane(at, v128.or(firsts, i8x16.shl(seconds, 4)), 0);
    } else v128.store(at, codes);
  }
}
