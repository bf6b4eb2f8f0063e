import { FormatError } from '../tensor/errors.ts';
import type { ByteSource, ReadOptions } from '../tensor/byte-source.ts';

/** Throws when `length` bytes from `offset` on do not lie inside a source of `sizeBytes`. */
export function checkReadRange(name: string, sizeBytes: number, offset: number, length: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0) {
    throw new RangeError(`${name}: a read needs an offset that is a whole number from 0 on, got ${offset}`);
  }
  if (offset + length > sizeBytes) throw endedEarly(name, offset, length, sizeBytes);
}

/** The error of a source that holds fewer bytes than a reader was told it would. */
export function endedEarly(name: string, offset: number, length: number, endsAt: number): FormatError {
  return new FormatError(
    `${name} ended early: expected ${length} bytes at offset ${offset}, but it ends at ${endsAt}. ` +
      'The file is probably incomplete: copy or download it again.',
  );
}

/**
 * Reads a whole source that is known to be small.
 * @throws FormatError when it holds more than `maxBytes`.
 */
export async function readWhole(source: ByteSource, maxBytes: number, options?: ReadOptions): Promise<Uint8Array> {
  if (source.sizeBytes > maxBytes) {
    throw new FormatError(
      `${source.name} has ${source.sizeBytes} bytes; a file of this kind may have at most ${maxBytes}. Is it the right file?`,
    );
  }
  const bytes = new Uint8Array(source.sizeBytes);
  await source.read(0, bytes, options);
  return bytes;
}

/**
 * Refuses file names that could lead out of a folder.
 * @throws FormatError, because such names come from an index inside the model or from a damaged path.
 */
export function checkPlainFileName(fileName: string, where: string): void {
  if (fileName === '' || fileName === '.' || fileName === '..' || /[/\\:\0]/.test(fileName)) {
    throw new FormatError(
      `${where}: ${JSON.stringify(fileName.slice(0, 200))} is not the plain name of a file in the same folder, and is refused.`,
    );
  }
}

/** As {@link checkPlainFileName}, for a name that may begin with names of folders: `1_Pooling/config.json`. */
export function checkFileNameBelow(fileName: string, where: string): void {
  for (const part of fileName.split('/')) checkPlainFileName(part, where);
}
