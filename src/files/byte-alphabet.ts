/**
 * The 256 characters that stand for bytes in byte-level BPE vocabularies (GPT-2, Radford et al. 2019): printable Latin-1
 * characters for themselves, the rest for U+0100 on, in order.
 */
export const BYTE_CHARACTERS: readonly string[] = byteCharacters();

function byteCharacters(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCodePoint(printable ? byte : next++);
  });
}
