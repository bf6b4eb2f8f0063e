/** A model that speaks, from a folder: texts, voices and blends, and what is refused. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SpokenPiece, VoiceModel } from '../engine/speech/voice-model.ts';
import { hasShared } from '../../test/fixture-tensors.ts';
import { KOKORO_GOLDEN } from '../../test/kokoro-golden.ts';
import { letterPhonemizer, makeVoiceFolder } from '../../test/kokoro-voice.ts';
import { loadVoiceModel } from './load-voice-model.ts';

async function all(pieces: AsyncIterable<SpokenPiece>): Promise<SpokenPiece[]> {
  const made: SpokenPiece[] = [];
  for await (const piece of pieces) made.push(piece);
  return made;
}

const total = (pieces: readonly SpokenPiece[]) => pieces.reduce((sum, { samples }) => sum + samples.length, 0);

describe.skipIf(!hasShared(KOKORO_GOLDEN))('a voice model', () => {
  let folder = '';
  let model: VoiceModel;
  beforeAll(async () => {
    folder = makeVoiceFolder(mkdtempSync(join(tmpdir(), 'ingot-voice-')));
    model = await loadVoiceModel(folder, { device: 'cpu', threads: 1, mostFrames: 90, phonemizer: letterPhonemizer });
  });
  afterAll(async () => {
    await model.dispose();
    await model.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  test('says what it is', () => {
    expect(model.info).toMatchObject({ architecture: 'kokoro', sampleRate: 24_000, warnings: [] });
    expect(model.info.voices).toEqual(['af_bella', 'af_heart', 'am_cut', 'am_nan', 'am_wide', 'jf_alpha']);
  });

  test('speaks sentence by sentence, in order', async () => {
    const seen: number[] = [];
    const text = 'Hello Dr. Smith. It is 5! \n\n Fine…';
    const pieces = await all(model.speak(text, { onProgress: ({ phase, loaded, total: of }) =>
      seen.push(phase === 'speak' ? loaded / of : NaN) }));
    expect(pieces.map((piece) => piece.text)).toEqual(['Hello Dr. Smith.', 'It is 5!', 'Fine…']);
    expect(pieces.map((piece) => piece.phonemes)).toEqual(['hAllɔ dɔtɔ smith.', 'it is fivA!', 'finA…']);
    for (const { samples } of pieces) {
      expect(samples.length % 600).toBe(0);
      expect(samples.some((sample) => sample !== 0)).toBe(true);
      expect(samples.every(Number.isFinite)).toBe(true);
    }
    const said = pieces.map(({ words }) => words.map(({ text: word }) => word));
    expect(said).toEqual([['Hello', 'Dr.', 'Smith.'], ['It', 'is', '5!'], ['Fine…']]);
    for (const { words, samples } of pieces) {
      const times = words.flatMap(({ start, end }) => [start, end]);
      expect(times.toSorted((a, b) => a - b)).toEqual(times);
      expect(times[0]).toBe(0);
      expect(times.at(-1)! * 24_000).toBeLessThanOrEqual(samples.length);
      // The last phoneme ends before the silence that the model puts behind it.
      expect(times.at(-1)!).toBeGreaterThan(0);
    }
    expect(seen.toSorted((a, b) => a - b)).toEqual(seen);
    expect(seen.every((share) => share > 0 && share <= 1)).toBe(true);
  });

  test('the same seed gives the same samples, another one other noise, a speed another length', async () => {
    const speak = (options: object) => all(model.speak({ phonemes: 'həlˈO wˈɜɹld.'.replace('ɜ', 'ʌ') }, options));
    const [first, again, other, fast] = [await speak({ seed: 7 }), await speak({ seed: 7 }), await speak({ seed: 8 }),
    await speak({ speed: 2 })];
    expect(again).toEqual(first);
    expect(other[0]!.samples).not.toEqual(first[0]!.samples);
    expect(other[0]!.samples.length).toBe(first[0]!.samples.length);
    expect(total(fast)).toBeLessThan(total(first));
  });

  test('a blend is between its voices, whoever is named first', async () => {
    const speak = async (voice: string | Record<string, number>) => (await all(model.speak({ phonemes: 'no.' }, { voice })))[0]!.samples;
    const one = await speak('af_heart:3, af_bella');
    expect(await speak({ af_bella: 1, af_heart: 3 })).toEqual(one);
    expect(await speak('af_heart')).not.toEqual(one);
    expect(await speak('af_heart:2')).toEqual(await speak('af_heart'));
  });

  test('what is too long to be made at once is cut, and none of it is lost', async () => {
    const phonemes = Array.from({ length: 60 }, (_, i) => (i % 10 === 9 ? ', ' : 'na')).join('');
    const pieces = await all(model.speak({ phonemes }));
    expect(pieces.length).toBeGreaterThan(1);
    const joined = pieces.map((piece) => piece.phonemes).join('').replaceAll(' ', '');
    expect(joined).toBe(phonemes.replaceAll(' ', ''));
    expect(pieces.every(({ samples }) => samples.length <= 90 * 600)).toBe(true);
  });

  test('a hundred thousand characters begin at once and stop when the reader leaves', async () => {
    const text = 'nothing at all '.repeat(6700);
    let heard = 0;
    for await (const { samples } of model.speak(text)) {
      heard += samples.length;
      if (heard > 60_000) break;
    }
    expect(heard).toBeGreaterThan(60_000);
    const abort = new AbortController();
    const pieces = model.speak(text, { signal: abort.signal });
    await pieces.next();
    abort.abort(new Error('enough'));
    await expect(all(pieces)).rejects.toThrow('enough');
  });

  test.each([
    ['', /nothing to speak/], ['...!?', /nothing to speak/], ['🎉 — ', /nothing to speak/], ['\ud800', /nothing to speak/],
    [{ phonemes: 'həQQ語' }, /has none for "Q", "語"/], [{ phonemes: ' . ' }, /at least one that is a sound/],
    [{ phonemes: 5 }, /must be a text, or an object with phonemes/], [null, /must be a text/],
  ])('%j is refused', async (what, message) => {
    await expect(all(model.speak(what as never))).rejects.toThrow(message);
  });

  test.each([
    [{ speed: 0 }, /speed must be a number from 0.25 to 4/], [{ speed: NaN }, /speed/], [{ seed: -1 }, /seed must be a whole number/],
    [{ voice: '' }, /voice must name/], [{ voice: 'af_heart:0' }, /share of "af_heart" must be above 0/], [{ pitch: 1 }, /pitch/],
    [{ voice: 'af_heart,af_heart' }, /named twice/], [{ voice: 'nobody' }, /no voice "nobody": there are af_bella, af_heart/],
    [{ voice: '../config' }, /must be the name of a file/], [{ voice: 'am_wide' }, /expected \[rows, 1, 20\], found \[124, 1, 10\]/],
    [{ voice: 'am_cut' }, /expected rows of 80 bytes/], [{ voice: 'am_nan' }, /found NaN in row 2/],
    [{ voice: 'jf_alpha' }, /voices of one language/], [{ voice: 7 }, /voice must be a name/],
  ])('options %j are refused', async (options, message) => {
    await expect(all(model.speak('hello', options as never))).rejects.toThrow(message);
  });

  test('half characters and control characters are no sounds', async () => {
    const [piece] = await all(model.speak('he\ud800llo \u0007 no'));
    expect(piece!.phonemes).toBe('hA llɔ nɔ');
  });

  test('weights with NaN and folders of other models are refused', async () => {
    const other = mkdtempSync(join(tmpdir(), 'ingot-voice-'));
    try {
      await expect(loadVoiceModel(other, { device: 'cpu' })).rejects.toThrow(/holds no model/);
      writeFileSync(join(other, 'config.json'), '{"model_type": "llama"}');
      await expect(loadVoiceModel(other, { device: 'cpu' })).rejects.toThrow(/has no weights: expected model.safetensors/);
      const weights = readFileSync(join(folder, 'model.safetensors'));
      weights.writeUInt32LE(0x7fc00000, weights.length - 4);
      writeFileSync(join(other, 'model.safetensors'), weights);
      await expect(loadVoiceModel(other, { device: 'cpu' })).rejects.toThrow(/config.json has no/);
      copyFileSync(join(folder, 'config.json'), join(other, 'config.json'));
      await expect(loadVoiceModel(other, { device: 'cpu' })).rejects.toThrow(/NaN/);
    } finally {
      rmSync(other, { recursive: true, force: true });
    }
  });

  test('without a package that makes phonemes the error says which', async () => {
    const bare = await loadVoiceModel(folder, { device: 'cpu', threads: 1, mostFrames: 60 });
    try {
      const made = all(bare.speak('hello'));
      if (process.env['INGOT_ESPEAK'] === undefined) await expect(made).rejects.toThrow(/npm install espeak-ng/);
      else await made;
    } finally {
      await bare.dispose();
    }
  });
});
