/** Spectra as Kokoro's generator reads and writes them: of each frame of an STFT, its magnitudes and then its phases. */
import { createIstft, createStft } from '../../../audio/stft.ts';
import { hannWindow } from '../../../audio/windows.ts';

export interface SpectraShape {
  readonly fftSize: number;
  readonly hop: number;
}

/** Magnitudes and phases, from -pi to pi, of all frames: [samples / hop + 1, fftSize + 2]. */
export function spectraOfSamples(samples: Float32Array, { fftSize, hop }: SpectraShape): Float32Array {
  const bins = fftSize / 2 + 1;
  const rows = new Float32Array((Math.floor(samples.length / hop) + 1) * 2 * bins);
  let at = 0;
  const stft = createStft({ window: hannWindow(fftSize), hop, padding: 'reflect' }, (real, imaginary) => {
    for (let k = 0; k < bins; k++) {
      // The first and the last bin are real: their phase is 0 or pi, never -pi.
      const isReal = k === 0 || k === bins - 1;
      rows[at + k] = isReal ? Math.abs(real[k]!) : Math.sqrt(real[k]! ** 2 + imaginary[k]! ** 2);
      rows[at + bins + k] = isReal ? (real[k]! < 0 ? Math.PI : 0) : Math.atan2(imaginary[k]!, real[k]!);
    }
    at += 2 * bins;
  });
  stft.push(samples);
  stft.end();
  return rows;
}

/** Samples of rows of logarithms of magnitudes, and numbers whose sines are phases: hop of them for each row but the first. */
export function samplesOfSpectra(rows: Float32Array, { fftSize, hop }: SpectraShape): Float32Array {
  const bins = fftSize / 2 + 1;
  const istft = createIstft({ window: hannWindow(fftSize), hop, trim: fftSize / 2 });
  const samples = new Float32Array((rows.length / (2 * bins) - 1) * hop);
  const [real, imaginary] = [new Float64Array(bins), new Float64Array(bins)];
  let filled = 0;
  const give = (more: Float32Array): void => {
    samples.set(more, filled);
    filled += more.length;
  };
  for (let at = 0; at < rows.length; at += 2 * bins) {
    for (let k = 0; k < bins; k++) {
      const magnitude = Math.exp(rows[at + k]!);
      const phase = Math.sin(rows[at + bins + k]!);
      real[k] = magnitude * Math.cos(phase);
      imaginary[k] = magnitude * Math.sin(phase);
    }
    give(istft.push(real, imaginary));
  }
  give(istft.end());
  return samples;
}
