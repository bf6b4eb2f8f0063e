/**
 * The scalar twins of the matmul kernels: float64 loops over decoded weights, with activations rounded as the kernels
 * round them. Slow and obvious; kernel tests compare with them.
 */
import { decodeRows } from '../tensor/codec/decode-rows.ts';
import { roundedValues } from '../tensor/codec/round-activations.ts';
import { takesInt8 } from '../tensor/formats/weight-formats.ts';
import type { WeightType } from '../tensor/tensor-type.ts';

/** Values under one scale, as `assembly/quantize.ts` has them. */
export const ACTIVATION_BLOCK = 32;

/** The values that a kernel multiplies with weights of `type`: x itself, or its codes times their scales. */
export function activationValues(type: WeightType, x: Float32Array): Float64Array {
  return takesInt8(type) ? roundedValues(x, ACTIVATION_BLOCK) : Float64Array.from(x);
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
