/** The kernels of single rows by the number of a described type; a number without one traps. */
import { dotIq4Xs, dotQ5_K } from './dot-groups';
import { dotIq4Nl, dotMxfp4, dotQ4_1, dotQ5_0, dotQ5_1 } from './dot-nibbles';
import { dotNvfp4, dotQ2_K, dotQ3_K } from './dot-sixteens';
import { dotStream } from './dot-stream';
import {
  arrangementOf, CODE_E2M1, CODE_IQ4, meaningOf, MINIMUM_NONE, minimumOf, NIBBLES_16, NIBBLES_16_HIGH, NIBBLES_32_HIGH, NIBBLES_8, PAIRS_32,
  PAIRS_32_HIGH, SCALE_XS, scalesOf, STREAM,
} from './weight-type';

/** Lane r: the product of row r (at w0..w3) with the activation blocks [x, xEnd). `spill` holds 256 bytes. */
export function dotDescribed(type: i32, w0: usize, w1: usize, w2: usize, w3: usize, x: usize, xEnd: usize, spill: usize): v128 {
  switch (arrangementOf(type)) {
    case NIBBLES_16: {
      if (scalesOf(type) == SCALE_XS) return dotIq4Xs(w0, w1, w2, w3, x, xEnd, spill);
      if (meaningOf(type) == CODE_IQ4) return dotIq4Nl(w0, w1, w2, w3, x, xEnd);
      if (meaningOf(type) == CODE_E2M1) return dotMxfp4(w0, w1, w2, w3, x, xEnd);
      return dotQ4_1(w0, w1, w2, w3, x, xEnd);
    }
    case NIBBLES_16_HIGH: {
      if (minimumOf(type) == MINIMUM_NONE) return dotQ5_0(w0, w1, w2, w3, x, xEnd);
      return dotQ5_1(w0, w1, w2, w3, x, xEnd);
    }
    case NIBBLES_32_HIGH: return dotQ5_K(w0, w1, w2, w3, x, xEnd, spill);
    case NIBBLES_8: return dotNvfp4(w0, w1, w2, w3, x, xEnd);
    case PAIRS_32: return dotQ2_K(w0, w1, w2, w3, x, xEnd, spill);
    case PAIRS_32_HIGH: return dotQ3_K(w0, w1, w2, w3, x, xEnd, spill);
    case STREAM: return dotStream(type, w0, w1, w2, w3, x, xEnd);
    default: return unreachable();
  }
}
