/** Sixteen packed rows of NVFP4, blocks of four groups of 16 with a byte of scale each, times one row of activations. */
import { E2M1_ABOVE, QUADS, storeSums } from './described-sums';
import { widen } from './dot-int8';
import { madd } from './float-math';
import { addHalves, stepOf } from './group-ends';
import { highAbove, lowAbove } from './lanes';
import { ones, zeros } from './opaque';
import { ACTIVATION_BLOCK } from './quantize';
import { storeScales } from './row-scales';
import { SCALE_UE4M3_HALF } from './weight-type';

/** 2^119 in every lane: between e4m3's bias and f32's, and a half (row-scales.ts). */
const E4M3_REBIAS = memory.data<u32>([0x7b000000, 0x7b000000, 0x7b000000, 0x7b000000], 16);

/** Where scales go through memory, behind a block's sums. */
const KEPT: usize = 2 * QUADS;

/** out f32[16] = products of the group at w with the activation blocks [x, xEnd). `spill` holds SPILL_BYTES, 16-byte aligned. */
export function dotNvfp4(isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  call_indirect<void>(isOdd ? dotOddNvfp4.index : dotOrdinaryNvfp4.index, w, x, xEnd, out, spill);
}

/**
 * A byte of a scale four bits up in the high half of an f32 is 2^119 too small; what both groups add up to is multiplied with that, once.
 * (Their products are not subnormal, since scales are not, so that the sum has the bits that it would have of scales multiplied first.)
 */
function dotOrdinaryNvfp4(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  let first = f32x4.splat(0);
  let second = f32x4.splat(0);
  let third = f32x4.splat(0);
  let fourth = f32x4.splat(0);
  const one = ones();
  const zero = zeros();
  const rise = v128.load(E4M3_REBIAS);
  while (x < xEnd) {
    let scales = w;
    w += 64;
    for (const end = w; scales < end; scales += 32, w += 256, x += ACTIVATION_BLOCK) {
      storeSums(4, E2M1_ABOVE, true, w, x, spill);
      const less = twelveOf(v128.load32_splat(x, 8));
      const nextLess = twelveOf(v128.load32_splat(x, 12));
      const dx = stepOf(x);
      const eight = i16x8.shl(v128.load8x8_u(scales), 4);
      const nextEight = i16x8.shl(v128.load8x8_u(scales, 16), 4);
      first = addSmall(first, spill, less, nextLess, lowAbove(eight, zero), lowAbove(nextEight, zero), rise, dx, one);
      v128.store(out, first);
      second = addSmall(second, spill + 16, less, nextLess, highAbove(eight, zero), highAbove(nextEight, zero), rise, dx, one);
      v128.store(out, second, 16);
      const more = i16x8.shl(v128.load8x8_u(scales, 8), 4);
      const nextMore = i16x8.shl(v128.load8x8_u(scales, 24), 4);
      third = addSmall(third, spill + 32, less, nextLess, lowAbove(more, zero), lowAbove(nextMore, zero), rise, dx, one);
      v128.store(out, third, 32);
      fourth = addSmall(fourth, spill + 48, less, nextLess, highAbove(more, zero), highAbove(nextMore, zero), rise, dx, one);
      v128.store(out, fourth, 48);
    }
  }
}

/** total + (first * scale + second * next) * rise * d(x), of both groups' sums at `at`. */
// @ts-ignore: decorator
@inline
function addSmall(
  total: v128, at: usize, less: v128, nextLess: v128, scale: v128, next: v128, rise: v128, dx: v128, one: v128,
): v128 {
  const first = f32x4.convert_i32x4_s(widen(i16x8.sub(v128.load(at), less), one));
  const second = f32x4.convert_i32x4_s(widen(i16x8.sub(v128.load(at, QUADS), nextLess), one));
  return madd(f32x4.mul(madd(second, next, f32x4.mul(first, scale)), rise), dx, total);
}

function dotOddNvfp4(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  let first = f32x4.splat(0);
  let second = f32x4.splat(0);
  let third = f32x4.splat(0);
  let fourth = f32x4.splat(0);
  const one = ones();
  const kept = spill + KEPT;
  while (x < xEnd) {
    let scales = w;
    w += 64;
    for (const end = w; scales < end; scales += 32, w += 256, x += ACTIVATION_BLOCK) {
      storeScales(SCALE_UE4M3_HALF, true, scales, 1, kept);
      storeScales(SCALE_UE4M3_HALF, true, scales + 16, 1, kept + 64);
      storeSums(4, E2M1_ABOVE, true, w, x, spill);
      const less = twelveOf(v128.load32_splat(x, 8));
      const nextLess = twelveOf(v128.load32_splat(x, 12));
      const dx = stepOf(x);
      first = addNvfp4(first, spill, less, nextLess, dx, one);
      v128.store(out, first);
      second = addNvfp4(second, spill + 16, less, nextLess, dx, one);
      v128.store(out, second, 16);
      third = addNvfp4(third, spill + 32, less, nextLess, dx, one);
      v128.store(out, third, 32);
      fourth = addNvfp4(fourth, spill + 48, less, nextLess, dx, one);
      v128.store(out, fourth, 48);
    }
  }
}

/** 12 times what is there 32 times. */
// @ts-ignore: decorator
@inline
function twelveOf(sums: v128): v128 {
  return i16x8.add(i16x8.shr_s(sums, 2), i16x8.shr_s(sums, 3));
}

// @ts-ignore: decorator
@inline
function addNvfp4(total: v128, at: usize, less: v128, nextLess: v128, dx: v128, one: v128): v128 {
  const first = widen(i16x8.sub(v128.load(at), less), one);
  const second = widen(i16x8.sub(v128.load(at, QUADS), nextLess), one);
  return addHalves(total, first, second, v128.load(at, KEPT), v128.load(at, KEPT + 64), dx);
}
