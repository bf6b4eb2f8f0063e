/** Kernels on single floats: add, and the bias and residual of a linear step; exp. */
import { exp4 } from './float-math';

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
