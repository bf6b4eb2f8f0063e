/** Byte-pair encoding of a text: words, symbols, merges, and a bounded memory of words already done. */
import { alphabetTextOf, BYTE_CHARS } from '../tensor/byte-alphabet.ts';
import { mergeSymbols } from './byte-pair-merge.ts';
import type { MergeTable } from './merge-table.ts';
import { createPreTokenizer } from './pre-tokenizer.ts';
import type { PreTokenizerKind } from './pre-tokenizer-kinds.ts';
import { withWordCache } from './word-cache.ts';

export interface BytePairVocabulary {
  readonly idOf: ReadonlyMap<string, number>;
  readonly merges: MergeTable;
  readonly kind: PreTokenizerKind;
  /** Tokens <0x00> to <0xFF>, -1 where the vocabulary has none; for kinds with `rawUtf8`. */
  readonly byteIds: Int32Array;
}

/**
 * A symbol that is no token by itself: it takes no part in merges and, as in llama.cpp, leaves no id behind.
 */
const missing = -1;

/** @returns a function from text to token ids */
export function createBytePairEncoder(vocabulary: BytePairVocabulary): (text: string) => number[] {
  const splitWords = createPreTokenizer(vocabulary.kind);
  const encodeWord = vocabulary.kind.rawUtf8 === true ? rawWordEncoder(vocabulary) : byteWordEncoder(vocabulary);
  const cachedWord = withWordCache(encodeWord);
  return (text) => {
    const output: number[] = [];
    for (const word of splitWords(text)) for (const id of cachedWord(word)) output.push(id);
    return output;
  };
}

function byteWordEncoder({ idOf, merges, kind }: BytePairVocabulary): (word: string) => number[] {
  const utf8 = new TextEncoder();
  const symbolOfByte = Int32Array.from(BYTE_CHARS, (char) => idOf.get(char) ?? missing);
  return (word) => {
    const bytes = utf8.encode(word);
    if (kind.ignoreMerges === true) {
      const whole = idOf.get(alphabetTextOf(bytes));
      if (whole !== undefined) return [whole];
    }
    const symbols = Array.from(bytes, (byte) => symbolOfByte[byte]!);
    return mergeSymbols(symbols, merges).filter((id) => id !== missing);
  };
}

function rawWordEncoder({ idOf, merges, kind, byteIds }: BytePairVocabulary): (word: string) => number[] {
  const utf8 = new TextEncoder();
  return (word) => {
    const tryWhole = kind.ignoreMerges === true || (kind.wholeNewlines === true && word[0] === '\n');
    const whole = tryWhole ? idOf.get(word) : undefined;
    if (whole !== undefined) return [whole];
    const chars = Array.from(word);
    // Characters that are no token become negative symbols that name them, so that they can be found again.
    const symbols = chars.map((char, at) => idOf.get(char) ?? -1 - at);
    return mergeSymbols(symbols, merges).flatMap((id) =>
      id >= 0 ? [id] : Array.from(utf8.encode(chars[-1 - id]), (byte) => byteIds[byte]!).filter((byteId) => byteId >= 0),
    );
  };
}
