import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  answerTo, segmentsOf, checkAnswers, checkCache, checkCancelling, checkCutPicture, checkPicturesInARow, checkRefused, checkStreams,
} from '../../test/check-seeing.ts';
import { hasShared } from '../../test/fixture-tensors.ts';
import { goldenPath } from '../../test/goldens.ts';
import { readVisionGolden, VISION_GOLDENS } from '../../test/vision-golden.ts';
import { Threads } from '../cpu/threads.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import type { Executor, GraphRun } from '../graph/executor.ts';
import * as work from '../graph/multiply-adds.ts';
import { loadModel, openExecutor } from '../node/load-model.ts';
import { locate } from '../node/open-path.ts';
import type { Model } from './api.ts';
import { createModel } from './model.ts';

vi.mock('../graph/multiply-adds.ts', { spy: true });

afterEach(() => void vi.restoreAllMocks());

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

/** Its tower is said to be large, and takes 5 ms for each of its steps, by a clock on which all else takes none. */
async function slowTower(path: string): Promise<{ readonly model: Model; readonly parts: number[] }> {
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  vi.spyOn(work, 'runMultiplyAdds').mockImplementation(({ nodes }) => nodes.map(() => 1e9 / nodes.length));
  const executor = await openExecutor({ device: 'cpu', threads: 1 });
  const parts: number[] = [];
  const load: Executor['load'] = async (request) => {
    const program = await executor.load(request);
    const run = program.run.bind(program);
    program.run = async (runs, signal) => {
      const [{ part }] = runs as readonly [GraphRun];
      if (part !== undefined) {
        parts.push(part.to - part.from);
        now += 5 * (part.to - part.from);
      }
      return run(runs, signal);
    };
    return program;
  };
  const checkpoint = await openCheckpoint(await locate(path));
  return { model: await createModel({ checkpoint, executor: { ...executor, load } }), parts };
}

it.runIf(THERE.length > 0)('other answers go on between the parts of a picture', async () => {
  const golden = readVisionGolden(THERE[0]!);
  const { model, parts } = await slowTower(golden.folder);
  const asked = { temperature: 0, ignoreEos: true, cachePrompt: false } as const;
  const left = new AbortController();
  let read = 0;
  let reading = (): void => {};
  const isReading = new Promise<void>((resolve) => (reading = resolve));
  const stream = (async () => {
    for await (const _ of model.generate({ ...asked, ids: [20, 21, 22], maxTokens: 400, signal: left.signal })) if (++read === 4) reading();
  })().catch(() => {});
  await isReading;
  const before = read;
  const answer = await answerTo(model, segmentsOf(golden), { cachePrompt: false });
  left.abort();
  await stream;
  expect(answer.tokens).toEqual(golden.greedy);
  // A token at least after each part, of which none but the last is much shorter or longer than 50 ms.
  expect(parts.length).toBeGreaterThan(4);
  expect(Math.max(...parts)).toBeLessThan(16);
  expect(read - before).toBeGreaterThanOrEqual(parts.length);
  await model.dispose();
});

it('a model that does not see refuses segments by name', async () => {
  const model = await loadModel(goldenPath('qwen3'), { device: 'cpu', threads: 1 });
  expect(model.vision).toBeUndefined();
  await expect(answerTo(model, [[1, 2]])).rejects.toThrow('segments is for a model that sees');
  await model.dispose();
  await expect(loadModel(goldenPath('qwen3'), { device: 'cpu', mostPatches: 64 })).rejects.toThrow('mostPatches is for a model that sees');
});
