/**
 * The printable alphabet in which byte-level vocabularies write bytes (GPT-2's `bytes_to_unicode`): printable
 * Latin-1 stands for itself, the other bytes for U+0100 and up in order.
 */

function stands(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
}

const firstSubstitute = 0x100;

function buildAlphabet(): string[] {
  let substitute = firstSubstitute;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(stands(byte) ? byte : substitute++));
}

/** The character of each byte. */
export const BYTE_CHARS: readonly string[] = buildAlphabet();

const byteOfChar: ReadonlyMap<string, number> = new Map(BYTE_CHARS.map((char, byte) => [char, byte]));

/** The bytes that a token text stands for, or undefined where it has a character outside the alphabet. */
export function bytesOfAlphabetText(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) {
    const byte = byteOfChar.get(text[at]!);
    if (byte === undefined) return undefined;
    bytes[at] = byte;
  }
  return bytes;
}

/** Bytes in the alphabet. */
export function alphabetTextOf(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += BYTE_CHARS[byte]!;
  return text;
}
