/**
 * Matrices that a file holds transposed: lines of [lines, columns], where a row of the matrix is a column, or a part of one, of the file.
 * They are read in stretches of columns, of which the last are kept, since a loader asks for one stretch's rows piece by piece.
 */
import type { ReadOptions } from '../../tensor/byte-source.ts';
import type { TensorEntry } from '../../tensor/checkpoint.ts';
import { bytesOfElements } from '../../tensor/tensor-type.ts';
import { tensorInFile } from './joined-tensor.ts';

/** Most bytes of a stretch. */
export const STRETCH_BYTES = 16 * 1024 * 1024;
/** Most bytes of stretches that are kept for all tensors of a folder. */
export const KEPT_BYTES = 4 * STRETCH_BYTES;
/** Lines read at a time, of a stretch that holds a part of each. */
const LINES_AT_ONCE = 64;
/** Stretches begin at a multiple of this many columns: codes of 3 bits do not cross one of 3 words. */
const ALIGNMENT = 96;

interface Kept {
  readonly sizeBytes: number;
  readonly bytes: Promise<Uint8Array>;
}

/** The stretches read last, by tensor and place, the oldest first. */
export type Stretches = Map<string, Kept>;

/** Some columns of every line. */
export interface Stretch {
  /** [lines, width] elements. */
  readonly bytes: Uint8Array;
  /** The first column. */
  readonly begin: number;
  readonly width: number;
}

export interface TransposedLines {
  readonly name: string;
  readonly lines: number;
  readonly columns: number;
  /** Calls `visit` with the stretches that hold columns [first, end), and with the part [from, to) of them in each. */
  forColumns(first: number, end: number, visit: (stretch: Stretch, from: number, to: number) => void, options?: ReadOptions): Promise<void>;
}

/** The lines of a tensor [lines, columns]. */
export function transposedLines(entry: TensorEntry, stretches: Stretches): TransposedLines {
  const [lines, columns] = entry.shape as [number, number];
  const elementBytes = bytesOfElements(entry.type, 1);
  const most = Math.max(ALIGNMENT, Math.floor(STRETCH_BYTES / (lines * elementBytes)));
  const each = Math.min(columns, most - (most % ALIGNMENT));
  return {
    name: tensorInFile(entry),
    lines, columns,
    async forColumns(first, end, visit, options) {
      for (let column = first; column < end; ) {
        options?.signal?.throwIfAborted();
        const begin = column - (column % each);
        const width = Math.min(each, columns - begin);
        const sizeBytes = lines * width * elementBytes;
        const bytes = await kept(stretches, `${entry.fileName}/${entry.name}/${begin}`, sizeBytes, () =>
          readStretch(entry, { begin, width, elementBytes }));
        const to = Math.min(end, begin + width);
        visit({ bytes, begin, width }, column, to);
        column = to;
      }
    },
  };
}

/** A stretch is read without the signal of whoever asked for it first, since others may be waiting for it too. */
async function kept(stretches: Stretches, key: string, sizeBytes: number, read: () => Promise<Uint8Array>): Promise<Uint8Array> {
  const entry = stretches.get(key) ?? { sizeBytes, bytes: read() };
  stretches.delete(key);
  stretches.set(key, entry);
  let total = [...stretches.values()].reduce((sum, one) => sum + one.sizeBytes, 0);
  for (const [oldest, one] of stretches) {
    if (total <= KEPT_BYTES || oldest === key) break;
    stretches.delete(oldest);
    total -= one.sizeBytes;
  }
  try {
    return await entry.bytes;
  } catch (error) {
    stretches.delete(key);
    throw error;
  }
}

interface StretchPlace {
  readonly begin: number;
  readonly width: number;
  readonly elementBytes: number;
}

async function readStretch(entry: TensorEntry, { begin, width, elementBytes }: StretchPlace): Promise<Uint8Array> {
  const [lines, columns] = entry.shape as [number, number];
  const lineBytes = width * elementBytes;
  const bytes = new Uint8Array(lines * lineBytes);
  if (width === columns) {
    await entry.read(0, bytes);
    return bytes;
  }
  for (let line = 0; line < lines; line += LINES_AT_ONCE) {
    const some = Array.from({ length: Math.min(LINES_AT_ONCE, lines - line) }, (_, i) => line + i);
    const partOf = (n: number) => bytes.subarray(n * lineBytes, (n + 1) * lineBytes);
    await Promise.all(some.map((n) => entry.read((n * columns + begin) * elementBytes, partOf(n))));
  }
  return bytes;
}
