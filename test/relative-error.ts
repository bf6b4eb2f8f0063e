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

/** Every value within `tolerance` of the largest expected one, which must not be all but zero; NaN is within nothing. */
export function expectClose(
  what: string,
  { found, wanted }: { readonly found: ArrayLike<number>; readonly wanted: ArrayLike<number> },
  tolerance: number,
): void {
  expect(found.length, what).toBe(wanted.length);
  let largest = 0;
  let worst = 0;
  for (let i = 0; i < wanted.length; i++) {
    largest = Math.max(largest, Math.abs(wanted[i] as number));
    const error = Math.abs((found[i] as number) - (wanted[i] as number));
    worst = Math.max(worst, Number.isNaN(error) ? Infinity : error);
  }
  if (wanted.length > 0) expect(largest, what).toBeGreaterThan(0.01);
  expect(worst / Math.max(largest, 0.01), what).toBeLessThan(tolerance);
}
