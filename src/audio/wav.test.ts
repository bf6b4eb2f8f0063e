import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fixturesPath } from '../../test/fixture-tensors.ts';
import { arriving, largestDifference, piecesOf, testSound } from '../../test/sound-pieces.ts';
import { randomSource } from '../tensor/codec/random-weights.ts';
import { memorySource } from '../files/memory-source.ts';
import { joinSamples } from './audio-stream.ts';
import type { AudioStream } from './audio-stream.ts';
import { openAudio, openAudioPieces } from './open-audio.ts';
import type { OpenAudioOptions } from './open-audio.ts';
import { WAV_ENCODINGS } from './wav-samples.ts';
import type { WavEncoding } from './wav-samples.ts';
import { encodeWav, wavHeader } from './wav-writer.ts';

const ENCODINGS = Object.keys(WAV_ENCODINGS) as WavEncoding[];

async function samplesOf({ chunks }: AudioStream): Promise<Float32Array> {
  const parts: Float32Array[] = [];
  for await (const chunk of chunks) parts.push(chunk.slice());
  return joinSamples(parts);
}

function open(bytes: Uint8Array, options?: OpenAudioOptions): Promise<AudioStream> {
  return openAudio(memorySource(bytes, 'x.wav'), options);
}

async function read(bytes: Uint8Array, options?: OpenAudioOptions): Promise<Float32Array> {
  return samplesOf(await open(bytes, options));
}

/** A file with some bytes changed. */
function edited(file: Uint8Array, at: number, bytes: readonly number[]): Uint8Array {
  const copy = file.slice();
  copy.set(bytes, at);
  return copy;
}

describe('files of libsndfile', () => {
  const folder = `${fixturesPath}sounds/`;
  const names = readdirSync(folder).filter((name) => name.startsWith('three-') && name.endsWith('.wav'));

  it('are 17', () => expect(names.length).toBe(17));

  it.each(names)('%s', async (name) => {
    const bytes = readFileSync(folder + name);
    const expected = new Uint8Array(readFileSync(folder + name.replace('.wav', '.f32')));
    const stream = await open(bytes);
    expect(stream).toMatchObject({ channels: 3, sampleRate: 8000, frames: 40 });
    expect(await samplesOf(stream)).toEqual(new Float32Array(expected.buffer));
    const pieced = await openAudioPieces(arriving(piecesOf(new Uint8Array(bytes), 30, 5)), name);
    expect(await samplesOf(pieced)).toEqual(await read(bytes));
  });
});

describe('writing and reading', () => {
  it.each(ENCODINGS)('%s gives the sound back, and its own samples bit by bit', async (encoding) => {
    for (const channels of [1, 2, 5]) {
      const sound = testSound(channels * 3001);
      const file = encodeWav(sound, { sampleRate: 22_050, channels, encoding });
      const stream = await open(file);
      expect(stream).toMatchObject({ channels, sampleRate: 22_050, frames: 3001 });
      const back = await samplesOf(stream);
      const { coding, sampleBytes } = WAV_ENCODINGS[encoding];
      expect(largestDifference(back, sound)).toBeLessThanOrEqual(coding === 'float' ? 0 : 2 ** -(8 * sampleBytes) + 1e-7);
      expect(encodeWav(back, { sampleRate: 22_050, channels, encoding })).toEqual(file);
    }
  });

  it('clips at full scale', async () => {
    const clipped = await read(encodeWav(Float32Array.of(1, 1.5, -1, -7), { sampleRate: 8000, channels: 1 }));
    expect([...clipped]).toEqual([32767 / 32768, 32767 / 32768, -1, -1]);
  });

  it('an unknown length is read to the end', async () => {
    const options = { sampleRate: 8000, channels: 2, encoding: 'float32' } as const;
    const sound = testSound(5000);
    const whole = encodeWav(sound, options);
    const header = wavHeader(options, undefined);
    const file = new Uint8Array([...header, ...whole.subarray(header.length)]);
    const stream = await openAudioPieces(arriving(piecesOf(file, 999, 2)), 'pipe');
    expect(stream.frames).toBeUndefined();
    expect(await samplesOf(stream)).toEqual(sound);
  });

  it('ten hours have a header of their own form, and are read in pieces', async () => {
    const options = { sampleRate: 48_000, channels: 2, encoding: 'int24' } as const;
    const header = wavHeader(options, 36_000 * 48_000);
    const sizeBytes = header.length + 36_000 * 48_000 * 6;
    let most = 0;
    const source = {
      name: 'ten hours.wav', sizeBytes, close: async () => {},
      async read(offset: number, into: Uint8Array) {
        most = Math.max(most, into.length);
        into.fill(0);
        if (offset < header.length) into.set(header.subarray(offset, offset + into.length));
      },
    };
    const stream = await openAudio(source);
    expect(stream.frames).toBe(36_000 * 48_000);
    for await (const chunk of stream.chunks) {
      expect(chunk.length).toBeLessThan(40_000);
      break;
    }
    expect(most).toBeLessThan(100_000);
  });

  it('refuses what a file cannot hold', () => {
    expect(() => encodeWav(Float32Array.of(0, NaN), { sampleRate: 8000, channels: 1 })).toThrow('sample 1 of 2 is NaN');
    expect(() => encodeWav(new Float32Array(3), { sampleRate: 8000, channels: 2 })).toThrow('no whole number of 2 channels');
    expect(() => encodeWav(new Float32Array(3), { sampleRate: 0, channels: 1 })).toThrow('sampleRate must be');
    expect(() => encodeWav(new Float32Array(3), { sampleRate: 8000, channels: 0 })).toThrow('channels must be');
    const int7 = { sampleRate: 8000, channels: 1, encoding: 'int7' as never };
    expect(() => encodeWav(new Float32Array(3), int7)).toThrow('encoding must be');
  });
});

