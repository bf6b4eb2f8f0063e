import { FormatError } from '../tensor/errors.ts';
import { TENSOR_TYPES } from '../tensor/tensor-type.ts';
import type { WeightSource } from './executor.ts';

/** The error of a weight whose block number `block`, counted through the whole tensor, holds NaN or infinity. */
export function notFinite({ origin, type, shape }: Pick<WeightSource, 'origin' | 'type' | 'shape'>, block: number): FormatError {
  const { blockSize } = TENSOR_TYPES[type];
  const columns = shape.at(-1) as number;
  const row = Math.floor((block * blockSize) / columns);
  const column = (block * blockSize) % columns;
  const where =
    blockSize === 1
      ? `at row ${row}, column ${column}`
      : `in the ${type} block at row ${row}, columns ${column} to ${column + blockSize - 1}`;
  return new FormatError(`${origin}: expected finite weights, found NaN or infinity ${where}. The file is damaged: get it again.`);
}
