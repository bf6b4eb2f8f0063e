/** Kernels on single floats: swiglu, add, and the bias and residual of a linear step. */
import { exp4 } from './float-math';

// @ts-ignore: decorator
@inline
function swiglu4(gate: v128, up: v128): v128 {
  const one = f32x4.splat(1.0);
  const silu = f32x4.div(gate, f32x4.add(one, exp4(f32x4.neg(gate))));
  return f32x4.mul(silu, up);
}

/** out[i] = silu(gate[i]) * up[i]; `out` may be one of the inputs. */
export function swigluRow(gate: usize, up: usize, out: usize, count: i32): void {
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const at = <usize>(i * 4);
    v128.store(out + at, swiglu4(v128.load(gate + at), v128.load(up + at)));
  }
  for (; i < count; i++) {
    const at = <usize>(i * 4);
    const value = swiglu4(v128.load32_zero(gate + at), v128.load32_zero(up + at));
    store<f32>(out + at, f32x4.extract_lane(value, 0));
  }
}

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

/** out[i] = exp(x[i]), within the bounds of exp4; count is a multiple of 4. */
export function expRow(x: usize, out: usize, count: i32): void {
  for (let i: usize = 0; i < <usize>count; i += 4) v128.store(out + i * 4, exp4(v128.load(x + i * 4)));
}
