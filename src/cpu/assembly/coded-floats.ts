/**
 * Blocks of e4m3 values under a scale (mxfp8, fp8_g128), which multiply f32 activations. As the file has them: the scale, then a byte for
 * each value. Packed (packed-described.ts): scale[16 rows], then bytes [columns / 2, 16 rows, 2 columns].
 *
 * A vector of packed codes, as i16[8 rows], holds two columns. Shifted down by four bits with its sign, a byte is the upper half of an f32
 * whose exponent is 120 too small; so two columns of eight rows take five operations, and four more make f32 of them: of rows 1, 3, 5, 7,
 * where the upper half lies, and of rows 0, 2, 4, 6, where it is shifted to. What is 120 too small may be subnormal, and its products
 * with it: they are kept in range by activations that are brought to about 2^60 first.
 */
import { madd } from './float-math';
import { scaleOf } from './group-scales';
import { highHalves, lowHalves } from './half';
import { blockBytesOf, blockSizeOf, codesOffsetOf, SCALE_E8M0, scaleBytesOf, scalesOf } from './weight-type';

/** 2^120: what moves e4m3's exponent, at its place in an f32, to f32's bias. Its subnormal values are f32's until then. */
const REBIAS: f32 = 1.329227995784916e36;
const HALF_REBIAS: f32 = 1.152921504606847e18;
/** The sign and seven bits of an e4m3 at the places of the high half of an f32; the high halves of f32 (see opaque.ts). */
const CODE_BITS = memory.data<i32>([<i32>0x87f087f0, <i32>0x87f087f0, <i32>0x87f087f0, <i32>0x87f087f0], 16);
const UPPER = memory.data<i32>([<i32>0xffff0000, <i32>0xffff0000, <i32>0xffff0000, <i32>0xffff0000], 16);

/** Writes `count` values (whole blocks) of the row at `w`, as a file holds it, as f32. */
export function expandCodedFloats(type: i32, w: usize, out: usize, count: i32): void {
  const size = blockSizeOf(type);
  const bytes = blockBytesOf(type);
  const end = out + (<usize>count << 2);
  for (; out < end; w += bytes) {
    const scale = scaleOf(type, w, 0, 1, 0);
    const codes = w + codesOffsetOf(type);
    for (let i = 0; i < size; i++, out += 4) store<f32>(out, e4m3Value(load<u8>(codes + <usize>i)) * scale);
  }
}

/** Writes all values of row r of the packed group at `w`. */
export function expandPackedFloats(type: i32, w: usize, r: usize, out: usize, count: i32): void {
  const size = <usize>blockSizeOf(type);
  const end = out + (<usize>count << 2);
  while (out < end) {
    const scale = scaleOf(type, w, r, 16, 0);
    w += 16 * scaleBytesOf(type);
    for (let i: usize = 0; i < size; i++, out += 4) store<f32>(out, e4m3Value(load<u8>(w + ((i >> 1) << 5) + 2 * r + (i & 1))) * scale);
    w += 16 * size;
  }
}

/** No NaN, which loading refuses. */
function e4m3Value(code: u32): f32 {
  return reinterpret<f32>(((code & 0x80) << 24) | ((code & 0x7f) << 20)) * REBIAS;
}

/** Puts x f32[cols] times 2^60 / 2^e at `out`, its greatest magnitude between 2^60 and 2^62; returns 2^e. */
export function scaleActivations(x: usize, out: usize, cols: i32): f32 {
  const end = x + (<usize>cols << 2);
  let most = f32x4.splat(0);
  for (let at = x; at < end; at += 16) most = f32x4.max(most, f32x4.abs(v128.load(at)));
  most = f32x4.max(most, i32x4.shuffle(most, most, 2, 3, 0, 1));
  const bits = reinterpret<i32>(max(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1)));
  // The power of two at or below it, and its inverse, both normal numbers.
  const power = min(max(bits & 0x7f800000, 0x00800000), 0x7e800000);
  const inverse = f32x4.splat(reinterpret<f32>(0x7f000000 - power));
  const rise = f32x4.splat(HALF_REBIAS);
  for (; x < end; x += 16, out += 16) v128.store(out, f32x4.mul(f32x4.mul(v128.load(x), inverse), rise));
  return reinterpret<f32>(power);
}

