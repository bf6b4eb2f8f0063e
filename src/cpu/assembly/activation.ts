/** Functions of single floats, by the numbers that graph/ops/activation.ts gives them. */
import { exp4 } from './float-math';

const SILU: i32 = 0;

// @ts-ignore: decorator
@inline
function silu4(x: v128): v128 {
  return f32x4.div(x, f32x4.add(f32x4.splat(1.0), exp4(f32x4.neg(x))));
}

// @ts-ignore: decorator
@inline
function activate4(fn: i32, x: v128): v128 {
  switch (fn) {
    case SILU: return silu4(x);
    default: unreachable();
  }
  return x;
}

/** out[i] = fn(x[i]) * up[i], or fn(x[i]) where up is 0; `out` may be one of the inputs. */
export function activationRow(fn: i32, x: usize, up: usize, out: usize, count: i32): void {
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const at = <usize>(i * 4);
    const y = activate4(fn, v128.load(x + at));
    v128.store(out + at, up ? f32x4.mul(y, v128.load(up + at)) : y);
  }
  for (; i < count; i++) {
    const at = <usize>(i * 4);
    const y = f32x4.extract_lane(activate4(fn, v128.load32_zero(x + at)), 0);
    store<f32>(out + at, up ? y * load<f32>(up + at) : y);
  }
}
