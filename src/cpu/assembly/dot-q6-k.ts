/**
 * Sixteen rows of Q6_K (`packed-rows.ts`) times one row of activations. value = d * scale * (code - 32), code 0..63.
 * A group's scale multiplies in the widening step, so that 32 values reach the float part as one integer (below 2^24).
 */
import { AS_CODED, QUADS, storeSums } from './described-sums';
import { addScaled, clearSums, stepOf } from './group-ends';
import { halvesToFloats, highHalves, lowHalves } from './half';
import { highPairs, lowPairs } from './lanes';
import { ACTIVATION_BLOCK } from './quantize';

/** Bytes of d of sixteen rows, of two scales of each, and of 32 columns with them. */
const FACTORS: usize = 32;
const SCALES: usize = 32;
const BLOCK: usize = 416;

/** out f32[16] = products of the group at w with the activation blocks [x, xEnd). `spill` holds SPILL_BYTES, 16-byte aligned. */
export function dotQ6_K(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  clearSums(out);
  const factors = spill + 2 * QUADS;
  while (x < xEnd) {
    storeFloats(v128.load(w), factors);
    storeFloats(v128.load(w, 16), factors + 32);
    w += FACTORS;
    for (const end = w + 8 * BLOCK; w < end; w += BLOCK, x += ACTIVATION_BLOCK) {
      storeSums(6, AS_CODED, true, w + SCALES, x, spill);
      const offset = v128.load32_splat(x, 8);
      const moreOffset = v128.load32_splat(x, 12);
      const dx = stepOf(x);
      const low = v128.load8x8_s(w);
      const moreLow = v128.load8x8_s(w, 16);
      const first = scaled(spill, offset, moreOffset, lowPairs(low), lowPairs(moreLow));
      v128.store(out, addScaled(v128.load(out), first, v128.load(factors), dx));
      const second = scaled(spill + 16, offset, moreOffset, highPairs(low), highPairs(moreLow));
      v128.store(out, addScaled(v128.load(out, 16), second, v128.load(factors, 16), dx), 16);
      const high = v128.load8x8_s(w, 8);
      const moreHigh = v128.load8x8_s(w, 24);
      const third = scaled(spill + 32, offset, moreOffset, lowPairs(high), lowPairs(moreHigh));
      v128.store(out, addScaled(v128.load(out, 32), third, v128.load(factors, 32), dx), 32);
      const fourth = scaled(spill + 48, offset, moreOffset, highPairs(high), highPairs(moreHigh));
      v128.store(out, addScaled(v128.load(out, 48), fourth, v128.load(factors, 48), dx), 48);
    }
  }
}

// @ts-ignore: decorator
@inline
function storeFloats(halves: v128, to: usize): void {
  v128.store(to, halvesToFloats(lowHalves(halves)));
  v128.store(to, halvesToFloats(highHalves(halves)), 16);
}

/** i32[4 rows]: sums at `at` of codes less 32, of both halves, times their scales. */
// @ts-ignore: decorator
@inline
function scaled(at: usize, offset: v128, moreOffset: v128, scales: v128, moreScales: v128): v128 {
  return i32x4.add(
    i32x4.dot_i16x8_s(i16x8.sub(v128.load(at), offset), scales),
    i32x4.dot_i16x8_s(i16x8.sub(v128.load(at, QUADS), moreOffset), moreScales));
}
