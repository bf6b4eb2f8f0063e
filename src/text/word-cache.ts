/** A bounded memory of the ids of short words, since most words of a text come again. */
const maxWords = 16_384;
const maxChars = 48;

/** @returns the encoder with a memory; the ids are shared and must not be changed */
export function withWordCache(encodeWord: (word: string) => readonly number[]): (word: string) => readonly number[] {
  const known = new Map<string, readonly number[]>();
  return (word) => {
    if (word.length > maxChars) return encodeWord(word);
    const found = known.get(word);
    if (found !== undefined) return found;
    const ids = encodeWord(word);
    if (known.size >= maxWords) known.clear();
    known.set(word, ids);
    return ids;
  };
}
