/**
 * Eight rows of Q6_K (`packed-rows.ts`) times one row of activations. value = d * scale * (code - 32), code 0..63.
 * A group's scale multiplies in the widening step, so that 32 values reach the float part as one integer (below 2^24).
 */
import { dotCodes, firstForm, highNibbles, lowNibbles, secondForm } from './dot-int8';
import { halvesToFloats, highHalves, lowHalves } from './half';
import { highPairs, lowPairs } from './lanes';
import { keepOrder, nibbleMask, pairMask } from './opaque';
import { ACTIVATION_BLOCK } from './quantize';

/** Bytes of d and scales of a super-block of eight rows, and of each 32 columns. */
const HEAD: usize = 144;
const BLOCK: usize = 192;

/** out f32[8] = products of the group at w with the activation blocks [x, xEnd). `spill` holds 64 bytes, 16-byte aligned. */
export function dotQ6_K(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  let low = f32x4.splat(0);
  let high = f32x4.splat(0);
  const mask = nibbleMask();
  const pairs = pairMask();
  while (x < xEnd) {
    const halves = v128.load(w);
    v128.store(spill, halvesToFloats(lowHalves(halves)), 32);
    v128.store(spill, halvesToFloats(highHalves(halves)), 48);
    const end = w + HEAD;
    let scales = w + 16;
    w = end;
    for (; scales < end; scales += 16, w += BLOCK, x += ACTIVATION_BLOCK) {
      let bits = v128.load(w, 128);
      let moreBits = v128.load(w, 144);
      let columns = v128.load32_splat(x, 16);
      let more = v128.load32_splat(x, 32);
      let codes = v128.load(w, 0);
      let aFirst = dotSix(columns, sixBits(codes, bits, 0, mask, pairs));
      let aSecond = dotSix(more, sixBits(codes, bits, 1, mask, pairs));
      codes = v128.load(w, 16);
      let bFirst = dotSix(columns, sixBits(codes, moreBits, 0, mask, pairs));
      let bSecond = dotSix(more, sixBits(codes, moreBits, 1, mask, pairs));
      keepOrder(out, aFirst, aSecond);
      keepOrder(spill, bFirst, bSecond);
      columns = v128.load32_splat(x, 20);
      more = v128.load32_splat(x, 36);
      codes = v128.load(w, 32);
      aFirst = i16x8.add(aFirst, dotSix(columns, sixBits(codes, bits, 2, mask, pairs)));
      aSecond = i16x8.add(aSecond, dotSix(more, sixBits(codes, bits, 3, mask, pairs)));
      codes = v128.load(w, 48);
      bFirst = i16x8.add(bFirst, dotSix(columns, sixBits(codes, moreBits, 2, mask, pairs)));
      bSecond = i16x8.add(bSecond, dotSix(more, sixBits(codes, moreBits, 3, mask, pairs)));
      keepOrder(out, aFirst, aSecond);
      keepOrder(spill, bFirst, bSecond);
      bits = v128.load(w, 160);
      moreBits = v128.load(w, 176);
      columns = v128.load32_splat(x, 24);
      more = v128.load32_splat(x, 40);
      codes = v128.load(w, 64);
      aFirst = i16x8.add(aFirst, dotSix(columns, sixBits(codes, bits, 0, mask, pairs)));
      aSecond = i16x8.add(aSecond, dotSix(more, sixBits(codes, bits, 1, mask, pairs)));
      codes = v128.load(w, 80);
      bFirst = i16x8.add(bFirst, dotSix(columns, sixBits(codes, moreBits, 0, mask, pairs)));
      bSecond = i16x8.add(bSecond, dotSix(more, sixBits(codes, moreBits, 1, mask, pairs)));
      keepOrder(out, aFirst, aSecond);
      keepOrder(spill, bFirst, bSecond);
      columns = v128.load32_splat(x, 28);
      more = v128.load32_splat(x, 44);
      codes = v128.load(w, 96);
      aFirst = i16x8.add(aFirst, dotSix(columns, sixBits(codes, bits, 2, mask, pairs)));
      aSecond = i16x8.add(aSecond, dotSix(more, sixBits(codes, bits, 3, mask, pairs)));
      codes = v128.load(w, 112);
      bFirst = i16x8.add(bFirst, dotSix(columns, sixBits(codes, moreBits, 2, mask, pairs)));
      bSecond = i16x8.add(bSecond, dotSix(more, sixBits(codes, moreBits, 3, mask, pairs)));
      keepOrder(out, aFirst, aSecond);
      keepOrder(spill, bFirst, bSecond);
      const first = v128.load8x8_s(scales);
      const second = v128.load8x8_s(scales, 8);
      const offset = v128.load32_splat(x, 8);
      const moreOffset = v128.load32_splat(x, 12);
      const lowSums = i32x4.add(scaled(aFirst, offset, lowPairs(first)), scaled(aSecond, moreOffset, lowPairs(second)));
      const highSums = i32x4.add(scaled(bFirst, offset, highPairs(first)), scaled(bSecond, moreOffset, highPairs(second)));
      low = addBlock(low, lowSums, v128.load(spill, 32), x);
      high = addBlock(high, highSums, v128.load(spill, 48), x);
    }
  }
  v128.store(out, low);
  v128.store(out, high, 16);
}

// @ts-ignore: decorator
@inline
function addBlock(total: v128, sums: v128, d: v128, x: usize): v128 {
  return f32x4.add(total, f32x4.mul(f32x4.convert_i32x4_s(sums), f32x4.mul(d, v128.load32_splat(x))));
}

// @ts-ignore: decorator
@inline
function scaled(sums: v128, offset: v128, scales: v128): v128 {
  return i32x4.dot_i16x8_s(i16x8.sub(sums, offset), scales);
}

/** Sums of up to eight columns of codes less 32 fit 16 bits; on the way to them they may wrap around. */
// @ts-ignore: decorator
@inline
function dotSix(columns: v128, codes: v128): v128 {
  return dotCodes(firstForm(columns), secondForm(columns), codes);
}

/** Codes of four columns of four rows: nibbles (the high ones where `part` is odd) and bits 2 * part of `bits`. */
// @ts-ignore: decorator
@inline
export function sixBits(nibbles: v128, bits: v128, part: i32, mask: v128, pairs: v128): v128 {
  const lower = part & 1 ? highNibbles(nibbles, mask) : lowNibbles(nibbles, mask);
  if (part == 0) return v128.or(lower, v128.and(i16x8.shl(bits, 4), pairs));
  if (part == 1) return v128.or(lower, v128.and(i16x8.shl(bits, 2), pairs));
  if (part == 2) return v128.or(lower, v128.and(bits, pairs));
  return v128.or(lower, v128.and(i16x8.shr_u(bits, 2), pairs));
}
