/**
 * Scores and sums of values straight from f16 pages, for few query vectors, as attention-scores.ts and attention-values.ts make of floats.
 * Widths are multiples of 8. Halves are read as 2^-112 of their values, which saves a multiplication each: queries are made
 * QUERY_FACTOR times as large before, and weights WEIGHT_FACTOR times, so that products which matter are no subnormals.
 */
import { SCORE_STRIDE } from './attention-scores';
import { madd, sumOfEach } from './float-math';
import { highOfPairs, lowOfPairs } from './kv-element';

/** 2^40. */
export const QUERY_FACTOR: f32 = 1099511627776.0;
/** 2^112 / 2^40, of scores. */
const SCORE_FACTOR: f32 = 4722366482869645213696.0;
/** 2^56. */
export const WEIGHT_FACTOR: f32 = 72057594037927936.0;
/** 2^112 / 2^56, of sums: the same. */
export const SUM_FACTOR: f32 = WEIGHT_FACTOR;

/** `queries` f32[count, width], `keys` f16[tile, width]; fills scores of `tile` keys, rounded up to a multiple of 4. */
export function scoreHalves(queries: usize, count: i32, keys: usize, tile: i32, width: i32, scores: usize): void {
  const queryBytes = <usize>(width * 4);
  const keyBytes = <usize>(width * 2);
  let query = 0;
  for (; query + 2 <= count; query += 2) {
    const at = queries + <usize>query * queryBytes;
    const out = scores + <usize>query * SCORE_STRIDE;
    for (let key = 0; key < tile; key += 4) {
      twoByFour(at, at + queryBytes, keys + <usize>key * keyBytes, keyBytes, out + <usize>(key * 4));
    }
  }
  if (query == count) return;
  const at = queries + <usize>query * queryBytes;
  const out = scores + <usize>query * SCORE_STRIDE;
  for (let key = 0; key < tile; key += 4) oneByFour(at, keys + <usize>key * keyBytes, keyBytes, out + <usize>(key * 4));
}

/** In two rounds, since both halves of a pair and what they are multiplied with do not fit the registers together. */
// @ts-ignore: decorator
@inline
function twoByFour(queryA: usize, queryB: usize, keys: usize, keyBytes: usize, out: usize): void {
  let a0 = f32x4.splat(0), a1 = f32x4.splat(0), a2 = f32x4.splat(0), a3 = f32x4.splat(0);
  let b0 = f32x4.splat(0), b1 = f32x4.splat(0), b2 = f32x4.splat(0), b3 = f32x4.splat(0);
  const key1 = keys + keyBytes, key2 = key1 + keyBytes, key3 = key2 + keyBytes;
  for (let i: usize = 0; i < keyBytes; i += 16) {
    const a = v128.load(queryA + i * 2), b = v128.load(queryB + i * 2);
    const k0 = lowOfPairs(v128.load(keys + i));
    a0 = madd(a, k0, a0);
    b0 = madd(b, k0, b0);
    const k1 = lowOfPairs(v128.load(key1 + i));
    a1 = madd(a, k1, a1);
    b1 = madd(b, k1, b1);
    const k2 = lowOfPairs(v128.load(key2 + i));
    a2 = madd(a, k2, a2);
    b2 = madd(b, k2, b2);
    const k3 = lowOfPairs(v128.load(key3 + i));
    a3 = madd(a, k3, a3);
    b3 = madd(b, k3, b3);
  }
  for (let i: usize = 0; i < keyBytes; i += 16) {
    const a = v128.load(queryA + i * 2, 16), b = v128.load(queryB + i * 2, 16);
    const k0 = highOfPairs(v128.load(keys + i));
    a0 = madd(a, k0, a0);
    b0 = madd(b, k0, b0);
    const k1 = highOfPairs(v128.load(key1 + i));
    a1 = madd(a, k1, a1);
    b1 = madd(b, k1, b1);
    const k2 = highOfPairs(v128.load(key2 + i));
    a2 = madd(a, k2, a2);
    b2 = madd(b, k2, b2);
    const k3 = highOfPairs(v128.load(key3 + i));
    a3 = madd(a, k3, a3);
    b3 = madd(b, k3, b3);
  }
  const rest = f32x4.splat(SCORE_FACTOR);
  v128.store(out, f32x4.mul(sumOfEach(a0, a1, a2, a3), rest));
  v128.store(out + SCORE_STRIDE, f32x4.mul(sumOfEach(b0, b1, b2, b3), rest));
}

