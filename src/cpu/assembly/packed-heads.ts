/**
 * Where scales, minimums and codes of a described type lie in a block of sixteen packed rows at w (`packed-described.ts` says how): what
 * 32 columns need comes in front of their codes, so that memory is read in order.
 */
import { SIX_BITS_BYTES } from './six-bits';
import {
  blockBytesOf, blockSizeOf, codeBitsOf, logarithmOfBlock, MINIMUM_NONE, minimumOf, SCALE_K3, SCALE_K4, SCALE_NIBBLES, SCALE_XS, scalesOf,
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

/** Base-2 logarithm of the number of columns whose scales lie side by side. */
export function unitOf(type: i32): i32 {
  const scales = scalesOf(type);
  return scales == SCALE_NIBBLES ? 5 : scales == SCALE_K3 || scales == SCALE_K4 ? 6 : logarithmOfBlock(type);
}

/**
 * True where the codes of 32 columns lie in turns of two of the first 16 and two of the others, so that the two sums of a row are those of
 * its groups, and one product has both times their scales.
 */
export function isInterleaved(type: i32): bool {
  return scalesOf(type) == SCALE_NIBBLES || scalesOf(type) == SCALE_K3;
}

/** Bytes in front of the first integers: f16 d[16], and dmin[16] where there are minimums; 0 where there are no integers. */
function factorsBytesOf(type: i32): usize {
  if (integerBytesOf(type) == 0) return 0;
  return minimumOf(type) == MINIMUM_NONE ? 32 : 64;
}

/** Bytes of all scales that lie side by side, of sixteen rows. */
export function scalesBytesOf(type: i32): usize {
  switch (scalesOf(type)) {
    case SCALE_K3:
    case SCALE_K4: return SIX_BITS_BYTES;
    case SCALE_NIBBLES: return 32;
    default: return headsBytesOf(type) - factorsBytesOf(type);
  }
}

/** Where the scales begin that `column` has its own among. */
export function scalesAt(type: i32, w: usize, column: i32): usize {
  const unit = unitOf(type);
  return w + factorsBytesOf(type) + <usize>(column >> unit) * (scalesBytesOf(type) + <usize>(2 * codeBitsOf(type) << unit));
}

/** Where the codes of the 32 columns begin that `column` is one of. */
export function codesAt(type: i32, w: usize, column: i32): usize {
  const place = (column & ((1 << unitOf(type)) - 1)) >> 5;
  return scalesAt(type, w, column) + scalesBytesOf(type) + <usize>(64 * codeBitsOf(type) * place);
}
