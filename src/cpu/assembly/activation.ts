/** Functions of single floats, by the numbers that graph/ops/activation.ts gives them. */
import { exp4 } from './float-math';

const SILU: i32 = 0;

/** silu(gate) * up. */
// @ts-ignore: decorator
@inline
function siluTimes(gate: v128, up: v128): v128 {
  // e^(-|gate| / 2): below zero silu is gate e^gate / (1 + e^gate), and half of its exponent before `up` and half after keep in
  // range what the whole would have left.
  const root = exp4(f32x4.mul(f32x4.abs(gate), f32x4.splat(-0.5)));
  const part = f32x4.div(gate, f32x4.add(f32x4.splat(1.0), f32x4.mul(root, root)));
  const share = v128.bitselect(root, f32x4.splat(1.0), f32x4.lt(gate, f32x4.splat(0)));
  return f32x4.mul(f32x4.mul(f32x4.mul(part, share), up), share);
}

/** fn(x) * factor. */
// @ts-ignore: decorator
@inline
function activateTimes(fn: i32, x: v128, factor: v128): v128 {
  switch (fn) {
    case SILU: return siluTimes(x, factor);
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
