/** Functions of single floats, by the numbers that graph/ops/activation.ts gives them. */
import { exp4, madd, tanh4 } from './float-math';

const SILU: i32 = 0;
const GELU_TANH: i32 = 1;
const GELU: i32 = 2;
const IDENTITY: i32 = 3;
export const SIGMOID: i32 = 4;
const QUICK_GELU: i32 = 5;
export const TANH: i32 = 6;
const RELU: i32 = 7;
const LEAKY_FIFTH: i32 = 8;
const LEAKY_TENTH: i32 = 9;
const LEAKY_HUNDREDTH: i32 = 10;

/** x * sigmoid(z) * up. */
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

/**
 * x * Phi(x) * up, Phi being the normal distribution (Hendrycks and Gimpel 2016). Below zero Phi(-t) is e^(-t^2 / 2) times a smooth factor,
 * erfcx(t / sqrt(2)) / 2: a polynomial in (z - 2) / (z + 2) over 1 + z, z = t / sqrt(2), fitted to 4e-8 of it up to z = 14, beyond
 * which nothing is left of the product.
 */
// @ts-ignore: decorator
@inline
function geluTimes(x: v128, up: v128): v128 {
  // Half of the exponent before `up` and half after, as in sigmoidTimes.
  const root = exp4(f32x4.mul(f32x4.mul(x, x), f32x4.splat(-0.25)));
  const z = f32x4.mul(f32x4.min(f32x4.abs(x), f32x4.splat(19.0)), f32x4.splat(0.70710678118));
  const q = f32x4.div(f32x4.sub(z, f32x4.splat(2.0)), f32x4.add(z, f32x4.splat(2.0)));
  let tail = madd(f32x4.splat(-6.219193892e-5), q, f32x4.splat(-2.743444638e-4));
  tail = madd(tail, q, f32x4.splat(9.142819181e-5));
  tail = madd(tail, q, f32x4.splat(1.928027137e-3));
  tail = madd(tail, q, f32x4.splat(-2.712420537e-4));
  tail = madd(tail, q, f32x4.splat(-1.261254773e-2));
  tail = madd(tail, q, f32x4.splat(2.127036452e-2));
  tail = madd(tail, q, f32x4.splat(1.890616491e-2));
  tail = madd(tail, q, f32x4.splat(-1.299875081e-1));
  tail = madd(tail, q, f32x4.splat(3.830935359e-1));
  tail = f32x4.div(tail, f32x4.add(f32x4.splat(1.0), z));
  const isBelow = f32x4.lt(x, f32x4.splat(0));
  const above = f32x4.sub(f32x4.splat(1.0), f32x4.mul(f32x4.mul(root, root), tail));
  const share = v128.bitselect(root, f32x4.splat(1.0), isBelow);
  return f32x4.mul(f32x4.mul(f32x4.mul(f32x4.mul(x, v128.bitselect(tail, above, isBelow)), share), up), share);
}

/** x above 0, and the share of it below, times factor. */
// @ts-ignore: decorator
@inline
function leakyTimes(x: v128, share: f32, factor: v128): v128 {
  const kept = v128.bitselect(f32x4.splat(share), f32x4.splat(1.0), f32x4.lt(x, f32x4.splat(0)));
  return f32x4.mul(f32x4.mul(x, kept), factor);
}

/** fn(x) * factor. */
// @ts-ignore: decorator
@inline
function activateTimes(fn: i32, x: v128, factor: v128): v128 {
  switch (fn) {
    case SILU: return sigmoidTimes(x, x, factor);
    case GELU_TANH: return sigmoidTimes(x, geluExponent(x), factor);
    case GELU: return geluTimes(x, factor);
    case IDENTITY: return f32x4.mul(x, factor);
    case SIGMOID: return sigmoidTimes(f32x4.splat(1.0), x, factor);
    case QUICK_GELU: return sigmoidTimes(x, f32x4.mul(x, f32x4.splat(1.702)), factor);
    case TANH: return f32x4.mul(tanh4(x), factor);
    // NaN is kept: only what is below 0 is taken out.
    case RELU: return f32x4.mul(v128.andnot(x, f32x4.lt(x, f32x4.splat(0))), factor);
    case LEAKY_FIFTH: return leakyTimes(x, 0.2, factor);
    case LEAKY_TENTH: return leakyTimes(x, 0.1, factor);
    case LEAKY_HUNDREDTH: return leakyTimes(x, 0.01, factor);
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

/** fn(min(gate, limit)) * (up within [-limit, limit] + offset). */
// @ts-ignore: decorator
@inline
function clampedTimes(fn: i32, limit: v128, offset: v128, gate: v128, up: v128): v128 {
  const within = f32x4.min(f32x4.max(up, f32x4.neg(limit)), limit);
  return activateTimes(fn, f32x4.min(gate, limit), f32x4.add(within, offset));
}

/** A gate within bounds: out[i] = fn(min(gate[i], limit)) * (up[i] within [-limit, limit] + offset); `out` may be one of the inputs. */
export function clampedGateRow(fn: i32, limit: f32, offset: f32, gate: usize, up: usize, out: usize, count: i32): void {
  const most = f32x4.splat(limit);
  const more = f32x4.splat(offset);
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const at = <usize>(i * 4);
    v128.store(out + at, clampedTimes(fn, most, more, v128.load(gate + at), v128.load(up + at)));
  }
  for (; i < count; i++) {
    const at = <usize>(i * 4);
    const value = clampedTimes(fn, most, more, v128.load32_zero(gate + at), v128.load32_zero(up + at));
    store<f32>(out + at, f32x4.extract_lane(value, 0));
  }
}

/** A function of values, or a gate, within bounds where there is a limit, as an ActivationRecord has them. */
export function gateRow(fn: i32, limit: f32, offset: f32, x: usize, up: usize, out: usize, count: i32): void {
  if (limit != 0) clampedGateRow(fn, limit, offset, x, up, out, count);
  else activationRow(fn, x, up, out, count);
}