/**
 * out f32[16] = the packed group at w times the activations [x, xEnd) of scaleActivations, and what that returned. Through a table, so that
 * no optimiser makes one function of them.
 */
export function dotCodedFloats(type: i32, w: usize, x: usize, xEnd: usize, power: f32, out: usize): void {
  const kernel = scalesOf(type) == SCALE_E8M0 ? dotE8m0.index : dotF32Scales.index;
  call_indirect<void>(kernel, <usize>blockSizeOf(type), w, x, xEnd, power, out);
}

function dotE8m0(size: usize, w: usize, x: usize, xEnd: usize, power: f32, out: usize): void {
  dotGroup(true, size, w, x, xEnd, power, out);
}

function dotF32Scales(size: usize, w: usize, x: usize, xEnd: usize, power: f32, out: usize): void {
  dotGroup(false, size, w, x, xEnd, power, out);
}

/** Two sums of each row, since a sum waits for the one before: of odd columns, and of even ones. */
// @ts-ignore: decorator
@inline
function dotGroup(isPower: bool, size: usize, w: usize, x: usize, xEnd: usize, power: f32, out: usize): void {
  const codeBits = v128.load(CODE_BITS);
  const upper = v128.load(UPPER);
  const zero = f32x4.splat(0);
  for (let i: usize = 0; i < 64; i += 16) v128.store(out + i, zero);
  while (x < xEnd) {
    const scales = w;
    w += isPower ? 16 : 64;
    let odd = zero, even = zero, oddMore = zero, evenMore = zero;
    let odd8 = zero, even8 = zero, odd8More = zero, even8More = zero;
    for (const end = w + (size << 4); w < end; w += 64, x += 16) {
      let first = v128.load32_splat(x);
      let second = v128.load32_splat(x, 4);
      let codes = v128.load(w);
      let halves = v128.and(i16x8.shr_s(codes, 4), codeBits);
      odd = madd(v128.and(halves, upper), second, odd);
      even = madd(i32x4.shl(halves, 16), second, even);
      halves = v128.and(i16x8.shr_s(i16x8.shl(codes, 8), 4), codeBits);
      oddMore = madd(v128.and(halves, upper), first, oddMore);
      evenMore = madd(i32x4.shl(halves, 16), first, evenMore);
      codes = v128.load(w, 16);
      halves = v128.and(i16x8.shr_s(codes, 4), codeBits);
      odd8 = madd(v128.and(halves, upper), second, odd8);
      even8 = madd(i32x4.shl(halves, 16), second, even8);
      halves = v128.and(i16x8.shr_s(i16x8.shl(codes, 8), 4), codeBits);
      odd8More = madd(v128.and(halves, upper), first, odd8More);
      even8More = madd(i32x4.shl(halves, 16), first, even8More);
      first = v128.load32_splat(x, 8);
      second = v128.load32_splat(x, 12);
      codes = v128.load(w, 32);
      halves = v128.and(i16x8.shr_s(codes, 4), codeBits);
      odd = madd(v128.and(halves, upper), second, odd);
      even = madd(i32x4.shl(halves, 16), second, even);
      halves = v128.and(i16x8.shr_s(i16x8.shl(codes, 8), 4), codeBits);
      oddMore = madd(v128.and(halves, upper), first, oddMore);
      evenMore = madd(i32x4.shl(halves, 16), first, evenMore);
      codes = v128.load(w, 48);
      halves = v128.and(i16x8.shr_s(codes, 4), codeBits);
      odd8 = madd(v128.and(halves, upper), second, odd8);
      even8 = madd(i32x4.shl(halves, 16), second, even8);
      halves = v128.and(i16x8.shr_s(i16x8.shl(codes, 8), 4), codeBits);
      odd8More = madd(v128.and(halves, upper), first, odd8More);
      even8More = madd(i32x4.shl(halves, 16), first, even8More);
    }
    addEight(isPower, scales, f32x4.add(even, evenMore), f32x4.add(odd, oddMore), upper, out);
    addEight(isPower, scales + (isPower ? 8 : 32), f32x4.add(even8, even8More), f32x4.add(odd8, odd8More), upper, out + 32);
  }
  putInOrder(out, power);
  putInOrder(out + 32, power);
}

