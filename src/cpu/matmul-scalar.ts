/**
 * The scalar twins of the matmul kernels: float64 loops over decoded weights, with activations rounded as the kernels
 * round them. Slow and obvious; kernel tests compare with them.
 */
import { decodeRows } from '../tensor/codec/decode-rows.ts';
import { isQuantized, type WeightType } from '../tensor/tensor-type.ts';

const ACTIVATION_BLOCK = 32;

/** Below this magnitude a block's codes are all zero. */
const LEAST_MAGNITUDE = Math.fround(1e-30);

export interface RoundedActivations {
  /** One int8 code per value. */
  readonly codes: Int8Array;
  /** One scale per 32 values; value = scale * code. */
  readonly scales: Float32Array;
}

/**
 * Rounds x (a whole number of blocks of 32) to int8, as `assembly/quantize.ts` does, bit for bit: scale = max|x| / 127,
 * code = x * (127 / max|x|) to the nearest integer, ties to even, every operation rounded to f32. A block with a NaN or an
 * infinity has codes 0 under a NaN or infinite scale.
 */
export function roundActivations(x: Float32Array): RoundedActivations {
  const codes = new Int8Array(x.length);
  const scales = new Float32Array(x.length / ACTIVATION_BLOCK);
  for (let block = 0; block < scales.length; block++) {
    const start = block * ACTIVATION_BLOCK;
    let max = 0;
    for (let i = start; i < start + ACTIVATION_BLOCK; i++) max = Math.max(max, Math.abs(x[i]!));
    scales[block] = max / 127;
    const inverse = max < LEAST_MAGNITUDE ? 0 : Math.fround(127 / max);
    for (let i = start; i < start + ACTIVATION_BLOCK; i++) {
      const scaled = Math.fround(x[i]! * inverse);
      codes[i] = Number.isNaN(scaled) ? 0 : roundTiesToEven(scaled);
    }
  }
  return { codes, scales };
}

function roundTiesToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}

/** The values that a kernel multiplies with weights of `type`: x itself, or its codes times their scales. */
export function activationValues(type: WeightType, x: Float32Array): Float64Array {
  if (!isQuantized(type)) return Float64Array.from(x);
  const { codes, scales } = roundActivations(x);
  return Float64Array.from(codes, (code, i) => code * scales[i >> 5]!);
}

export interface ScalarMatmul {
  readonly type: WeightType;
  /** Rows of [cols] in the file's own blocks. */
  readonly weights: Uint8Array;
  readonly rows: number;
  readonly cols: number;
  /** [xRows, cols] */
  readonly x: Float32Array;
}

export interface ScalarProducts {
  /** [xRows, rows] */
  readonly y: Float64Array;
  /** [xRows, rows]: sums of |weight * activation|, what an error is measured against. */
  readonly magnitude: Float64Array;
}

/** y = x W^T. */
export function matmulScalar({ type, weights, rows, cols, x }: ScalarMatmul): ScalarProducts {
  const values = new Float32Array(rows * cols);
  decodeRows(type, weights, values);
  const xRows = x.length / cols;
  const y = new Float64Array(xRows * rows);
  const magnitude = new Float64Array(xRows * rows);
  for (let r = 0; r < xRows; r++) {
    const activations = activationValues(type, x.subarray(r * cols, (r + 1) * cols));
    for (let row = 0; row < rows; row++) {
      let sum = 0;
      let size = 0;
      for (let k = 0; k < cols; k++) {
        const product = activations[k]! * values[row * cols + k]!;
        sum += product;
        size += Math.abs(product);
      }
      y[r * rows + row] = sum;
      magnitude[r * rows + row] = size;
    }
  }
  return { y, magnitude };
}
