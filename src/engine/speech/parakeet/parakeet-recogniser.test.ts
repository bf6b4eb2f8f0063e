import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixturesPath, hasShared, sharedPath } from '../../../../test/fixture-tensors.ts';
import { parakeetFolder } from '../../../../test/parakeet-folder.ts';
import { parakeetFrames, parakeetGolden } from '../../../../test/parakeet-golden.ts';
import { joinSamples } from '../../../audio/audio-stream.ts';
import { openAudio } from '../../../audio/open-audio.ts';
import { openCheckpoint } from '../../../files/open-checkpoint.ts';
import { openDecoder } from '../../../models/open-decoder.ts';
import { PARAKEET_HEADS } from '../../../models/parakeet.ts';
import { fileSource } from '../../../node/file-source.ts';
import { loadModel, openExecutor } from '../../../node/load-model.ts';
import { loadSpeechModel, speechMemoryNeeds } from '../../../node/load-speech-model.ts';
import { locate } from '../../../node/open-path.ts';
import type { SpeechModel } from '../speech-model.ts';
import { createFrameDecoder } from './frame-decoder.ts';
import { featuresOf, hearParts } from './hear-parts.ts';

const RECORDING = `${sharedPath}/real/moonshine/speech-60s.wav`;
const hasAll = hasShared('real/moonshine/speech-60s.wav') && PARAKEET_HEADS.every((head) => hasShared(parakeetGolden(head)));

async function recording(): Promise<Float32Array> {
  const parts: Float32Array[] = [];
  for await (const chunk of (await openAudio(await fileSource(RECORDING))).chunks) parts.push(chunk.slice());
  return joinSamples(parts);
}

describe.skipIf(!hasAll)('Parakeet on ten seconds of speech', () => {
  const expected = hasAll ? JSON.parse(readFileSync(`${fixturesPath}parakeet-speech.json`, 'utf8')) : {};

  it.each(PARAKEET_HEADS)('%s gives the tokens of transformers, and their frames', async (head) => {
    const speech = (await recording()).subarray(...(expected.samples as [number, number]));
    const features = featuresOf(speech, 80);
    expect(features.length).toBe(80 * expected.frames);
    const checkpoint = await openCheckpoint(await locate(`${sharedPath}/golden/${head}`));
    const opened = await openDecoder(checkpoint);
    const executor = await openExecutor({ device: 'cpu', threads: 2 });
    const decoder = await createFrameDecoder({ executor, decoder: opened, mostFrames: 1000, sounds: 1 });
    await checkpoint.close();
    const [tokens] = await decoder.hear([features]);
    await decoder.dispose();
    const golden = { greedy: [], blank: 60, ...expected[head] };
    expect(tokens!.map(({ frame }) => frame)).toEqual(parakeetFrames(golden));
    const { path, sequence } = golden;
    const ids = path === undefined ? sequence : path.filter((id: number, i: number) => id !== path[i - 1]);
    expect(tokens!.map(({ id }) => id)).toEqual(ids.filter((id: number) => id !== 60));
  });
});

