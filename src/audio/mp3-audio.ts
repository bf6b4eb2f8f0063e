import { MPEGDecoder } from 'mpg123-decoder';
import type { AudioStream } from './audio-stream.ts';
import type { ByteReader } from './byte-reader.ts';
import { decodedStream, EMPTY_PART } from './decoded-stream.ts';
import type { WavReadOptions } from './wav-reader.ts';

/** MPEG-1, 2 and 2.5, layers I to III. One channel is given twice, as two. @throws as `decodedStream` */
export async function readMp3(reader: ByteReader, { damaged }: WavReadOptions): Promise<AudioStream> {
  const decoder = new MPEGDecoder();
  await decoder.ready;
  const parts = { decode: (bytes: Uint8Array) => decoder.decode(bytes), end: () => EMPTY_PART, free: () => decoder.free() };
  return decodedStream(reader, parts, { kind: 'MP3', damaged });
}
