/** A sound as LFM2-Audio's ears take it: one channel at 16 kHz, as normalised features of 10 ms, made as it comes. */
import { checkSampleRate, checkSamples, joinSamples } from '../../audio/audio-stream.ts';
import { createNemoMel, NEMO_HOP, NEMO_RATE, normalizeNemoMel } from '../../audio/nemo-features.ts';
import { createResampler } from '../../audio/resample.ts';
import { InputError } from '../../tensor/errors.ts';
import type { CancelSignal } from '../../tensor/platform.ts';
import { monoSound } from '../speech/mono-sound.ts';
import type { Sound } from '../speech/mono-sound.ts';

/** Frames of features that the ears take at least; a shorter sound gets silence behind it. */
const LEAST_FRAMES = 9;

/** What the ears take of a sound that is over. */
export interface HeardSound {
  /** [frames, bands]. */
  readonly features: Float32Array;
  /** Of the sound. */
  readonly seconds: number;
}

export interface HearingLimits {
  readonly bands: number;
  readonly mostSeconds: number;
}

/** A sound that comes: what can be made of it is made as it does, so that little is left to do at its end. */
export interface ComingSound {
  /**
   * @param samples one channel; they may be its caller's own
   * @throws InputError for more than the model hears at once, and for samples that are NaN or infinite
   */
  push(samples: Float32Array): void;
  /** To be called once. @throws InputError for a sound of nothing */
  end(): HeardSound;
}

/** @returns one that takes samples at 16 kHz */
export function openComingSound({ bands, mostSeconds }: HearingLimits): ComingSound {
  const mel = createNemoMel(bands);
  const rows: Float32Array[] = [];
  let length = 0;
  return {
    push(samples) {
      checkSamples(samples);
      if (length + samples.length > mostSeconds * NEMO_RATE) throw tooLong(mostSeconds);
      length += samples.length;
      rows.push(mel.push(samples));
    },
    end() {
      if (length === 0) throw new InputError('The sound is empty: there is nothing to hear.');
      const missing = (LEAST_FRAMES - 1) * NEMO_HOP - length;
      if (missing > 0) rows.push(mel.push(new Float32Array(missing)));
      rows.push(mel.end());
      return { features: normalizeNemoMel(joinSamples(rows), bands), seconds: length / NEMO_RATE };
    },
  };
}

function tooLong(mostSeconds: number, seconds?: number): InputError {
  return new InputError(
    `The sound is longer than ${mostSeconds} s${seconds === undefined ? '' : ` (${seconds.toFixed(1)} s)`}, the most that is heard at ` +
      'once: give it in parts, or load the model with more mostSeconds.',
  );
}

/** One of any rate. @throws InputError for a rate that is none */
export function openResampledSound(sampleRate: number, limits: HearingLimits): ComingSound {
  checkSampleRate('sampleRate', sampleRate);
  const resampler = createResampler({ from: sampleRate, to: NEMO_RATE });
  const sound = openComingSound(limits);
  return {
    push(samples) {
      checkSamples(samples);
      sound.push(resampler.push(samples));
    },
    end() {
      sound.push(resampler.end());
      return sound.end();
    },
  };
}

/** @throws InputError for a sound that is empty, longer than `mostSeconds`, or none */
export async function featuresOfSound(sound: Sound, limits: HearingLimits, signal?: CancelSignal): Promise<HeardSound> {
  const { mostSeconds } = limits;
  const { pieces, seconds: told } = monoSound(sound, NEMO_RATE);
  if (told !== undefined && told > mostSeconds) throw tooLong(mostSeconds, told);
  const coming = openComingSound(limits);
  for await (const piece of pieces) {
    signal?.throwIfAborted();
    coming.push(piece);
  }
  return coming.end();
}
