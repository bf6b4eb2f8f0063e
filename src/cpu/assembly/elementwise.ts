/** Kernels on single floats: add, and the bias and residual of a linear step; sums with weights; a factor; a bound; exp. */
import { exp4, madd, tanh4 } from './float-math';

/** out[i] = a[i] + b[i]; `out` may be one of the inputs. */
export function addRow(a: usize, b: usize, out: usize, count: i32): void {
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const at = <usize>(i * 4);
    v128.store(out + at, f32x4.add(v128.load(a + at), v128.load(b + at)));
  }
  for (; i < count; i++) {
    const at = <usize>(i * 4);
    store<f32>(out + at, load<f32>(a + at) + load<f32>(b + at));
  }
}

/** y[i] += factor * x[i]. */
export function addScaledRow(x: usize, factor: f32, y: usize, count: i32): void {
  const factors = f32x4.splat(factor);
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const at = <usize>(i * 4);
    v128.store(y + at, madd(v128.load(x + at), factors, v128.load(y + at)));
  }
  for (; i < count; i++) {
    const at = <usize>(i * 4);
    store<f32>(y + at, load<f32>(y + at) + load<f32>(x + at) * factor);
  }
}

/** out[i] = factor * x[i]; `out` may be `x`. */
export function scaleRow(x: usize, factor: f32, out: usize, count: i32): void {
  const factors = f32x4.splat(factor);
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const at = <usize>(i * 4);
    v128.store(out + at, f32x4.mul(v128.load(x + at), factors));
  }
  for (; i < count; i++) store<f32>(out + <usize>(i * 4), load<f32>(x + <usize>(i * 4)) * factor);
}

// @ts-ignore: decorator
@inline
function capped(x: v128, cap: v128): v128 {
  return f32x4.mul(tanh4(f32x4.div(x, cap)), cap);
}

/** out[i] = cap * tanh(x[i] / cap); `out` may be `x`. */
export function softcapRow(x: usize, cap: f32, out: usize, count: i32): void {
  const caps = f32x4.splat(cap);
  let i = 0;
  for (; i + 4 <= count; i += 4) v128.store(out + <usize>(i * 4), capped(v128.load(x + <usize>(i * 4)), caps));
  for (; i < count; i++) {
    store<f32>(out + <usize>(i * 4), f32x4.extract_lane(capped(v128.load32_zero(x + <usize>(i * 4)), caps), 0));
  }
}

/** out[i] = exp(x[i]), within the bounds of exp4; count is a multiple of 4. */
export function expRow(x: usize, out: usize, count: i32): void {
  for (let i: usize = 0; i < <usize>count; i += 4) v128.store(out + i * 4, exp4(v128.load(x + i * 4)));
}
