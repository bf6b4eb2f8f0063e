/** Four rows of f32, f16 or bf16 weights times one row of f32 activations, for any number of columns. */
import { anyHalves, areOrdinary, halfToFloat, highHalves, lowHalves, ordinaryHalves } from './half';
import { sumLanesF32 } from './lanes';
import { BF16, F16, F32 } from './weight-type';

/** One weight as f32; `type` is F32, F16 or BF16. */
// @ts-ignore: decorator
@inline
export function loadFloat(type: i32, at: usize): f32 {
  if (type == F32) return load<f32>(at);
  if (type == F16) return halfToFloat(load<u16>(at));
  return reinterpret<f32>(<u32>load<u16>(at) << 16);
}

/** Lane r: the product of row r (at w0..w3) with x (f32[cols]). */
export function dotF32(w0: usize, w1: usize, w2: usize, w3: usize, x: usize, cols: i32): v128 {
  let a = f32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  const end = x + (<usize>(cols & ~3) << 2);
  while (x < end) {
    const values = v128.load(x);
    a = f32x4.add(a, f32x4.mul(v128.load(w0), values));
    b = f32x4.add(b, f32x4.mul(v128.load(w1), values));
    c = f32x4.add(c, f32x4.mul(v128.load(w2), values));
    d = f32x4.add(d, f32x4.mul(v128.load(w3), values));
    x += 16;
    w0 += 16;
    w1 += 16;
    w2 += 16;
    w3 += 16;
  }
  return addTail(sumLanesF32(a, b, c, d), F32, 4, w0, w1, w2, w3, x, cols & 3);
}

/** As dotF32 for f16 (isBf16 false) or bf16 weights. */
// @ts-ignore: decorator
@inline
function dotHalves(isBf16: bool, w0: usize, w1: usize, w2: usize, w3: usize, x: usize, cols: i32): v128 {
  let a = f32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  const end = x + (<usize>(cols & ~7) << 2);
  while (x < end) {
    const low = v128.load(x);
    const high = v128.load(x, 16);
    a = addHalves(isBf16, a, w0, low, high);
    b = addHalves(isBf16, b, w1, low, high);
    c = addHalves(isBf16, c, w2, low, high);
    d = addHalves(isBf16, d, w3, low, high);
    x += 32;
    w0 += 16;
    w1 += 16;
    w2 += 16;
    w3 += 16;
  }
  return addTail(sumLanesF32(a, b, c, d), isBf16 ? BF16 : F16, 2, w0, w1, w2, w3, x, cols & 7);
}

// @ts-ignore: decorator
@inline
function addHalves(isBf16: bool, sum: v128, w: usize, low: v128, high: v128): v128 {
  const halves = v128.load(w);
  let first = lowHalves(halves);
  let second = highHalves(halves);
  if (!isBf16) {
    if (areOrdinary(halves)) {
      first = ordinaryHalves(first);
      second = ordinaryHalves(second);
    } else {
      first = anyHalves(first);
      second = anyHalves(second);
    }
  }
  return f32x4.add(f32x4.add(sum, f32x4.mul(first, low)), f32x4.mul(second, high));
}

export function dotF16(w0: usize, w1: usize, w2: usize, w3: usize, x: usize, cols: i32): v128 {
  return dotHalves(false, w0, w1, w2, w3, x, cols);
}

export function dotBf16(w0: usize, w1: usize, w2: usize, w3: usize, x: usize, cols: i32): v128 {
  return dotHalves(true, w0, w1, w2, w3, x, cols);
}

// @ts-ignore: decorator
@inline
function addTail(sums: v128, type: i32, bytes: usize, w0: usize, w1: usize, w2: usize, w3: usize, x: usize, count: i32): v128 {
  for (let i = 0; i < count; i++) {
    let column = f32x4.splat(loadFloat(type, w0));
    column = f32x4.replace_lane(column, 1, loadFloat(type, w1));
    column = f32x4.replace_lane(column, 2, loadFloat(type, w2));
    column = f32x4.replace_lane(column, 3, loadFloat(type, w3));
    sums = f32x4.add(sums, f32x4.mul(column, v128.load32_splat(x)));
    x += 4;
    w0 += bytes;
    w1 += bytes;
    w2 += bytes;
    w3 += bytes;
  }
  return sums;
}
