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
    melEnergies(filters, { real, imaginary }, energies);
    for (let band = 0; band < bands; band++) energies[band] = Math.log(energies[band]! + FLOOR);
    rows.add(energies);
  });
  const filters = melFilters({ bands, bins: stft.bins, sampleRate: NEMO_RATE });
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
  const overRows = (add: (band: number, value: number) => void) => {
    for (let at = 0, band = 0; at < filled * bands; at++, band = band + 1 === bands ? 0 : band + 1) add(band, logMel[at]!);
  };
  overRows((band, value) => void (means[band]! += value));
  for (let band = 0; band < bands; band++) means[band]! /= filled;
  overRows((band, value) => void (scales[band]! += (value - means[band]!) ** 2));
  for (let band = 0; band < bands; band++) scales[band] = (filled > 1 ? Math.sqrt(scales[band]! / (filled - 1)) : 0) + 1e-5;
  for (let frame = 0, at = 0; frame < filled; frame++)
    for (let band = 0; band < bands; band++, at++) logMel[at] = (logMel[at]! - means[band]!) / scales[band]!;
  if (frames > 0) logMel.fill(0, filled * bands);
  return logMel;
}
