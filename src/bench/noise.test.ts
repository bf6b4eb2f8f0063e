import { describe, expect, it } from 'vitest';
import { driftOf, medianInterval, rankTest } from './noise.ts';

describe('the interval of a median', () => {
  it('is the same whenever it is made, holds the median, and narrows with runs', () => {
    const runs = Array.from({ length: 9 }, (_, i) => 100 + ((i * 7) % 9));
    expect(medianInterval(runs)).toEqual(medianInterval(runs));
    const { low, high } = medianInterval(runs);
    expect(low).toBeLessThan(104);
    expect(high).toBeGreaterThan(104);
    const many = medianInterval(Array.from({ length: 90 }, (_, i) => 100 + ((i * 7) % 9)));
    expect(many.high - many.low).toBeLessThan(high - low);
  });

  it('holds the true median in about 95 of 100 samples of 15', () => {
    let state = 1;
    const uniform = () => (state = (state * 48271) % 2147483647) / 2147483647;
    let held = 0;
    for (let trial = 0; trial < 100; trial++) {
      const { low, high } = medianInterval(Array.from({ length: 15 }, uniform));
      if (low <= 0.5 && high >= 0.5) held++;
    }
    expect(held / 100).toBeGreaterThan(0.88);
    expect(held / 100).toBeLessThan(1);
  });

  it('is the least and the most of two runs', () => {
    expect(medianInterval([3, 1])).toEqual({ low: 1, high: 3 });
    expect(medianInterval([2])).toEqual({ low: 2, high: 2 });
  });
});

describe('drift', () => {
  it('is told where the last third lies apart from the first', () => {
    expect(driftOf([100, 101, 98, 97, 90, 91])).toBeCloseTo(90.5 / 100.5 - 1, 12);
    expect(driftOf([10, 10, 11, 11, 12, 12, 13, 13, 14])).toBeGreaterThan(0.2);
  });

  it.each([
    ['noise', [100, 101, 98, 103, 99, 102]],
    ['a change too small to matter', [100, 100, 100, 101, 101, 101]],
    ['too few runs', [100, 50, 20, 10, 5]],
  ])('is not told of %s', (_, runs) => {
    expect(driftOf(runs)).toBeUndefined();
  });
});

describe('the rank test', () => {
  // By scipy: mannwhitneyu(a, b, method="asymptotic").
  it.each([
    ['apart by a tenth', 40, 0.1, 0.14615569336820772],
    ['with ties', 40, 0, 0.8306139685471001],
    ['a thousand a side', 1000, 0.02, 0.12388684812454831],
  ] as const)('of many runs, %s', (name, count, shift, expected) => {
    const a = Array.from({ length: count }, (_, i) => (name === 'with ties' ? i % 7 : ((i * 37) % count) / count));
    const moved = (i: number) => (name === 'with ties' ? (i % 7) + (i % 11 === 0 ? 1 : 0) : ((i * 53) % count) / count + shift);
    const b = Array.from({ length: count }, (_, i) => moved(i));
    expect(rankTest(a, b)).toBeCloseTo(expected, 6);
  });

  // By scipy: mannwhitneyu(a, b, method="exact"), with ties method=PermutationMethod(n_resamples=inf).
  it.each([
    [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], 2 / 252],
    [[1, 2, 3], [4, 5, 6], 0.1],
    [[1, 4, 5, 8], [2, 3, 6, 7], 1],
    [[1, 1], [1, 1], 1],
    [[1, 2, 2], [2, 3, 4], 0.3],
  ])('of %j and %j', (a, b, expected) => {
    expect(rankTest(a, b)).toBeCloseTo(expected, 12);
    expect(rankTest(b, a)).toBeCloseTo(expected, 12);
  });
});
