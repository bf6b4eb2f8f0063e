/**
 * Two rows of q over a tile of keys and values: each vector of k and v that is loaded serves both, and there are sums enough under way at a
 * time that none waits for the one before it.
 */
import { madd, sumOfEach } from './float-math';
import { KEYS, weighTile } from './tile-weights';

/** Of two rows of q: scores[row][i] = scale * q[row] . k[i]. Past `count`, up to a multiple of 4, they are those of its last key. */
export function scoreTwoRows(q: usize, qStride: usize, dim: i32, k: usize, stride: usize, count: i32, scores: usize, scale: f32): void {
  const bytes = <usize>dim * 4;
  const scales = f32x4.splat(scale);
  for (let i = 0; i < count; i += 4) {
    const k0 = k + <usize>i * stride;
    const k1 = k + <usize>min(i + 1, count - 1) * stride;
    const k2 = k + <usize>min(i + 2, count - 1) * stride;
    const k3 = k + <usize>min(i + 3, count - 1) * stride;
    let a = f32x4.splat(0);
    let b = f32x4.splat(0);
    let c = f32x4.splat(0);
    let d = f32x4.splat(0);
    let e = f32x4.splat(0);
    let f = f32x4.splat(0);
    let g = f32x4.splat(0);
    let h = f32x4.splat(0);
    let at: usize = 0;
    for (; at + 16 <= bytes; at += 16) {
      const one = v128.load(q + at);
      const other = v128.load(q + qStride + at);
      const of0 = v128.load(k0 + at);
      a = madd(of0, one, a);
      e = madd(of0, other, e);
      const of1 = v128.load(k1 + at);
      b = madd(of1, one, b);
      f = madd(of1, other, f);
      const of2 = v128.load(k2 + at);
      c = madd(of2, one, c);
      g = madd(of2, other, g);
      const of3 = v128.load(k3 + at);
      d = madd(of3, one, d);
      h = madd(of3, other, h);
    }
    for (; at < bytes; at += 4) {
      const one = v128.load32_zero(q + at);
      const other = v128.load32_zero(q + qStride + at);
      a = madd(v128.load32_zero(k0 + at), one, a);
      b = madd(v128.load32_zero(k1 + at), one, b);
      c = madd(v128.load32_zero(k2 + at), one, c);
      d = madd(v128.load32_zero(k3 + at), one, d);
      e = madd(v128.load32_zero(k0 + at), other, e);
      f = madd(v128.load32_zero(k1 + at), other, f);
      g = madd(v128.load32_zero(k2 + at), other, g);
      h = madd(v128.load32_zero(k3 + at), other, h);
    }
    const to = scores + <usize>(i * 4);
    v128.store(to, f32x4.mul(sumOfEach(a, b, c, d), scales));
    v128.store(to + <usize>(KEYS * 4), f32x4.mul(sumOfEach(e, f, g, h), scales));
  }
}

/** Adds a tile of keys to two rows. `scores`: f32[2, 64]; `sums`: of each row its best score so far, and the sum of weights. */
export function attendTwoRows(
  scores: usize, count: i32, sums: usize, v: usize, stride: usize, out: usize, outStride: usize, dim: i32,
): void {
  const second = scores + <usize>(KEYS * 4);
  const kept = f32x4.splat(weighTile(scores, count, sums));
  const keptOfSecond = f32x4.splat(weighTile(second, count, sums + 8));
  let at: usize = 0;
  const bytes = <usize>dim * 4;
  for (; at + 64 <= bytes; at += 64) addLine(scores, count, kept, keptOfSecond, v + at, stride, out + at, outStride);
  for (; at + 16 <= bytes; at += 16) {
    const to = out + at;
    let a = f32x4.mul(v128.load(to), kept);
    let b = f32x4.mul(v128.load(to + outStride), keptOfSecond);
    let from = v + at;
    for (let key = scores; key < scores + <usize>(count * 4); key += 4) {
      const value = v128.load(from);
      a = madd(value, v128.load32_splat(key), a);
      b = madd(value, v128.load32_splat(key + <usize>(KEYS * 4)), b);
      from += stride;
    }
    v128.store(to, a);
    v128.store(to + outStride, b);
  }
  for (; at < bytes; at += 4) {
    const to = out + at;
    let a = load<f32>(to) * f32x4.extract_lane(kept, 0);
    let b = load<f32>(to + outStride) * f32x4.extract_lane(keptOfSecond, 0);
    let from = v + at;
    for (let key = scores; key < scores + <usize>(count * 4); key += 4) {
      a += load<f32>(from) * load<f32>(key);
      b += load<f32>(from) * load<f32>(key + <usize>(KEYS * 4));
      from += stride;
    }
    store<f32>(to, a);
    store<f32>(to + outStride, b);
  }
}

/** Sixteen numbers of both rows: out = kept * out + the sum over keys of weights * v. */
function addLine(
  weights: usize, count: i32, kept: v128, keptOfSecond: v128, v: usize, stride: usize, out: usize, outStride: usize,
): void {
  const second = out + outStride;
  let a = f32x4.mul(v128.load(out), kept);
  let b = f32x4.mul(v128.load(out, 16), kept);
  let c = f32x4.mul(v128.load(out, 32), kept);
  let d = f32x4.mul(v128.load(out, 48), kept);
  let e = f32x4.mul(v128.load(second), keptOfSecond);
  let f = f32x4.mul(v128.load(second, 16), keptOfSecond);
  let g = f32x4.mul(v128.load(second, 32), keptOfSecond);
  let h = f32x4.mul(v128.load(second, 48), keptOfSecond);
  let from = v;
  for (let key = weights; key < weights + <usize>(count * 4); key += 4) {
    const one = v128.load32_splat(key);
    const other = v128.load32_splat(key + <usize>(KEYS * 4));
    const v0 = v128.load(from);
    a = madd(v0, one, a);
    e = madd(v0, other, e);
    const v1 = v128.load(from, 16);
    b = madd(v1, one, b);
    f = madd(v1, other, f);
    const v2 = v128.load(from, 32);
    c = madd(v2, one, c);
    g = madd(v2, other, g);
    const v3 = v128.load(from, 48);
    d = madd(v3, one, d);
    h = madd(v3, other, h);
    from += stride;
  }
  v128.store(out, a);
  v128.store(out, b, 16);
  v128.store(out, c, 32);
  v128.store(out, d, 48);
  v128.store(second, e);
  v128.store(second, f, 16);
  v128.store(second, g, 32);
  v128.store(second, h, 48);
}
