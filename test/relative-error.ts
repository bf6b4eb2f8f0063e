import { expect } from 'vitest';

/** Largest difference over the range of the expected values. */
export function relativeError(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(found.length).toBe(expected.length);
  let [low, high, worst] = [Infinity, -Infinity, 0];
  for (let i = 0; i < expected.length; i++) {
    const value = expected[i] as number;
    low = Math.min(low, value);
    high = Math.max(high, value);
    const difference = Math.abs((found[i] as number) - value);
    worst = difference <= worst ? worst : difference;
  }
  return worst / (high - low);
}
