/** A range of a matrix's rows as a source of its own, for matrices that lie in several buffers. */
import type { WeightSource } from '../../graph/executor.ts';
import { bytesOfElements } from '../../tensor/tensor-type.ts';

export function rowsOfSource(source: WeightSource, firstRow: number, rows: number): WeightSource {
  const [, cols = 0] = source.shape;
  const rowBytes = bytesOfElements(source.type, cols);
  return {
    ...source,
    shape: [rows, cols],
    sizeBytes: rows * rowBytes,
    origin: `${source.origin}, rows ${firstRow} to ${firstRow + rows - 1}`,
    read: (byteOffset, into, options) => source.read(firstRow * rowBytes + byteOffset, into, options),
  };
}
