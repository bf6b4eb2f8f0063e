/**
 * Planes of a quantised matrix, which folders hold as tensors of their own, joined into rows of blocks of one type as they are read: the
 * rest of Ingot sees one tensor of whole rows. Nothing is kept between reads but what a plane keeps itself (`transposed-lines.ts`).
 */
import type { ReadOptions } from '../../tensor/byte-source.ts';
import type { TensorEntry } from '../../tensor/checkpoint.ts';
import { readUnits } from '../../tensor/read-units.ts';
import type { Units } from '../../tensor/read-units.ts';
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
  const { codes, scales, minimums } = planes;
  const read = [codes, scales, ...(minimums === undefined ? [] : [minimums])];
  const rows: Units = {
    unitBytes: rowBytes,
    mostUnits: Math.max(1, Math.floor(JOINED_BYTES / rowBytes)),
    make: async (row, count, options) => join(await Promise.all(read.map((plane) => plane.read(row, count, options))), row, count),
  };
  return {
    name, type, shape, sizeBytes, fileName: from.fileName, fileOffset: from.fileOffset, unlistedIn: from.unlistedIn,
    async read(byteOffset, into, options) {
      if (!Number.isSafeInteger(byteOffset) || byteOffset < 0 || byteOffset + into.length > sizeBytes)
        throw new RangeError(`${name} has ${sizeBytes} bytes; ${into.length} bytes from ${byteOffset} on are not all inside it`);
      await readUnits(rows, byteOffset, into, options);
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
