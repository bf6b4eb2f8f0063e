/**
 * Discrete Fourier transforms of a few real values, an even number, by tables of the sums as they are written: samples mirrored at the
 * middle share a product, which halves the work, and nothing is made anew. For a few tens of samples that is less than any fast transform's
 * passes take.
 */

export interface ShortDft {
  /** size / 2 + 1. */
  readonly bins: number;
  /** real, imaginary [bins] of X[k] = sum of input[from + t] * window[t] * exp(-2 pi i k t / size). */
  forward(input: ArrayLike<number>, from: number, real: Float64Array, imaginary: Float64Array): void;
  /** Adds window[t] * x[t] to output[from + t], x being what `forward` makes the bins of. */
  addInverse(real: Float64Array, imaginary: Float64Array, output: Float64Array, from: number): void;
}

/** @param window of as many values as a transform has, an even number */
export function createShortDft(window: Float64Array): ShortDft {
  const size = window.length;
  if (size % 2 !== 0 || size < 2) throw new Error(`short transforms are of an even number of values, found ${size}`);
  const half = size / 2;
  const bins = half + 1;
  const table = (fn: (angle: number) => number) =>
    Float64Array.from({ length: bins * bins }, (_, i) => fn((2 * Math.PI * ((i % bins) * Math.floor(i / bins) % size)) / size));
  const [cosines, sines] = [table(Math.cos), table(Math.sin)];
  const [even, odd] = [new Float64Array(bins), new Float64Array(bins)];
  return {
    bins,
    forward(input, from, real, imaginary) {
      even[0] = input[from]! * window[0]!;
      even[half] = input[from + half]! * window[half]!;
      for (let t = 1; t < half; t++) {
        const [a, b] = [input[from + t]! * window[t]!, input[from + size - t]! * window[size - t]!];
        even[t] = a + b;
        odd[t] = a - b;
      }
      for (let k = 0, row = 0; k < bins; k++, row += bins) {
        let cosine = even[0]! + even[half]! * cosines[row + half]!;
        let sine = 0;
        for (let t = 1; t < half; t++) {
          cosine += even[t]! * cosines[row + t]!;
          sine += odd[t]! * sines[row + t]!;
        }
        real[k] = cosine;
        imaginary[k] = -sine;
      }
    },
    addInverse(real, imaginary, output, from) {
      for (let t = 0, row = 0; t <= half; t++, row += bins) {
        let cosine = (real[0]! + real[half]! * cosines[row + half]!) / 2;
        let sine = 0;
        for (let k = 1; k < half; k++) {
          cosine += real[k]! * cosines[row + k]!;
          sine += imaginary[k]! * sines[row + k]!;
        }
        output[from + t]! += ((cosine - sine) / half) * window[t]!;
        if (t > 0 && t < half) output[from + size - t]! += ((cosine + sine) / half) * window[size - t]!;
      }
    },
  };
}
