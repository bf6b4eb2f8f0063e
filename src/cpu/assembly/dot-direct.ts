/**
 * Sixteen packed rows of types with a float scale for each 32 columns, times one row of activations: Q4_1, Q5_0, Q5_1, IQ4_NL and
 * MXFP4. Codes are multiplied as they are; what they stand for less comes off through the sums of x.
 */
import {
  AS_CODED, E2M1_ABOVE, IQ4_SPLIT, iq4Offset, iq4Sums, ninePairSums, sixteenPairSums, storeSums, sumsOf32, twelvePairSums,
} from './described-sums';
import { widen } from './dot-int8';
import { addOffset, addScaled, stepOf, sumOf } from './group-ends';
import { ones } from './opaque';
import { ACTIVATION_BLOCK } from './quantize';
import { fourScales, loadEight, powersOfTwo } from './row-scales';
import {
  CODE_E2M1, CODE_IQ4, codeBitsOf, meaningOf, MINIMUM_NONE, minimumOf, SCALE_BF16, SCALE_E8M0_HALF, SCALE_F16,
} from './weight-type';

/** out f32[16] = products of the group at w with the activation blocks [x, xEnd). `spill` holds SPILL_BYTES, 16-byte aligned. */
export function dotDirect(type: i32, isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  call_indirect<void>(isOdd ? oddKernel(type) : ordinaryKernel(type), w, x, xEnd, out, spill);
}

function ordinaryKernel(type: i32): u32 {
  if (meaningOf(type) == CODE_E2M1) return dotMxfp4.index;
  if (meaningOf(type) == CODE_IQ4) return dotIq4Nl.index;
  if (codeBitsOf(type) == 4) return dotQ4_1.index;
  return minimumOf(type) == MINIMUM_NONE ? dotQ5_0.index : dotQ5_1.index;
}

/** Where scales have any exponent. */
function oddKernel(type: i32): u32 {
  if (meaningOf(type) == CODE_E2M1) return dotOddMxfp4.index;
  if (meaningOf(type) == CODE_IQ4) return dotOddIq4Nl.index;
  if (codeBitsOf(type) == 4) return dotOddQ4_1.index;
  return minimumOf(type) == MINIMUM_NONE ? dotOddQ5_0.index : dotOddQ5_1.index;
}

function dotQ4_1(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotGroups(4, false, w, x, xEnd, out, spill);
}

function dotOddQ4_1(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotGroups(4, true, w, x, xEnd, out, spill);
}

function dotQ5_1(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotGroups(5, false, w, x, xEnd, out, spill);
}

function dotOddQ5_1(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotGroups(5, true, w, x, xEnd, out, spill);
}

/** Blocks of 32 columns: f16[16] scale, f16[16] what is added, codes. */
// @ts-ignore: decorator
@inline
function dotGroups(bits: i32, isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  let first = f32x4.splat(0);
  let second = f32x4.splat(0);
  let third = f32x4.splat(0);
  let fourth = f32x4.splat(0);
  const one = ones();
  for (; x < xEnd; x += ACTIVATION_BLOCK, w += 64 + <usize>(64 * bits)) {
    storeSums(bits, AS_CODED, bits > 4, w + 64, x, spill);
    const eight = v128.load(w);
    const added = v128.load(w, 32);
    const sum = sumOf(x);
    const dx = stepOf(x);
    const firstSums = sumsOf32(bits, spill, x, one);
    first = addOffset(first, firstSums, halves(isOdd, eight, false, 1), halves(isOdd, added, false, 0.125), sum, dx);
    v128.store(out, first);
    const secondSums = sumsOf32(bits, spill + 16, x, one);
    second = addOffset(second, secondSums, halves(isOdd, eight, true, 1), halves(isOdd, added, true, 0.125), sum, dx);
    v128.store(out, second, 16);
    const more = v128.load(w, 16);
    const moreAdded = v128.load(w, 48);
    const thirdSums = sumsOf32(bits, spill + 32, x, one);
    third = addOffset(third, thirdSums, halves(isOdd, more, false, 1), halves(isOdd, moreAdded, false, 0.125), sum, dx);
    v128.store(out, third, 32);
    const fourthSums = sumsOf32(bits, spill + 48, x, one);
    fourth = addOffset(fourth, fourthSums, halves(isOdd, more, true, 1), halves(isOdd, moreAdded, true, 0.125), sum, dx);
    v128.store(out, fourth, 48);
  }
}

