/**
 * Scales and minimums of the groups of a described type, of one row. `stride` is 1 where `block` is a block as in the file, and then r is
 * 0; it is 16 where it is a block of sixteen packed rows (`packed-described.ts`), of which r is one.
 */
import { halfToFloat } from './half';
import { integerBytesOf, scalesAt } from './packed-heads';
import { sixBitsAt } from './six-bits';
import {
  groupSizeOf, MINIMUM_ADDED, MINIMUM_NONE, MINIMUM_TIMES_SCALE, minimumOf, SCALE_BF16, SCALE_E8M0, SCALE_E8M0_HALF, SCALE_F16, SCALE_F32,
  SCALE_K3, SCALE_K4, SCALE_NIBBLES, SCALE_UE4M3_HALF, SCALE_XS, scaleBytesOf, scalesOf,
} from './weight-type';

/** Where the f16 of a super-block lies; the one of its minimums. */
export function factorAt(type: i32, block: usize, r: usize, stride: usize): usize {
  if (stride == 16) return block + 2 * r;
  const scales = scalesOf(type);
  return block + (scales == SCALE_NIBBLES ? 80 : scales == SCALE_K3 ? 108 : 0);
}

export function minimumFactorAt(type: i32, block: usize, r: usize, stride: usize): usize {
  if (stride == 16) return block + 32 + 2 * r;
  return block + (scalesOf(type) == SCALE_NIBBLES ? 82 : 2);
}

/** Where the integers under them lie, in a block as in the file. */
export function integersAt(type: i32, block: usize): usize {
  const scales = scalesOf(type);
  return block + (scales == SCALE_NIBBLES ? 0 : scales == SCALE_K3 ? 96 : scales == SCALE_K4 ? 4 : 2);
}

/** The scale of columns from `column` on of a block. */
export function scaleOf(type: i32, block: usize, r: usize, stride: usize, column: i32): f32 {
  if (integerBytesOf(type) != 0) {
    return halfToFloat(load<u16>(factorAt(type, block, r, stride))) * <f32>subScaleOf(type, block, r, stride, column);
  }
  const group = <usize>(column / groupSizeOf(type));
  return floatScale(scalesOf(type), block + (group * stride + r) * scaleBytesOf(type));
}

/** What is subtracted from scale * code in those columns; 0 where nothing is. */
export function minimumAt(type: i32, block: usize, r: usize, stride: usize, column: i32): f32 {
  const minimum = minimumOf(type);
  if (minimum == MINIMUM_NONE) return 0;
  if (minimum == MINIMUM_TIMES_SCALE) {
    return floatScale(scalesOf(type), block + (stride + r) * scaleBytesOf(type)) * scaleOf(type, block, r, stride, column);
  }
  if (minimum == MINIMUM_ADDED) return -floatScale(scalesOf(type), block + (stride + r) * scaleBytesOf(type));
  return halfToFloat(load<u16>(minimumFactorAt(type, block, r, stride))) * <f32>subMinimumOf(type, block, r, stride, column);
}

/** The integer under a super-block's scale. */
export function subScaleOf(type: i32, block: usize, r: usize, stride: usize, column: i32): i32 {
  if (stride == 16) return packedSubScale(type, scalesAt(type, block, column), r, <usize>(column >> 4));
  const integers = integersAt(type, block);
  switch (scalesOf(type)) {
    case SCALE_K4: return k4Scale(integers, <usize>(column >> 5));
    case SCALE_NIBBLES: return load<u8>(integers + <usize>(column >> 4)) & 15;
    case SCALE_K3: return k3Scale(integers, <usize>(column >> 4));
    case SCALE_XS: return xsScale(integers, <usize>(column >> 5), 1);
    default: return unreachable();
  }
}

