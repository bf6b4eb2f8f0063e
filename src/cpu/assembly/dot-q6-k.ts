/**
 * Sixteen rows of Q6_K (`packed-rows.ts`) times one row of activations. value = d * scale * (code - 32), code 0..63.
 * A group's scale multiplies in the widening step, so that 32 values reach the float part as one integer (below 2^24).
 */
import { dotCodes, firstForm, highNibbles, lowNibbles, secondForm } from './dot-int8';
import { madd } from './float-math';
import { halvesToFloats, highHalves, lowHalves } from './half';
import { highPairs, lowPairs } from './lanes';
import { keepOrder, nibbleMask, pairMask } from './opaque';
import { ACTIVATION_BLOCK } from './quantize';

/** Bytes of d and scales of a super-block of sixteen rows, and of each 32 columns. */
const HEAD: usize = 288;
const BLOCK: usize = 384;

/** out f32[16] = products of the group at w with the activation blocks [x, xEnd). `spill` holds 96 bytes, 16-byte aligned. */
export function dotQ6_K(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  let first = f32x4.splat(0);
  let second = f32x4.splat(0);
  let third = f32x4.splat(0);
  let fourth = f32x4.splat(0);
  const mask = nibbleMask();
  const pairs = pairMask();
  while (x < xEnd) {
    storeFloats(v128.load(w), spill + 32);
    storeFloats(v128.load(w, 16), spill + 64);
    const end = w + HEAD;
    let scales = w + 32;
    w = end;
    for (; scales < end; scales += 32, w += BLOCK, x += ACTIVATION_BLOCK) {
      let columns = v128.load32_splat(x, 16);
      let more = v128.load32_splat(x, 32);
      let codes = v128.load(w, 0);
      let bits = v128.load(w, 256);
      let aFirst = dotSix(columns, sixBits(codes, bits, 0, mask, pairs));
      let aSecond = dotSix(more, sixBits(codes, bits, 1, mask, pairs));
      keepOrder(spill, aFirst, aSecond);
      codes = v128.load(w, 16);
      bits = v128.load(w, 272);
      let bFirst = dotSix(columns, sixBits(codes, bits, 0, mask, pairs));
      let bSecond = dotSix(more, sixBits(codes, bits, 1, mask, pairs));
      keepOrder(spill, bFirst, bSecond);
      codes = v128.load(w, 32);
      bits = v128.load(w, 288);
      let cFirst = dotSix(columns, sixBits(codes, bits, 0, mask, pairs));
      let cSecond = dotSix(more, sixBits(codes, bits, 1, mask, pairs));
      keepOrder(spill, cFirst, cSecond);
      codes = v128.load(w, 48);
      bits = v128.load(w, 304);
      let dFirst = dotSix(columns, sixBits(codes, bits, 0, mask, pairs));
      let dSecond = dotSix(more, sixBits(codes, bits, 1, mask, pairs));
      keepOrder(spill, dFirst, dSecond);
      columns = v128.load32_splat(x, 20);
      more = v128.load32_splat(x, 36);
      codes = v128.load(w, 64);
      bits = v128.load(w, 256);
      aFirst = i16x8.add(aFirst, dotSix(columns, sixBits(codes, bits, 2, mask, pairs)));
      aSecond = i16x8.add(aSecond, dotSix(more, sixBits(codes, bits, 3, mask, pairs)));
      keepOrder(spill, aFirst, aSecond);
      codes = v128.load(w, 80);
      bits = v128.load(w, 272);
      bFirst = i16x8.add(bFirst, dotSix(columns, sixBits(codes, bits, 2, mask, pairs)));
      bSecond = i16x8.add(bSecond, dotSix(more, sixBits(codes, bits, 3, mask, pairs)));
      keepOrder(spill, bFirst, bSecond);
      codes = v128.load(w, 96);
      bits = v128.load(w, 288);
      cFirst = i16x8.add(cFirst, dotSix(columns, sixBits(codes, bits, 2, mask, pairs)));
      cSecond = i16x8.add(cSecond, dotSix(more, sixBits(codes, bits, 3, mask, pairs)));
      keepOrder(spill, cFirst, cSecond);
      codes = v128.load(w, 112);
      bits = v128.load(w, 304);
      dFirst = i16x8.add(dFirst, dotSix(columns, sixBits(codes, bits, 2, mask, pairs)));
      dSecond = i16x8.add(dSecond, dotSix(more, sixBits(codes, bits, 3, mask, pairs)));
      keepOrder(spill, dFirst, dSecond);
      columns = v128.load32_splat(x, 24);
      more = v128.load32_splat(x, 40);
      codes = v128.load(w, 128);
      bits = v128.load(w, 320);
      aFirst = i16x8.add(aFirst, dotSix(columns, sixBits(codes, bits, 0, mask, pairs)));
      aSecond = i16x8.add(aSecond, dotSix(more, sixBits(codes, bits, 1, mask, pairs)));
      keepOrder(spill, aFirst, aSecond);
      codes = v128.load(w, 144);
      bits = v128.load(w, 336);
      bFirst = i16x8.add(bFirst, dotSix(columns, sixBits(codes, bits, 0, mask, pairs)));
      bSecond = i16x8.add(bSecond, dotSix(more, sixBits(codes, bits, 1, mask, pairs)));
      keepOrder(spill, bFirst, bSecond);
      codes = v128.load(w, 160);
      bits = v128.load(w, 352);
      cFirst = i16x8.add(cFirst, dotSix(columns, sixBits(codes, bits, 0, mask, pairs)));
      cSecond = i16x8.add(cSecond, dotSix(more, sixBits(codes, bits, 1, mask, pairs)));
      keepOrder(spill, cFirst, cSecond);
      codes = v128.load(w, 176);
      bits = v128.load(w, 368);
      dFirst = i16x8.add(dFirst, dotSix(columns, sixBits(codes, bits, 0, mask, pairs)));
      dSecond = i16x8.add(dSecond, dotSix(more, sixBits(codes, bits, 1, mask, pairs)));
      keepOrder(spill, dFirst, dSecond);
      columns = v128.load32_splat(x, 28);
      more = v128.load32_splat(x, 44);
      codes = v128.load(w, 192);
      bits = v128.load(w, 320);
      aFirst = i16x8.add(aFirst, dotSix(columns, sixBits(codes, bits, 2, mask, pairs)));
      aSecond = i16x8.add(aSecond, dotSix(more, sixBits(codes, bits, 3, mask, pairs)));
      keepOrder(spill, aFirst, aSecond);
      codes = v128.load(w, 208);
      bits = v128.load(w, 336);
      bFirst = i16x8.add(bFirst, dotSix(columns, sixBits(codes, bits, 2, mask, pairs)));
      bSecond = i16x8.add(bSecond, dotSix(more, sixBits(codes, bits, 3, mask, pairs)));
      keepOrder(spill, bFirst, bSecond);
      codes = v128.load(w, 224);
      bits = v128.load(w, 352);
      cFirst = i16x8.add(cFirst, dotSix(columns, sixBits(codes, bits, 2, mask, pairs)));
      cSecond = i16x8.add(cSecond, dotSix(more, sixBits(codes, bits, 3, mask, pairs)));
      keepOrder(spill, cFirst, cSecond);
      codes = v128.load(w, 240);
      bits = v128.load(w, 368);
      dFirst = i16x8.add(dFirst, dotSix(columns, sixBits(codes, bits, 2, mask, pairs)));
      dSecond = i16x8.add(dSecond, dotSix(more, sixBits(codes, bits, 3, mask, pairs)));
      keepOrder(spill, dFirst, dSecond);
      const offset = v128.load32_splat(x, 8);
      const moreOffset = v128.load32_splat(x, 12);
      const lowScales = v128.load8x8_s(scales);
      const moreLow = v128.load8x8_s(scales, 16);
      const firstSums = i32x4.add(scaled(aFirst, offset, lowPairs(lowScales)), scaled(aSecond, moreOffset, lowPairs(moreLow)));
      first = addBlock(first, firstSums, v128.load(spill, 32), x);
      const secondSums = i32x4.add(scaled(bFirst, offset, highPairs(lowScales)), scaled(bSecond, moreOffset, highPairs(moreLow)));
      second = addBlock(second, secondSums, v128.load(spill, 48), x);
      const highScales = v128.load8x8_s(scales, 8);
      const moreHigh = v128.load8x8_s(scales, 24);
      const thirdSums = i32x4.add(scaled(cFirst, offset, lowPairs(highScales)), scaled(cSecond, moreOffset, lowPairs(moreHigh)));
      third = addBlock(third, thirdSums, v128.load(spill, 64), x);
      const fourthSums = i32x4.add(scaled(dFirst, offset, highPairs(highScales)), scaled(dSecond, moreOffset, highPairs(moreHigh)));
      fourth = addBlock(fourth, fourthSums, v128.load(spill, 80), x);
    }
  }
  v128.store(out, first);
  v128.store(out, second, 16);
  v128.store(out, third, 32);
  v128.store(out, fourth, 48);
}

// @ts-ignore: decorator
@inline
function storeFloats(halves: v128, to: usize): void {
  v128.store(to, halvesToFloats(lowHalves(halves)));
  v128.store(to, halvesToFloats(highHalves(halves)), 16);
}

// @ts-ignore: decorator
@inline
function scaled(sums: v128, offset: v128, scales: v128): v128 {
  return i32x4.dot_i16x8_s(i16x8.sub(sums, offset), scales);
}

// @ts-ignore: decorator
@inline
function addBlock(total: v128, sums: v128, d: v128, x: usize): v128 {
  return madd(f32x4.convert_i32x4_s(sums), f32x4.mul(d, v128.load32_splat(x)), total);
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
