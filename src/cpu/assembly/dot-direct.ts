/**
 * Eight packed rows of types with a float scale for each group of 32 and more, times one row of activations: Q4_1, Q5_0, Q5_1, IQ4_NL,
 * MXFP4 and MLX's affine ones. Codes are multiplied as they are; what they stand for less comes off through the sum of x.
 */
import { AS_CODED, E2M1_ABOVE, sumsOf32, sumsOfIq4, tableOf } from './described-sums';
import { addOffset, addScaled } from './group-ends';
import { nibbleMask, ones } from './opaque';
import { ACTIVATION_BLOCK } from './quantize';
import { fourScales } from './row-scales';
import {
  blockSizeOf, CODE_E2M1, CODE_IQ4, codeBitsOf, meaningOf, MINIMUM_NONE, minimumOf, SCALE_E8M0_HALF, SCALE_F16, scaleBytesOf, scalesOf, STREAM,
  arrangementOf,
} from './weight-type';

/** out f32[8] = products of the group at w with the activation blocks [x, xEnd). */
export function dotDirect(type: i32, isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize): void {
  if (arrangementOf(type) == STREAM) dotAffine(type, isOdd, w, x, xEnd, out);
  else if (meaningOf(type) == CODE_IQ4) dotIq4Nl(isOdd, w, x, xEnd, out);
  else if (meaningOf(type) == CODE_E2M1) dotMxfp4(w, x, xEnd, out);
  else if (codeBitsOf(type) == 4) dotQ4_1(isOdd, w, x, xEnd, out);
  else if (minimumOf(type) == MINIMUM_NONE) dotQ5_0(isOdd, w, x, xEnd, out);
  else dotQ5_1(isOdd, w, x, xEnd, out);
}

function dotQ4_1(isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize): void {
  dotBlocks(4, SCALE_F16, 2, 32, isOdd, w, x, xEnd, out);
}

function dotQ5_1(isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize): void {
  dotBlocks(5, SCALE_F16, 2, 32, isOdd, w, x, xEnd, out);
}

function dotAffine(type: i32, isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize): void {
  const format = scalesOf(type);
  const bytes = scaleBytesOf(type);
  const size = blockSizeOf(type);
  switch (codeBitsOf(type)) {
    case 2: return dotBlocks(2, format, bytes, size, isOdd, w, x, xEnd, out);
    case 3: return dotBlocks(3, format, bytes, size, isOdd, w, x, xEnd, out);
    case 4: return dotBlocks(4, format, bytes, size, isOdd, w, x, xEnd, out);
    case 5: return dotBlocks(5, format, bytes, size, isOdd, w, x, xEnd, out);
    case 6: return dotBlocks(6, format, bytes, size, isOdd, w, x, xEnd, out);
    case 8: return dotBlocks(8, format, bytes, size, isOdd, w, x, xEnd, out);
    default: unreachable();
  }
}

/** Blocks of `size` columns: f[8] scale, f[8] what is added, codes. */
// @ts-ignore: decorator
@inline
function dotBlocks(bits: i32, format: i32, bytes: usize, size: i32, isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize): void {
  let low = f32x4.splat(0);
  let high = f32x4.splat(0);
  const mask = nibbleMask();
  const one = ones();
  const eighth = f32x4.splat(0.125);
  const side: usize = bits == 8 ? 8 : 16;
  // Six bits are summed up less 32.
  const less: i32 = bits == 6 ? -32 : 0;
  while (x < xEnd) {
    const lowScale = fourScales(format, isOdd, w, 0);
    const highScale = fourScales(format, isOdd, w, 1);
    const lowOffset = f32x4.mul(fourScales(format, isOdd, w + 8 * bytes, 0), eighth);
    const highOffset = f32x4.mul(fourScales(format, isOdd, w + 8 * bytes, 1), eighth);
    w += 16 * bytes;
    for (let column = 0; column < size; column += 32) {
      low = addOffset(low, sumsOf32(bits, AS_CODED, w, x, mask, mask, one), less, lowScale, lowOffset, x);
      high = addOffset(high, sumsOf32(bits, AS_CODED, w + side, x, mask, mask, one), less, highScale, highOffset, x);
      w += <usize>(32 * bits);
      x += ACTIVATION_BLOCK;
    }
  }
  v128.store(out, low);
  v128.store(out, high, 16);
}

function dotQ5_0(isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize): void {
  dotSymmetric(5, AS_CODED, SCALE_F16, 16, 16, isOdd, w, x, xEnd, out);
}

function dotMxfp4(w: usize, x: usize, xEnd: usize, out: usize): void {
  dotSymmetric(4, E2M1_ABOVE, SCALE_E8M0_HALF, 8, 12, false, w, x, xEnd, out);
}

/** Blocks of 32 columns: scales in `heads` bytes, codes. `less` is what codes are less. */
// @ts-ignore: decorator
@inline
function dotSymmetric(
  bits: i32, kind: i32, format: i32, heads: usize, less: i32, isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize,
): void {
  let low = f32x4.splat(0);
  let high = f32x4.splat(0);
  const mask = nibbleMask();
  const one = ones();
  const table = tableOf(kind);
  for (; x < xEnd; x += ACTIVATION_BLOCK, w += heads + <usize>(32 * bits)) {
    low = addScaled(low, sumsOf32(bits, kind, w + heads, x, mask, table, one), less, fourScales(format, isOdd, w, 0), x);
    high = addScaled(high, sumsOf32(bits, kind, w + heads + 16, x, mask, table, one), less, fourScales(format, isOdd, w, 1), x);
  }
  v128.store(out, low);
  v128.store(out, high, 16);
}

function dotIq4Nl(isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize): void {
  let low = f32x4.splat(0);
  let high = f32x4.splat(0);
  const mask = nibbleMask();
  const one = ones();
  for (; x < xEnd; x += ACTIVATION_BLOCK, w += 144) {
    low = addScaled(low, sumsOfIq4(w + 16, x, mask, one), 128, fourScales(SCALE_F16, isOdd, w, 0), x);
    high = addScaled(high, sumsOfIq4(w + 32, x, mask, one), 128, fourScales(SCALE_F16, isOdd, w, 1), x);
  }
  v128.store(out, low);
  v128.store(out, high, 16);
}
