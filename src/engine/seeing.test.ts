import { describe, expect, it } from 'vitest';
import {
  answerTo, checkAnswers, checkCache, checkCancelling, checkCutPicture, checkRefused, checkStreams,
} from '../../test/check-seeing.ts';
import { hasShared } from '../../test/fixture-tensors.ts';
import { goldenPath } from '../../test/goldens.ts';
import { readVisionGolden, VISION_GOLDENS } from '../../test/vision-golden.ts';
import { loadModel } from '../node/load-model.ts';

const THERE = VISION_GOLDENS.filter((name) => hasShared(`golden/${name}/golden.json`));

describe.each(THERE)('%s answers of pictures', (name) => {
  it('as transformers does, in streams, from caches, after calls that were left', async () => {
    const golden = readVisionGolden(name);
    const model = await loadModel(golden.folder, { device: 'cpu', threads: 2 });
    expect(model.vision?.imageToken).toBe(7);
    await checkAnswers(model, golden);
    await checkCache(model, golden);
    await checkCutPicture(model, golden);
    await checkStreams(model, golden);
    await checkCancelling(model, golden);
    await checkRefused(model, golden);
    await model.dispose();
  });
});

it('a model that does not see refuses segments by name', async () => {
  const model = await loadModel(goldenPath('qwen3'), { device: 'cpu', threads: 1 });
  expect(model.vision).toBeUndefined();
  await expect(answerTo(model, [[1, 2]])).rejects.toThrow('segments is for a model that sees');
  await model.dispose();
  await expect(loadModel(goldenPath('qwen3'), { device: 'cpu', mostPatches: 64 })).rejects.toThrow('mostPatches is for a model that sees');
});
