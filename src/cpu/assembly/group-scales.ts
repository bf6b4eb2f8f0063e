/** Scales and minimums of the groups of a described type: of one row as numbers, of four rows in the lanes of a vector. */
import { halfToFloat, halvesToFloats } from './half';
import { gatherHalves } from './dot-sums';
import {
  groupSizeOf, MINIMUM_ADDED, MINIMUM_NONE, minimumOf, SCALE_BF16, SCALE_E8M0, SCALE_E8M0_HALF, SCALE_F16, SCALE_F32, SCALE_K3, SCALE_K4,
  SCALE_NIBBLES, SCALE_UE4M3_HALF, SCALE_XS, scaleBytesOf, scalesOf,
} from './weight-type';

/** Places of f16 d, of f16 dmin and of the integers of Q2_K's, Q3_K's and IQ4_XS's super-blocks; Q5_K's are Q4_K's. */
export const Q2_K_D: usize = 80;
export const Q2_K_DMIN: usize = 82;
export const Q3_K_SCALES: usize = 96;
export const Q3_K_D: usize = 108;
export const XS_SCALES: usize = 2;
export const K4_SCALES: usize = 4;

/** The scale of columns from `column` on of a block. */
export function scaleOf(type: i32, block: usize, column: i32): f32 {
  const scales = scalesOf(type);
  const group = <usize>(column / groupSizeOf(type));
  switch (scales) {
    case SCALE_K4:
    case SCALE_XS: return halfToFloat(load<u16>(block)) * <f32>subScaleOf(type, block, column);
    case SCALE_NIBBLES: return halfToFloat(load<u16>(block, Q2_K_D)) * <f32>subScaleOf(type, block, column);
    case SCALE_K3: return halfToFloat(load<u16>(block, Q3_K_D)) * <f32>subScaleOf(type, block, column);
    default: return floatScale(scales, block + group * scaleBytesOf(type));
  }
}

/** What is subtracted from scale * code in those columns; 0 where nothing is. */
export function minimumAt(type: i32, block: usize, column: i32): f32 {
  const minimum = minimumOf(type);
  if (minimum == MINIMUM_NONE) return 0;
  if (minimum == MINIMUM_ADDED) return -floatScale(scalesOf(type), block + scaleBytesOf(type));
  const isK4 = scalesOf(type) == SCALE_K4;
  return halfToFloat(load<u16>(block + (isK4 ? 2 : Q2_K_DMIN))) * <f32>subMinimumOf(type, block, column);
}

/** The integer under a super-block's scale. */
export function subScaleOf(type: i32, block: usize, column: i32): i32 {
  switch (scalesOf(type)) {
    case SCALE_K4: return k4Scale(block + K4_SCALES, <usize>(column >> 5));
    case SCALE_NIBBLES: return load<u8>(block + <usize>(column >> 4)) & 15;
    case SCALE_K3: return k3Scale(block + Q3_K_SCALES, column >> 4);
    case SCALE_XS: return xsScale(block + XS_SCALES, column >> 5);
    default: return unreachable();
  }
}

/** The integer under a super-block's scale of minimums. */
export function subMinimumOf(type: i32, block: usize, column: i32): i32 {
  switch (scalesOf(type)) {
    case SCALE_K4: return k4Minimum(block + K4_SCALES, <usize>(column >> 5));
    case SCALE_NIBBLES: return load<u8>(block + <usize>(column >> 4)) >> 4;
    default: return unreachable();
  }
}

function k4Scale(s: usize, group: usize): i32 {
  if (group < 4) return load<u8>(s + group) & 63;
  return (load<u8>(s + group, 4) & 15) | ((load<u8>(s + group - 4) >> 6) << 4);
}

function k4Minimum(s: usize, group: usize): i32 {
  if (group < 4) return load<u8>(s + group, 4) & 63;
  return (load<u8>(s + group, 4) >> 4) | ((load<u8>(s + group) >> 6) << 4);
}

function k3Scale(s: usize, group: i32): i32 {
  const low = group < 8 ? <i32>load<u8>(s + <usize>group) & 15 : <i32>load<u8>(s + <usize>(group - 8)) >> 4;
  const high = (<i32>load<u8>(s + <usize>(group & 3), 8) >> ((group >> 2) << 1)) & 3;
  return (low | (high << 4)) - 32;
}

function xsScale(s: usize, group: i32): i32 {
  const low = (<i32>load<u8>(s + <usize>(group >> 1), 2) >> ((group & 1) << 2)) & 15;
  const high = (<i32>load<u16>(s) >> (group << 1)) & 3;
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

/** Floats of one format at four addresses. */
// @ts-ignore: decorator
@inline
export function fourScales(format: i32, a: usize, b: usize, c: usize, d: usize): v128 {
  if (format == SCALE_F16) return halvesToFloats(gatherHalves(a, b, c, d));
  if (format == SCALE_BF16) return gatherHalves(a, b, c, d);
  if (format == SCALE_F32) {
    let floats = v128.load32_zero(a);
    floats = v128.load32_lane(b, floats, 1);
    floats = v128.load32_lane(c, floats, 2);
    return v128.load32_lane(d, floats, 3);
  }
  return f32x4(floatScale(format, a), floatScale(format, b), floatScale(format, c), floatScale(format, d));
}