// @ts-ignore: decorator
@inline
function oneByFour(query: usize, keys: usize, keyBytes: usize, out: usize): void {
  let a0 = f32x4.splat(0), a1 = f32x4.splat(0), a2 = f32x4.splat(0), a3 = f32x4.splat(0);
  const key1 = keys + keyBytes, key2 = key1 + keyBytes, key3 = key2 + keyBytes;
  for (let i: usize = 0; i < keyBytes; i += 16) {
    const a = v128.load(query + i * 2);
    a0 = madd(a, lowOfPairs(v128.load(keys + i)), a0);
    a1 = madd(a, lowOfPairs(v128.load(key1 + i)), a1);
    a2 = madd(a, lowOfPairs(v128.load(key2 + i)), a2);
    a3 = madd(a, lowOfPairs(v128.load(key3 + i)), a3);
  }
  for (let i: usize = 0; i < keyBytes; i += 16) {
    const a = v128.load(query + i * 2, 16);
    a0 = madd(a, highOfPairs(v128.load(keys + i)), a0);
    a1 = madd(a, highOfPairs(v128.load(key1 + i)), a1);
    a2 = madd(a, highOfPairs(v128.load(key2 + i)), a2);
    a3 = madd(a, highOfPairs(v128.load(key3 + i)), a3);
  }
  v128.store(out, f32x4.mul(sumOfEach(a0, a1, a2, a3), f32x4.splat(SCORE_FACTOR)));
}

/** Adds values f16[tile, width] times `weights` f32[count, SCORE_STRIDE] to `sums` f32[count, width]. */
export function addHalves(weights: usize, count: i32, values: usize, tile: i32, width: i32, sums: usize): void {
  const sumBytes = <usize>(width * 4);
  const valueBytes = <usize>(width * 2);
  let query = 0;
  for (; query + 2 <= count; query += 2) {
    const at = weights + <usize>query * SCORE_STRIDE;
    const out = sums + <usize>query * sumBytes;
    let i: usize = 0;
    for (; i + 32 <= valueBytes; i += 32) twoBySixteen(at, values + i, tile, valueBytes, out + i * 2, sumBytes);
    if (i == valueBytes) continue;
    oneByEight(at, values + i, tile, valueBytes, out + i * 2);
    oneByEight(at + SCORE_STRIDE, values + i, tile, valueBytes, out + i * 2 + sumBytes);
  }
  if (query == count) return;
  const at = weights + <usize>query * SCORE_STRIDE;
  const out = sums + <usize>query * sumBytes;
  for (let i: usize = 0; i < valueBytes; i += 16) oneByEight(at, values + i, tile, valueBytes, out + i * 2);
}

// @ts-ignore: decorator
@inline
function twoBySixteen(weights: usize, value: usize, tile: i32, valueBytes: usize, outA: usize, sumBytes: usize): void {
  const outB = outA + sumBytes;
  let a0 = v128.load(outA), a1 = v128.load(outA, 16), a2 = v128.load(outA, 32), a3 = v128.load(outA, 48);
  let b0 = v128.load(outB), b1 = v128.load(outB, 16), b2 = v128.load(outB, 32), b3 = v128.load(outB, 48);
  for (let key = 0; key < tile; key++) {
    const a = v128.load32_splat(weights + <usize>(key * 4));
    const b = v128.load32_splat(weights + <usize>(key * 4), SCORE_STRIDE);
    const first = v128.load(value);
    const v0 = lowOfPairs(first);
    a0 = madd(a, v0, a0);
    b0 = madd(b, v0, b0);
    const v1 = highOfPairs(first);
    a1 = madd(a, v1, a1);
    b1 = madd(b, v1, b1);
    const second = v128.load(value, 16);
    const v2 = lowOfPairs(second);
    a2 = madd(a, v2, a2);
    b2 = madd(b, v2, b2);
    const v3 = highOfPairs(second);
    a3 = madd(a, v3, a3);
    b3 = madd(b, v3, b3);
    value += valueBytes;
  }
  v128.store(outA, a0);
  v128.store(outA, a1, 16);
  v128.store(outA, a2, 32);
  v128.store(outA, a3, 48);
  v128.store(outB, b0);
  v128.store(outB, b1, 16);
  v128.store(outB, b2, 32);
  v128.store(outB, b3, 48);
}

// @ts-ignore: decorator
@inline
function oneByEight(weights: usize, value: usize, tile: i32, valueBytes: usize, out: usize): void {
  let a0 = v128.load(out), a1 = v128.load(out, 16);
  for (let key = 0; key < tile; key++) {
    const a = v128.load32_splat(weights + <usize>(key * 4));
    const pairs = v128.load(value);
    a0 = madd(a, lowOfPairs(pairs), a0);
    a1 = madd(a, highOfPairs(pairs), a1);
    value += valueBytes;
  }
  v128.store(out, a0);
  v128.store(out, a1, 16);
}
