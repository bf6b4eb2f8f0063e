/** Writes a text in the byte alphabet of byte-level vocabularies, which most of ASCII stands for itself in. */
import { alphabetTextOf } from '../../tensor/byte-alphabet.ts';

const others = /[^!-~]/gu;
const maxKnown = 16_384;

export function createByteAlphabetWriter(): (text: string) => string {
  const utf8 = new TextEncoder();
  const known = new Map<string, string>();
  const writeChar = (char: string): string => {
    let written = known.get(char);
    if (written === undefined) {
      written = alphabetTextOf(utf8.encode(char));
      if (known.size >= maxKnown) known.clear();
      known.set(char, written);
    }
    return written;
  };
  return (text) => text.replace(others, writeChar);
}
