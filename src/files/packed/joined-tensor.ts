/**
 * Planes of a quantised matrix, which folders hold as tensors of their own, joined into rows of blocks of one type as they are read: the
 * rest of Ingot sees one tensor of whole rows. Nothing is kept between reads but what a plane keeps itself (`transposed-lines.ts`).
 */
import type { ReadOptions } from '../../tensor/byte-source.ts';
import type { TensorEntry } from '../../tensor/checkpoint.ts';
import { bytesOfElements, elementsOf } from '../../tensor/tensor-type.ts';
import type { WeightType } from '../../tensor/tensor-type.ts';
import { blockFormatOf } from '../../tensor/formats/weight-formats.ts';
import { blockJoiner } from './join-blocks.ts';
import type { Plane, Planes } from './plane.ts';

/** Most bytes of blocks that are joined at a time, unless one row has more. */
export const JOINED_BYTES = 1024 * 1024;

export interface JoinedTensor {
  readonly name: string;
  readonly type: WeightType;
  readonly shape: readonly number[];
  readonly planes: Planes;
  /** The tensor of the codes, which gives the place in the files. */
  readonly from: TensorEntry;
}

/** The tensor that planes make up; its reads throw FormatError for scales and codes that are no numbers. */
export function joinedTensor({ name, type, shape, planes, from }: JoinedTensor): TensorEntry {
  const cols = shape.at(-1) as number;
  const sizeBytes = bytesOfElements(type, elementsOf(shape));
  const rowBytes = bytesOfElements(type, cols);
  const join = blockJoiner(blockFormatOf(type), { cols, planes });
  const mostRows = Math.max(1, Math.floor(JOINED_BYTES / rowBytes));
  return {
    name, type, shape, sizeBytes, fileName: from.fileName, fileOffset: from.fileOffset, unlistedIn: from.unlistedIn,
    async read(byteOffset, into, options) {
      const end = byteOffset + into.length;
      if (!Number.isSafeInteger(byteOffset) || byteOffset < 0 || end > sizeBytes)
        throw new RangeError(`${name} has ${sizeBytes} bytes; ${into.length} bytes from ${byteOffset} on are not all inside it`);
      const lastRow = Math.ceil(end / rowBytes);
      for (let row = Math.floor(byteOffset / rowBytes); row < lastRow; row += mostRows) {
        options?.signal?.throwIfAborted();
        const count = Math.min(mostRows, lastRow - row);
        const { codes, scales, minimums } = planes;
        const read = [codes, scales, ...(minimums === undefined ? [] : [minimums])].map((plane) => plane.read(row, count, options));
        const blocks = join(await Promise.all(read), row, count);
        // Of the first and the last row a caller may want a part.
        const [start, stop] = [Math.max(byteOffset, row * rowBytes), Math.min(end, (row + count) * rowBytes)];
        into.set(blocks.subarray(start - row * rowBytes, stop - row * rowBytes), start - byteOffset);
      }
    },
  };
}

/** A tensor whose rows lie one behind the other: [..., rows, n]. */
export function rowPlane(entry: TensorEntry, rows: number): Plane {
  const rowBytes = entry.sizeBytes / rows;
  return {
    name: tensorInFile(entry),
    async read(row, count, options) {
      const bytes = new Uint8Array(count * rowBytes);
      await entry.read(row * rowBytes, bytes, options);
      return bytes;
    },
  };
}

/** A tensor's bytes, where they are few. */
export async function wholeTensor(entry: TensorEntry, options?: ReadOptions): Promise<Uint8Array> {
  const bytes = new Uint8Array(entry.sizeBytes);
  await entry.read(0, bytes, options);
  return bytes;
}

export function tensorInFile({ name, fileName }: Pick<TensorEntry, 'name' | 'fileName'>): string {
  return `${fileName}: tensor ${name.slice(0, 120)}`;
}
