/** Activations rounded to int8, as the kernels for quantised weights take them: the CPU's in blocks of 32 values, the GPU's of 16. */

/** Below this magnitude the inverse of a scale leaves f32's range: all codes of such a block are zero. */
const LEAST_MAGNITUDE = Math.fround(1e-30);

export interface RoundedActivations {
  /** One int8 code per value. */
  readonly codes: Int8Array;
  /** One scale per block; value = scale * code. */
  readonly scales: Float32Array;
}

/**
 * Rounds x, a whole number of blocks, to int8: scale = max|x| / 127, code = x * (127 / max|x|) to the nearest integer, ties to even, every
 * operation rounded to f32. A block with a NaN or an infinity has codes 0 under a NaN or infinite scale.
 */
export function roundActivations(x: ArrayLike<number>, blockSize: number): RoundedActivations {
  const codes = new Int8Array(x.length);
  const scales = new Float32Array(x.length / blockSize);
  for (let block = 0; block < scales.length; block++) {
    const start = block * blockSize;
    const end = start + blockSize;
    let largest = 0;
    for (let i = start; i < end; i++) largest = Math.max(largest, Math.abs(Math.fround(x[i]!)));
    scales[block] = largest / 127;
    const inverse = largest < LEAST_MAGNITUDE ? 0 : Math.fround(127 / largest);
    for (let i = start; i < end; i++) {
      const scaled = Math.fround(Math.fround(x[i]!) * inverse);
      codes[i] = Number.isNaN(scaled) ? 0 : roundTiesToEven(scaled);
    }
  }
  return { codes, scales };
}

/** What the codes of {@link roundActivations} stand for. */
export function roundedValues(x: ArrayLike<number>, blockSize: number): Float64Array {
  const { codes, scales } = roundActivations(x, blockSize);
  return Float64Array.from(codes, (code, i) => code * scales[Math.floor(i / blockSize)]!);
}

function roundTiesToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}
