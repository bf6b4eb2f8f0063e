/**
 * One row of weights to f32, for embedding look-ups: plain loops, since a lookup reads one row of thousands.
 * Every product fits 24 bits, so values have at most the one rounding of Q4_K's subtraction.
 */
import { expandCodedFloats, expandPackedFloats } from './coded-floats';
import { loadFloat } from './dot-float';
import { k4Minimum, k4Scale, minimumAt, scaleOf } from './group-scales';
import { codesAt } from './packed-heads';
import { halfToFloat } from './half';
import { codesAtQ4_K, codesAtQ6_K, groupAt, isPacked, scalesAtQ4_K, scalesAtQ6_K } from './packed-rows';
import { packedCodes, packedColumns } from './packed-described';
import { sixBitsAt } from './six-bits';
import { codeMeaning, unpackCodes } from './unpack-codes';
import {
  BF16, blockBytesOf, blockSizeOf, F16, F32, isCodedFloat, isDescribed, MINIMUM_NONE, minimumOf, Q4_0, Q4_0_BYTES, Q4_K,
  Q4_K_BYTES, Q6_K, Q6_K_BYTES, Q8_0, Q8_0_BYTES,
} from './weight-type';

/** Writes row `row` of the matrix at `w`, packed where its type is, to out f32[cols]. */
export function matrixRow(type: i32, w: usize, rowBytes: usize, row: i32, out: usize, cols: i32): void {
  if (!isPacked(type)) return dequantizeRow(type, w + <usize>row * rowBytes, out, cols);
  const end = out + (<usize>cols << 2);
  const r = <usize>row & 15;
  let group = groupAt(w, rowBytes, row);
  if (type == Q8_0) {
    for (; out < end; out += 128, group += 16 * Q8_0_BYTES) packedQ8_0(group, r, out);
  } else if (type == Q4_0) {
    for (; out < end; out += 128, group += 16 * Q4_0_BYTES) packedQ4_0(group, r, out);
  } else if (type == Q4_K) {
    for (; out < end; out += 1024, group += 16 * Q4_K_BYTES) packedQ4_K(group, r, out);
  } else if (type == Q6_K) {
    for (; out < end; out += 1024, group += 16 * Q6_K_BYTES) packedQ6_K(group, r, out);
  } else if (isCodedFloat(type)) {
    expandPackedFloats(type, group, r, out, cols);
  } else {
    const bytes = <usize>blockSizeOf(type) << 2;
    for (; out < end; out += bytes, group += 16 * blockBytesOf(type)) packedDescribed(type, group, r, out);
  }
}

/** Writes `cols` f32 values of the row at `w`, as a file holds it, to `out`; for block formats cols is a multiple of the block. */
export function dequantizeRow(type: i32, w: usize, out: usize, cols: i32): void {
  const end = out + (<usize>cols << 2);
  if (isCodedFloat(type)) {
    expandCodedFloats(type, w, out, cols);
  } else if (isDescribed(type)) {
    expandDescribed(type, w, out, end);
  } else if (type == F32) {
    memory.copy(out, w, end - out);
  } else if (type == F16 || type == BF16) {
    for (; out < end; out += 4, w += 2) store<f32>(out, loadFloat(type, w));
  } else if (type == Q8_0) {
    for (; out < end; out += 128, w += Q8_0_BYTES) expandQ8_0(w, out);
  } else if (type == Q4_0) {
    for (; out < end; out += 128, w += Q4_0_BYTES) expandQ4_0(w, out);
  } else if (type == Q4_K) {
    for (; out < end; out += 1024, w += Q4_K_BYTES) expandQ4_K(w, out);
  } else if (type == Q6_K) {
    for (; out < end; out += 1024, w += Q6_K_BYTES) expandQ6_K(w, out);
  } else unreachable();
}

function expandDescribed(type: i32, w: usize, out: usize, end: usize): void {
  const size = blockSizeOf(type);
  const bytes = blockBytesOf(type);
  for (; out < end; w += bytes) {
    for (let column = 0; column < size; column += 16, out += 64) {
      // Codes of 32 columns go to the end of their own place, where each is read before its value overwrites it.
      if ((column & 16) == 0) unpackCodes(type, w, column, out + 64);
      const codes = (column & 16) == 0 ? out + 64 : out + 32;
      expandGroup(out, codes, scaleOf(type, w, 0, 1, column), minimumAt(type, w, 0, 1, column), minimumOf(type) != MINIMUM_NONE);
    }
  }
}

/** 16 values. */
function expandGroup(out: usize, codes: usize, scale: f32, minimum: f32, hasMinimum: bool): void {
  for (let i: usize = 0; i < 16; i++) {
    const value = scale * <f32>load<i16>(codes + (i << 1));
    // Less nothing would make +0 of -0.
    store<f32>(out + (i << 2), hasMinimum ? value - minimum : value);
  }
}

function expandQ8_0(w: usize, out: usize): void {
  const d = halfToFloat(load<u16>(w));
  for (let i: usize = 0; i < 32; i++) store<f32>(out + (i << 2), d * <f32>load<i8>(w + i, 2));
}

