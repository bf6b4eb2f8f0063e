import type { ReadOptions } from './byte-source.ts';

/** Bytes that are made of something else in whole units: values, blocks or rows. */
export interface Units {
  readonly unitBytes: number;
  /** Most units that are made at a time. */
  readonly mostUnits: number;
  /** The bytes of units [first, first + count). */
  make(first: number, count: number, options: ReadOptions | undefined): Promise<Uint8Array> | Uint8Array;
}

/** Fills all of `into` with the bytes from `byteOffset` on. Of the first and the last unit a caller may want a part. */
export async function readUnits(units: Units, byteOffset: number, into: Uint8Array, options?: ReadOptions): Promise<void> {
  const { unitBytes, mostUnits } = units;
  const end = byteOffset + into.length;
  const last = Math.ceil(end / unitBytes);
  for (let first = Math.floor(byteOffset / unitBytes); first < last; first += mostUnits) {
    options?.signal?.throwIfAborted();
    const count = Math.min(mostUnits, last - first);
    const bytes = await units.make(first, count, options);
    const [start, stop] = [Math.max(byteOffset, first * unitBytes), Math.min(end, (first + count) * unitBytes)];
    into.set(bytes.subarray(start - first * unitBytes, stop - first * unitBytes), start - byteOffset);
  }
}
