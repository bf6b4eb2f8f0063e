/**
 * Sixteen packed rows of MLX's affine types, which have a float scale and a float that is added, or a zero point, for each block of 32, 64
 * or 128 columns, times one row of activations.
 */
import { AS_CODED, QUADS, storeSums, storeSumsOfBytes, sumsOf32 } from './described-sums';
import { addOffset, stepOf, sumOf } from './group-ends';
import { highAbove, lowAbove } from './lanes';
import { ones, zeros } from './opaque';
import { ACTIVATION_BLOCK } from './quantize';
import { storeScales } from './row-scales';
import { blockSizeOf, codeBitsOf, MINIMUM_TIMES_SCALE, minimumOf, SCALE_BF16, scaleBytesOf, scalesOf } from './weight-type';

/**
 * out f32[16] = products of the group at w with the activation blocks [x, xEnd). `spill` holds SPILL_BYTES, 16-byte aligned. Kernels are
 * called through a table, so that no optimiser makes one function of them, which V8 compiles to half the speed.
 */
export function dotAffine(type: i32, isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  if (minimumOf(type) == MINIMUM_TIMES_SCALE) {
    call_indirect<void>(dotPoints4.index, type, isOdd, w, x, xEnd, out, spill);
  } else if (scalesOf(type) == SCALE_BF16) {
    call_indirect<void>(brainKernel(codeBitsOf(type)), blockSizeOf(type), w, x, xEnd, out, spill);
  } else {
    call_indirect<void>(affineKernel(codeBitsOf(type)), type, isOdd, w, x, xEnd, out, spill);
  }
}

/** Of f16 and f32 scales. */
function affineKernel(bits: i32): u32 {
  switch (bits) {
    case 2: return dotAffine2.index;
    case 3: return dotAffine3.index;
    case 4: return dotAffine4.index;
    case 5: return dotAffine5.index;
    case 6: return dotAffine6.index;
    case 8: return dotAffine8.index;
    default: return unreachable();
  }
}

/** Of bf16 scales, which are f32 after one instruction. */
function brainKernel(bits: i32): u32 {
  switch (bits) {
    case 2: return dotBrain2.index;
    case 3: return dotBrain3.index;
    case 4: return dotBrain4.index;
    case 5: return dotBrain5.index;
    case 6: return dotBrain6.index;
    case 8: return dotBrain8.index;
    default: return unreachable();
  }
}

function dotBrain2(size: i32, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotBrainBlocks(2, size, w, x, xEnd, out, spill);
}

function dotBrain3(size: i32, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotBrainBlocks(3, size, w, x, xEnd, out, spill);
}

function dotBrain4(size: i32, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotBrainBlocks(4, size, w, x, xEnd, out, spill);
}

function dotBrain5(size: i32, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotBrainBlocks(5, size, w, x, xEnd, out, spill);
}

function dotBrain6(size: i32, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotBrainBlocks(6, size, w, x, xEnd, out, spill);
}

function dotBrain8(size: i32, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotBrainBlocks(8, size, w, x, xEnd, out, spill);
}

function dotAffine2(type: i32, isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotBlocks(2, scalesOf(type), scaleBytesOf(type), blockSizeOf(type), false, isOdd, w, x, xEnd, out, spill);
}

function dotAffine3(type: i32, isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotBlocks(3, scalesOf(type), scaleBytesOf(type), blockSizeOf(type), false, isOdd, w, x, xEnd, out, spill);
}

function dotAffine4(type: i32, isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotBlocks(4, scalesOf(type), scaleBytesOf(type), blockSizeOf(type), false, isOdd, w, x, xEnd, out, spill);
}

/** With zero points. */
function dotPoints4(type: i32, isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotBlocks(4, scalesOf(type), scaleBytesOf(type), blockSizeOf(type), true, isOdd, w, x, xEnd, out, spill);
}

function dotAffine5(type: i32, isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotBlocks(5, scalesOf(type), scaleBytesOf(type), blockSizeOf(type), false, isOdd, w, x, xEnd, out, spill);
}

function dotAffine6(type: i32, isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotBlocks(6, scalesOf(type), scaleBytesOf(type), blockSizeOf(type), false, isOdd, w, x, xEnd, out, spill);
}

