import { randomSource } from '../src/tensor/codec/random-weights.ts';

/** The same items in an order that the seed says. */
export function shuffled<Item>(items: readonly Item[], seed: number): Item[] {
  const random = randomSource(seed);
  return items.map((item) => [random(), item] as const).sort(([a], [b]) => a - b).map(([, item]) => item);
}
