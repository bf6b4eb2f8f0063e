import { describe, expect, it, vi } from 'vitest';
import {
  answerTo, segmentsOf, checkAnswers, checkCache, checkCancelling, checkCutPicture, checkPicturesInARow, checkRefused, checkStreams,
} from '../../test/check-seeing.ts';
import { hasShared } from '../../test/fixture-tensors.ts';
import { goldenPath } from '../../test/goldens.ts';
import { readVisionGolden, VISION_GOLDENS } from '../../test/vision-golden.ts';
import { Threads } from '../cpu/threads.ts';
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
    await checkPicturesInARow(model, golden);
    await checkRefused(model, golden);
    await model.dispose();
  });
});

it.runIf(THERE.length > 0)('a picture is seen in parts where the call may be left, and no part is begun after it was', async () => {
  const golden = readVisionGolden(THERE[0]!);
  const model = await loadModel(golden.folder, { device: 'cpu', threads: 1 });
  const runs = vi.spyOn(Threads.prototype, 'run');
  const partsOf = async (signal?: AbortSignal) => {
    runs.mockClear();
    await answerTo(model, segmentsOf(golden), { cachePrompt: false, maxTokens: 1, signal });
    return runs.mock.calls.length;
  };
  const whole = await partsOf();
  expect(await partsOf(new AbortController().signal)).toBeGreaterThan(whole);
  const abort = new AbortController();
  runs.mockClear();
  runs.mockImplementationOnce(async () => abort.abort(new Error('left')));
  const asked = answerTo(model, [segmentsOf(golden)[1]!, [5]], { cachePrompt: false, signal: abort.signal });
  await expect(asked).rejects.toThrow('left');
  expect(runs).toHaveBeenCalledTimes(1);
  runs.mockRestore();
  await model.dispose();
});

it('a model that does not see refuses segments by name', async () => {
  const model = await loadModel(goldenPath('qwen3'), { device: 'cpu', threads: 1 });
  expect(model.vision).toBeUndefined();
  await expect(answerTo(model, [[1, 2]])).rejects.toThrow('segments is for a model that sees');
  await model.dispose();
  await expect(loadModel(goldenPath('qwen3'), { device: 'cpu', mostPatches: 64 })).rejects.toThrow('mostPatches is for a model that sees');
});
