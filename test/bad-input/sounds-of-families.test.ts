/** Odd sounds for Whisper (window after window, and side by side) and Parakeet, of random weights: what is wrong is told. */
import { readFileSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openAudio } from '../../src/audio/open-audio.ts';
import type { SpeechModel } from '../../src/engine/speech/speech-model.ts';
import type { TranscribeOptions } from '../../src/engine/speech/transcribe-options.ts';
import { memorySource } from '../../src/files/memory-source.ts';
import { openExecutor } from '../../src/node/load-model.ts';
import { loadSpeechModel } from '../../src/node/load-speech-model.ts';
import { FormatError } from '../../src/tensor/errors.ts';
import { fixturesPath, hasShared } from '../fixture-tensors.ts';
import { parakeetFolder } from '../parakeet-folder.ts';
import { parakeetGolden } from '../parakeet-golden.ts';
import { longSpeechModel } from '../whisper-long.ts';
import type { LongModel } from '../whisper-long.ts';
import { BROKEN_SOUNDS, hasRecording, ODD_SOUNDS } from './odd-sounds.ts';

interface Family {
  readonly name: string;
  readonly options: TranscribeOptions;
  open(): Promise<SpeechModel>;
}

const folders: string[] = [];
const whisper = async (): Promise<SpeechModel> => {
  const made = JSON.parse(readFileSync(`${fixturesPath}whisper/long.json`, 'utf8')) as LongModel;
  return longSpeechModel(await openExecutor({ device: 'cpu', threads: 1 }), made);
};
const parakeet = async (): Promise<SpeechModel> => {
  folders.push(parakeetFolder('parakeet_tdt'));
  return loadSpeechModel(folders.at(-1)!, { device: 'cpu', threads: 1 });
};
const FAMILIES: readonly Family[] = [
  { name: 'Whisper', options: { language: 'en', temperatures: [0] }, open: whisper },
  { name: 'Whisper, windows side by side', options: { language: 'en', temperatures: [0], windows: 4 }, open: whisper },
  { name: 'Parakeet', options: {}, open: parakeet },
];

describe.skipIf(!hasRecording || !hasShared(parakeetGolden('parakeet_tdt'))).each(FAMILIES)('sounds for $name', ({ options, open }) => {
  let model: SpeechModel;
  beforeAll(async () => void (model = await open()));
  afterAll(async () => {
    await model.dispose();
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });

  it.each(BROKEN_SOUNDS)('%s: what is wrong is told, and the next sound is heard', async (_, bytes, message) => {
    const failure = (async () => model.transcribe(await openAudio(memorySource(bytes, 'sound')), options))();
    await expect(failure).rejects.toThrow(FormatError);
    await expect(failure).rejects.toThrow(message);
    expect((await model.transcribe({ samples: new Float32Array(1), sampleRate: 16_000 }, options)).segments).toEqual([]);
  });

  it.each(ODD_SOUNDS)('%s: it is heard to its end', async (name, bytes) => {
    const stream = await openAudio(memorySource(bytes, 'sound'));
    const { segments, seconds } = await model.transcribe(stream, options);
    expect(seconds).toBeCloseTo(stream.frames! / stream.sampleRate, 1);
    // Random weights may say times of the silence that fills a window of 3 s.
    for (const { start, end } of segments) expect(start >= 0 && end >= start && end <= seconds + 3).toBe(true);
    if (['nothing', 'one sample'].includes(name)) expect(segments).toEqual([]);
    if (name === 'clipped') expect(segments.length).toBeGreaterThan(0);
  });

  it.each([
    ['NaN', { samples: Float32Array.of(0, NaN), sampleRate: 16_000 }, 'sample 1 of 2 is NaN'],
    ['a rate of 0', { samples: new Float32Array(9), sampleRate: 0 }, 'sampleRate must be'],
    ['numbers alone', new Float32Array(9), 'expected a sound as { samples, sampleRate }'],
  ])('refuses %s in memory', async (_, sound, message) => {
    await expect(model.transcribe(sound as never, options)).rejects.toThrow(message);
  });
});
