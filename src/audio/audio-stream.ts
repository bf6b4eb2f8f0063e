/** Sound as values with their rate: what readers give, and what every stage of this folder takes. */
import { InputError } from '../tensor/errors.ts';

/** One channel in memory. */
export interface Waveform {
  /** [samples], full scale at -1 and 1. */
  readonly samples: Float32Array;
  /** Hz. */
  readonly sampleRate: number;
}

export interface AudioFormat {
  /** Hz. */
  readonly sampleRate: number;
  readonly channels: number;
}

/** Sound that arrives in pieces, of any length and number of channels. */
export interface AudioStream extends AudioFormat {
  /** Values of each channel in all; undefined where the file or the device does not say. */
  readonly frames: number | undefined;
  /** Interleaved [frames, channels] each. Read once; leaving the loop closes what they come from. */
  readonly chunks: AsyncIterable<Float32Array>;
}

/** A stage of a stream: what it gives for all pieces, put together, does not depend on where the pieces were cut. */
export interface StreamStage {
  /** What the samples so far decide and was not given before: may be empty. */
  push(samples: Float32Array): Float32Array;
  /** The rest; nothing may be pushed after it. */
  end(): Float32Array;
}

/** The largest rate that a reader believes; studio converters end at 768 kHz. */
export const MOST_SAMPLE_RATE = 768_000;

/** What a WAV header can say. */
const MOST_CHANNELS = 65_535;

/** @throws InputError for what is no number of channels */
export function checkChannels(channels: number): void {
  if (!Number.isSafeInteger(channels) || channels < 1 || channels > MOST_CHANNELS)
    throw new InputError(`channels must be a whole number from 1 to ${MOST_CHANNELS}, found ${String(channels)}.`);
}

/** @throws InputError for a rate that is no whole number of Hz within 1 to {@link MOST_SAMPLE_RATE} */
export function checkSampleRate(name: string, rate: number): void {
  if (!Number.isSafeInteger(rate) || rate < 1 || rate > MOST_SAMPLE_RATE)
    throw new InputError(`${name} must be a whole number of Hz from 1 to ${MOST_SAMPLE_RATE}, found ${String(rate)}.`);
}

/** Index of the first value that is NaN or infinite; -1 where there is none. */
export function firstNotFinite(samples: Float32Array): number {
  for (let i = 0; i < samples.length; i++) if (!Number.isFinite(samples[i]!)) return i;
  return -1;
}

/** @throws InputError for samples that are no Float32Array, or hold NaN or infinity */
export function checkSamples(samples: Float32Array): void {
  if (!(samples instanceof Float32Array)) throw new InputError('samples must be a Float32Array of values from -1 to 1.');
  const at = firstNotFinite(samples);
  if (at !== -1)
    throw new InputError(`sample ${at} of ${samples.length} is ${samples[at]}: expected numbers from -1 to 1. Was it decoded right?`);
}

/** The mean of all channels: [frames] of interleaved [frames, channels]. */
export function mixDown(interleaved: Float32Array, channels: number): Float32Array {
  if (channels === 1) return interleaved;
  const mono = new Float32Array(interleaved.length / channels);
  for (let frame = 0, at = 0; frame < mono.length; frame++) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++) sum += interleaved[at++]!;
    mono[frame] = sum / channels;
  }
  return mono;
}

/** One array of several, in order. */
export function joinSamples(parts: readonly Float32Array[]): Float32Array {
  const joined = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** A stage over a whole array. */
export function runStage(stage: StreamStage, samples: Float32Array): Float32Array {
  return joinSamples([stage.push(samples), stage.end()]);
}