function dotAffine8(type: i32, isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotBlocks(8, scalesOf(type), scaleBytesOf(type), blockSizeOf(type), false, isOdd, w, x, xEnd, out, spill);
}

/** Sums behind those of all columns, then scales and what is added. */
const SCALES: usize = 2 * QUADS;
const ADDED: usize = SCALES + 64;

/** Blocks of `size` columns: f[16] scale, f[16] what is added, or a zero point, codes. */
// @ts-ignore: decorator
@inline
function dotBlocks(
  bits: i32, format: i32, bytes: usize, size: i32, isPoint: bool, isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize,
): void {
  let first = f32x4.splat(0);
  let second = f32x4.splat(0);
  let third = f32x4.splat(0);
  let fourth = f32x4.splat(0);
  const one = ones();
  while (x < xEnd) {
    storeScales(format, isOdd, w, 1, spill + SCALES);
    storeScales(format, isOdd, w + 16 * bytes, isPoint ? -0.125 : 0.125, spill + ADDED);
    if (isPoint) {
      for (let i: usize = 0; i < 64; i += 16) {
        v128.store(spill + i, f32x4.mul(v128.load(spill + i, ADDED), v128.load(spill + i, SCALES)), ADDED);
      }
    }
    w += 32 * bytes;
    for (let column = 0; column < size; column += 32) {
      if (bits == 8) storeSumsOfBytes(w, x, spill);
      else storeSums(bits, AS_CODED, bits > 4, w, x, spill);
      const sum = sumOf(x);
      const dx = stepOf(x);
      first = addOffset(first, sumsOf32(bits, spill, x, one), v128.load(spill, SCALES), v128.load(spill, ADDED), sum, dx);
      v128.store(out, first);
      second = addOffset(second, sumsOf32(bits, spill + 16, x, one), v128.load(spill, SCALES + 16), v128.load(spill, ADDED + 16), sum, dx);
      v128.store(out, second, 16);
      third = addOffset(third, sumsOf32(bits, spill + 32, x, one), v128.load(spill, SCALES + 32), v128.load(spill, ADDED + 32), sum, dx);
      v128.store(out, third, 32);
      fourth = addOffset(fourth, sumsOf32(bits, spill + 48, x, one), v128.load(spill, SCALES + 48), v128.load(spill, ADDED + 48), sum, dx);
      v128.store(out, fourth, 48);
      w += <usize>(64 * bits);
      x += ACTIVATION_BLOCK;
    }
  }
}

/** Blocks of `size` columns: bf16[16] scale, bf16[16] what is added, codes. */
// @ts-ignore: decorator
@inline
function dotBrainBlocks(bits: i32, size: i32, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  let first = f32x4.splat(0);
  let second = f32x4.splat(0);
  let third = f32x4.splat(0);
  let fourth = f32x4.splat(0);
  const one = ones();
  const zero = zeros();
  while (x < xEnd) {
    const scales = w;
    w += 64;
    for (const end = w + <usize>(2 * size * bits); w < end; w += <usize>(64 * bits), x += ACTIVATION_BLOCK) {
      if (bits == 8) storeSumsOfBytes(w, x, spill);
      else storeSums(bits, AS_CODED, bits > 4, w, x, spill);
      const sum = f32x4.mul(sumOf(x), f32x4.splat(0.125));
      const dx = stepOf(x);
      const eight = v128.load(scales);
      const added = v128.load(scales, 32);
      first = addOffset(first, sumsOf32(bits, spill, x, one), lowAbove(eight, zero), lowAbove(added, zero), sum, dx);
      v128.store(out, first);
      second = addOffset(second, sumsOf32(bits, spill + 16, x, one), highAbove(eight, zero), highAbove(added, zero), sum, dx);
      v128.store(out, second, 16);
      const more = v128.load(scales, 16);
      const moreAdded = v128.load(scales, 48);
      third = addOffset(third, sumsOf32(bits, spill + 32, x, one), lowAbove(more, zero), lowAbove(moreAdded, zero), sum, dx);
      v128.store(out, third, 32);
      fourth = addOffset(fourth, sumsOf32(bits, spill + 48, x, one), highAbove(more, zero), highAbove(moreAdded, zero), sum, dx);
      v128.store(out, fourth, 48);
    }
  }
}
