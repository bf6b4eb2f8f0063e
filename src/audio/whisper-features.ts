/** Whisper's features: a log mel spectrogram of 16 kHz sound, a row each 10 ms, scaled by the loudest value. */
import type { StreamStage } from './audio-stream.ts';
import { createFrameRows } from './frame-rows.ts';
import { melEnergies, melFilters, tabledFilters } from './mel-filters.ts';
import { createStft } from './stft.ts';
import { hannWindow } from './windows.ts';

export const WHISPER_RATE = 16_000;
/** Samples from one row to the next. */
export const WHISPER_HOP = 160;
const FFT_SIZE = 400;
/** Bins of the transform: what a table of filters has for each band. */
export const WHISPER_BINS = FFT_SIZE / 2 + 1;
/** How far below the loudest value, in powers of ten, the others count. */
const DEPTH = 8;

/**
 * Samples at 16 kHz to rows of log10 of the energy of each band, [frames, bands], not yet scaled: floor(samples / 160) of them.
 * @param bands 80, or 128 from large-v3 on
 * @param table factors of each band and bin, [bands, {@link WHISPER_BINS}]; default: those that the models were made with
 */
export function createWhisperMel(bands: number, table?: ArrayLike<number>): StreamStage {
  const rows = createFrameRows(bands);
  const energies = new Float64Array(bands);
  const stft = createStft({ window: hannWindow(FFT_SIZE), hop: WHISPER_HOP, padding: 'reflect' }, (real, imaginary) => {
    melEnergies(filters, { real, imaginary, powers }, energies);
    for (let band = 0; band < bands; band++) energies[band] = Math.log10(Math.max(energies[band]!, 1e-10));
    rows.add(energies);
  });
  const filters = table !== undefined ? tabledFilters(table, bands) : melFilters({ bands, bins: stft.bins, sampleRate: WHISPER_RATE });
  const powers = new Float64Array(stft.bins);
  return {
    push(samples) {
      stft.push(samples);
      return rows.take();
    },
    // The last frame stands behind the last sample, and the model was made without it.
    end() {
      stft.end();
      return rows.take(1);
    },
  };
}

/**
 * What the model takes: values up to 8 below the loudest one, plus 4, over 4. In place.
 * @param logMel of {@link createWhisperMel}
 * @param loudest the largest value of whatever the scale is to be common to; default: of `logMel`
 */
export function scaleWhisperMel(logMel: Float32Array, loudest = largest(logMel)): Float32Array {
  const least = loudest - DEPTH;
  for (let i = 0; i < logMel.length; i++) logMel[i] = (Math.max(logMel[i]!, least) + 4) / 4;
  return logMel;
}

/** The largest value; -Infinity of none. */
export function largest(values: Float32Array): number {
  let most = -Infinity;
  for (let i = 0; i < values.length; i++) if (values[i]! > most) most = values[i]!;
  return most;
}