describe.skipIf(!hasAll)('Parakeet as a model of speech to text', () => {
  let model: SpeechModel;
  let speech: Float32Array;
  let folder: string;
  beforeAll(async () => {
    folder = parakeetFolder('parakeet_tdt');
    model = await loadSpeechModel(folder, { device: 'cpu', threads: 2 });
    speech = await recording();
  });
  afterAll(async () => {
    await model.dispose();
    rmSync(folder, { recursive: true });
  });

  it('cuts where nobody speaks, and says when words were said', async () => {
    const { segments, seconds } = await model.transcribe({ samples: speech, sampleRate: 16_000 }, { timestamps: 'words' });
    expect(seconds).toBeCloseTo(60, 3);
    expect(segments.length).toBeGreaterThan(3);
    let before = 0;
    for (const { start, end, text, words = [] } of segments) {
      expect(words.map((word) => word.text).join('').trim()).toBe(text);
      expect([start, end]).toEqual([words[0]!.start, words.at(-1)!.end]);
      for (const word of words) {
        expect(word.start).toBeGreaterThanOrEqual(before);
        expect(word.end).toBeGreaterThan(word.start);
        before = word.start;
      }
      expect(end).toBeLessThanOrEqual(60);
    }
  });

  it('hears pieces as they are heard alone, with words or without', async () => {
    const sound = { samples: speech.subarray(0, 16_000 * 25), sampleRate: 16_000 };
    const { segments } = await model.transcribe(sound, { pieceSeconds: 10 });
    expect(segments.every(({ words }) => words === undefined)).toBe(true);
    const alone = await model.transcribe({ samples: speech.subarray(160_000, 320_000), sampleRate: 16_000 }, { pieceSeconds: 10 });
    expect(segments[1]!.text).toBe(alone.text);
    expect(segments[1]!.start).toBeCloseTo(alone.segments[0]!.start + 10, 6);
  });

  it('hears nothing in silence, in nothing and in a sample', async () => {
    for (const length of [0, 1, 48_000]) {
      const transcript = await model.transcribe({ samples: new Float32Array(length), sampleRate: 16_000 });
      expect(transcript).toEqual({ text: '', segments: [], language: undefined, seconds: length / 16_000 });
    }
  });

  it.each([
    [{ language: 'en' }, 'hears for itself which language'], [{ prompt: 'x' }, 'takes no prompt'],
    [{ task: 'translate' }, 'does not translate'],
    [{ pieceSeconds: 31 }, 'at most 30'],
  ])('refuses %j', async (options, message) => {
    await expect(model.transcribe({ samples: new Float32Array(9), sampleRate: 16_000 }, options as object)).rejects.toThrow(message);
  });

  it('ends when it is told to', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(model.transcribe({ samples: speech, sampleRate: 16_000 }, { signal })).rejects.toThrow('enough');
  });

  it('is known by its headers to hear, and to take so much', async () => {
    const needs = await speechMemoryNeeds(folder);
    expect(needs!.bytes).toBeGreaterThan(300_000);
    expect(model.info.abilities).toMatchObject({ words: true, languages: [] });
  });

  it('is refused as a model of text', async () => {
    await expect(loadModel(folder, { device: 'cpu' })).rejects.toThrow('hears speech and answers no text: use transcribe');
  });

  it('is refused with another front end, by name', async () => {
    const settings = { feature_extractor: { feature_size: 80, hop_length: 160, preemphasis: 0.9 } };
    const other = parakeetFolder('parakeet_ctc', { 'processor_config.json': settings });
    await expect(loadSpeechModel(other, { device: 'cpu' })).rejects.toThrow(/processor_config.json: preemphasis must be 0.97 .* found 0.9/);
    rmSync(other, { recursive: true });
  });
});

describe('an archive of NeMo', () => {
  it('is refused with what to get, alone and in a folder', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ingot-nemo-'));
    const path = join(folder, 'parakeet-tdt-0.6b-v2.nemo');
    writeFileSync(path, new Uint8Array(1024));
    const message = /"parakeet-tdt-0.6b-v2.nemo" is an archive of NeMo.*transformers/;
    for (const place of [path, folder]) await expect(loadSpeechModel(place, { device: 'cpu' })).rejects.toThrow(message);
    rmSync(folder, { recursive: true });
  });
});

describe('parts of nothing', () => {
  it('are texts of nothing', async () => {
    const decoder = { config: { encoder: { bins: 8, halvings: 3 } }, hear: async (all: readonly unknown[]) => all.map(() => []) };
    const tokenizer = { streamDecoder: () => ({ push: () => '', flush: () => '' }) };
    expect(await hearParts([new Float32Array(0)], { decoder: decoder as never, tokenizer })).toEqual([{ text: '', words: [] }]);
  });
});
