/**
 * Adds probability-weighted values of one tile to the running sums of query vectors.
 * `weights` f32[count, SCORE_STRIDE / 4]; `values` f32[tile, width]; `sums` f32[count, width].
 */
import { SCORE_STRIDE } from './attention-scores';
import { madd } from './float-math';

export function addValues(weights: usize, count: i32, values: usize, tile: i32, width: i32, sums: usize): void {
  const sumBytes = <usize>(width * 4);
  let query = 0;
  for (; query + 2 <= count; query += 2) {
    const at = weights + <usize>query * SCORE_STRIDE;
    const out = sums + <usize>query * sumBytes;
    let i = 0;
    for (; i + 16 <= width; i += 16) twoBySixteen(at, values, tile, width, i, out, sumBytes);
    for (; i < width; i += 4) {
      oneByFour(at, values, tile, width, i, out);
      oneByFour(at + SCORE_STRIDE, values, tile, width, i, out + sumBytes);
    }
  }
  if (query == count) return;
  const at = weights + <usize>query * SCORE_STRIDE;
  const out = sums + <usize>query * sumBytes;
  let i = 0;
  for (; i + 16 <= width; i += 16) oneBySixteen(at, values, tile, width, i, out);
  for (; i < width; i += 4) oneByFour(at, values, tile, width, i, out);
}

// @ts-ignore: decorator
@inline
function twoBySixteen(weights: usize, values: usize, tile: i32, width: i32, first: i32, sums: usize, sumBytes: usize): void {
  const outA = sums + <usize>(first * 4);
  const outB = outA + sumBytes;
  let a0 = v128.load(outA), a1 = v128.load(outA, 16), a2 = v128.load(outA, 32), a3 = v128.load(outA, 48);
  let b0 = v128.load(outB), b1 = v128.load(outB, 16), b2 = v128.load(outB, 32), b3 = v128.load(outB, 48);
  let value = values + <usize>(first * 4);
  for (let key = 0; key < tile; key++) {
    const a = v128.load32_splat(weights + <usize>(key * 4));
    const b = v128.load32_splat(weights + SCORE_STRIDE + <usize>(key * 4));
    const v0 = v128.load(value);
    a0 = madd(a, v0, a0);
    b0 = madd(b, v0, b0);
    const v1 = v128.load(value, 16);
    a1 = madd(a, v1, a1);
    b1 = madd(b, v1, b1);
    const v2 = v128.load(value, 32);
    a2 = madd(a, v2, a2);
    b2 = madd(b, v2, b2);
    const v3 = v128.load(value, 48);
    a3 = madd(a, v3, a3);
    b3 = madd(b, v3, b3);
    value += <usize>(width * 4);
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
function oneBySixteen(weights: usize, values: usize, tile: i32, width: i32, first: i32, sums: usize): void {
  const out = sums + <usize>(first * 4);
  let a0 = v128.load(out), a1 = v128.load(out, 16), a2 = v128.load(out, 32), a3 = v128.load(out, 48);
  let value = values + <usize>(first * 4);
  for (let key = 0; key < tile; key++) {
    const a = v128.load32_splat(weights + <usize>(key * 4));
    a0 = madd(a, v128.load(value), a0);
    a1 = madd(a, v128.load(value, 16), a1);
    a2 = madd(a, v128.load(value, 32), a2);
    a3 = madd(a, v128.load(value, 48), a3);
    value += <usize>(width * 4);
  }
  v128.store(out, a0);
  v128.store(out, a1, 16);
  v128.store(out, a2, 32);
  v128.store(out, a3, 48);
}

// @ts-ignore: decorator
@inline
function oneByFour(weights: usize, values: usize, tile: i32, width: i32, first: i32, sums: usize): void {
  const out = sums + <usize>(first * 4);
  let a = v128.load(out);
  let value = values + <usize>(first * 4);
  for (let key = 0; key < tile; key++) {
    a = madd(v128.load32_splat(weights + <usize>(key * 4)), v128.load(value), a);
    value += <usize>(width * 4);
  }
  v128.store(out, a);
}
