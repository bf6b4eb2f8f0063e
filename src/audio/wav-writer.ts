/** WAV files of samples. */
import { InputError } from '../tensor/errors.ts';
import { checkSamples, checkSampleRate } from './audio-stream.ts';
import type { AudioFormat } from './audio-stream.ts';
import { GUID_TAIL, WAV_CODES } from './wav-format.ts';
import { encodeSamples, WAV_ENCODINGS } from './wav-samples.ts';
import type { WavEncoding } from './wav-samples.ts';

export interface WavOptions extends AudioFormat {
  /** Default `int16`. */
  readonly encoding?: WavEncoding | undefined;
}

/** The most that a size of 32 bits can say, less the header. */
const MOST_RIFF_BYTES = 0xffff_ffff - 128;

/**
 * The bytes before the samples.
 * @param frames values of each channel that follow; undefined where that is not known yet: then readers read on to the end
 * @throws InputError for a format that a WAV file cannot hold
 */
export function wavHeader({ sampleRate, channels, encoding = 'int16' }: WavOptions, frames: number | undefined): Uint8Array<ArrayBuffer> {
  checkSampleRate('sampleRate', sampleRate);
  if (!Number.isSafeInteger(channels) || channels < 1 || channels > 8191)
    throw new InputError(`channels must be a whole number from 1 to 8191, found ${channels}.`);
  if (!Object.hasOwn(WAV_ENCODINGS, encoding))
    throw new InputError(`encoding must be one of ${Object.keys(WAV_ENCODINGS).join(', ')}, found ${JSON.stringify(encoding)}.`);
  const { coding, sampleBytes } = WAV_ENCODINGS[encoding];
  const frameBytes = channels * sampleBytes;
  const dataBytes = frames === undefined ? undefined : frames * frameBytes;
  const isWide = dataBytes !== undefined && dataBytes > MOST_RIFF_BYTES;
  // Readers of old take integers of up to 16 bits, one channel or two, without the extension; everything else is to have it.
  const isExtensible = channels > 2 || (coding === 'integer' && sampleBytes > 2);
  const parts: number[][] = [];
  if (isWide) parts.push([...text('ds64'), ...u32(28), ...u64(dataBytes + 96), ...u64(dataBytes), ...u64(frames!), ...u32(0)]);
  const code = WAV_CODES[coding];
  parts.push([
    ...text('fmt '), ...u32(isExtensible ? 40 : 16), ...u16(isExtensible ? WAV_CODES.extensible : code), ...u16(channels),
    ...u32(sampleRate), ...u32(Math.min(0xffff_ffff, sampleRate * frameBytes)), ...u16(frameBytes), ...u16(sampleBytes * 8),
  ]);
  if (isExtensible) parts.push([...u16(22), ...u16(sampleBytes * 8), ...u32(0), ...u16(code), ...GUID_TAIL]);
  const known = dataBytes === undefined || isWide ? 0xffff_ffff : dataBytes;
  const body = [...parts.flat(), ...text('data'), ...u32(known)];
  const riffBytes = known === 0xffff_ffff ? known : 4 + body.length + known + (known & 1);
  return Uint8Array.from([...text(isWide ? 'RF64' : 'RIFF'), ...u32(riffBytes), ...text('WAVE'), ...body]);
}

/**
 * A whole file.
 * @param samples interleaved [frames, channels]; integers clip what is beyond full scale
 * @throws InputError for NaN and infinity, and samples that are no whole number of frames
 */
export function encodeWav(samples: Float32Array, options: WavOptions): Uint8Array<ArrayBuffer> {
  checkSamples(samples);
  const frames = samples.length / options.channels;
  const header = wavHeader(options, frames);
  if (!Number.isInteger(frames)) throw new InputError(`${samples.length} samples are no whole number of ${options.channels} channels.`);
  const data = encodeSamples(samples, options.encoding ?? 'int16');
  const file = new Uint8Array(header.length + data.length + (data.length & 1));
  file.set(header);
  file.set(data, header.length);
  return file;
}

function text(letters: string): number[] {
  return Array.from(letters, (letter) => letter.charCodeAt(0));
}

function u16(value: number): number[] {
  return [value & 255, value >>> 8];
}

function u32(value: number): number[] {
  return [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];
}

function u64(value: number): number[] {
  return [...u32(value % 2 ** 32), ...u32(Math.floor(value / 2 ** 32))];
}
