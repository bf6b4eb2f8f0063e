/** A file of whisper.cpp from its bytes to segments: vocabulary, filters and rules are the file's own. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testSound } from '../../test/sound-pieces.ts';
import { madeTokens, madeWhisper } from '../../test/whisper-ggml-file.ts';
import { loadSpeechModel } from './load-speech-model.ts';

const [VOCAB, LISTED] = [51_864, 50_256];
const sound = { samples: testSound(16_000 * 2.5), sampleRate: 16_000 };

describe('a ggml file of an English Whisper', () => {
  let folder: string;
  const shape = { dim: 16, vocabSize: VOCAB, positions: 50, bands: 8, type: 'f16', tokens: madeTokens(LISTED) } as const;
  const pathOf = (name: string): string => join(folder, name);
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ingot-whisper-ggml-'));
    await writeFile(pathOf('ggml-tiny.en.bin'), madeWhisper(shape));
    await writeFile(pathOf('bins.bin'), madeWhisper({ ...shape, bins: 101, filters: new Float32Array(8 * 101) }));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('is heard, and knows what its vocabulary has', async () => {
    const model = await loadSpeechModel(pathOf('ggml-tiny.en.bin'), { device: 'cpu', threads: 1 });
    expect(model.info).toMatchObject({ architecture: 'whisper', warnings: [], abilities: { languages: ['en'], translates: false } });
    const tokens: number[] = [];
    const { segments, seconds } = await model.transcribe(sound, { onTokens: (count) => void tokens.push(count) });
    expect(seconds).toBeCloseTo(2.5, 3);
    expect(tokens.length).toBeGreaterThan(1);
    expect(segments.length).toBeGreaterThan(0);
    await model.dispose();
  });

  it('whose filters are of another transform is refused', async () => {
    await expect(loadSpeechModel(pathOf('bins.bin'), { device: 'cpu' })).rejects.toThrow('expected mel filters of 8 bands and 201 bins');
  });
});
