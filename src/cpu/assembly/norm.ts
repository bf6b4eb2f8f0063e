/** Root mean square norm (Zhang and Sennrich 2019) of one vector. */
import { madd, sumLanes } from './float-math';

/** out[i] = gain[i] * x[i] / sqrt(mean(x^2) + eps); `out` may be `x`. */
export function rmsNormVector(x: usize, gain: usize, eps: f32, out: usize, count: i32): void {
  let sum0 = f32x4.splat(0);
  let sum1 = f32x4.splat(0);
  let i = 0;
  for (; i + 8 <= count; i += 8) {
    const at = x + <usize>(i * 4);
    const a = v128.load(at);
    const b = v128.load(at, 16);
    sum0 = madd(a, a, sum0);
    sum1 = madd(b, b, sum1);
  }
  let sum = sumLanes(f32x4.add(sum0, sum1));
  for (; i < count; i++) {
    const value = load<f32>(x + <usize>(i * 4));
    sum += value * value;
  }
  const scale: f32 = <f32>1.0 / sqrt<f32>(sum / <f32>count + eps);
  scaleByGain(x, gain, scale, out, count);
}

function scaleByGain(x: usize, gain: usize, scale: f32, out: usize, count: i32): void {
  const scales = f32x4.splat(scale);
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const at = <usize>(i * 4);
    v128.store(out + at, f32x4.mul(f32x4.mul(v128.load(x + at), scales), v128.load(gain + at)));
  }
  for (; i < count; i++) {
    const at = <usize>(i * 4);
    store<f32>(out + at, load<f32>(x + at) * scale * load<f32>(gain + at));
  }
}
