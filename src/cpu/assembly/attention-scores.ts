/**
 * Scores of query vectors against the keys of one tile. Vectors are padded with zeros to a multiple of 4.
 * `queries` f32[count, width]; `keys` f32[tile, width]; `scores` f32[count, SCORE_STRIDE / 4].
 * Of every eight values of a vector the first four are added up before the others: attention-halves.ts reads them in this order, and
 * a row has the same bits whichever of the two takes it.
 */
import { madd, sumOfEach } from './float-math';

/** Most keys of one tile. */
export const TILE_KEYS: i32 = 32;
/** Bytes between the scores of two query vectors. */
export const SCORE_STRIDE: usize = 128;

/** Fills scores of `tile` keys, rounded up to a multiple of 4; what it reads past the last key is garbage for the caller to mask. */
export function tileScores(queries: usize, count: i32, keys: usize, tile: i32, width: i32, scores: usize): void {
  const bytes = <usize>(width * 4);
  let query = 0;
  for (; query + 2 <= count; query += 2) {
    const at = queries + <usize>query * bytes;
    const out = scores + <usize>query * SCORE_STRIDE;
    for (let key = 0; key < tile; key += 4) {
      twoByFour(at, at + bytes, keys + <usize>key * bytes, bytes, out + <usize>(key * 4));
    }
  }
  if (query == count) return;
  const at = queries + <usize>query * bytes;
  const out = scores + <usize>query * SCORE_STRIDE;
  for (let key = 0; key < tile; key += 4) {
    oneByFour(at, keys + <usize>key * bytes, bytes, out + <usize>(key * 4));
  }
}

// @ts-ignore: decorator
@inline
function twoByFour(queryA: usize, queryB: usize, keys: usize, bytes: usize, out: usize): void {
  let a0 = f32x4.splat(0), a1 = f32x4.splat(0), a2 = f32x4.splat(0), a3 = f32x4.splat(0);
  let b0 = f32x4.splat(0), b1 = f32x4.splat(0), b2 = f32x4.splat(0), b3 = f32x4.splat(0);
  const key1 = keys + bytes, key2 = key1 + bytes, key3 = key2 + bytes;
  for (let half: usize = 0; half < 32; half += 16) {
    for (let i = half; i < bytes; i += 32) {
      const a = v128.load(queryA + i);
      const b = v128.load(queryB + i);
      const k0 = v128.load(keys + i);
      a0 = madd(a, k0, a0);
      b0 = madd(b, k0, b0);
      const k1 = v128.load(key1 + i);
      a1 = madd(a, k1, a1);
      b1 = madd(b, k1, b1);
      const k2 = v128.load(key2 + i);
      a2 = madd(a, k2, a2);
      b2 = madd(b, k2, b2);
      const k3 = v128.load(key3 + i);
      a3 = madd(a, k3, a3);
      b3 = madd(b, k3, b3);
    }
  }
  v128.store(out, sumOfEach(a0, a1, a2, a3));
  v128.store(out + SCORE_STRIDE, sumOfEach(b0, b1, b2, b3));
}

// @ts-ignore: decorator
@inline
function oneByFour(query: usize, keys: usize, bytes: usize, out: usize): void {
  let a0 = f32x4.splat(0), a1 = f32x4.splat(0), a2 = f32x4.splat(0), a3 = f32x4.splat(0);
  const key1 = keys + bytes, key2 = key1 + bytes, key3 = key2 + bytes;
  for (let half: usize = 0; half < 32; half += 16) {
    for (let i = half; i < bytes; i += 32) {
      const a = v128.load(query + i);
      a0 = madd(a, v128.load(keys + i), a0);
      a1 = madd(a, v128.load(key1 + i), a1);
      a2 = madd(a, v128.load(key2 + i), a2);
      a3 = madd(a, v128.load(key3 + i), a3);
    }
  }
  v128.store(out, sumOfEach(a0, a1, a2, a3));
}
