import { FLACDecoder } from '@wasm-audio-decoders/flac';
import type { FLACDecodedAudio } from '@wasm-audio-decoders/flac';
import { FormatError } from '../tensor/errors.ts';
import type { AudioStream } from './audio-stream.ts';
import type { ByteReader } from './byte-reader.ts';
import { decodedStream, KEEP_DAMAGE } from './decoded-stream.ts';
import type { DecodedPart } from './decoded-stream.ts';
import type { WavReadOptions } from './wav-reader.ts';

/** The number of samples stands in 36 bits from here on (RFC 9639, 8.2), behind "fLaC" and the head of the first block. */
const SAMPLES_AT = 21;

/**
 * @param reader at "fLaC"
 * @throws as `decodedStream`; and at the end, FormatError where there were fewer samples than the header says
 */
export async function readFlac(reader: ByteReader, { damaged }: WavReadOptions): Promise<AudioStream> {
  const head = (await reader.take(SAMPLES_AT + 5)).slice();
  reader.putBack(head);
  // 0 where the writer did not know.
  const expected = head.length < SAMPLES_AT + 5 ? 0
    : (head[SAMPLES_AT]! & 15) * 2 ** 32 + new DataView(head.buffer).getUint32(SAMPLES_AT + 1);
  const decoder = new FLACDecoder();
  await decoder.ready;
  let found = 0;
  const counted = (part: FLACDecodedAudio): DecodedPart => {
    found += part.samplesDecoded;
    return withFullScale(part);
  };
  const parts = {
    decode: async (bytes: Uint8Array) => counted(await decoder.decode(bytes)),
    async end() {
      const last = counted(await decoder.flush());
      // Frames whose checksum is wrong are left out by the parser.
      if (expected > 0 && found !== expected && damaged !== 'keep')
        throw new FormatError(`${reader.name}: its header says ${expected} samples, found ${found} that are whole. ${KEEP_DAMAGE}`);
      return last;
    },
    free: () => decoder.free(),
  };
  return decodedStream(reader, parts, { kind: 'FLAC', damaged });
}

/** Integers over 2^(bits - 1), as WAV's are: the decoder divides by one less. */
export function withFullScale(part: FLACDecodedAudio): DecodedPart {
  const factor = 1 - 2 ** (1 - part.bitDepth);
  return { ...part, channelData: part.channelData.map((values) => values.map((value) => value * factor)) };
}
