/** What decoders of compressed sound give, as one stream. */
import { FormatError } from '../tensor/errors.ts';
import type { AudioStream } from './audio-stream.ts';
import type { ByteReader } from './byte-reader.ts';
import { checkFinite } from './wav-reader.ts';
import type { WavReadOptions } from './wav-reader.ts';

/** As the packages of wasm-audio-decoders give it. */
export interface DecodedPart {
  /** By channel: [samples]. */
  readonly channelData: readonly Float32Array[];
  readonly samplesDecoded: number;
  readonly sampleRate: number;
  readonly errors: readonly { readonly message: string }[];
}

/** One file's decoder. */
export interface PartDecoder {
  decode(bytes: Uint8Array): DecodedPart | Promise<DecodedPart>;
  /** What was held back. Throws FormatError where the file ends before its sound does, unless damage is kept. */
  end(): DecodedPart | Promise<DecodedPart>;
  free(): void | Promise<void>;
}

export const EMPTY_PART: DecodedPart = { channelData: [], samplesDecoded: 0, sampleRate: 0, errors: [] };

const PIECE_BYTES = 32 * 1024;

/**
 * Reads up to the first samples, which say rate and channels, and gives the stream of all.
 * @param kind of file, for messages
 * @throws FormatError where there is no sound, or damage before it; the iteration throws it for damage behind
 */
export async function decodedStream(
  reader: ByteReader, decoder: PartDecoder, { kind, damaged }: Pick<WavReadOptions, 'damaged'> & { readonly kind: string },
): Promise<AudioStream> {
  const parts = partsOf(reader, decoder, { kind, keepsDamage: damaged === 'keep' });
  const first = await parts.next();
  if (first.done === true)
    throw new FormatError(`${reader.name}: expected ${kind} with sound in it, found no sample. The file is damaged or incomplete.`);
  const { sampleRate, channelData: { length: channels } } = first.value;
  return { sampleRate, channels, frames: undefined, chunks: interleavedParts(first.value, parts, reader.name) };
}

interface PartChecks {
  readonly kind: string;
  readonly keepsDamage: boolean;
}

async function* partsOf(reader: ByteReader, decoder: PartDecoder, { kind, keepsDamage }: PartChecks): AsyncGenerator<DecodedPart> {
  const checked = async (decode: () => DecodedPart | Promise<DecodedPart>): Promise<DecodedPart> => {
    const part = await decodedOrRefused(decode, reader, kind);
    const [error] = part.errors;
    if (error !== undefined && !keepsDamage)
      throw new FormatError(`${reader.name}: its ${kind} is damaged near byte ${reader.offset} (${error.message}). ${KEEP_DAMAGE}`);
    return part;
  };
  try {
    for (;;) {
      const bytes = await reader.take(PIECE_BYTES, 1);
      if (bytes.length === 0) break;
      const part = await checked(() => decoder.decode(bytes));
      if (part.samplesDecoded > 0) yield part;
    }
    const last = await checked(() => decoder.end());
    if (last.samplesDecoded > 0) yield last;
  } finally {
    await decoder.free();
    await reader.close();
  }
}

/** Decoders throw errors of their own making over headers that they cannot read on from. */
async function decodedOrRefused(decode: () => DecodedPart | Promise<DecodedPart>, reader: ByteReader, kind: string): Promise<DecodedPart> {
  try {
    return await decode();
  } catch (error) {
    if (error instanceof FormatError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    const where = `${reader.name}: its ${kind} is damaged near byte ${reader.offset}`;
    throw new FormatError(`${where}, and cannot be read on (${reason}).`, { cause: error });
  }
}

export const KEEP_DAMAGE = "To use what is left of it, ask for that (damaged: 'keep', or --damaged).";

async function* interleavedParts(first: DecodedPart, rest: AsyncGenerator<DecodedPart>, name: string): AsyncGenerator<Float32Array> {
  const { sampleRate, channelData: { length: channels } } = first;
  let before = 0;
  const interleaved = (part: DecodedPart): Float32Array => {
    if (part.sampleRate !== sampleRate || part.channelData.length !== channels) {
      throw new FormatError(
        `${name}: rate or channels change within the file, from ${sampleRate} Hz and ${channels} to ${part.sampleRate} Hz and ` +
          `${part.channelData.length}. Convert it to one form, or cut it there.`,
      );
    }
    const samples = new Float32Array(part.samplesDecoded * channels);
    part.channelData.forEach((values, channel) => {
      for (let t = 0; t < part.samplesDecoded; t++) samples[t * channels + channel] = values[t]!;
    });
    checkFinite(samples, before, { channels, sampleRate }, name);
    before += samples.length;
    return samples;
  };
  try {
    yield interleaved(first);
    for await (const part of rest) yield interleaved(part);
  } finally {
    await rest.return(undefined);
  }
}