/** Adds to rows 0, 2, 4, 6 at `out`, and to rows 1, 3, 5, 7 behind them. */
// @ts-ignore: decorator
@inline
function addEight(isPower: bool, scales: usize, even: v128, odd: v128, upper: v128, out: usize): void {
  const rise = f32x4.splat(HALF_REBIAS);
  let evenScales: v128;
  let oddScales: v128;
  if (isPower) {
    // 2^-127, of exponent 0, is a subnormal f32.
    const halves = i16x8.max_s(i16x8.shl(v128.load8x8_u(scales), 7), i16x8.splat(0x40));
    evenScales = i32x4.shl(halves, 16);
    oddScales = v128.and(halves, upper);
  } else {
    const four = v128.load(scales);
    const more = v128.load(scales, 16);
    evenScales = i32x4.shuffle(four, more, 0, 2, 4, 6);
    oddScales = i32x4.shuffle(four, more, 1, 3, 5, 7);
  }
  v128.store(out, madd(f32x4.mul(even, rise), evenScales, v128.load(out)));
  v128.store(out, madd(f32x4.mul(odd, rise), oddScales, v128.load(out, 16)), 16);
}

function putInOrder(at: usize, power: f32): void {
  const even = v128.load(at);
  const odd = v128.load(at, 16);
  v128.store(at, f32x4.mul(i32x4.shuffle(even, odd, 0, 4, 1, 5), f32x4.splat(power)));
  v128.store(at, f32x4.mul(i32x4.shuffle(even, odd, 2, 6, 3, 7), f32x4.splat(power)), 16);
}

/** Columns [k, k + depth), whole blocks, of eight rows, from r (0 or 8) on, of the packed group at w: f32[columns, 8 rows] at `to`. */
export function packCodedPanel(type: i32, to: usize, w: usize, r: usize, k: i32, depth: i32): void {
  const size = blockSizeOf(type);
  const scaleBytes = scaleBytesOf(type);
  const codeBits = v128.load(CODE_BITS);
  w += <usize>(k / size) * (blockBytesOf(type) << 4);
  for (let column = 0; column < depth; column += size) {
    const low = fourScalesOf(type, w, r);
    const high = fourScalesOf(type, w, r + 4);
    w += 16 * scaleBytes;
    for (let i = 0; i < size; i += 2, w += 32, to += 64) {
      const codes = v128.load(w + 2 * r);
      const first = v128.and(i16x8.shr_s(i16x8.shl(codes, 8), 4), codeBits);
      const second = v128.and(i16x8.shr_s(codes, 4), codeBits);
      v128.store(to, rebiased(lowHalves(first), low));
      v128.store(to, rebiased(highHalves(first), high), 16);
      v128.store(to, rebiased(lowHalves(second), low), 32);
      v128.store(to, rebiased(highHalves(second), high), 48);
    }
  }
}

function fourScalesOf(type: i32, w: usize, r: usize): v128 {
  return f32x4(scaleOf(type, w, r, 16, 0), scaleOf(type, w, r + 1, 16, 0), scaleOf(type, w, r + 2, 16, 0), scaleOf(type, w, r + 3, 16, 0));
}

// @ts-ignore: decorator
@inline
function rebiased(halves: v128, scale: v128): v128 {
  return f32x4.mul(f32x4.mul(halves, f32x4.splat(REBIAS)), scale);
}
