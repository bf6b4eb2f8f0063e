/** Sound of spectra, as they come: an inverse short-time Fourier transform of which each frame adds a hop of samples ("same"). */
import { createIstft } from '../../audio/stft.ts';
import { hannWindow } from '../../audio/windows.ts';
import { SPECTRA_PER_FRAME } from '../../models/lfm2-audio-graphs.ts';
import { InputError } from '../../tensor/errors.ts';
import { firstNotFinite, joinSamples } from '../../audio/audio-stream.ts';

/** Hz. */
export const VOICE_RATE = 24_000;

/** Frames of codes of a second. */
export const FRAMES_PER_SECOND = 12.5;

export interface FrameVoice {
  /**
   * Samples that no later spectrum changes: all but those of the last 2.5 hops (33 ms).
   * @param spectra [n, 2 * bins]: ln of magnitudes, then phases
   * @throws InputError for numbers that are none, which a model with broken weights makes
   */
  push(spectra: Float32Array): Float32Array;
  /** The rest. */
  end(): Float32Array;
}

/** @param bins of a spectrum: half the window and one */
export function createFrameVoice(bins: number): FrameVoice {
  const size = 2 * (bins - 1);
  const hop = VOICE_RATE / FRAMES_PER_SECOND / SPECTRA_PER_FRAME;
  const istft = createIstft({ window: hannWindow(size), hop, trim: (size - hop) / 2 });
  const [real, imaginary] = [new Float64Array(bins), new Float64Array(bins)];
  const checked = (samples: Float32Array): Float32Array => {
    if (firstNotFinite(samples) >= 0)
      throw new InputError('The model made sound that holds NaN or infinity: its weights are beyond f32, or broken.');
    return samples;
  };
  return {
    push(spectra) {
      const parts: Float32Array[] = [];
      for (let at = 0; at < spectra.length; at += 2 * bins) {
        for (let bin = 0; bin < bins; bin++) {
          const magnitude = Math.exp(spectra[at + bin]!);
          const phase = spectra[at + bins + bin]!;
          real[bin] = magnitude * Math.cos(phase);
          imaginary[bin] = magnitude * Math.sin(phase);
        }
        parts.push(istft.push(real, imaginary));
      }
      return checked(joinSamples(parts));
    },
    end: () => checked(istft.end()),
  };
}
