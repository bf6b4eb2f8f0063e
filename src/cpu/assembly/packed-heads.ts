/**
 * Where scales, minimums and codes of a described type lie in a block of sixteen packed rows at w (`packed-described.ts` says how): what
 * 32 columns need comes in front of their codes, so that memory is read in order.
 */
import {
  blockBytesOf, blockSizeOf, codeBitsOf, MINIMUM_NONE, minimumOf, SCALE_K3, SCALE_K4, SCALE_NIBBLES, SCALE_XS, scalesOf,
} from './weight-type';

/** Bytes of the integers under a super-block's scale, of one row; 0 where there are none. */
export function integerBytesOf(type: i32): usize {
  const scales = scalesOf(type);
  return scales == SCALE_NIBBLES ? 16 : scales == SCALE_K3 || scales == SCALE_K4 ? 12 : scales == SCALE_XS ? 6 : 0;
}

/** Bytes in front of the codes of a block of sixteen packed rows: what else the rows' blocks hold. */
export function headsBytesOf(type: i32): usize {
  return (blockBytesOf(type) << 4) - <usize>(2 * blockSizeOf(type) * codeBitsOf(type));
}

/** Columns whose integers lie side by side. */
function unitOf(type: i32): i32 {
  return scalesOf(type) == SCALE_K4 ? 64 : blockSizeOf(type);
}

/** Bytes in front of the first integers: f16 d[16], and dmin[16] where there are minimums; 0 where there are no integers. */
function factorsBytesOf(type: i32): usize {
  if (integerBytesOf(type) == 0) return 0;
  return minimumOf(type) == MINIMUM_NONE ? 32 : 64;
}

/** Where the scales of the unit that `column` is of begin. */
export function scalesAt(type: i32, w: usize, column: i32): usize {
  const unit = unitOf(type);
  return w + factorsBytesOf(type) + <usize>(column / unit) * (scalesBytesOf(type) + <usize>(2 * unit * codeBitsOf(type)));
}

/** Of a unit, of sixteen rows. */
function scalesBytesOf(type: i32): usize {
  return (headsBytesOf(type) - factorsBytesOf(type)) / <usize>(blockSizeOf(type) / unitOf(type));
}

/** Where the codes of the 32 columns that `column` is of begin. */
export function codesAt(type: i32, w: usize, column: i32): usize {
  return scalesAt(type, w, column) + scalesBytesOf(type) + <usize>(64 * codeBitsOf(type) * ((column & (unitOf(type) - 1)) >> 5));
}
