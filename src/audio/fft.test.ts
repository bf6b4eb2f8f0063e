import { describe, expect, it } from 'vitest';
import { largestDifference, testSound } from '../../test/sound-pieces.ts';
import { createFft } from './fft.ts';

/** The sum as it is defined. */
function definition(input: Float32Array): { real: number[]; imaginary: number[] } {
  const size = input.length;
  const sums = Array.from({ length: Math.floor(size / 2) + 1 }, (_, k) => {
    let [re, im] = [0, 0];
    input.forEach((value, t) => {
      re += value * Math.cos((2 * Math.PI * ((k * t) % size)) / size);
      im -= value * Math.sin((2 * Math.PI * ((k * t) % size)) / size);
    });
    return [re, im] as const;
  });
  return { real: sums.map(([re]) => re), imaginary: sums.map(([, im]) => im) };
}

describe('createFft', () => {
  const sizes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 15, 20, 22, 30, 49, 64, 77, 100, 121, 256, 400, 512, 1280];

  it.each(sizes)('of %i values equals its definition, and back', (size) => {
    const input = testSound(size, size);
    const fft = createFft(size);
    const [real, imaginary, back] = [new Float64Array(fft.bins), new Float64Array(fft.bins), new Float64Array(size)];
    fft.forward(input, real, imaginary);
    const expected = definition(input);
    expect(largestDifference(real, expected.real)).toBeLessThan(1e-11);
    expect(largestDifference(imaginary, expected.imaginary)).toBeLessThan(1e-11);
    fft.inverse(real, imaginary, back);
    expect(largestDifference(back, input)).toBeLessThan(1e-14);
  });
});
