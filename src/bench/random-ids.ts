/**
 * Random but repeatable token ids, away from the special ones at both ends of most vocabularies.
 * The same seed gives the same ids for every engine; another seed another prompt, so that no cache helps.
 */
export function randomIds(count: number, { seed, vocabSize }: { readonly seed: number; readonly vocabSize: number }): number[] {
  const first = Math.min(1000, vocabSize >> 3);
  const span = Math.max(1, Math.min(20_000, vocabSize - first - (vocabSize >> 4)));
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return first + ((state >>> 8) % span);
  });
}
