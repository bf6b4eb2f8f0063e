/** Samples without a header, as programs pipe them. */
import { InputError } from '../tensor/errors.ts';
import { describeValue } from '../tensor/option-names.ts';
import { checkChannels, checkSampleRate } from './audio-stream.ts';
import type { AudioFormat, AudioStream } from './audio-stream.ts';
import { createByteReader } from './byte-reader.ts';
import { checkFinite, wholeFrames } from './wav-reader.ts';
import { decodeSamples, WAV_ENCODINGS } from './wav-samples.ts';
import type { WavEncoding } from './wav-samples.ts';

export interface PcmFormat extends AudioFormat {
  /** Little-endian. Default int16. */
  readonly encoding?: WavEncoding | undefined;
}

/**
 * Samples of bytes that arrive, each as soon as it is whole; half a sample at the end is left out.
 * @param name for messages
 * @throws InputError for a rate, a number of channels or an encoding that is none; the iteration throws FormatError for NaN and infinity
 */
export function readPcm(pieces: AsyncIterable<Uint8Array>, name: string, format: PcmFormat): AudioStream {
  const { sampleRate, channels, encoding = 'int16' } = format;
  checkSampleRate('sampleRate', sampleRate);
  checkChannels(channels);
  if (!Object.hasOwn(WAV_ENCODINGS, encoding))
    throw new InputError(`encoding must be one of ${Object.keys(WAV_ENCODINGS).join(', ')}, found ${describeValue(encoding)}.`);
  const { coding, sampleBytes } = WAV_ENCODINGS[encoding];
  const frameBytes = channels * sampleBytes;
  const reader = createByteReader(pieces, name);
  const chunks = async function* (): AsyncGenerator<Float32Array> {
    let done = 0;
    try {
      for await (const bytes of wholeFrames(reader, frameBytes, Infinity)) {
        if (bytes.length < frameBytes) return;
        const samples = decodeSamples(bytes, { coding, sampleBytes });
        checkFinite(samples, done, format, name);
        done += samples.length;
        yield samples;
      }
    } finally {
      await reader.close();
    }
  };
  return { sampleRate, channels, frames: undefined, chunks: chunks() };
}
