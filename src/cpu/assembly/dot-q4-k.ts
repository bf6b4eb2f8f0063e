/** Sixteen rows of Q4_K (`packed-rows.ts`) times one row of activations. value = d * scale * nibble - dmin * minimum. */
import { addNibbles, nibbles } from './dot-int8';
import { madd, nmadd } from './float-math';
import { stepOf, sumOf } from './group-ends';
import { halvesToFloats, highHalves, highOrdinary, lowHalves, lowOrdinary, orSubnormal } from './half';
import { highPairs, lowPairs } from './lanes';
import { eighthHalfBias, eighthRebias, halfBias, keepOrder, nibbleMask, pairMask, rebias, sixBitMask } from './opaque';
import { ACTIVATION_BLOCK } from './quantize';

/** Bytes of unpacked scales of a super-block of sixteen rows; its minimums have as many. */
const SCALES: usize = 128;
/** Of 32 columns of sixteen rows; what is in front of them has as many. */
const NIBBLES: usize = 256;
/** Of all that a super-block's scales become, and of the sums of a described type. */
export const SPILL_BYTES: usize = 512;

/** out f32[16] = products of the group at w with the activation blocks [x, xEnd). `spill` holds SPILL_BYTES, 16-byte aligned. */
export function dotQ4_K(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotGroup(false, w, x, xEnd, out, spill);
}

/** The same, where d and dmin may be negative, or not finite. */
export function dotOddQ4_K(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotGroup(true, w, x, xEnd, out, spill);
}

// @ts-ignore: decorator
@inline
function dotGroup(isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  let first = f32x4.splat(0);
  let second = f32x4.splat(0);
  let third = f32x4.splat(0);
  let fourth = f32x4.splat(0);
  const mask = nibbleMask();
  while (x < xEnd) {
    unpackScales(w, spill);
    if (isOdd) storeFactors(w, spill);
    else storePositiveFactors(w, spill);
    w += NIBBLES;
    const end = spill + SCALES;
    for (let at = spill; at < end; at += 16, w += NIBBLES, x += ACTIVATION_BLOCK) {
      let columns = v128.load32_splat(x, 16);
      let more = v128.load32_splat(x, 32);
      let a = nibbles(v128.load(w, 0), columns, more, mask);
      let b = nibbles(v128.load(w, 16), columns, more, mask);
      let c = nibbles(v128.load(w, 32), columns, more, mask);
      let d = nibbles(v128.load(w, 48), columns, more, mask);
      keepOrder(out, a, b);
      keepOrder(out + 32, c, d);
      columns = v128.load32_splat(x, 20);
      more = v128.load32_splat(x, 36);
      a = addNibbles(a, v128.load(w, 64), columns, more, mask);
      b = addNibbles(b, v128.load(w, 80), columns, more, mask);
      c = addNibbles(c, v128.load(w, 96), columns, more, mask);
      d = addNibbles(d, v128.load(w, 112), columns, more, mask);
      keepOrder(out, a, b);
      keepOrder(out + 32, c, d);
      columns = v128.load32_splat(x, 24);
      more = v128.load32_splat(x, 40);
      a = addNibbles(a, v128.load(w, 128), columns, more, mask);
      b = addNibbles(b, v128.load(w, 144), columns, more, mask);
      c = addNibbles(c, v128.load(w, 160), columns, more, mask);
      d = addNibbles(d, v128.load(w, 176), columns, more, mask);
      keepOrder(out, a, b);
      keepOrder(out + 32, c, d);
      columns = v128.load32_splat(x, 28);
      more = v128.load32_splat(x, 44);
      a = addNibbles(a, v128.load(w, 192), columns, more, mask);
      b = addNibbles(b, v128.load(w, 208), columns, more, mask);
      c = addNibbles(c, v128.load(w, 224), columns, more, mask);
      d = addNibbles(d, v128.load(w, 240), columns, more, mask);
      keepOrder(out, a, b);
      keepOrder(out + 32, c, d);
      const sum = sumOf(x);
      const dx = stepOf(x);
      const scales = v128.load8x8_u(at);
      const minimums = v128.load8x8_u(at, SCALES);
      const firstDots = i32x4.dot_i16x8_s(a, lowPairs(scales));
      first = addDots(first, firstDots, i32x4.extend_low_i16x8_u(minimums), v128.load(end, 128), v128.load(end, 192), sum, dx);
      const secondDots = i32x4.dot_i16x8_s(b, highPairs(scales));
      second = addDots(second, secondDots, i32x4.extend_high_i16x8_u(minimums), v128.load(end, 144), v128.load(end, 208), sum, dx);
      keepOrder(out, first, second);
      const moreScales = v128.load8x8_u(at, 8);
      const moreMinimums = v128.load8x8_u(at, SCALES + 8);
      const thirdDots = i32x4.dot_i16x8_s(c, lowPairs(moreScales));
      third = addDots(third, thirdDots, i32x4.extend_low_i16x8_u(moreMinimums), v128.load(end, 160), v128.load(end, 224), sum, dx);
      const fourthDots = i32x4.dot_i16x8_s(d, highPairs(moreScales));
      fourth = addDots(fourth, fourthDots, i32x4.extend_high_i16x8_u(moreMinimums), v128.load(end, 176), v128.load(end, 240), sum, dx);
    }
  }
  v128.store(out, first);
  v128.store(out, second, 16);
  v128.store(out, third, 32);
  v128.store(out, fourth, 48);
}

