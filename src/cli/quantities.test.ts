import { expect, it } from 'vitest';
import { formatFloat, shortestFloat } from './quantities.ts';

it('numbers that were f32 have the digits that they were written with', () => {
  const written = [1e-6, 1e-5, 0.1, 0.95, 1.5, 2.71829, 123456.7, 16777216, 1e-30, 3.4028235e38, -0.7, 0];
  for (const value of written) expect(shortestFloat(Math.fround(value))).toBe(value);
});

it('other numbers stay as they are', () => {
  for (const value of [0.1 + 0.2, 1 / 3, 2 ** 53 - 1, 16_777_217, 500_000, NaN, Infinity]) expect(shortestFloat(value)).toBe(value);
});

it('small ones are shown with an exponent', () => {
  expect([1e-6, 0.00012, 0.05, 10_000, 5e5, 0].map((value) => formatFloat(Math.fround(value)))).toEqual([
    '1e-6',
    '0.00012',
    '0.05',
    '10000',
    '500000',
    '0',
  ]);
});
