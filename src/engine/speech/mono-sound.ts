/** Any sound as the models hear it: one channel at their rate. */
import { checkChannels, checkSampleRate, checkSamples, mixDown } from '../../audio/audio-stream.ts';
import type { AudioStream, Waveform } from '../../audio/audio-stream.ts';
import { createResampler } from '../../audio/resample.ts';
import { InputError } from '../../tensor/errors.ts';
import { describeValue } from '../../tensor/option-names.ts';

/** Samples in memory with their rate, or a stream of them: one channel, unless it says otherwise. */
export type Sound = Waveform | (Pick<AudioStream, 'sampleRate' | 'chunks'> & Partial<Pick<AudioStream, 'channels' | 'frames'>>);

export interface MonoSound {
  /** Hz. */
  readonly sampleRate: number;
  /** Seconds in all, where the sound says it. */
  readonly seconds: number | undefined;
  /** [samples] each. */
  readonly pieces: AsyncIterable<Float32Array>;
}

/** Samples of one piece of what is in memory. */
const PIECE_SAMPLES = 16_384;

/** @throws InputError for what is no sound, a rate that is none, and (as pieces are read) samples that are NaN or infinite */
export function monoSound(sound: Sound, sampleRate: number): MonoSound {
  if (typeof sound !== 'object' || sound === null || !('samples' in sound || 'chunks' in sound)) {
    throw new InputError(
      `expected a sound as { samples, sampleRate }, or a stream as { chunks, sampleRate, channels }, found ${describeValue(sound)}.`,
    );
  }
  checkSampleRate('sampleRate', sound.sampleRate);
  if ('samples' in sound) {
    checkSamples(sound.samples);
    const seconds = sound.samples.length / sound.sampleRate;
    return { sampleRate, seconds, pieces: resampled(cut(sound.samples), sound.sampleRate, sampleRate) };
  }
  const { channels = 1, frames, chunks } = sound;
  checkChannels(channels);
  const seconds = frames === undefined ? undefined : frames / sound.sampleRate;
  return { sampleRate, seconds, pieces: resampled(mixed(chunks, channels), sound.sampleRate, sampleRate) };
}

async function* cut(samples: Float32Array): AsyncGenerator<Float32Array> {
  for (let at = 0; at < samples.length; at += PIECE_SAMPLES) yield samples.subarray(at, at + PIECE_SAMPLES);
}

async function* mixed(chunks: AudioStream['chunks'], channels: number): AsyncGenerator<Float32Array> {
  for await (const chunk of chunks) {
    checkSamples(chunk);
    if (chunk.length % channels !== 0)
      throw new InputError(`a chunk of ${chunk.length} samples is no whole number of ${channels} channels.`);
    yield mixDown(chunk, channels);
  }
}

async function* resampled(pieces: AsyncIterable<Float32Array>, from: number, to: number): AsyncGenerator<Float32Array> {
  const resampler = createResampler({ from, to });
  for await (const piece of pieces) yield resampler.push(piece);
  yield resampler.end();
}
