/** Four rows of f32, f16 or bf16 weights times one row of f32 activations, for any number of columns. */
import { exponentMarks, halfToFloat, halvesToFloats, highHalves, lowHalves, ordinaryHalves } from './half';
import { sumLanesF32 } from './lanes';
import { rebias, signedHalfMask } from './opaque';
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

/** As dotF32 for bf16 weights, whose bits are the upper half of an f32's. */
export function dotBf16(w0: usize, w1: usize, w2: usize, w3: usize, x: usize, cols: i32): v128 {
  let a = f32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  const end = x + (<usize>(cols & ~7) << 2);
  while (x < end) {
    const low = v128.load(x);
    const high = v128.load(x, 16);
    a = addBf16(a, w0, low, high);
    b = addBf16(b, w1, low, high);
    c = addBf16(c, w2, low, high);
    d = addBf16(d, w3, low, high);
    x += 32;
    w0 += 16;
    w1 += 16;
    w2 += 16;
    w3 += 16;
  }
  return addTail(sumLanesF32(a, b, c, d), BF16, 2, w0, w1, w2, w3, x, cols & 7);
}

// @ts-ignore: decorator
@inline
function addBf16(sum: v128, w: usize, low: v128, high: v128): v128 {
  const halves = v128.load(w);
  return f32x4.add(f32x4.add(sum, f32x4.mul(lowHalves(halves), low)), f32x4.mul(highHalves(halves), high));
}

/** As dotF32 for f16 weights. */
export function dotF16(w0: usize, w1: usize, w2: usize, w3: usize, x: usize, cols: i32): v128 {
  const whole = cols & ~31;
  const sums = sumLanesF32(wholeF16(w0, x, whole), wholeF16(w1, x, whole), wholeF16(w2, x, whole), wholeF16(w3, x, whole));
  const skip = <usize>whole << 1;
  return addTail(sums, F16, 2, w0 + skip, w1 + skip, w2 + skip, w3 + skip, x + 2 * skip, cols & 31);
}

/** Four partial sums over cols (a multiple of 32) of one f16 row. Subnormals are rare: one branch for 32 values. */
function wholeF16(w: usize, x: usize, cols: i32): v128 {
  const mask = signedHalfMask();
  const bias = rebias();
  let a = f32x4.splat(0);
  let b = a;
  const end = x + (<usize>cols << 2);
  for (; x < end; x += 128, w += 64) {
    const marks = i16x8.min_u(
      i16x8.min_u(exponentMarks(v128.load(w)), exponentMarks(v128.load(w, 16))),
      i16x8.min_u(exponentMarks(v128.load(w, 32)), exponentMarks(v128.load(w, 48))));
    if (i16x8.all_true(marks)) {
      a = addOrdinary(a, w, x, mask, bias);
      b = addOrdinary(b, w + 8, x + 16, mask, bias);
      a = addOrdinary(a, w + 16, x + 32, mask, bias);
      b = addOrdinary(b, w + 24, x + 48, mask, bias);
      a = addOrdinary(a, w + 32, x + 64, mask, bias);
      b = addOrdinary(b, w + 40, x + 80, mask, bias);
      a = addOrdinary(a, w + 48, x + 96, mask, bias);
      b = addOrdinary(b, w + 56, x + 112, mask, bias);
    } else {
      for (let i: usize = 0; i < 4; i++) {
        const halves = v128.load(w + (i << 4));
        a = f32x4.add(a, f32x4.mul(halvesToFloats(lowHalves(halves)), v128.load(x + (i << 5))));
        b = f32x4.add(b, f32x4.mul(halvesToFloats(highHalves(halves)), v128.load(x + (i << 5), 16)));
      }
    }
  }
  return f32x4.add(a, b);
}

// @ts-ignore: decorator
@inline
function addOrdinary(sum: v128, w: usize, x: usize, mask: v128, bias: v128): v128 {
  return f32x4.add(sum, f32x4.mul(ordinaryHalves(v128.load16x4_s(w), mask, bias), v128.load(x)));
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
