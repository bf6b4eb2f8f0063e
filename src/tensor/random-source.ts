/** A seeded source of numbers in [0, 1): Marsaglia's xorshift32. For data to try things on, not for sampling (see `engine/philox.ts`). */
export function randomSource(seed: number): () => number {
  let state = (seed * 2654435761) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