/**
 * total + (dots * d - minimum * 8 S * dmin / 8) * d(x), in which `sum` is 8 S; a panel's form of it gives the same bits.
 * d(x), which may be huge, comes last.
 */
// @ts-ignore: decorator
@inline
export function addDots(total: v128, dots: v128, minimum: v128, d: v128, dmin: v128, sum: v128, dx: v128): v128 {
  const product = f32x4.mul(f32x4.convert_i32x4_s(dots), d);
  const offset = f32x4.mul(f32x4.convert_i32x4_s(minimum), sum);
  return madd(nmadd(offset, dmin, product), dx, total);
}

/** d and dmin / 8 of sixteen rows, f32[16] each, behind scales and minimums. Any f16. */
export function storeFactors(w: usize, to: usize): void {
  const eighth = f32x4.splat(0.125);
  for (let half: usize = 0; half < 2; half++, w += 16, to += 32) {
    const d = v128.load(w);
    const dmin = v128.load(w, 32);
    v128.store(to, halvesToFloats(lowHalves(d)), 256);
    v128.store(to, halvesToFloats(highHalves(d)), 272);
    v128.store(to, f32x4.mul(halvesToFloats(lowHalves(dmin)), eighth), 320);
    v128.store(to, f32x4.mul(halvesToFloats(highHalves(dmin)), eighth), 336);
  }
}

/** The same, of halves that are finite and not negative, in a third of the instructions. */
// @ts-ignore: decorator
@inline
export function storePositiveFactors(w: usize, to: usize): void {
  storePositive(v128.load(w), halfBias(), rebias(), to + 256);
  storePositive(v128.load(w, 16), halfBias(), rebias(), to + 288);
  storePositive(v128.load(w, 32), eighthHalfBias(), eighthRebias(), to + 320);
  storePositive(v128.load(w, 48), eighthHalfBias(), eighthRebias(), to + 352);
}

// @ts-ignore: decorator
@inline
function storePositive(halves: v128, bias: v128, wideBias: v128, to: usize): void {
  const bits = i16x8.add(i16x8.shr_u(halves, 3), bias);
  v128.store(to, orSubnormal(lowOrdinary(halves, bits), wideBias));
  v128.store(to, orSubnormal(highOrdinary(halves, bits), wideBias), 16);
}

/** Scales u8[8 groups, 16 rows], and minimums behind them, of the super-block at w. */
// @ts-ignore: decorator
@inline
export function unpackScales(w: usize, to: usize): void {
  const six = sixBitMask();
  const four = nibbleMask();
  const two = pairMask();
  unpackTwo(v128.load(w, 64), v128.load(w, 128), v128.load(w, 192), to, six, four, two);
  unpackTwo(v128.load(w, 80), v128.load(w, 144), v128.load(w, 208), to + 16, six, four, two);
  unpackTwo(v128.load(w, 96), v128.load(w, 160), v128.load(w, 224), to + 32, six, four, two);
  unpackTwo(v128.load(w, 112), v128.load(w, 176), v128.load(w, 240), to + 48, six, four, two);
}

/** Of one of the first four groups, and of the group four behind it. */
// @ts-ignore: decorator
@inline
function unpackTwo(a: v128, b: v128, c: v128, to: usize, six: v128, four: v128, two: v128): void {
  v128.store(to, v128.and(a, six));
  v128.store(to, v128.or(v128.and(c, four), v128.and(i16x8.shr_u(a, 2), two)), 64);
  v128.store(to, v128.and(b, six), 128);
  v128.store(to, v128.or(v128.and(i16x8.shr_u(c, 4), four), v128.and(i16x8.shr_u(b, 2), two)), 192);
}
