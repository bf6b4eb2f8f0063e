/**
 * Panels for the relaxed GEMM: four rows of 4-bit codes, so that a 16-byte vector holds four consecutive codes of each row and a
 * product's lanes are rows. They are four of the rows of a group (`packed-rows.ts`); `side` is four times the number of the first one.
 *
 * A panel block (32 columns) is 160 bytes: f32 scale[4 rows]; f32 minimum[4 rows], divided by 8; 8 vectors of codes.
 */
import { highNibbles, lowNibbles } from './dot-int8';
import { storeFactors, UNPACKED_BYTES } from './dot-q4-k';
import { madd, nmadd } from './float-math';
import { halvesToFloats, lowHalves } from './half';
import { nibbleMask } from './opaque';
import { codesAtQ4_K, scalesAtQ4_K } from './packed-rows';
import { unpackFour } from './six-bits';
import { Q4_0_BYTES, Q4_K_BYTES } from './weight-type';

export const CODE_PANEL_BLOCK: usize = 160;

/** Scratch in front of a panel: sums of one tile, four rows of activations by four lanes, whole and of half a block. */
export const TILE_SUMS_BYTES: usize = 128;

export function packCodesQ4_0(to: usize, toEnd: usize, w: usize, side: usize): void {
  const mask = nibbleMask();
  for (; to < toEnd; to += CODE_PANEL_BLOCK, w += 16 * Q4_0_BYTES) {
    v128.store(to, halvesToFloats(lowHalves(v128.load64_zero(w + (side >> 1)))));
    storeCodes(to + 32, w + 32 + side, mask);
  }
}

/** spill: SPILL_BYTES. */
export function packCodesQ4_K(to: usize, toEnd: usize, w: usize, side: usize, spill: usize): void {
  const mask = nibbleMask();
  for (; to < toEnd; w += 16 * Q4_K_BYTES) {
    storeFactors(w, spill + UNPACKED_BYTES);
    for (let block: usize = 0; block < 8; block++, to += CODE_PANEL_BLOCK) {
      if ((block & 1) == 0) unpackFour(scalesAtQ4_K(w, block), spill);
      storeScales(to, spill, block, side);
      storeCodes(to + 32, codesAtQ4_K(w, block) + side, mask);
    }
  }
}

/** f32 scale[4] and minimum[4] of 32 columns, from what `unpackFour` and `storeFactors` put in `spill`. */
// @ts-ignore: decorator
@inline
export function storeScales(to: usize, spill: usize, block: usize, side: usize): void {
  const at = spill + ((block & 1) << 5) + (side >> 2);
  const factors = spill + UNPACKED_BYTES + side;
  v128.store(to, f32x4.mul(fourBytes(at), v128.load(factors)));
  v128.store(to, f32x4.mul(fourBytes(at + 16), v128.load(factors, 64)), 16);
}

/** Four u8 as f32. */
// @ts-ignore: decorator
@inline
function fourBytes(at: usize): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(at))));
}

// @ts-ignore: decorator
@inline
function storeCodes(to: usize, nibbles: usize, mask: v128): void {
  for (let step: usize = 0; step < 64; step += 16, nibbles += 64) {
    const pairs = v128.load(nibbles);
    v128.store(to + step, lowNibbles(pairs, mask));
    v128.store(to + step, highNibbles(pairs, mask), 64);
  }
}

/** total + (sums * scale - minimum / 8 * 8 S(x)) * d(x): a group of Q4_K in a panel. d, which may be huge, comes last. */
// @ts-ignore: decorator
@inline
export function addGroup(total: v128, sums: v128, x: usize, scale: v128, minimum: v128): v128 {
  const product = f32x4.mul(f32x4.convert_i32x4_s(sums), scale);
  const difference = nmadd(minimum, f32x4.convert_i32x4_s(v128.load32_splat(x, 4)), product);
  return madd(difference, v128.load32_splat(x), total);
}
