import { FormatError } from './errors.ts';

/** Decodes bytes that must be UTF-8; a byte order mark is dropped. */
export function decodeUtf8(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new FormatError(`${name} is not valid UTF-8 text. The file is damaged.`);
  }
}
