/**
 * Scores of query vectors against the keys of one tile. Vectors are padded with zeros to a multiple of 4.
 * `queries` [count, width] f32; `keys` [tile, width] of T; `scores` [count, SCORE_STRIDE] f32.
 */
import { madd, sumOfEach } from './float-math';
import { loadElements } from './kv-element';

/** Most keys of one tile. */
export const TILE_KEYS: i32 = 32;
/** Bytes between the scores of two query vectors. */
export const SCORE_STRIDE: usize = 128;

/** Fills scores of `tile` keys, rounded up to a multiple of 4; what it reads past the last key is garbage for the caller to mask. */
export function tileScores<T>(queries: usize, count: i32, keys: usize, tile: i32, width: i32, scores: usize): void {
  const queryBytes = <usize>(width * 4);
  const keyBytes = <usize>width * sizeof<T>();
  let query = 0;
  for (; query + 2 <= count; query += 2) {
    const at = queries + <usize>query * queryBytes;
    const out = scores + <usize>query * SCORE_STRIDE;
    for (let key = 0; key < tile; key += 4) {
      twoByFour<T>(at, at + queryBytes, keys + <usize>key * keyBytes, keyBytes, width, out + <usize>(key * 4));
    }
  }
  if (query == count) return;
  const at = queries + <usize>query * queryBytes;
  const out = scores + <usize>query * SCORE_STRIDE;
  for (let key = 0; key < tile; key += 4) {
    oneByFour<T>(at, keys + <usize>key * keyBytes, keyBytes, width, out + <usize>(key * 4));
  }
}

// @ts-ignore: decorator
@inline
function twoByFour<T>(queryA: usize, queryB: usize, keys: usize, keyBytes: usize, width: i32, out: usize): void {
  let a0 = f32x4.splat(0), a1 = f32x4.splat(0), a2 = f32x4.splat(0), a3 = f32x4.splat(0);
  let b0 = f32x4.splat(0), b1 = f32x4.splat(0), b2 = f32x4.splat(0), b3 = f32x4.splat(0);
  const key1 = keys + keyBytes, key2 = key1 + keyBytes, key3 = key2 + keyBytes;
  for (let i: usize = 0; i < <usize>width; i += 4) {
    const a = v128.load(queryA + i * 4);
    const b = v128.load(queryB + i * 4);
    const k0 = loadElements<T>(keys + i * sizeof<T>());
    a0 = madd(a, k0, a0);
    b0 = madd(b, k0, b0);
    const k1 = loadElements<T>(key1 + i * sizeof<T>());
    a1 = madd(a, k1, a1);
    b1 = madd(b, k1, b1);
    const k2 = loadElements<T>(key2 + i * sizeof<T>());
    a2 = madd(a, k2, a2);
    b2 = madd(b, k2, b2);
    const k3 = loadElements<T>(key3 + i * sizeof<T>());
    a3 = madd(a, k3, a3);
    b3 = madd(b, k3, b3);
  }
  v128.store(out, sumOfEach(a0, a1, a2, a3));
  v128.store(out + SCORE_STRIDE, sumOfEach(b0, b1, b2, b3));
}

// @ts-ignore: decorator
@inline
function oneByFour<T>(query: usize, keys: usize, keyBytes: usize, width: i32, out: usize): void {
  let a0 = f32x4.splat(0), a1 = f32x4.splat(0), a2 = f32x4.splat(0), a3 = f32x4.splat(0);
  const key1 = keys + keyBytes, key2 = key1 + keyBytes, key3 = key2 + keyBytes;
  for (let i: usize = 0; i < <usize>width; i += 4) {
    const a = v128.load(query + i * 4);
    a0 = madd(a, loadElements<T>(keys + i * sizeof<T>()), a0);
    a1 = madd(a, loadElements<T>(key1 + i * sizeof<T>()), a1);
    a2 = madd(a, loadElements<T>(key2 + i * sizeof<T>()), a2);
    a3 = madd(a, loadElements<T>(key3 + i * sizeof<T>()), a3);
  }
  v128.store(out, sumOfEach(a0, a1, a2, a3));
}
