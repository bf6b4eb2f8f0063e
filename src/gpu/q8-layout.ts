/**
 * Activations rounded to int8, in blocks of 16 consecutive values of a row: code = round(x / scale) with ties to even,
 * scale = max|x| / 127 (a block whose maximum is below 1e-30 counts as zeros: scale 0). Two buffers for `width` values a row
 * (width a multiple of 32):
 * - `codes`: array<vec4<u32>>, four int8 a word, lowest byte first; block b of row r is element r * width / 16 + b.
 * - `stats`: array<vec2<f32>>, three planes a row of width / 32 elements each, one component per block:
 *   scales at (3 r + 0) * width / 32, sums at (3 r + 1) * width / 32 (scale times the sum of the block's codes), and at
 *   (3 r + 2) * width / 32 each block's share of the RMS norm.
 *
 * A value of dtype `q8n` is the input of an RMS norm times the gain, not yet divided: the shares of its row add up to
 * mean(x^2) + eps, x being the value before the gain, so share = (sum of x^2 of the block) / n + eps * 16 / n. Its reader multiplies
 * its result by inverseSqrt(sum of shares). In a plain `q8` value the shares are unwritten.
 */

/** Values under one scale. */
export const Q8_BLOCK = 16;

export function q8CodeBytes(rows: number, width: number): number {
  return rows * width;
}

export function q8StatBytes(rows: number, width: number): number {
  return rows * 3 * (width / 32) * 8;
}
