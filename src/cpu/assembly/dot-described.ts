/** The kernels of single rows of x by the number of a described type; a number without one traps. */
import { dotAffine } from './dot-affine';
import { dotDirect } from './dot-direct';
import { dotNvfp4 } from './dot-nvfp4';
import { dotIq4Xs, dotQ2_K, dotQ3_K, dotQ5_K } from './dot-super';
import {
  arrangementOf, NIBBLES_16, NIBBLES_16_HIGH, NIBBLES_32_HIGH, NIBBLES_8, PAIRS_32, PAIRS_32_HIGH, SCALE_XS, scalesOf, STREAM,
} from './weight-type';

/** out f32[16] = products of the group at w with the activation blocks [x, xEnd). `spill` holds SPILL_BYTES, 16-byte aligned. */
export function dotDescribed(type: i32, isOdd: bool, w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  switch (arrangementOf(type)) {
    case NIBBLES_16: {
      if (scalesOf(type) == SCALE_XS) return dotIq4Xs(w, x, xEnd, out, spill);
      return dotDirect(type, isOdd, w, x, xEnd, out, spill);
    }
    case NIBBLES_16_HIGH: return dotDirect(type, isOdd, w, x, xEnd, out, spill);
    case STREAM: return dotAffine(type, isOdd, w, x, xEnd, out, spill);
    case NIBBLES_32_HIGH: return dotQ5_K(isOdd, w, x, xEnd, out, spill);
    case NIBBLES_8: return dotNvfp4(isOdd, w, x, xEnd, out, spill);
    case PAIRS_32: return dotQ2_K(isOdd, w, x, xEnd, out, spill);
    case PAIRS_32_HIGH: return dotQ3_K(w, x, xEnd, out, spill);
    default: unreachable();
  }
}
