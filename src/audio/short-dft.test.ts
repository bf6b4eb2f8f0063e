import { describe, expect, it } from 'vitest';
import { createFft } from './fft.ts';
import { createShortDft } from './short-dft.ts';

describe.each([2, 4, 16, 20, 22])('a transform of %i values', (size) => {
  const input = Float64Array.from({ length: size + 3 }, (_, i) => Math.sin(i * 12.9898) * 4);
  const window = Float64Array.from({ length: size }, (_, i) => 0.3 + Math.cos(i) ** 2);

  it('has the bins of a fast one', () => {
    const [fft, dft] = [createFft(size), createShortDft(window)];
    const binsOf = () => [new Float64Array(fft.bins), new Float64Array(fft.bins)] as const;
    const [wanted, found] = [binsOf(), binsOf()];
    fft.forward(window.map((value, t) => value * input[t + 3]!), ...wanted);
    dft.forward(input, 3, ...found);
    for (const part of [0, 1] as const) found[part].forEach((value, k) => expect(value).toBeCloseTo(wanted[part][k]!, 12));
  });

  it('adds what it was given, through the window', () => {
    const dft = createShortDft(window);
    const [real, imaginary] = [new Float64Array(dft.bins), new Float64Array(dft.bins)];
    dft.forward(input, 0, real, imaginary);
    const output = new Float64Array(size + 1).fill(1);
    dft.addInverse(real, imaginary, output, 1);
    expect(output[0]).toBe(1);
    window.forEach((value, t) => expect(output[1 + t]!).toBeCloseTo(1 + value * value * input[t]!, 12));
  });
});

it('refuses an odd number of values', () => {
  expect(() => createShortDft(new Float64Array(7))).toThrow('even number');
});
