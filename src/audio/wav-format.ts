/**
 * The header of a WAV file (RIFF, RF64 and BW64): Microsoft's "Multimedia Programming Interface and Data Specifications 1.0" and
 * "Multiple Channel Audio Data and WAVE Files", EBU Tech 3306 for sizes past 4 GiB.
 */
import { FormatError } from '../tensor/errors.ts';
import { MOST_SAMPLE_RATE } from './audio-stream.ts';
import type { AudioFormat } from './audio-stream.ts';
import type { ByteReader } from './byte-reader.ts';

/** How a sample is stored, little-endian. */
export type WavCoding = 'integer' | 'float' | 'a-law' | 'mu-law';

export interface WavFormat extends AudioFormat {
  readonly coding: WavCoding;
  /** Bytes of one sample of one channel. */
  readonly sampleBytes: number;
}

export interface WavHeader {
  readonly format: WavFormat;
  /** Bytes of samples behind the header, as it says; Infinity where it says that the writer did not know. */
  readonly dataBytes: number;
}

/** Codes of `fmt `, and behind an extensible header the first two bytes of its GUID. */
export const WAV_CODES = { integer: 1, float: 3, 'a-law': 6, 'mu-law': 7, extensible: 0xfffe } as const;
/** The other bytes of the GUID of every code that is also a code of `fmt `. */
export const GUID_TAIL = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71] as const;

/** Sizes from here on may be what writers to a pipe put in, not knowing the length (SoX, arecord). */
export const DOUBTFUL_BYTES = 0x7fff_0000;
const FORMAT_BYTES = 40;
const WIDE_SIZES_BYTES = 28;

const OTHER_CODES: ReadonlyMap<number, string> = new Map([
  [2, 'Microsoft ADPCM'], [0x11, 'IMA ADPCM'], [0x31, 'GSM 6.10'], [0x50, 'MPEG layer 2'], [0x55, 'MP3'], [0x161, 'Windows Media Audio'],
]);

/**
 * Reads up to the first byte of samples.
 * @throws FormatError for what is no WAV file, ends before its samples, or says of them what cannot be
 */
export async function readWavHeader(reader: ByteReader): Promise<WavHeader> {
  const wide = await readRiff(reader);
  let wideDataBytes: number | undefined;
  let format: WavFormat | undefined;
  for (;;) {
    const head = await reader.take(8);
    if (head.length < 8) throw noSamples(reader.name, format);
    const id = ascii(head.subarray(0, 4));
    const size = viewOf(head).getUint32(4, true);
    if (id === 'data') {
      if (format === undefined) throw new FormatError(`${reader.name}: expected "fmt " before "data", found none. The file is damaged.`);
      return { format, dataBytes: dataBytesOf(size, wide ? wideDataBytes : undefined) };
    }
    const body = (await reader.take(Math.min(size, FORMAT_BYTES))).slice();
    if (id === 'fmt ') format = parseFormat(body, size, reader.name);
    if (id === 'ds64' && body.length >= WIDE_SIZES_BYTES) wideDataBytes = Number(viewOf(body).getBigUint64(8, true));
    // A chunk of odd size is followed by one byte that its size does not count.
    await reader.skip(size - body.length + (size & 1));
  }
}

/** Whether sizes are those of a chunk "ds64". */
async function readRiff(reader: ByteReader): Promise<boolean> {
  const head = await reader.take(12);
  if (head.length === 0) throw new FormatError(`${reader.name} is empty: expected a sound file.`);
  const id = ascii(head.subarray(0, 4));
  if (id === 'RIFX') throw new FormatError(`${reader.name}: big-endian WAV (RIFX) is not read. Convert it: ffmpeg -i IN.wav OUT.wav`);
  if (head.length < 12 || !['RIFF', 'RF64', 'BW64'].includes(id) || ascii(head.subarray(8, 12)) !== 'WAVE')
    throw new FormatError(`${reader.name}: expected a WAV file, which begins with "RIFF....WAVE", found ${JSON.stringify(ascii(head))}.`);
  return id !== 'RIFF';
}

function dataBytesOf(size: number, wide: number | undefined): number {
  return size === 0xffff_ffff ? (wide ?? Infinity) : size;
}

function parseFormat(body: Uint8Array, size: number, name: string): WavFormat {
  if (body.length < 16)
    throw new FormatError(`${name}: a chunk "fmt " has at least 16 bytes, found ${body.length} of ${size}. The file is damaged.`);
  const view = viewOf(body);
  const channels = view.getUint16(2, true);
  const sampleRate = view.getUint32(4, true);
  const blockBytes = view.getUint16(12, true);
  const bits = view.getUint16(14, true);
  const coding = codingOf(body, name);
  if (channels === 0) throw new FormatError(`${name}: expected at least one channel, found 0. The header is damaged.`);
  if (sampleRate === 0 || sampleRate > MOST_SAMPLE_RATE)
    throw new FormatError(`${name}: expected a rate from 1 to ${MOST_SAMPLE_RATE} Hz, found ${sampleRate}. The header is damaged.`);
  const sampleBytes = Math.ceil(bits / 8);
  if (blockBytes !== channels * sampleBytes) {
    throw new FormatError(
      `${name}: ${channels} channels of ${bits} bits take ${channels * sampleBytes} bytes, but the header says ${blockBytes}. ` +
        'The header is damaged.',
    );
  }
  if (!widthsOf(coding).includes(sampleBytes)) {
    const widths = widthsOf(coding).map((bytes) => bytes * 8).join(', ');
    throw new FormatError(`${name}: expected ${coding} samples of ${widths} bits, found ${bits}.`);
  }
  return { coding, channels, sampleRate, sampleBytes };
}

function codingOf(body: Uint8Array, name: string): WavCoding {
  const view = viewOf(body);
  let code = view.getUint16(0, true);
  if (code === WAV_CODES.extensible) {
    if (body.length < 40 || GUID_TAIL.some((byte, i) => body[26 + i] !== byte))
      throw new FormatError(`${name}: an extensible header names its coding by a GUID, found none that is known.`);
    code = view.getUint16(24, true);
  }
  for (const coding of ['integer', 'float', 'a-law', 'mu-law'] as const) if (WAV_CODES[coding] === code) return coding;
  const what = OTHER_CODES.get(code) ?? `code ${code}`;
  throw new FormatError(
    `${name}: expected WAV of integers, floats, A-law or mu-law, found ${what}. Convert it: ffmpeg -i IN.wav OUT.wav`,
  );
}

function widthsOf(coding: WavCoding): readonly number[] {
  if (coding === 'integer') return [1, 2, 3, 4];
  return coding === 'float' ? [4, 8] : [1];
}

function noSamples(name: string, format: WavFormat | undefined): FormatError {
  const missing = format === undefined ? 'a chunk "fmt " and a chunk "data"' : 'a chunk "data"';
  return new FormatError(`${name} ended before its samples: expected ${missing}. The file is probably incomplete.`);
}

function ascii(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
