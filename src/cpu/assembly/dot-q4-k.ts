/** Sixteen rows of Q4_K (`packed-rows.ts`) times one row of activations. value = d * scale * nibble - dmin * minimum. */
import { addNibbles, nibbles } from './dot-int8';
import { madd, nmadd } from './float-math';
import { stepOf, sumOf } from './group-ends';
import { halvesToFloats, highHalves, highOrdinary, lowHalves, lowOrdinary, orSubnormal } from './half';
import { highPairs, lowPairs } from './lanes';
import { eighthHalfBias, eighthRebias, halfBias, keepOrder, nibbleMask, rebias } from './opaque';
import { ACTIVATION_BLOCK } from './quantize';
import { SIX_BITS_BYTES, unpackFour } from './six-bits';

/** Bytes of d and dmin of sixteen rows, and of 32 columns of codes. */
const FACTORS: usize = 64;
const NIBBLES: usize = 256;
/** Of u8[16 rows] scale and minimum of either half of 64 columns, as unpackFour leaves them; their factors lie behind. */
export const UNPACKED_BYTES: usize = 64;
/** Of what goes through memory in any kernel. */
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
    const end = spill + UNPACKED_BYTES;
    if (isOdd) storeFactors(w, end);
    else storePositiveFactors(w, end);
    w += FACTORS;
    for (const wEnd = w + 4 * (SIX_BITS_BYTES + 2 * NIBBLES); w < wEnd; ) {
      unpackFour(w, spill);
      w += SIX_BITS_BYTES;
      for (let at = spill; at < end; at += 32, w += NIBBLES, x += ACTIVATION_BLOCK) {
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
        const minimums = v128.load8x8_u(at, 16);
        const firstDots = i32x4.dot_i16x8_s(a, lowPairs(scales));
        first = addDots(first, firstDots, i32x4.extend_low_i16x8_u(minimums), v128.load(end), v128.load(end, 64), sum, dx);
        const secondDots = i32x4.dot_i16x8_s(b, highPairs(scales));
        second = addDots(second, secondDots, i32x4.extend_high_i16x8_u(minimums), v128.load(end, 16), v128.load(end, 80), sum, dx);
        keepOrder(out, first, second);
        const moreScales = v128.load8x8_u(at, 8);
        const moreMinimums = v128.load8x8_u(at, 24);
        const thirdDots = i32x4.dot_i16x8_s(c, lowPairs(moreScales));
        third = addDots(third, thirdDots, i32x4.extend_low_i16x8_u(moreMinimums), v128.load(end, 32), v128.load(end, 96), sum, dx);
        const fourthDots = i32x4.dot_i16x8_s(d, highPairs(moreScales));
        fourth = addDots(fourth, fourthDots, i32x4.extend_high_i16x8_u(moreMinimums), v128.load(end, 48), v128.load(end, 112), sum, dx);
      }
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

/** d and dmin / 8 of the sixteen rows at w, f32[16] each. Any f16. */
export function storeFactors(w: usize, to: usize): void {
  const eighth = f32x4.splat(0.125);
  for (let half: usize = 0; half < 2; half++, w += 16, to += 32) {
    const d = v128.load(w);
    const dmin = v128.load(w, 32);
    v128.store(to, halvesToFloats(lowHalves(d)));
    v128.store(to, halvesToFloats(highHalves(d)), 16);
    v128.store(to, f32x4.mul(halvesToFloats(lowHalves(dmin)), eighth), 64);
    v128.store(to, f32x4.mul(halvesToFloats(highHalves(dmin)), eighth), 80);
  }
}

/** The same, of halves that are finite and not negative, in a third of the instructions. */
// @ts-ignore: decorator
@inline
export function storePositiveFactors(w: usize, to: usize): void {
  storePositive(v128.load(w), halfBias(), rebias(), to);
  storePositive(v128.load(w, 16), halfBias(), rebias(), to + 32);
  storePositive(v128.load(w, 32), eighthHalfBias(), eighthRebias(), to + 64);
  storePositive(v128.load(w, 48), eighthHalfBias(), eighthRebias(), to + 96);
}

// @ts-ignore: decorator
@inline
function storePositive(halves: v128, bias: v128, wideBias: v128, to: usize): void {
  const bits = i16x8.add(i16x8.shr_u(halves, 3), bias);
  v128.store(to, orSubnormal(lowOrdinary(halves, bits), wideBias));
  v128.store(to, orSubnormal(highOrdinary(halves, bits), wideBias), 16);
}
