import type { ByteSource, ReadOptions } from '../tensor/byte-source.ts';
import { decodeUtf8 } from '../tensor/decode-utf8.ts';
import { readWhole } from './read-range.ts';

/** All of a source as text, where there is one; closes it. @throws FormatError for one that is longer than `maxBytes` */
export async function readText(
  source: ByteSource | undefined,
  maxBytes: number,
  options: ReadOptions | undefined,
): Promise<string | undefined> {
  if (!source) return undefined;
  try {
    return decodeUtf8(await readWhole(source, maxBytes, options), source.name);
  } finally {
    await source.close();
  }
}
