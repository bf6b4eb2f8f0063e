/** Functions of single floats, by the numbers that graph/ops/activation.ts gives them. */
import { exp4, madd } from './float-math';

const SILU: i32 = 0;
const GELU_TANH: i32 = 1;

/** x * sigmoid(z) * up; z has the sign of x. */
// @ts-ignore: decorator
@inline
function sigmoidTimes(x: v128, z: v128, up: v128): v128 {
  // e^(-|z| / 2): below zero the sigmoid is e^z / (1 + e^z), and half of its exponent before `up` and half after keep in range what
  // the whole would have left.
  const root = exp4(f32x4.mul(f32x4.abs(z), f32x4.splat(-0.5)));
  const part = f32x4.div(x, f32x4.add(f32x4.splat(1.0), f32x4.mul(root, root)));
  const share = v128.bitselect(root, f32x4.splat(1.0), f32x4.lt(z, f32x4.splat(0)));
  return f32x4.mul(f32x4.mul(f32x4.mul(part, share), up), share);
}

/** 2 sqrt(2 / pi) * (x + 0.044715 x^3): the tanh form of GELU is x times its sigmoid. */
// @ts-ignore: decorator
@inline
function geluExponent(x: v128): v128 {
  const slope = madd(f32x4.mul(x, x), f32x4.splat(0.07135481627), f32x4.splat(1.595769122));
  return f32x4.mul(x, slope);
}

/** fn(x) * factor. */
// @ts-ignore: decorator
@inline
function activateTimes(fn: i32, x: v128, factor: v128): v128 {
  switch (fn) {
    case SILU: return sigmoidTimes(x, x, factor);
    case GELU_TANH: return sigmoidTimes(x, geluExponent(x), factor);
    default: unreachable();
  }
  return x;
}

/** out[i] = fn(x[i]) * up[i], or fn(x[i]) where up is 0; `out` may be one of the inputs. */
export function activationRow(fn: i32, x: usize, up: usize, out: usize, count: i32): void {
  const one = f32x4.splat(1.0);
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const at = <usize>(i * 4);
    v128.store(out + at, activateTimes(fn, v128.load(x + at), up ? v128.load(up + at) : one));
  }
  for (; i < count; i++) {
    const at = <usize>(i * 4);
    const value = activateTimes(fn, v128.load32_zero(x + at), up ? v128.load32_zero(up + at) : one);
    store<f32>(out + at, f32x4.extract_lane(value, 0));
  }
}
