/** Root mean square norm (Zhang and Sennrich 2019) and layer norm (Ba et al. 2016) of one vector. */
import { addRow, scaleRow } from './elementwise';
import { madd, sumLanes } from './float-math';

/** Brings any finite f32 where sums of squares neither overflow nor, for values whose squares did, vanish. */
export const DOWN: f32 = 8.271806125530277e-25; // 2^-80

/** out[i] = gain[i] * x[i] / sqrt(mean(x^2) + eps), gain 0 being none; `out` may be `x`. All NaN where x holds NaN or infinity. */
export function rmsNormVector(x: usize, gain: usize, eps: f32, out: usize, count: i32): void {
  const squares = sumOfSquares(x, count);
  if (squares < Infinity) {
    scaleByGain(x, gain, <f32>1.0 / sqrt<f32>(squares / <f32>count + eps), out, count);
    return;
  }
  // Squares of values from about 1e17 on overflow together: the mean of scaled ones, beside which eps is nothing.
  scaleRow(x, DOWN, out, count);
  const scaled = sumOfSquares(out, count);
  scaleByGain(out, gain, scaled < Infinity ? <f32>1.0 / sqrt<f32>(scaled / <f32>count) : NaN, out, count);
}

/**
 * out[i] = gain[i] * (x[i] - mean(x)) / sqrt(variance(x) + eps) + bias[i], bias 0 being none; `out` may be `x`. All NaN where x holds NaN
 * or infinity.
 */
export function layerNormVector(x: usize, gain: usize, bias: usize, eps: f32, out: usize, count: i32): void {
  const isHuge = !(sumOfSquares(x, count) < Infinity);
  // As above; what stands for eps keeps a row of equal values at 0.
  if (isHuge) scaleRow(x, DOWN, out, count);
  const variance = centre(isHuge ? out : x, out, count);
  scaleByGain(out, gain, <f32>1.0 / sqrt<f32>(variance + (isHuge ? <f32>1e-30 : eps)), out, count);
  if (bias) addRow(out, bias, out, count);
}

/** out[i] = x[i] - mean(x); returns their mean square. What rounding leaves of a mean is taken off in a second round. */
function centre(x: usize, out: usize, count: i32): f32 {
  addToEach(x, -sumOf(x, count) / <f32>count, out, count);
  addToEach(out, -sumOf(out, count) / <f32>count, out, count);
  return sumOfSquares(out, count) / <f32>count;
}

export function sumOf(x: usize, count: i32): f32 {
  let sums = f32x4.splat(0);
  let i = 0;
  for (; i + 4 <= count; i += 4) sums = f32x4.add(sums, v128.load(x + <usize>(i * 4)));
  let sum = sumLanes(sums);
  for (; i < count; i++) sum += load<f32>(x + <usize>(i * 4));
  return sum;
}

function addToEach(x: usize, term: f32, out: usize, count: i32): void {
  const terms = f32x4.splat(term);
  let i = 0;
  for (; i + 4 <= count; i += 4) v128.store(out + <usize>(i * 4), f32x4.add(v128.load(x + <usize>(i * 4)), terms));
  for (; i < count; i++) store<f32>(out + <usize>(i * 4), load<f32>(x + <usize>(i * 4)) + term);
}

function sumOfSquares(x: usize, count: i32): f32 {
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
  return sum;
}

function scaleByGain(x: usize, gain: usize, scale: f32, out: usize, count: i32): void {
  if (!gain) {
    scaleRow(x, scale, out, count);
    return;
  }
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
