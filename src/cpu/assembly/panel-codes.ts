/**
 * Panels for the relaxed GEMM: four rows of 4-bit codes, interleaved so that a 16-byte vector holds four
 * consecutive codes of each row and a product's lanes are rows.
 *
 * A panel block (32 columns) is 160 bytes: f32 scale[4 rows]; f32 minimum[4 rows]; 8 vectors of codes.
 */
import { highNibbles, lowNibbles } from './dot-int8';
import { storeScalesQ4_K } from './dot-q4-k';
import { halvesToFloats } from './half';
import { gatherHalves, storeTransposed } from './lanes';
import { Q4_0_BYTES, Q4_K_BYTES } from './weight-type';

export const CODE_PANEL_BLOCK: usize = 160;

/** Scratch in front of a panel: sums of one tile, four rows of activations by four lanes, whole and of half a block. */
export const TILE_SUMS_BYTES: usize = 128;

export function packCodesQ4_0(to: usize, blocks: i32, w0: usize, w1: usize, w2: usize, w3: usize): void {
  for (let b = 0; b < blocks; b++) {
    v128.store(to, halvesToFloats(gatherHalves(w0, w1, w2, w3)));
    const r0 = v128.load(w0, 2);
    const r1 = v128.load(w1, 2);
    const r2 = v128.load(w2, 2);
    const r3 = v128.load(w3, 2);
    storeTransposed(to + 32, lowNibbles(r0), lowNibbles(r1), lowNibbles(r2), lowNibbles(r3));
    storeTransposed(to + 96, highNibbles(r0), highNibbles(r1), highNibbles(r2), highNibbles(r3));
    to += CODE_PANEL_BLOCK;
    w0 += Q4_0_BYTES;
    w1 += Q4_0_BYTES;
    w2 += Q4_0_BYTES;
    w3 += Q4_0_BYTES;
  }
}

export function packCodesQ4_K(to: usize, blocks: i32, w0: usize, w1: usize, w2: usize, w3: usize): void {
  for (let b = 0; b < blocks; b += 8) {
    storeScalesQ4_K(to, CODE_PANEL_BLOCK, w0, w1, w2, w3);
    for (let run: usize = 16; run < Q4_K_BYTES; run += 16) {
      const r0 = v128.load(w0 + run);
      const r1 = v128.load(w1 + run);
      const r2 = v128.load(w2 + run);
      const r3 = v128.load(w3 + run);
      // Runs 16, 48, ... are the first halves of two groups, runs 32, 64, ... the second ones.
      const codes = to + (run & 16 ? 32 : 96);
      storeTransposed(codes, lowNibbles(r0), lowNibbles(r1), lowNibbles(r2), lowNibbles(r3));
      storeTransposed(codes + CODE_PANEL_BLOCK, highNibbles(r0), highNibbles(r1), highNibbles(r2), highNibbles(r3));
      if (!(run & 16)) to += 2 * CODE_PANEL_BLOCK;
    }
    w0 += Q4_K_BYTES;
    w1 += Q4_K_BYTES;
    w2 += Q4_K_BYTES;
    w3 += Q4_K_BYTES;
  }
}
