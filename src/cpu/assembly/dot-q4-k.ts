/** Eight rows of Q4_K (`packed-rows.ts`) times one row of activations. value = d * scale * nibble - dmin * minimum. */
import { addNibbles, nibbles } from './dot-int8';
import { halvesToFloats, highHalves, highOrdinary, lowHalves, lowOrdinary, orSubnormal } from './half';
import { highPairs, lowPairs } from './lanes';
import { eighthHalfBias, eighthRebias, halfBias, keepOrder, nibbleMask, pairMask, rebias, sixBitMask } from './opaque';
import { ACTIVATION_BLOCK } from './quantize';

/** Bytes of unpacked scales of a super-block of eight rows; its minimums have as many. */
const SCALES: usize = 64;
/** Of 32 columns of eight rows. */
const NIBBLES: usize = 128;

/** out f32[8] = products of the group at w with the activation blocks [x, xEnd). `spill` holds 192 bytes, 16-byte aligned. */
export function dotQ4_K(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotEight(false, w, x, xEnd, out, spill);
}

/** The same, where d and dmin may be negative, or not finite. */
export function dotOddQ4_K(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotEight(true, w, x, xEnd, out, spill);
}

// @ts-ignore: decorator
@inline
function dotEight(isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  let low = f32x4.splat(0);
  let high = f32x4.splat(0);
  const mask = nibbleMask();
  while (x < xEnd) {
    unpackScales(w, spill);
    if (isOdd) storeFactors(w, spill);
    else storePositiveFactors(w, spill);
    w += NIBBLES;
    const end = spill + SCALES;
    for (let at = spill; at < end; at += 8, w += NIBBLES, x += ACTIVATION_BLOCK) {
      let columns = v128.load32_splat(x, 16);
      let more = v128.load32_splat(x, 32);
      let a = nibbles(v128.load(w, 0), columns, more, mask);
      let b = nibbles(v128.load(w, 16), columns, more, mask);
      keepOrder(out, a, b);
      columns = v128.load32_splat(x, 20);
      more = v128.load32_splat(x, 36);
      a = addNibbles(a, v128.load(w, 32), columns, more, mask);
      b = addNibbles(b, v128.load(w, 48), columns, more, mask);
      keepOrder(out, a, b);
      columns = v128.load32_splat(x, 24);
      more = v128.load32_splat(x, 40);
      a = addNibbles(a, v128.load(w, 64), columns, more, mask);
      b = addNibbles(b, v128.load(w, 80), columns, more, mask);
      keepOrder(out, a, b);
      columns = v128.load32_splat(x, 28);
      more = v128.load32_splat(x, 44);
      a = addNibbles(a, v128.load(w, 96), columns, more, mask);
      b = addNibbles(b, v128.load(w, 112), columns, more, mask);
      keepOrder(out, a, b);
      const scales = v128.load8x8_u(at);
      const minimums = v128.load8x8_u(at, SCALES);
      const lowSums = i32x4.dot_i16x8_s(a, lowPairs(scales));
      const highSums = i32x4.dot_i16x8_s(b, highPairs(scales));
      const minimum = i32x4.extend_low_i16x8_u(minimums);
      low = addGroup(low, lowSums, v128.load(end, 64), minimum, v128.load(end, 96), x);
      const highMinimum = i32x4.extend_high_i16x8_u(minimums);
      high = addGroup(high, highSums, v128.load(end, 80), highMinimum, v128.load(end, 112), x);
    }
  }
  v128.store(out, low);
  v128.store(out, high, 16);
}

/** total + (sums * d - minimum * 8 S * dmin / 8) * d(x); both products are rounded once. d(x), which may be huge, comes last. */
// @ts-ignore: decorator
@inline
function addGroup(total: v128, sums: v128, d: v128, minimum: v128, dmin: v128, x: usize): v128 {
  const product = f32x4.mul(f32x4.convert_i32x4_s(sums), d);
  const offset = f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(minimum), f32x4.convert_i32x4_s(v128.load32_splat(x, 4))), dmin);
  return f32x4.add(total, f32x4.mul(f32x4.sub(product, offset), v128.load32_splat(x)));
}

/** d and dmin / 8 of eight rows, as f32[4] each, behind scales and minimums: d of rows 0 to 3 and 4 to 7, then dmin / 8. Any f16. */
export function storeFactors(w: usize, to: usize): void {
  const d = v128.load(w);
  const dmin = v128.load(w, 16);
  const eighth = f32x4.splat(0.125);
  v128.store(to, halvesToFloats(lowHalves(d)), 128);
  v128.store(to, halvesToFloats(highHalves(d)), 144);
  v128.store(to, f32x4.mul(halvesToFloats(lowHalves(dmin)), eighth), 160);
  v128.store(to, f32x4.mul(halvesToFloats(highHalves(dmin)), eighth), 176);
}

/** The same, of halves that are finite and not negative, in a third of the instructions. */
// @ts-ignore: decorator
@inline
function storePositiveFactors(w: usize, to: usize): void {
  storePositive(v128.load(w), halfBias(), rebias(), to + 128);
  storePositive(v128.load(w, 16), eighthHalfBias(), eighthRebias(), to + 160);
}

// @ts-ignore: decorator
@inline
function storePositive(halves: v128, bias: v128, wideBias: v128, to: usize): void {
  const bits = i16x8.add(i16x8.shr_u(halves, 3), bias);
  v128.store(to, orSubnormal(lowOrdinary(halves, bits), wideBias));
  v128.store(to, orSubnormal(highOrdinary(halves, bits), wideBias), 16);
}

/** Scales u8[8 groups, 8 rows], and minimums behind them, of the super-block at w. */
// @ts-ignore: decorator
@inline
export function unpackScales(w: usize, to: usize): void {
  const six = sixBitMask();
  const four = nibbleMask();
  const two = pairMask();
  unpackTwo(v128.load(w, 32), v128.load(w, 64), v128.load(w, 96), to, six, four, two);
  unpackTwo(v128.load(w, 48), v128.load(w, 80), v128.load(w, 112), to + 16, six, four, two);
}

/** Of two groups of the first four, and of two of the other four. */
// @ts-ignore: decorator
@inline
function unpackTwo(a: v128, b: v128, c: v128, to: usize, six: v128, four: v128, two: v128): void {
  v128.store(to, v128.and(a, six));
  v128.store(to, v128.or(v128.and(c, four), v128.and(i16x8.shr_u(a, 2), two)), 32);
  v128.store(to, v128.and(b, six), 64);
  v128.store(to, v128.or(v128.and(i16x8.shr_u(c, 4), four), v128.and(i16x8.shr_u(b, 2), two)), 96);
}
