/** Spectra as Kokoro's generator reads and writes them: of each frame of an STFT, its magnitudes and then its phases. */
import { createShortDft } from '../../../audio/short-dft.ts';
import { hannWindow } from '../../../audio/windows.ts';
import { InputError } from '../../../tensor/errors.ts';

export interface SpectraShape {
  readonly fftSize: number;
  readonly hop: number;
}

/**
 * Magnitudes and phases, from -pi to pi, of all frames: [samples / hop + 1, fftSize + 2]. The samples are mirrored at both ends.
 * @throws InputError where there are too few of them for that
 */
export function spectraOfSamples(samples: Float32Array, { fftSize, hop }: SpectraShape): Float32Array {
  const half = fftSize / 2;
  const { length } = samples;
  if (length <= half)
    throw new InputError(`the sound is too short for frames of ${fftSize} samples: expected more than ${half}, found ${length}.`);
  const padded = new Float64Array(length + fftSize);
  padded.set(samples, half);
  for (let i = 1; i <= half; i++) {
    padded[half - i] = samples[i]!;
    padded[half + length - 1 + i] = samples[length - 1 - i]!;
  }
  const dft = createShortDft(hannWindow(fftSize));
  const { bins } = dft;
  const [real, imaginary] = [new Float64Array(bins), new Float64Array(bins)];
  const frames = Math.floor(length / hop) + 1;
  const rows = new Float32Array(frames * 2 * bins);
  for (let frame = 0, at = 0; frame < frames; frame++, at += 2 * bins) {
    dft.forward(padded, frame * hop, real, imaginary);
    for (let k = 0; k < bins; k++) {
      // The first and the last bin are real: their phase is 0 or pi, never -pi.
      const isReal = k === 0 || k === bins - 1;
      rows[at + k] = isReal ? Math.abs(real[k]!) : Math.sqrt(real[k]! ** 2 + imaginary[k]! ** 2);
      rows[at + bins + k] = isReal ? (real[k]! < 0 ? Math.PI : 0) : Math.atan2(imaginary[k]!, real[k]!);
    }
  }
  return rows;
}

/** Cosine and sine of numbers from -1 to 1, by their series: exact to 1e-14. */
function smallCosine(x: number): number {
  const y = x * x;
  return 1 + y * (-1 / 2 + y * (1 / 24 + y * (-1 / 720 + y * (1 / 40320 + y * (-1 / 3628800 + y * (1 / 479001600 - y / 87178291200))))));
}

function smallSine(x: number): number {
  const y = x * x;
  return x * (1 + y * (-1 / 6 + y * (1 / 120 + y * (-1 / 5040 + y * (1 / 362880 + y * (-1 / 39916800 + y / 6227020800))))));
}

/** Samples of rows of logarithms of magnitudes, and numbers whose sines are phases: hop of them for each row but the first. */
export function samplesOfSpectra(rows: Float32Array, { fftSize, hop }: SpectraShape): Float32Array {
  const window = hannWindow(fftSize);
  const dft = createShortDft(window);
  const { bins } = dft;
  const frames = rows.length / (2 * bins);
  const sums = new Float64Array((frames - 1) * hop + fftSize);
  const [real, imaginary] = [new Float64Array(bins), new Float64Array(bins)];
  for (let frame = 0, at = 0; frame < frames; frame++, at += 2 * bins) {
    for (let k = 0; k < bins; k++) {
      const magnitude = Math.exp(rows[at + k]!);
      const phase = Math.sin(rows[at + bins + k]!);
      real[k] = magnitude * smallCosine(phase);
      imaginary[k] = magnitude * smallSine(phase);
    }
    dft.addInverse(real, imaginary, sums, frame * hop);
  }
  const weights = weightsOf(window, hop, frames);
  const samples = new Float32Array((frames - 1) * hop);
  for (let t = 0, at = fftSize / 2; t < samples.length; t++, at++)
    samples[t] = weights[at]! > LEAST_WEIGHT ? sums[at]! / weights[at]! : sums[at]!;
  return samples;
}

const LEAST_WEIGHT = 1e-11;

/** Sums of the squared windows at each sample. */
function weightsOf(window: Float64Array, hop: number, frames: number): Float64Array {
  const weights = new Float64Array((frames - 1) * hop + window.length);
  const squares = window.map((value) => value * value);
  for (let frame = 0, from = 0; frame < frames; frame++, from += hop)
    for (let t = 0; t < squares.length; t++) weights[from + t]! += squares[t]!;
  return weights;
}
