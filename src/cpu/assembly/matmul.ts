/**
 * y = x W^T for a range of W's rows: the entry of all matrix products. Threads call it side by side, each with rows and
 * scratch of its own; nothing is shared but what is only read.
 */
import { dotCodedFloats, scaleActivations } from './coded-floats';
import { dotBf16, dotF16, dotF32 } from './dot-float';
import { dotDescribed } from './dot-described';
import { dotOddQ4_0, dotQ4_0 } from './dot-q4-0';
import { dotOddQ4_K, dotQ4_K, SPILL_BYTES } from './dot-q4-k';
import { dotQ6_K } from './dot-q6-k';
import { dotOddQ8_0, dotQ8_0 } from './dot-q8-0';
import { addRow } from './elementwise';
import { gemmFloat, PANEL_BYTES } from './matmul-float';
import { gemmInt8, gemmInt8LeastScratch, gemmInt8ScratchBytes } from './matmul-int8';
import { GROUP_ROWS, groupAt, hasOddScales, isPacked } from './packed-rows';
import { activationBytes } from './quantize';
import {
  BF16, blockBytesOf, blockSizeOf, F16, F32, isCodedFloat, Q4_0, Q4_K, Q6_K, Q8_0, requireKnown, takesFloats,
} from './weight-type';

/** From this many rows of x on, unpacking weights once pays (measured; decode kernels of packed rows do little unpacking). */
function leastGemmRows(type: i32): i32 {
  if (isCodedFloat(type)) return RELAXED ? 9 : 3;
  if (type == F32 || type == Q8_0) return 12;
  if (!isPacked(type)) return 5;
  if (!RELAXED) return 6;
  return type == Q6_K ? 16 : 24;
}

/** Of sixteen sums in front of the activations that coded floats are multiplied with. */
const SUMS_BYTES: usize = 64;

/** Scratch bytes of one thread with which matmul runs at full speed; with less it is slower, and still right. */
export function matmulScratchBytes(type: i32, cols: i32): i32 {
  if (isCodedFloat(type)) return max(<i32>PANEL_BYTES, <i32>SUMS_BYTES + cols * 4);
  return <i32>(takesFloats(type) ? PANEL_BYTES : gemmInt8ScratchBytes(type, cols));
}

/**
 * For r in [0, xRows) and row in [rowBegin, rowEnd): the f32 at y + r * yStride + 4 * row becomes the product of weight row
 * `row` of the matrix at w with row r of x (at x + r * xStride, in the form of `activationBytes`). Weights that take int8 are packed
 * (`packed-rows.ts`; rowBegin is a multiple of GROUP_ROWS), others have rows of rowBytes, at any alignment.
 * scratch is 16-byte aligned and has at least 640 bytes.
 */
export function matmul(
  type: i32, w: usize, rowBytes: usize, rowBegin: i32, rowEnd: i32, cols: i32,
  x: usize, xStride: usize, xRows: i32, y: usize, yStride: usize, scratch: usize, scratchBytes: usize,
): void {
  if (rowBegin >= rowEnd) return;
  requireKnown(type);
  const isFloat = takesFloats(type);
  const least = isFloat ? PANEL_BYTES : gemmInt8LeastScratch(type, cols);
  if (xRows < leastGemmRows(type) || scratchBytes < least) {
    if (isCodedFloat(type)) {
      gemvCodedFloats(type, w, rowBytes, rowBegin, rowEnd, cols, x, xStride, xRows, y, yStride, scratch, scratchBytes);
    } else if (isPacked(type)) gemvPacked(type, w, rowBytes, rowBegin, rowEnd, cols, x, xStride, xRows, y, yStride, scratch);
    else gemvRows(type, w, rowBytes, rowBegin, rowEnd, cols, x, xStride, xRows, y, yStride);
  } else if (isFloat) {
    gemmFloat(type, w, rowBytes, rowBegin, rowEnd, cols, x, xStride, xRows, y, yStride, scratch);
  } else {
    gemmInt8(type, w, rowBytes, rowBegin, rowEnd, cols, x, xStride, xRows, y, yStride, scratch, scratchBytes);
  }
}

/** A group of weight rows at a time, and rows of x while their weights are in the cache. */
function gemvPacked(
  type: i32, w: usize, rowBytes: usize, rowBegin: i32, rowEnd: i32, cols: i32,
  x: usize, xStride: usize, xRows: i32, y: usize, yStride: usize, scratch: usize,
): void {
  const isOdd = hasOddScales(w);
  const xBytes = <usize>activationBytes(type, cols);
  const sums = scratch + SPILL_BYTES;
  for (let row = rowBegin; row < rowEnd; row += GROUP_ROWS) {
    const group = groupAt(w, rowBytes, row);
    const rows = rowEnd - row;
    for (let r = 0; r < xRows; r++) {
      const from = x + <usize>r * xStride;
      const to = y + <usize>r * yStride + (<usize>row << 2);
      const out = rows < GROUP_ROWS ? sums : to;
      dotGroup(type, isOdd, group, from, from + xBytes, out, scratch);
      if (rows < GROUP_ROWS) memory.copy(to, sums, <usize>rows << 2);
    }
  }
}

