/** A range of a matrix's rows as a source of its own, for matrices that lie in several buffers. */
import type { WeightSource } from '../../graph/executor.ts';
import { bytesOfElements, elementsOf } from '../../tensor/tensor-type.ts';

export function rowsOfSource(source: WeightSource, firstRow: number, rows: number): WeightSource {
  const cols = source.shape.at(-1) as number;
  const rowBytes = bytesOfElements(source.type, cols);
  return {
    ...source,
    shape: [rows, cols],
    sizeBytes: rows * rowBytes,
    origin: `${source.origin}, rows ${firstRow} to ${firstRow + rows - 1}`,
    read: (byteOffset, into, options) => source.read(firstRow * rowBytes + byteOffset, into, options),
  };
}

/** All rows of a weight of several matrices as those of one. */
export function asMatrix(source: WeightSource): WeightSource {
  if (source.shape.length < 3) return source;
  const cols = source.shape.at(-1) as number;
  return { ...source, shape: [elementsOf(source.shape) / cols, cols] };
}
