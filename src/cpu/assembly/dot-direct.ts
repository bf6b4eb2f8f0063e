/**
 * Eight packed rows of types with a float scale for each group of 32 and more, times one row of activations: Q4_1, Q5_0, Q5_1, IQ4_NL,
 * MXFP4 and MLX's affine ones. Codes are multiplied as they are; what they stand for less comes off through the sum of x.
 */
import { AS_CODED, E2M1_ABOVE, halvesOfIq4, sumsOf16, sumsOf32, sumsOfBytes, sumsOfIq4, tableOf } from './described-sums';
import { addOffset, addScaled } from './group-ends';
import { nibbleMask, ones } from './opaque';
import { ACTIVATION_BLOCK } from './quantize';
import { fourScales } from './row-scales';
import {
  arrangementOf, blockSizeOf, CODE_E2M1, CODE_IQ4, codeBitsOf, meaningOf, MINIMUM_NONE, minimumOf, SCALE_E8M0_HALF, SCALE_F16, scaleBytesOf,
  scalesOf, STREAM,
} from './weight-type';

/** out f32[8] = products of the group at w with the activation blocks [x, xEnd). `spill` holds 128 bytes, 16-byte aligned. */
export function dotDirect(type: i32, isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  if (arrangementOf(type) == STREAM) dotAffine(type, isOdd, w, x, xEnd, out, spill);
  else if (meaningOf(type) == CODE_IQ4) dotIq4Nl(isOdd, w, x, xEnd, out, spill);
  else if (meaningOf(type) == CODE_E2M1) dotMxfp4(w, x, xEnd, out, spill);
  else if (codeBitsOf(type) == 4) dotQ4_1(isOdd, w, x, xEnd, out, spill);
  else if (minimumOf(type) == MINIMUM_NONE) dotQ5_0(isOdd, w, x, xEnd, out, spill);
  else dotQ5_1(isOdd, w, x, xEnd, out, spill);
}

function dotQ4_1(isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotBlocks(4, SCALE_F16, 2, 32, isOdd, w, x, xEnd, out, spill);
}

function dotQ5_1(isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotBlocks(5, SCALE_F16, 2, 32, isOdd, w, x, xEnd, out, spill);
}

/** Through a table, so that no optimiser makes one function of them, which V8 compiles to half the speed. */
function dotAffine(type: i32, isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  call_indirect<void>(affineKernel(codeBitsOf(type)), type, isOdd, w, x, xEnd, out, spill);
}

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

function dotAffine2(type: i32, isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotBlocks(2, scalesOf(type), scaleBytesOf(type), blockSizeOf(type), isOdd, w, x, xEnd, out, spill);
}

function dotAffine3(type: i32, isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotBlocks(3, scalesOf(type), scaleBytesOf(type), blockSizeOf(type), isOdd, w, x, xEnd, out, spill);
}

function dotAffine4(type: i32, isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotBlocks(4, scalesOf(type), scaleBytesOf(type), blockSizeOf(type), isOdd, w, x, xEnd, out, spill);
}

function dotAffine5(type: i32, isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotBlocks(5, scalesOf(type), scaleBytesOf(type), blockSizeOf(type), isOdd, w, x, xEnd, out, spill);
}

function dotAffine6(type: i32, isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotBlocks(6, scalesOf(type), scaleBytesOf(type), blockSizeOf(type), isOdd, w, x, xEnd, out, spill);
}

function dotAffine8(type: i32, isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotBlocks(8, scalesOf(type), scaleBytesOf(type), blockSizeOf(type), isOdd, w, x, xEnd, out, spill);
}

/** Blocks of `size` columns: f[8] scale, f[8] what is added, codes. */
// @ts-ignore: decorator
@inline
function dotBlocks(
  bits: i32, format: i32, bytes: usize, size: i32, isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize,
): void {
  let low = f32x4.splat(0);
  let high = f32x4.splat(0);
  const mask = nibbleMask();
  const one = ones();
  const eighth = f32x4.splat(0.125);
  // Six bits are summed up less 32.
  const less: i32 = bits == 6 ? -32 : 0;
  while (x < xEnd) {
    v128.store(spill, fourScales(format, isOdd, w, 0), 64);
    v128.store(spill, fourScales(format, isOdd, w, 1), 80);
    v128.store(spill, f32x4.mul(fourScales(format, isOdd, w + 8 * bytes, 0), eighth), 96);
    v128.store(spill, f32x4.mul(fourScales(format, isOdd, w + 8 * bytes, 1), eighth), 112);
    w += 16 * bytes;
    for (let column = 0; column < size; column += 32) {
      if (bits != 8) sumsOf16(bits, AS_CODED, w, x, mask, mask, spill);
      const lowSums = bits == 8 ? sumsOfBytes(w, x) : sumsOf32(bits, AS_CODED, spill, x, one);
      low = addOffset(low, lowSums, less, v128.load(spill, 64), v128.load(spill, 96), x);
      const highSums = bits == 8 ? sumsOfBytes(w + 8, x) : sumsOf32(bits, AS_CODED, spill + 16, x, one);
      high = addOffset(high, highSums, less, v128.load(spill, 80), v128.load(spill, 112), x);
      w += <usize>(32 * bits);
      x += ACTIVATION_BLOCK;
    }
  }
  v128.store(out, low);
  v128.store(out, high, 16);
}

function dotQ5_0(isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotSymmetric(5, AS_CODED, SCALE_F16, 16, 16, isOdd, w, x, xEnd, out, spill);
}

function dotMxfp4(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  dotSymmetric(4, E2M1_ABOVE, SCALE_E8M0_HALF, 8, 12, false, w, x, xEnd, out, spill);
}

/** Blocks of 32 columns: scales in `heads` bytes, codes. `less` is what codes are less. */
// @ts-ignore: decorator
@inline
function dotSymmetric(
  bits: i32, kind: i32, format: i32, heads: usize, less: i32, isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize,
): void {
  let low = f32x4.splat(0);
  let high = f32x4.splat(0);
  const mask = nibbleMask();
  const one = ones();
  const table = tableOf(kind);
  for (; x < xEnd; x += ACTIVATION_BLOCK, w += heads + <usize>(32 * bits)) {
    sumsOf16(bits, kind, w + heads, x, mask, table, spill);
    low = addScaled(low, sumsOf32(bits, kind, spill, x, one), less, fourScales(format, isOdd, w, 0), x);
    high = addScaled(high, sumsOf32(bits, kind, spill + 16, x, one), less, fourScales(format, isOdd, w, 1), x);
  }
  v128.store(out, low);
  v128.store(out, high, 16);
}

function dotIq4Nl(isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  let low = f32x4.splat(0);
  let high = f32x4.splat(0);
  const mask = nibbleMask();
  const one = ones();
  for (; x < xEnd; x += ACTIVATION_BLOCK, w += 144) {
    halvesOfIq4(w + 16, x, mask, spill);
    low = addScaled(low, sumsOfIq4(spill, one), 128, fourScales(SCALE_F16, isOdd, w, 0), x);
    high = addScaled(high, sumsOfIq4(spill + 16, one), 128, fourScales(SCALE_F16, isOdd, w, 1), x);
  }
  v128.store(out, low);
  v128.store(out, high, 16);
}
