/** WAV files as streams of samples, in memory that does not grow with the file. */
import type { ByteSource } from '../tensor/byte-source.ts';
import { FormatError } from '../tensor/errors.ts';
import { firstNotFinite } from './audio-stream.ts';
import type { AudioFormat, AudioStream } from './audio-stream.ts';
import type { ByteReader } from './byte-reader.ts';
import { DOUBTFUL_BYTES, readWavHeader } from './wav-format.ts';
import type { WavHeader } from './wav-format.ts';
import { decodeSamples } from './wav-samples.ts';

export interface WavReadOptions {
  /** What a file with fewer samples than its header says is: an error, or all that is there. Default `refuse`. */
  readonly damaged?: 'refuse' | 'keep' | undefined;
  /** Bytes of the file, where known: then a header that promises more is refused before any sample is given. */
  readonly sizeBytes?: ByteSource['sizeBytes'] | undefined;
}

/** Bytes of samples read at a time, about. */
const PIECE_BYTES = 64 * 1024;

/**
 * @param reader at the first byte of the file
 * @throws FormatError for a header that cannot be; the iteration throws it for samples that end early, NaN and infinity
 */
export async function readWav(reader: ByteReader, options: WavReadOptions = {}): Promise<AudioStream> {
  try {
    const { format, dataBytes } = await readWavHeader(reader);
    const { channels, sampleRate, sampleBytes } = format;
    const frameBytes = channels * sampleBytes;
    const room = options.sizeBytes === undefined ? undefined : options.sizeBytes - reader.offset;
    // A doubtful size is true where the file has so many bytes.
    const isKnown = room !== undefined && dataBytes <= room ? true : dataBytes < DOUBTFUL_BYTES;
    const isStrict = isKnown && options.damaged !== 'keep';
    if (isStrict && dataBytes % frameBytes !== 0) throw brokenFrame(reader.name, dataBytes, frameBytes);
    if (isStrict && room !== undefined && dataBytes > room) throw endedEarly(reader.name, room, dataBytes);
    const chunks = samplesOf(reader, { format, dataBytes }, { isStrict, keepsBroken: options.damaged === 'keep' });
    return { channels, sampleRate, frames: isStrict ? dataBytes / frameBytes : undefined, chunks };
  } catch (error) {
    await reader.close();
    throw error;
  }
}

interface Strictness {
  /** The header's size has to be reached. */
  readonly isStrict: boolean;
  /** A frame that is cut in the middle is dropped. */
  readonly keepsBroken: boolean;
}

async function* samplesOf(reader: ByteReader, { format, dataBytes }: WavHeader, strictness: Strictness): AsyncGenerator<Float32Array> {
  const frameBytes = format.channels * format.sampleBytes;
  let done = 0;
  try {
    for await (const bytes of wholeFrames(reader, frameBytes, dataBytes)) {
      const whole = bytes.length - (bytes.length % frameBytes);
      if (whole > 0) {
        const samples = decodeSamples(bytes.subarray(0, whole), format);
        checkFinite(samples, done / format.sampleBytes, format, reader.name);
        yield samples;
      }
      done += bytes.length;
      if (whole !== bytes.length && !strictness.keepsBroken) throw brokenFrame(reader.name, done, frameBytes);
    }
    if (strictness.isStrict && done < dataBytes) throw endedEarly(reader.name, done, dataBytes);
  } finally {
    await reader.close();
  }
}

/** Bytes of whole frames as they arrive; the last piece may end within one, where the bytes end. */
export async function* wholeFrames(reader: ByteReader, frameBytes: number, mostBytes: number): AsyncGenerator<Uint8Array> {
  const pieceBytes = Math.max(1, Math.floor(PIECE_BYTES / frameBytes)) * frameBytes;
  for (let done = 0; done < mostBytes; ) {
    const bytes = await reader.take(Math.min(pieceBytes, mostBytes - done), frameBytes);
    if (bytes.length === 0) return;
    const whole = bytes.length - (bytes.length % frameBytes);
    if (whole > 0 && whole < bytes.length) reader.putBack(bytes.slice(whole));
    const piece = whole > 0 ? bytes.subarray(0, whole) : bytes;
    done += piece.length;
    yield piece;
  }
}

/**
 * @param first index of the first sample in the file, over all channels
 * @throws FormatError where a sample is NaN or infinite
 */
export function checkFinite(samples: Float32Array, first: number, { channels, sampleRate }: AudioFormat, name: string): void {
  const at = firstNotFinite(samples);
  if (at === -1) return;
  const frame = Math.floor((first + at) / channels);
  throw new FormatError(
    `${name}: sample ${frame} of channel ${((first + at) % channels) + 1} (at ${(frame / sampleRate).toFixed(3)} s) is ${samples[at]}: ` +
      'expected numbers from -1 to 1. The recording is damaged there.',
  );
}

const KEEP_HINT = "To use what is there, ask for it (damaged: 'keep', or --damaged).";

function endedEarly(name: string, found: number, expected: number): FormatError {
  return new FormatError(`${name} ends early: its header says ${expected} bytes of samples, the file has ${found}. ${KEEP_HINT}`);
}

function brokenFrame(name: string, bytes: number, frameBytes: number): FormatError {
  return new FormatError(`${name}: ${bytes} bytes of samples are no whole number of ${frameBytes}, which one instant takes. ${KEEP_HINT}`);
}
