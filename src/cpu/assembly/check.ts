/**
 * Looks for NaN and infinity in weights as they lie in the file: in floats themselves, in the scales of blocks; and packs matrices of
 * quantised weights.
 */
import { takeItems } from './control';
import { factorAt, minimumFactorAt } from './group-scales';
import { integerBytesOf } from './packed-heads';
import { GROUP_ROWS, packGroup } from './packed-rows';
import { CheckRecord, PackRecord } from './step-records';
import {
  BF16, blockBytesOf, codesOffsetOf, F16, F32, floatsOf, isCodedFloat, isDescribed, MINIMUM_NONE, minimumOf, Q4_0, Q4_0_BYTES, Q4_K,
  Q4_K_BYTES, Q6_K, Q6_K_BYTES, Q8_0, Q8_0_BYTES, SCALE_BF16, SCALE_E8M0, SCALE_E8M0_HALF, SCALE_F16, SCALE_F32, SCALE_UE4M3_HALF,
  scaleBytesOf, scalesOf,
} from './weight-type';

const BLOCKS_PER_TAKE: i32 = 16384;
const HALF_EXPONENT: i32 = 0x7c00;

export function runCheck(control: usize, op: CheckRecord): void {
  for (let first = takeItems(control, BLOCKS_PER_TAKE); first < op.blocks; first = takeItems(control, BLOCKS_PER_TAKE)) {
    const bad = firstBad(op.type, op.weight, first, min(first + BLOCKS_PER_TAKE, op.blocks));
    if (bad >= 0) noteLowest(op.found, <u32>bad);
  }
}

/** A work item is some groups of rows of one matrix. */
export function runPack(control: usize, op: PackRecord, scratch: usize): void {
  const groups = (op.rows + GROUP_ROWS - 1) / GROUP_ROWS;
  const most = max(1, BLOCKS_PER_TAKE / (GROUP_ROWS * op.rowBlocks));
  const takes = (groups + most - 1) / most;
  for (let item = takeItems(control, 1); item < takes * op.matrices; item = takeItems(control, 1)) {
    const matrix = item / takes;
    const begin = (item % takes) * most * GROUP_ROWS;
    packRows(op, matrix, begin, min(begin + most * GROUP_ROWS, op.rows), scratch);
  }
}

/** Rows [begin, end) of a matrix, begin a multiple of GROUP_ROWS. */
function packRows(op: PackRecord, matrix: i32, begin: i32, end: i32, scratch: usize): void {
  const w = op.weight + <usize>matrix * op.matrixBytes;
  const bad = firstBad(op.type, w, begin * op.rowBlocks, end * op.rowBlocks);
  if (bad >= 0) noteLowest(op.found, <u32>(matrix * op.rows * op.rowBlocks + bad));
  for (let row = begin; row < end; row += GROUP_ROWS) packGroup(op.type, w, op.rowBytes, row, min(GROUP_ROWS, end - row), scratch);
}

function noteLowest(address: usize, index: u32): void {
  for (let known = atomic.load<u32>(address); index < known; ) {
    const before = atomic.cmpxchg<u32>(address, known, index);
    if (before == known) return;
    known = before;
  }
}

/** Index of the first block in [begin, end) that holds NaN or infinity, or -1. */
export function firstBad(type: i32, weight: usize, begin: i32, end: i32): i32 {
  if (type == F32) return firstBadFloat(weight, begin, end);
  if (type == F16) return firstBadHalf(weight, begin, end, 0x7c00);
  if (type == BF16) return firstBadHalf(weight, begin, end, 0x7f80);
  if (type == Q8_0) return firstBadScale(weight, 0, Q8_0_BYTES, begin, end);
  if (type == Q4_0) return firstBadScale(weight, 0, Q4_0_BYTES, begin, end);
  if (type == Q4_K) {
    const scale = firstBadScale(weight, 0, Q4_K_BYTES, begin, end);
    const minimum = firstBadScale(weight, 2, Q4_K_BYTES, begin, end);
    return <i32>min(<u32>scale, <u32>minimum);
  }
  if (type == Q6_K) return firstBadScale(weight, 208, Q6_K_BYTES, begin, end);
  if (!isDescribed(type)) unreachable();
  return firstBadDescribed(type, weight, begin, end);
}

function firstBadDescribed(type: i32, weight: usize, begin: i32, end: i32): i32 {
  const bytes = blockBytesOf(type);
  let block = weight + <usize>begin * bytes;
  for (let i = begin; i < end; i++, block += bytes) {
    if (isBadBlock(type, block)) return i;
  }
  return -1;
}

function isBadBlock(type: i32, block: usize): bool {
  if (integerBytesOf(type) != 0) {
    const hasMinimum = minimumOf(type) != MINIMUM_NONE;
    return isBadHalf(factorAt(type, block, 0, 1)) || (hasMinimum && isBadHalf(minimumFactorAt(type, block, 0, 1)));
  }
  for (let i = 0; i < floatsOf(type); i++) {
    if (isBadScale(scalesOf(type), block + <usize>i * scaleBytesOf(type))) return true;
  }
  return isCodedFloat(type) && hasNaNCode(block + codesOffsetOf(type), block + blockBytesOf(type));
}

// @ts-ignore: decorator
@inline
function isBadHalf(at: usize): bool {
  return (<i32>load<u16>(at) & HALF_EXPONENT) == HALF_EXPONENT;
}

function isBadScale(format: i32, at: usize): bool {
  switch (format) {
    case SCALE_F16: return isBadHalf(at);
    case SCALE_BF16: return (<i32>load<u16>(at) & 0x7f80) == 0x7f80;
    case SCALE_F32: return (load<u32>(at) & 0x7f800000) == 0x7f800000;
    case SCALE_E8M0:
    case SCALE_E8M0_HALF:
    case SCALE_UE4M3_HALF: return load<u8>(at) == 255;
    default: return unreachable();
  }
}

/** Codes of a block of e4m3: whole vectors. */
function hasNaNCode(begin: usize, end: usize): bool {
  const nan = i8x16.splat(0x7f);
  for (let at = begin; at < end; at += 16) {
    if (v128.any_true(i8x16.eq(v128.and(v128.load(at), nan), nan))) return true;
  }
  return false;
}

function firstBadScale(weight: usize, offset: usize, stride: usize, begin: i32, end: i32): i32 {
  let at = weight + offset + <usize>begin * stride;
  for (let i = begin; i < end; i++, at += stride) {
    if ((<i32>load<u16>(at) & HALF_EXPONENT) == HALF_EXPONENT) return i;
  }
  return -1;
}

function firstBadFloat(weight: usize, begin: i32, end: i32): i32 {
  const exponent = i32x4.splat(0x7f800000);
  let i = begin;
  for (; i + 4 <= end; i += 4) {
    const bits = v128.and(v128.load(weight + <usize>(i * 4)), exponent);
    if (v128.any_true(i32x4.eq(bits, exponent))) break;
  }
  for (; i < end; i++) {
    if ((load<u32>(weight + <usize>(i * 4)) & 0x7f800000) == 0x7f800000) return i;
  }
  return -1;
}

function firstBadHalf(weight: usize, begin: i32, end: i32, exponent: i32): i32 {
  const mask = i16x8.splat(<i16>exponent);
  let i = begin;
  for (; i + 8 <= end; i += 8) {
    const bits = v128.and(v128.load(weight + <usize>(i * 2)), mask);
    if (v128.any_true(i16x8.eq(bits, mask))) break;
  }
  for (; i < end; i++) {
    if ((<i32>load<u16>(weight + <usize>(i * 2)) & exponent) == exponent) return i;
  }
  return -1;
}
