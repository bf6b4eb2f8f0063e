/** Eight rows of Q4_K (`packed-rows.ts`) times one row of activations. value = d * scale * nibble - dmin * minimum. */
import { nibbles, widen } from './dot-int8';
import { halvesToFloats, highHalves, lowHalves } from './half';
import { highPairs, lowPairs } from './lanes';
import { nibbleMask, ones } from './opaque';
import { ACTIVATION_BLOCK } from './quantize';

/** Bytes of unpacked scales of a super-block of eight rows; its minimums have as many. */
const SCALES: usize = 64;
/** Of 32 columns of eight rows. */
const NIBBLES: usize = 128;

/** out f32[8] = products of the group at w with the activation blocks [x, xEnd). `spill` holds 192 bytes, 16-byte aligned. */
export function dotQ4_K(w: usize, x: usize, xEnd: usize, out: usize, spill: usize): void {
  let low = f32x4.splat(0);
  let high = f32x4.splat(0);
  const mask = nibbleMask();
  const one = ones();
  while (x < xEnd) {
    unpackScales(w, spill);
    storeFactors(w, spill + 128);
    w += NIBBLES;
    const end = spill + SCALES;
    for (let at = spill; at < end; at += 8, w += NIBBLES, x += ACTIVATION_BLOCK) {
      let columns = v128.load32_splat(x, 16);
      let more = v128.load32_splat(x, 32);
      let a = nibbles(v128.load(w, 0), columns, more, mask);
      let b = nibbles(v128.load(w, 16), columns, more, mask);
      columns = v128.load32_splat(x, 20);
      more = v128.load32_splat(x, 36);
      a = i16x8.add(a, nibbles(v128.load(w, 32), columns, more, mask));
      b = i16x8.add(b, nibbles(v128.load(w, 48), columns, more, mask));
      columns = v128.load32_splat(x, 24);
      more = v128.load32_splat(x, 40);
      a = i16x8.add(a, nibbles(v128.load(w, 64), columns, more, mask));
      b = i16x8.add(b, nibbles(v128.load(w, 80), columns, more, mask));
      columns = v128.load32_splat(x, 28);
      more = v128.load32_splat(x, 44);
      a = i16x8.add(a, nibbles(v128.load(w, 96), columns, more, mask));
      b = i16x8.add(b, nibbles(v128.load(w, 112), columns, more, mask));
      const scales = v128.load8x8_u(at);
      const minimums = v128.load8x8_u(at, SCALES);
      const lowSums = i32x4.dot_i16x8_s(a, lowPairs(scales));
      const highSums = i32x4.dot_i16x8_s(b, highPairs(scales));
      low = addGroup(low, lowSums, v128.load(end, 64), i32x4.extend_low_i16x8_u(minimums), v128.load(end, 96), x);
      high = addGroup(high, highSums, v128.load(end, 80), i32x4.extend_high_i16x8_u(minimums), v128.load(end, 112), x);
    }
  }
  v128.store(out, low);
  v128.store(out, high, 16);
}

/** total + (sums * d - minimum * 8 S * dmin / 8) * d(x); each of the two products has one rounding. d(x), which may be huge, comes last. */
// @ts-ignore: decorator
@inline
function addGroup(total: v128, sums: v128, d: v128, minimum: v128, dmin: v128, x: usize): v128 {
  const product = f32x4.mul(f32x4.convert_i32x4_s(sums), d);
  const offset = f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(minimum), v128.load32_splat(x, 4)), dmin);
  return f32x4.add(total, f32x4.mul(f32x4.sub(product, offset), v128.load32_splat(x)));
}

/** d and dmin / 8 of eight rows, as f32[4] each: d of rows 0 to 3 and 4 to 7, then dmin / 8. */
export function storeFactors(w: usize, to: usize): void {
  const d = v128.load(w);
  const dmin = v128.load(w, 16);
  const eighth = f32x4.splat(0.125);
  v128.store(to, halvesToFloats(lowHalves(d)));
  v128.store(to, halvesToFloats(highHalves(d)), 16);
  v128.store(to, f32x4.mul(halvesToFloats(lowHalves(dmin)), eighth), 32);
  v128.store(to, f32x4.mul(halvesToFloats(highHalves(dmin)), eighth), 48);
}

/** Scales u8[8 groups, 8 rows], and minimums behind them, of the super-block at w. */
export function unpackScales(w: usize, to: usize): void {
  const six = i8x16.splat(63);
  const four = i8x16.splat(15);
  const two = i8x16.splat(0x30);
  for (let pair: usize = 0; pair < 32; pair += 16) {
    // Two groups of the first four, and of the other four.
    const a = v128.load(w + pair, 32);
    const b = v128.load(w + pair, 64);
    const c = v128.load(w + pair, 96);
    v128.store(to + pair, v128.and(a, six));
    v128.store(to + pair, v128.or(v128.and(c, four), v128.and(i16x8.shr_u(a, 2), two)), 32);
    v128.store(to + pair, v128.and(b, six), 64);
    v128.store(to + pair, v128.or(v128.and(i16x8.shr_u(c, 4), four), v128.and(i16x8.shr_u(b, 2), two)), 96);
  }
}