/** Rows of x one after the other: each is scaled once, for all groups; in parts of 128 columns and more where scratch is short. */
function gemvCodedFloats(
  type: i32, w: usize, rowBytes: usize, rowBegin: i32, rowEnd: i32, cols: i32,
  x: usize, xStride: usize, xRows: i32, y: usize, yStride: usize, scratch: usize, scratchBytes: usize,
): void {
  const scaled = scratch + SUMS_BYTES;
  const most = <i32>(scratchBytes - SUMS_BYTES >> 9 << 7);
  for (let r = 0; r < xRows; r++) {
    for (let first = 0; first < cols; first += most) {
      const part = min(most, cols - first);
      const power = scaleActivations(x + <usize>r * xStride + (<usize>first << 2), scaled, part);
      const skipped = <usize>(first / blockSizeOf(type)) * (blockBytesOf(type) << 4);
      for (let row = rowBegin; row < rowEnd; row += GROUP_ROWS) {
        const group = groupAt(w, rowBytes, row) + skipped;
        dotCodedFloats(type, group, scaled, scaled + (<usize>part << 2), power, scratch);
        const to = y + <usize>r * yStride + (<usize>row << 2);
        const rows = min(GROUP_ROWS, rowEnd - row);
        if (first > 0) addRow(to, scratch, to, rows);
        else memory.copy(to, scratch, <usize>rows << 2);
      }
    }
  }
}

function dotGroup(type: i32, isOdd: bool, group: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  if (type == Q4_0) {
    if (isOdd) dotOddQ4_0(group, x, xEnd, out);
    else dotQ4_0(group, x, xEnd, out);
  } else if (type == Q8_0) {
    if (isOdd) dotOddQ8_0(group, x, xEnd, out);
    else dotQ8_0(group, x, xEnd, out);
  } else if (type == Q4_K) {
    if (isOdd) dotOddQ4_K(group, x, xEnd, out, spill);
    else dotQ4_K(group, x, xEnd, out, spill);
  } else if (type == Q6_K) {
    dotQ6_K(group, x, xEnd, out, spill);
  } else {
    dotDescribed(type, isOdd, group, x, xEnd, out, spill);
  }
}

/**
 * Four weight rows at a time, one from each quarter of the range: so every row pointer walks memory in order, which is what
 * processors prefetch. (Four rows side by side begin three cold ones in every group.) The wider the range the better.
 */
function gemvRows(
  type: i32, w: usize, rowBytes: usize, rowBegin: i32, rowEnd: i32, cols: i32,
  x: usize, xStride: usize, xRows: i32, y: usize, yStride: usize,
): void {
  const last = rowEnd - 1;
  const quarter = (rowEnd - rowBegin + 3) >> 2;
  for (let row = rowBegin; row < rowBegin + quarter; row++) {
    const row1 = row + quarter;
    const row2 = row1 + quarter;
    const row3 = row2 + quarter;
    const w0 = w + <usize>row * rowBytes;
    const w1 = w + <usize>min(row1, last) * rowBytes;
    const w2 = w + <usize>min(row2, last) * rowBytes;
    const w3 = w + <usize>min(row3, last) * rowBytes;
    for (let r = 0; r < xRows; r++) {
      const sums = dotRows(type, w0, w1, w2, w3, x + <usize>r * xStride, cols);
      const to = y + <usize>r * yStride;
      store<f32>(to + (<usize>row << 2), f32x4.extract_lane(sums, 0));
      if (row1 <= last) store<f32>(to + (<usize>row1 << 2), f32x4.extract_lane(sums, 1));
      if (row2 <= last) store<f32>(to + (<usize>row2 << 2), f32x4.extract_lane(sums, 2));
      if (row3 <= last) store<f32>(to + (<usize>row3 << 2), f32x4.extract_lane(sums, 3));
    }
  }
}

function dotRows(type: i32, w0: usize, w1: usize, w2: usize, w3: usize, x: usize, cols: i32): v128 {
  if (type == F32) return dotF32(w0, w1, w2, w3, x, cols);
  if (type == F16) return dotF16(w0, w1, w2, w3, x, cols);
  if (type == BF16) return dotBf16(w0, w1, w2, w3, x, cols);
  return unreachable();
}
