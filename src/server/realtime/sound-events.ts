/** Sound in events: base64 of 16-bit samples of one channel, at 24,000 Hz. */
import { decodeSamples, encodeSamples } from '../../audio/wav-samples.ts';
import { createResampler } from '../../audio/resample.ts';
import { fromBase64, toBase64 } from '../base64.ts';
import { invalid } from '../failure.ts';
import { REALTIME_RATE } from './session-parameters.ts';

/** Samples of an event that is sent: half a second. */
const MOST_SAMPLES = REALTIME_RATE / 2;

/** @param at its place, for messages. @throws Failure (400) for what is no base64 of whole samples */
export function soundOf(base64: string, at: string): Float32Array {
  const bytes = fromBase64(base64, at);
  if (bytes.length % 2 !== 0)
    throw invalid(`${at} has ${bytes.length} bytes, which are no whole samples of 16 bits.`, { param: at, code: 'invalid_audio' });
  return decodeSamples(bytes, { coding: 'integer', sampleBytes: 2 });
}

/** Makes deltas of speech as it comes. @param rate of what comes */
export function createSoundDeltas(rate: number): { push(samples: Float32Array): string[]; end(): string[] } {
  const resampler = createResampler({ from: rate, to: REALTIME_RATE });
  const deltas = (samples: Float32Array): string[] => {
    const parts: string[] = [];
    for (let from = 0; from < samples.length; from += MOST_SAMPLES)
      parts.push(toBase64(encodeSamples(samples.subarray(from, from + MOST_SAMPLES), 'int16')));
    return parts;
  };
  return { push: (samples) => deltas(resampler.push(samples)), end: () => deltas(resampler.end()) };
}
