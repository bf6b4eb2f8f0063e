/** Sizes of packed matrices of quantised weights; `assembly/packed-rows.ts` says how they lie, and has the same numbers. */
import { formatOf } from '../tensor/formats/weight-formats.ts';
import { bytesOfElements } from '../tensor/tensor-type.ts';
import type { WeightType } from '../tensor/tensor-type.ts';

export const GROUP_ROWS = 16;
/** Of the scratch for packing, behind a group of rows. */
const UNPACKED_ROW_BYTES = 64;
/** In front of each matrix. */
export const HEAD_BYTES = 64;

/** Matrices of one weight: [rows, cols], of experts [matrices, rows, cols]; a vector is one row. */
export interface MatrixSizes {
  readonly matrices: number;
  readonly rows: number;
  readonly rowBytes: number;
  /** Of one matrix as its file holds it. */
  readonly fileBytes: number;
  /** From the begin of one matrix to that of the next. */
  readonly matrixBytes: number;
  readonly isPacked: boolean;
}

export function matrixSizes(type: WeightType, shape: readonly number[]): MatrixSizes {
  const [rows, cols] = [shape.at(-2) ?? 1, shape.at(-1) as number];
  const matrices = shape.slice(0, -2).reduce((product, dim) => product * dim, 1);
  const rowBytes = bytesOfElements(type, cols);
  // Matrices of floats stay as in the file.
  const isPacked = formatOf(type).kind === 'block';
  const matrixBytes = isPacked ? HEAD_BYTES + Math.ceil(rows / GROUP_ROWS) * GROUP_ROWS * rowBytes : rows * rowBytes;
  return { matrices, rows, rowBytes, fileBytes: rows * rowBytes, matrixBytes, isPacked };
}

/** Bytes of the scratch for packing a matrix. */
export function packScratchBytes(rowBytes: number): number {
  return GROUP_ROWS * rowBytes + UNPACKED_ROW_BYTES;
}
