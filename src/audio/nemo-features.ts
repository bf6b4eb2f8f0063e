/**
 * Features of NVIDIA's NeMo models (Parakeet, LFM2-Audio): a log mel spectrogram of 16 kHz sound, a row each 10 ms, each band with mean
 * 0 and variance 1 over the sound.
 */
import type { StreamStage } from './audio-stream.ts';
import { createFrameRows } from './frame-rows.ts';
import { melEnergies, melFilters } from './mel-filters.ts';
import { createStft } from './stft.ts';
import { centred, symmetricHannWindow } from './windows.ts';

export const NEMO_RATE = 16_000;
export const NEMO_HOP = 160;
const FFT_SIZE = 512;
const WINDOW = 400;
const PRE_EMPHASIS = 0.97;
/** Added before the logarithm. */
const FLOOR = 2 ** -24;

/** Samples at 16 kHz to rows of ln of the energy of each band, [frames, bands], not yet normalised: floor(samples / 160) + 1 of them. */
export function createNemoMel(bands: number): StreamStage {
  const rows = createFrameRows(bands);
  const energies = new Float64Array(bands);
  const window = centred(symmetricHannWindow(WINDOW), FFT_SIZE);
  const stft = createStft({ window, hop: NEMO_HOP, padding: 'zero' }, (real, imaginary) => {
    melEnergies(filters, { real, imaginary, powers }, energies);
    for (let band = 0; band < bands; band++) energies[band] = Math.log(energies[band]! + FLOOR);
    rows.add(energies);
  });
  const filters = melFilters({ bands, bins: stft.bins, sampleRate: NEMO_RATE });
  const powers = new Float64Array(stft.bins);
  let before = 0;
  return {
    push(samples) {
      const emphasised = new Float32Array(samples.length);
      for (let t = 0; t < samples.length; t++) {
        emphasised[t] = samples[t]! - PRE_EMPHASIS * before;
        before = samples[t]!;
      }
      stft.push(emphasised);
      return rows.take();
    },
    end() {
      stft.end();
      return rows.take();
    },
  };
}

/**
 * What the models take, in place: each band less its mean, over its standard deviation (of one sample less) plus 1e-5, both over the rows
 * that sound fills; the last row is zeros.
 * @param logMel [frames, bands] of {@link createNemoMel}
 */
export function normalizeNemoMel(logMel: Float32Array, bands: number): Float32Array {
  const frames = logMel.length / bands;
  const filled = frames - 1;
  const [means, scales] = [new Float64Array(bands), new Float64Array(bands)];
  // Row by row, as they lie in memory: a band's values are far from each other.
  for (let at = 0; at < filled * bands; at += bands) for (let band = 0; band < bands; band++) means[band]! += logMel[at + band]!;
  for (let band = 0; band < bands; band++) means[band]! /= filled;
  for (let at = 0; at < filled * bands; at += bands) {
    for (let band = 0; band < bands; band++) {
      const difference = logMel[at + band]! - means[band]!;
      scales[band]! += difference * difference;
    }
  }
  for (let band = 0; band < bands; band++) scales[band] = (filled > 1 ? Math.sqrt(scales[band]! / (filled - 1)) : 0) + 1e-5;
  for (let at = 0; at < filled * bands; at += bands)
    for (let band = 0; band < bands; band++) logMel[at + band] = (logMel[at + band]! - means[band]!) / scales[band]!;
  if (frames > 0) logMel.fill(0, filled * bands);
  return logMel;
}