describe('damaged and lying files', () => {
  const file = encodeWav(testSound(1000), { sampleRate: 8000, channels: 2 });

  it.each([
    ['no channels', edited(file, 22, [0, 0]), 'expected at least one channel, found 0'],
    ['a rate of 0', edited(file, 24, [0, 0, 0, 0]), 'expected a rate from 1 to 768000 Hz, found 0'],
    ['a rate of 4 GHz', edited(file, 24, [255, 255, 255, 255]), 'found 4294967295'],
    ['5 channels of 2', edited(file, 22, [5, 0]), '5 channels of 16 bits take 10 bytes, but the header says 4'],
    ['ADPCM', edited(file, 20, [2, 0]), 'found Microsoft ADPCM'],
    ['an unknown coding', edited(file, 20, [99, 9]), 'found code 2403'],
    ['floats of 16 bits', edited(file, 20, [3, 0]), 'expected float samples of 32, 64 bits, found 16'],
    ['more samples than there are', edited(file, 40, [0, 0, 1, 0]), 'its header says 65536 bytes of samples, the file has 2000'],
    ['half an instant', edited(file, 40, [205, 7, 0, 0]), '1997 bytes of samples are no whole number of 4'],
    ['a cut file', file.subarray(0, 1500), 'ends early'],
    ['a cut header', file.subarray(0, 30), 'at least 16 bytes, found 10'],
    ['a header alone', file.subarray(0, 36), 'ended before its samples: expected a chunk "data"'],
    ['samples without their form', new Uint8Array([...file.subarray(0, 12), ...file.subarray(36)]), 'expected "fmt " before "data"'],
    ['nothing', new Uint8Array(0), 'found an empty file'],
    ['a text', new TextEncoder().encode('Hello there, this is no sound at all.'), 'begins with "Hello there,"'],
    ['RIFX', edited(file, 3, [88]), 'big-endian'],
    ['an image in RIFF', edited(file, 8, [87, 69, 66, 80]), 'found "RIFF'],
    ['MP4', new Uint8Array([0, 0, 0, 32, ...new TextEncoder().encode('ftypM4A ')]), 'found MP4 or M4A'],
  ])('%s', async (_name, bytes, message) => {
    await expect(read(bytes)).rejects.toThrow(message);
  });

  it('give what is left where that is asked for', async () => {
    const whole = await read(file);
    expect(await read(file.subarray(0, 1501), { damaged: 'keep' })).toEqual(whole.subarray(0, 728));
    expect(await read(edited(file, 40, [0, 0, 1, 0]), { damaged: 'keep' })).toEqual(whole);
  });

  it('a pipe that ends early says so after its samples', async () => {
    const stream = await openAudioPieces(arriving([file.subarray(0, 1500)]), 'pipe');
    await expect(samplesOf(stream)).rejects.toThrow('pipe ends early');
  });

  it('NaN and infinity are found, with where', async () => {
    const sound = encodeWav(testSound(90_000), { sampleRate: 8000, channels: 2, encoding: 'float32' });
    const nan = edited(sound, sound.length - 4 * 4, [0, 0, 0xc0, 0x7f]);
    await expect(read(nan)).rejects.toThrow('sample 44998 of channel 1 (at 5.625 s) is NaN');
    await expect(read(edited(sound, sound.length - 4, [0, 0, 0x80, 0xff]))).rejects.toThrow('channel 2 (at 5.625 s) is -Infinity');
  });

  it('any bytes give samples or a FormatError, and end', async () => {
    const random = randomSource(7);
    for (let round = 0; round < 300; round++) {
      const bytes = file.slice(0, 44 + Math.floor(random() * 300));
      for (let change = 0; change < 3; change++) bytes[Math.floor(random() * 60)] = Math.floor(random() * 256);
      const error = await read(bytes).catch((reason: Error) => reason);
      expect(error instanceof Float32Array || error.name === 'FormatError', String(error)).toBe(true);
    }
  });
});