// @ts-ignore: decorator
@inline
function halves(isOdd: bool, eight: v128, isUpper: bool, factor: f32): v128 {
  return fourScales(SCALE_F16, isOdd, eight, isUpper, factor);
}

function dotQ5_0(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotSymmetric(5, AS_CODED, SCALE_F16, 32, false, w, x, xEnd, out, spill);
}

function dotOddQ5_0(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotSymmetric(5, AS_CODED, SCALE_F16, 32, true, w, x, xEnd, out, spill);
}

function dotMxfp4(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotSymmetric(4, E2M1_ABOVE, SCALE_E8M0_HALF, 16, false, w, x, xEnd, out, spill);
}

function dotOddMxfp4(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotSymmetric(4, E2M1_ABOVE, SCALE_E8M0_HALF, 16, true, w, x, xEnd, out, spill);
}

function dotIq4Nl(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotSymmetric(4, IQ4_SPLIT, SCALE_F16, 32, false, w, x, xEnd, out, spill);
}

function dotOddIq4Nl(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotSymmetric(4, IQ4_SPLIT, SCALE_F16, 32, true, w, x, xEnd, out, spill);
}

/** Blocks of 32 columns: scales in `heads` bytes, codes. */
// @ts-ignore: decorator
@inline
function dotSymmetric(
  bits: i32, kind: i32, format: i32, heads: usize, isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize,
): void {
  let first = f32x4.splat(0);
  let second = f32x4.splat(0);
  let third = f32x4.splat(0);
  let fourth = f32x4.splat(0);
  const one = ones();
  const kept = format == SCALE_E8M0_HALF ? SCALE_BF16 : format;
  for (; x < xEnd; x += ACTIVATION_BLOCK, w += heads + <usize>(64 * bits)) {
    storeSums(bits, kind, false, w + heads, x, spill);
    const less = kind == E2M1_ABOVE ? twelvePairSums(x) : kind == IQ4_SPLIT ? ninePairSums(x) : sixteenPairSums(x);
    const offset = kind == IQ4_SPLIT ? iq4Offset(x) : one;
    const eight = halvesOf(format, isOdd, w, one);
    const dx = stepOf(x);
    first = addScaled(first, sumsLess(kind, spill, less, offset, one), fourScales(kept, isOdd, eight, false, 1), dx);
    v128.store(out, first);
    second = addScaled(second, sumsLess(kind, spill + 16, less, offset, one), fourScales(kept, isOdd, eight, true, 1), dx);
    v128.store(out, second, 16);
    const more = halvesOf(format, isOdd, w + (heads >> 1), one);
    third = addScaled(third, sumsLess(kind, spill + 32, less, offset, one), fourScales(kept, isOdd, more, false, 1), dx);
    v128.store(out, third, 32);
    fourth = addScaled(fourth, sumsLess(kind, spill + 48, less, offset, one), fourScales(kept, isOdd, more, true, 1), dx);
    v128.store(out, fourth, 48);
  }
}

/** Scales of eight rows: f16, or the high halves of powers of two. */
// @ts-ignore: decorator
@inline
function halvesOf(format: i32, isOdd: bool, at: usize, one: v128): v128 {
  const eight = loadEight(format, at);
  return format == SCALE_E8M0_HALF ? powersOfTwo(isOdd, eight, one) : eight;
}

/** i32[4 rows] of what codes stand for, from what was stored at `at`. */
// @ts-ignore: decorator
@inline
function sumsLess(kind: i32, at: usize, less: v128, offset: v128, one: v128): v128 {
  return kind == IQ4_SPLIT ? iq4Sums(at, less, offset, one) : widen(i16x8.sub(v128.load(at), less), one);
}
