/** MP3, FLAC and Ogg beside what libsndfile decodes of the same files (scripts/fixtures/sounds.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fixturesPath } from '../../test/fixture-tensors.ts';
import { arriving, largestDifference, piecesOf } from '../../test/sound-pieces.ts';
import { randomSource } from '../tensor/codec/random-weights.ts';
import { memorySource } from '../files/memory-source.ts';
import { joinSamples, mixDown } from './audio-stream.ts';
import type { AudioStream } from './audio-stream.ts';
import { openAudio, openAudioPieces } from './open-audio.ts';

const folder = `${fixturesPath}sounds/`;
const NAMES = ['mono.mp3', 'stereo.mp3', 'mono.flac', 'stereo.flac', 'mono-vorbis.ogg', 'mono-opus.ogg', 'stereo-opus.ogg'] as const;

async function samplesOf({ chunks }: AudioStream): Promise<Float32Array> {
  const parts: Float32Array[] = [];
  for await (const chunk of chunks) parts.push(chunk.slice());
  return joinSamples(parts);
}

function fileOf(name: string): Uint8Array {
  return new Uint8Array(readFileSync(folder + name));
}

function open(bytes: Uint8Array, damaged?: 'keep'): Promise<AudioStream> {
  return openAudio(memorySource(bytes, 'x'), { damaged });
}

/** The least root mean square of the difference over small shifts: decoders drop other numbers of samples at the start of an MP3. */
function closest(a: Float32Array, b: Float32Array): { readonly shift: number; readonly error: number } {
  let best = { shift: 0, error: Infinity };
  for (let shift = -1200; shift <= 1200; shift++) {
    let [sum, count] = [0, 0];
    for (let t = Math.max(0, -shift) + 500; t < Math.min(a.length - Math.max(0, shift), b.length) - 700; t += 11, count++)
      sum += (a[t + shift]! - b[t]!) ** 2;
    if (Math.sqrt(sum / count) < best.error) best = { shift, error: Math.sqrt(sum / count) };
  }
  return best;
}

describe('compressed files', () => {
  it.each(NAMES)('%s', async (name) => {
    const stream = await open(fileOf(name));
    const expected = await open(fileOf(`${name}.wav`));
    expect(stream.sampleRate).toBe(expected.sampleRate);
    // The decoder of MP3 gives two channels of one.
    expect(stream.channels).toBe(name === 'mono.mp3' ? 2 : expected.channels);
    const [found, wanted] = [await samplesOf(stream), await samplesOf(expected)];
    if (name.endsWith('.mp3')) {
      const { error } = closest(mixDown(found, stream.channels), mixDown(wanted, expected.channels));
      expect(error).toBeLessThan(1e-4);
    } else {
      expect(largestDifference(found, wanted)).toBeLessThanOrEqual(name.endsWith('.flac') ? 1e-7 : 2e-3);
    }
  });

  it.each(NAMES)('%s in pieces', async (name) => {
    const pieced = await openAudioPieces(arriving(piecesOf(fileOf(name), 600, 3)), name);
    expect(largestDifference(await samplesOf(pieced), await samplesOf(await open(fileOf(name))))).toBe(0);
  });
});

describe('damaged files', () => {
  it.each(['stereo.flac', 'mono-vorbis.ogg', 'stereo-opus.ogg'])('%s: a cut one is refused, or gives what is left', async (name) => {
    const file = fileOf(name);
    const cut = file.subarray(0, Math.floor(file.length * 0.7));
    const error = await open(cut).then(samplesOf).catch((reason: Error) => reason.message);
    expect(error).toMatch(/ends early|header says|no sample|checksum/);
    const whole = await samplesOf(await open(file));
    const left = await open(cut, 'keep').then(samplesOf).catch(() => new Float32Array(0));
    expect(left.length).toBeLessThanOrEqual(whole.length);
    const compared = Math.min(2000, left.length);
    expect(largestDifference(left.subarray(0, compared), whole.subarray(0, compared))).toBe(0);
  });

  it.each(['stereo.flac', 'mono-vorbis.ogg', 'stereo-opus.ogg'])('%s: a changed byte of its sound is refused', async (name) => {
    const file = fileOf(name);
    file[Math.floor(file.length * 0.8)]! ^= 0x55;
    const error = await open(file).then(samplesOf).catch((reason: Error) => reason.message);
    expect(error).toMatch(/header says|damaged/);
  });

  it.each(NAMES)('%s: any change ends, in samples or a FormatError', async (name) => {
    const random = randomSource(11);
    for (let round = 0; round < 8; round++) {
      const bytes = fileOf(name);
      for (let change = 0; change < 4; change++) bytes[Math.floor(random() ** 2 * bytes.length)] = Math.floor(random() * 256);
      const result = await open(bytes).then(samplesOf).catch((error: Error) => error);
      expect(result instanceof Float32Array || result.name === 'FormatError', String((result as Error).stack)).toBe(true);
    }
  });
});
