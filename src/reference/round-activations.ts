/** The rounding of activations to int8, as the kernels for quantised weights do it. */

/**
 * Rounds x to int8 codes with one scale for `blockSize` values, and back: d = max|x| / 127 in f32, code = nearest(x / d), ties to even.
 * What the kernels for quantised weights do with their activations: the CPU's in blocks of 32, the GPU's of 16. `cols` bounds the blocks of a row.
 */
export function roundActivations(x: Float64Array, cols: number, blockSize = 32): Float64Array {
  const y = new Float64Array(x.length);
  for (let row = 0; row < x.length; row += cols) {
    for (let block = row; block < row + cols; block += blockSize) {
      const end = Math.min(block + blockSize, row + cols);
      let largest = 0;
      for (let i = block; i < end; i++) largest = Math.max(largest, Math.abs(Math.fround(x[i]!)));
      const scale = Math.fround(largest / 127);
      // Below this the inverse leaves f32's range: such a block counts as zeros.
      const inverse = largest < 1e-30 ? 0 : Math.fround(127 / largest);
      for (let i = block; i < end; i++) y[i] = roundToEven(Math.fround(Math.fround(x[i]!) * inverse)) * scale;
    }
  }
  return y;
}

function roundToEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}
