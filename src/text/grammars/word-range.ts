/** Texts that begin alike, as a stretch of a sorted list: how a choice of ten thousand texts is read byte by byte. */

export interface WordRange {
  /** First text, and the one after the last. */
  readonly from: number;
  readonly to: number;
  /** Bytes that all of them have in common and that have been read. */
  readonly depth: number;
}

/** The first text of a stretch whose next byte is at least `byte`; one that has ended has a byte below all. */
function firstFrom(words: readonly Uint8Array[], { from, to, depth }: WordRange, byte: number): number {
  let [low, high] = [from, to];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (((words[middle] as Uint8Array)[depth] ?? -1) < byte) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Those that go on with a byte; undefined where none does. */
export function wordsWith(words: readonly Uint8Array[], range: WordRange, byte: number): WordRange | undefined {
  const from = firstFrom(words, range, byte);
  if (from >= range.to || words[from]?.[range.depth] !== byte) return undefined;
  return { from, to: firstFrom(words, { ...range, from }, byte + 1), depth: range.depth + 1 };
}

/** Whether one of them is read to its end. */
export function endsWord(words: readonly Uint8Array[], { from, depth }: WordRange): boolean {
  return (words[from] as Uint8Array).length === depth;
}

/** Each byte that may be next, with those that go on with it. */
export function waysOn(words: readonly Uint8Array[], range: WordRange): { readonly byte: number; readonly range: WordRange }[] {
  const ways: { byte: number; range: WordRange }[] = [];
  for (let from = range.from + (endsWord(words, range) ? 1 : 0); from < range.to; ) {
    const byte = (words[from] as Uint8Array)[range.depth] as number;
    const to = firstFrom(words, { ...range, from }, byte + 1);
    ways.push({ byte, range: { from, to, depth: range.depth + 1 } });
    from = to;
  }
  return ways;
}
