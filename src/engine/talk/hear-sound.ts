/** A sound as LFM2-Audio's ears take it: one channel at 16 kHz, as normalised features of 10 ms. */
import { createNemoMel, NEMO_HOP, NEMO_RATE, normalizeNemoMel } from '../../audio/nemo-features.ts';
import { InputError } from '../../tensor/errors.ts';
import type { CancelSignal } from '../../tensor/platform.ts';
import { monoSound } from '../speech/mono-sound.ts';
import type { Sound } from '../speech/mono-sound.ts';

/** Frames of features that the ears take at least; a shorter sound gets silence behind it. */
const LEAST_FRAMES = 9;

export interface SoundFeatures {
  /** [frames, bands]. */
  readonly features: Float32Array;
  /** Of the sound. */
  readonly seconds: number;
}

export interface HearingLimits {
  readonly bands: number;
  readonly mostSeconds: number;
  readonly signal?: CancelSignal | undefined;
}

/** @throws InputError for a sound that is empty, longer than `mostSeconds`, or none */
export async function featuresOfSound(sound: Sound, { bands, mostSeconds, signal }: HearingLimits): Promise<SoundFeatures> {
  const { pieces, seconds: told } = monoSound(sound, NEMO_RATE);
  const tooLong = (seconds: number) => new InputError(
    `The sound is longer than ${mostSeconds} s${Number.isFinite(seconds) ? ` (${seconds.toFixed(1)} s)` : ''}, the most that is heard at ` +
      'once: give it in parts, or load the model with more mostSeconds.',
  );
  if (told !== undefined && told > mostSeconds) throw tooLong(told);
  const mel = createNemoMel(bands);
  const rows: Float32Array[] = [];
  let samples = 0;
  for await (const piece of pieces) {
    signal?.throwIfAborted();
    samples += piece.length;
    if (samples > mostSeconds * NEMO_RATE) throw tooLong(Infinity);
    rows.push(mel.push(piece));
  }
  if (samples === 0) throw new InputError('The sound is empty: there is nothing to hear.');
  const missing = (LEAST_FRAMES - 1) * NEMO_HOP - samples;
  if (missing > 0) rows.push(mel.push(new Float32Array(missing)));
  rows.push(mel.end());
  const features = new Float32Array(rows.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const row of rows) {
    features.set(row, at);
    at += row.length;
  }
  return { features: normalizeNemoMel(features, bands), seconds: samples / NEMO_RATE };
}
