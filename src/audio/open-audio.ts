/** Sound files of every kind that is read, told by their first bytes. */
import type { ByteSource, ReadOptions } from '../tensor/byte-source.ts';
import { FormatError } from '../tensor/errors.ts';
import type { AudioStream } from './audio-stream.ts';
import { createByteReader, sourcePieces } from './byte-reader.ts';
import type { ByteReader } from './byte-reader.ts';
import { readWav } from './wav-reader.ts';
import type { WavReadOptions } from './wav-reader.ts';

export interface OpenAudioOptions extends ReadOptions, Pick<WavReadOptions, 'damaged'> {}

/** A page of Ogg has at least this many bytes before its first packet, whose first bytes name the coding. */
const HEAD_BYTES = 64;

/**
 * Opens WAV, FLAC, MP3, and Ogg with Opus, Vorbis or FLAC. Decoders of the compressed ones are loaded when one is opened.
 * @throws FormatError for other files, and damaged ones; the iteration throws it for damage further in
 */
export function openAudio(source: ByteSource, { damaged, ...options }: OpenAudioOptions = {}): Promise<AudioStream> {
  return openReader(createByteReader(sourcePieces(source, options), source.name), { damaged, sizeBytes: source.sizeBytes });
}

/**
 * As {@link openAudio}, of bytes that arrive: a pipe, an answer of HTTP.
 * @param name for messages
 */
export function openAudioPieces(pieces: AsyncIterable<Uint8Array>, name: string, { damaged }: OpenAudioOptions = {}): Promise<AudioStream> {
  return openReader(createByteReader(pieces, name), { damaged });
}

async function openReader(reader: ByteReader, options: WavReadOptions): Promise<AudioStream> {
  try {
    const head = (await reader.take(HEAD_BYTES)).slice();
    reader.putBack(head);
    return await openAs(kindOf(head), reader, options);
  } catch (error) {
    await reader.close();
    throw error;
  }
}

type AudioKind = 'wav' | 'flac' | 'mp3' | 'ogg' | { readonly unread: string };

async function openAs(kind: AudioKind, reader: ByteReader, options: WavReadOptions): Promise<AudioStream> {
  if (kind === 'wav') return readWav(reader, options);
  if (kind === 'ogg') return (await import('./ogg-audio.ts')).readOgg(reader, options);
  if (kind === 'flac') return (await import('./flac-audio.ts')).readFlac(reader, options);
  if (kind === 'mp3') return (await import('./mp3-audio.ts')).readMp3(reader, options);
  throw new FormatError(
    `${reader.name}: expected WAV, FLAC, MP3 or Ogg (Opus, Vorbis, FLAC), found ${kind.unread}. ` +
      'Convert it: ffmpeg -i IN -ar 16000 -ac 1 OUT.wav',
  );
}

/** [offset, letters there, what it is]. */
const OTHERS: readonly (readonly [number, string, string])[] = [
  [4, 'ftyp', 'MP4 or M4A'], [0, '\x1aE\xdf\xa3', 'WebM or Matroska'], [0, 'FORM', 'AIFF'], [0, 'caff', 'CAF'], [0, '.snd', 'AU'],
  [0, '#!AMR', 'AMR'], [0, '0&\xb2u', 'ASF or WMA'], [0, 'ADIF', 'AAC'],
];

function kindOf(head: Uint8Array): AudioKind {
  if (head.length === 0) return { unread: 'an empty file' };
  const text = String.fromCharCode(...head);
  if (/^RI(FF|FX)|^RF64|^BW64/.test(text)) return 'wav';
  if (text.startsWith('fLaC')) return 'flac';
  if (text.startsWith('OggS')) return 'ogg';
  if (text.startsWith('ID3')) return 'mp3';
  // A frame of MPEG audio begins with eleven ones; the layer's bits are zero in AAC.
  if (head[0] === 0xff && (head[1]! & 0xe0) === 0xe0) return (head[1]! & 6) === 0 ? { unread: 'AAC' } : 'mp3';
  const other = OTHERS.find(([at, letters]) => text.startsWith(letters, at));
  return { unread: other?.[2] ?? `a file that begins with ${JSON.stringify(text.slice(0, 12))}` };
}