function expandQ4_0(w: usize, out: usize): void {
  const d = halfToFloat(load<u16>(w));
  for (let i: usize = 0; i < 16; i++) {
    const pair = <i32>load<u8>(w + i, 2);
    store<f32>(out + (i << 2), d * <f32>((pair & 15) - 8));
    store<f32>(out + (i << 2), d * <f32>((pair >> 4) - 8), 64);
  }
}

function expandQ4_K(w: usize, out: usize): void {
  const d = halfToFloat(load<u16>(w));
  const dmin = halfToFloat(load<u16>(w, 2));
  for (let group: usize = 0; group < 8; group++) {
    const scale = d * <f32>k4Scale(w + 4, group);
    const minimum = dmin * <f32>k4Minimum(w + 4, group);
    const shift = <u32>(group & 1) << 2;
    const codes = w + 16 + ((group >> 1) << 5);
    for (let i: usize = 0; i < 32; i++) {
      const code = (<u32>load<u8>(codes + i) >> shift) & 15;
      store<f32>(out + (i << 2), scale * <f32>code - minimum);
    }
    out += 128;
  }
}

function expandQ6_K(w: usize, out: usize): void {
  const d = halfToFloat(load<u16>(w, 208));
  for (let i: usize = 0; i < 256; i++) {
    const half = i >> 7;
    const part = (i >> 5) & 3;
    const l = i & 31;
    const low = (<u32>load<u8>(w + (half << 6) + ((part & 1) << 5) + l) >> <u32>((part >> 1) << 2)) & 15;
    const high = (<u32>load<u8>(w + (half << 5) + l, 128) >> <u32>(part << 1)) & 3;
    const scale = <f32>load<i8>(w + (i >> 4), 192);
    store<f32>(out + (i << 2), d * scale * <f32>(<i32>(low | (high << 4)) - 32));
  }
}

function packedQ8_0(group: usize, r: usize, out: usize): void {
  const d = halfToFloat(load<u16>(group + 2 * r));
  for (let i: usize = 0; i < 32; i++) store<f32>(out + (i << 2), d * <f32>load<i8>(group + ((i >> 1) << 5) + 2 * r + (i & 1), 32));
}

/** Code of column i of 32 of row r. */
// @ts-ignore: decorator
@inline
function nibbleAt(nibbles: usize, r: usize, i: usize): i32 {
  const pair = <i32>load<u8>(nibbles + (((i >> 2) & 3) << 6) + 4 * r + (i & 3));
  return i & 16 ? pair >> 4 : pair & 15;
}

function packedQ4_0(group: usize, r: usize, out: usize): void {
  const d = halfToFloat(load<u16>(group + 2 * r));
  for (let i: usize = 0; i < 32; i++) store<f32>(out + (i << 2), d * <f32>(nibbleAt(group + 32, r, i) - 8));
}

function packedQ4_K(group: usize, r: usize, out: usize): void {
  const d = halfToFloat(load<u16>(group + 2 * r));
  const dmin = halfToFloat(load<u16>(group + 2 * r, 32));
  for (let block: usize = 0; block < 8; block++, out += 128) {
    const integers = scalesAtQ4_K(group, block) + r;
    const scale = d * <f32>sixBitsAt(integers, (block & 1) << 1);
    const minimum = dmin * <f32>sixBitsAt(integers, ((block & 1) << 1) + 1);
    const nibbles = codesAtQ4_K(group, block);
    for (let i: usize = 0; i < 32; i++) store<f32>(out + (i << 2), scale * <f32>nibbleAt(nibbles, r, i) - minimum);
  }
}

function packedQ6_K(group: usize, r: usize, out: usize): void {
  const d = halfToFloat(load<u16>(group + 2 * r));
  for (let block: usize = 0; block < 8; block++, out += 128) {
    const codes = codesAtQ6_K(group, block);
    const scales = scalesAtQ6_K(group, block) + r;
    let four: u32 = 0;
    for (let i: usize = 0; i < 32; i++, four >>= 8) {
      if ((i & 3) == 0) four = packedCodes(6, codes, r, i);
      const scale = <f32>load<i8>(scales + (i & 16));
      store<f32>(out + (i << 2), d * scale * <f32>(<i32>(four & 255) - 32));
    }
  }
}

function packedDescribed(type: i32, group: usize, r: usize, out: usize): void {
  const size = blockSizeOf(type);
  const hasMinimum = minimumOf(type) != MINIMUM_NONE;
  for (let column = 0; column < size; column += 16, out += 64) {
    const codes = codesAt(type, group, column);
    const scale = scaleOf(type, group, r, 16, column);
    const minimum = minimumAt(type, group, r, 16, column);
    let four: u32 = 0;
    for (let i: usize = 0; i < 16; i++, four >>= 8) {
      if ((i & 3) == 0) four = packedColumns(type, codes, r, i + <usize>(column & 16));
      const value = scale * <f32>codeMeaning(type, four & 255);
      store<f32>(out + (i << 2), hasMinimum ? value - minimum : value);
    }
  }
}