/** The same of packed row r, where the integers are at `integers` (packed-heads.ts); `group` counts 16 columns of the super-block. */
export function packedSubScale(type: i32, integers: usize, r: usize, group: usize): i32 {
  switch (scalesOf(type)) {
    case SCALE_K4: return sixBitsAt(integers + r, group & 2);
    case SCALE_NIBBLES: return load<u8>(integers + 2 * r + (group & 1)) & 15;
    case SCALE_K3: return <i32>sixBitsAt(integers + 2 * (r & 7) + (group & 1), (group & 2) + (r >> 3)) - 32;
    case SCALE_XS: return xsScale(integers + r, group >> 1, 16);
    default: return unreachable();
  }
}

/** The integer under a super-block's scale of minimums. */
export function subMinimumOf(type: i32, block: usize, r: usize, stride: usize, column: i32): i32 {
  const group = <usize>(column >> 4);
  if (stride == 16) return packedSubMinimum(type, scalesAt(type, block, column), r, group);
  const integers = integersAt(type, block);
  switch (scalesOf(type)) {
    case SCALE_K4: return k4Minimum(integers, group >> 1);
    case SCALE_NIBBLES: return load<u8>(integers + group) >> 4;
    default: return unreachable();
  }
}

/** As packedSubScale. */
export function packedSubMinimum(type: i32, integers: usize, r: usize, group: usize): i32 {
  switch (scalesOf(type)) {
    case SCALE_K4: return sixBitsAt(integers + r, (group & 2) + 1);
    case SCALE_NIBBLES: return load<u8>(integers + 2 * r + (group & 1)) >> 4;
    default: return unreachable();
  }
}

/** Of a group of Q4_K and Q5_K, from twelve bytes as in the file. */
export function k4Scale(s: usize, group: usize): i32 {
  if (group < 4) return load<u8>(s + group) & 63;
  return (load<u8>(s + group, 4) & 15) | ((load<u8>(s + group - 4) >> 6) << 4);
}

export function k4Minimum(s: usize, group: usize): i32 {
  if (group < 4) return load<u8>(s + group, 4) & 63;
  return (load<u8>(s + group, 4) >> 4) | ((load<u8>(s + group) >> 6) << 4);
}

/** Of a group of Q3_K, from twelve bytes as in the file. */
export function k3Scale(s: usize, group: usize): i32 {
  const low = group < 8 ? <i32>load<u8>(s + group) & 15 : <i32>load<u8>(s + group - 8) >> 4;
  const high = (<i32>load<u8>(s + 8 + (group & 3)) >> <i32>((group >> 2) << 1)) & 3;
  return (low | (high << 4)) - 32;
}

function xsScale(s: usize, group: usize, stride: usize): i32 {
  const low = (<i32>load<u8>(s + (2 + (group >> 1)) * stride) >> <i32>((group & 1) << 2)) & 15;
  const high = (<i32>load<u8>(s + (group >> 2) * stride) >> <i32>((group & 3) << 1)) & 3;
  return (low | (high << 4)) - 32;
}

function floatScale(format: i32, at: usize): f32 {
  switch (format) {
    case SCALE_F16: return halfToFloat(load<u16>(at));
    case SCALE_BF16: return reinterpret<f32>(<u32>load<u16>(at) << 16);
    case SCALE_F32: return load<f32>(at);
    case SCALE_E8M0: return powerOfTwo(load<u8>(at));
    case SCALE_E8M0_HALF: return powerOfTwo(<i32>load<u8>(at) - 1);
    case SCALE_UE4M3_HALF: return ue4m3Half(load<u8>(at));
    default: return unreachable();
  }
}

/** 2^(exponent - 127) for exponents -1 to 255; 255 is infinite. */
function powerOfTwo(exponent: i32): f32 {
  if (exponent > 0) return reinterpret<f32>(exponent << 23);
  return reinterpret<f32>(exponent == 0 ? 0x00400000 : 0x00200000);
}

/** Half of an e4m3 without a sign, whose 0x7f is 0. */
function ue4m3Half(bits: u32): f32 {
  const magnitude = bits & 0x7f;
  if (bits == 0x7f) return 0;
  if (magnitude < 8) return <f32>magnitude * <f32>0.0009765625;
  return reinterpret<f32>((magnitude << 20) + (119 << 23));
}
