import { FormatError } from '../tensor/errors.ts';
import type { ByteSource } from '../tensor/byte-source.ts';
import type { TensorEntry } from '../tensor/checkpoint.ts';

/** Where and what one tensor of a file is, before it is tied to the file's bytes. */
export type TensorPlace = Omit<TensorEntry, 'read' | 'fileName'>;

/** Ties a tensor to the source that holds its bytes. */
export function tensorEntry(place: TensorPlace, source: ByteSource, fileName: string): TensorEntry {
  return {
    ...place,
    fileName,
    read(byteOffset, into, options) {
      if (!Number.isSafeInteger(byteOffset) || byteOffset < 0 || byteOffset + into.length > place.sizeBytes) {
        const range = `${into.length} bytes from ${byteOffset} on`;
        return Promise.reject(new RangeError(`${place.name} has ${place.sizeBytes} bytes; ${range} are not all inside it`));
      }
      return source.read(place.fileOffset + byteOffset, into, options);
    },
  };
}

/**
 * Checks that every tensor lies inside the file and that no two share bytes; returns them by offset.
 * @throws FormatError that names the tensor, its range and the file.
 */
export function checkTensorPlaces(places: readonly TensorPlace[], dataOffset: number, source: ByteSource): TensorPlace[] {
  const byOffset = places.toSorted((a, b) => a.fileOffset - b.fileOffset || a.sizeBytes - b.sizeBytes);
  let previous: TensorPlace | undefined;
  for (const place of byOffset) {
    const end = place.fileOffset + place.sizeBytes;
    if (end > source.sizeBytes || place.fileOffset < dataOffset) {
      throw new FormatError(
        `${source.name}: tensor ${JSON.stringify(place.name.slice(0, 100))} should take bytes ${place.fileOffset} to ${end}, ` +
        "but the file's data " +
          `runs from ${dataOffset} to ${source.sizeBytes}. It is damaged or incomplete: copy or download it again.`,
      );
    }
    if (previous && place.fileOffset < previous.fileOffset + previous.sizeBytes) {
      throw new FormatError(
        `${source.name}: the tensors ${JSON.stringify(previous.name.slice(0, 100))} and ` +
        `${JSON.stringify(place.name.slice(0, 100))} overlap ` +
          `at offset ${place.fileOffset}. The file is damaged.`,
      );
    }
    previous = place;
  }
  return byOffset;
}

/** Elements of a shape, or undefined where that is beyond 2^53. */
export function elementCount(shape: readonly number[]): number | undefined {
  let count = 1;
  for (const dim of shape) count *= dim;
  return Number.isSafeInteger(count) ? count : undefined;
}
