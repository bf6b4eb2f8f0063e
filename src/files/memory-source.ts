import type { ByteSource, SourceFolder } from '../tensor/byte-source.ts';
import { checkReadRange } from './read-range.ts';

/** A source over bytes that are already in memory; `bytes` is not copied. */
export function memorySource(bytes: Uint8Array, name: string): ByteSource {
  return {
    name,
    sizeBytes: bytes.length,
    async read(offset, into, options) {
      options?.signal?.throwIfAborted();
      checkReadRange(name, bytes.length, offset, into.length);
      into.set(bytes.subarray(offset, offset + into.length));
    },
    async close() {},
  };
}

/** A folder over byte arrays by file name. */
export function memoryFolder(files: ReadonlyMap<string, Uint8Array>, name: string): SourceFolder {
  return {
    name,
    async open(fileName, options) {
      options?.signal?.throwIfAborted();
      const bytes = files.get(fileName);
      return bytes && memorySource(bytes, `${name}/${fileName}`);
    },
  };
}
