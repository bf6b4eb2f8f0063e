import { afterEach, describe, expect, it, vi } from 'vitest';
import { fixturesPath } from '../../test/fixture-tensors.ts';
import { loadFakeModel } from '../../test/fake-model.ts';
import { bundledModelPath } from '../node/package-root.ts';
import { loadModel } from '../node/load-model.ts';
import { collect } from './collect.ts';
import { createPrefillPace } from './prefill-pace.ts';

describe('the pace of a long prompt', () => {
  it('begins with few tokens, and finds the number that takes half a second', () => {
    const pace = createPrefillPace({ maxRows: 256, isFixed: false });
    const rows = [pace.next(5000)];
    for (const msPerRow of [0.1, 4, 8, 100, 5, 0]) {
      pace.note(rows.at(-1)!, rows.at(-1)! * msPerRow);
      rows.push(pace.next(5000));
    }
    expect(rows).toEqual([32, 256, 96, 32, 32, 96, 256]);
    // What few tokens take says little.
    pace.note(3, 1000);
    expect(pace.next(5000)).toBe(256);
  });

  it('leaves no few tokens for the last step', () => {
    const slow = createPrefillPace({ maxRows: 256, isFixed: false });
    expect([1, 31, 32, 33, 63, 64, 65, 1000].map((left) => slow.next(left))).toEqual([1, 31, 32, 33, 63, 32, 32, 32]);
    const fast = createPrefillPace({ maxRows: 256, isFixed: false });
    fast.note(32, 1);
    expect([31, 64, 256, 257, 287, 288, 1000].map((left) => fast.next(left))).toEqual([31, 64, 256, 224, 224, 256, 256]);
    for (const pace of [slow, fast]) {
      for (let length = 1; length < 700; length++) {
        const steps: number[] = [];
        for (let left = length; left > 0; left -= steps.at(-1)!) steps.push(pace.next(left));
        expect(Math.min(...steps), `${length} tokens`).toBeGreaterThanOrEqual(Math.min(length, 32));
        expect(Math.max(...steps)).toBeLessThanOrEqual(256);
      }
    }
  });

  it('is the device\'s own number where it has one, and never more than the context', () => {
    const fixed = createPrefillPace({ maxRows: 512, isFixed: true });
    fixed.note(512, 60_000);
    expect([513, 512, 5000].map((left) => fixed.next(left))).toEqual([512, 512, 512]);
    expect([15, 20, 30].map((left) => createPrefillPace({ maxRows: 20, isFixed: false }).next(left))).toEqual([15, 20, 20]);
  });

  it('is less beside answers, none of which is to wait for more than 100 ms', () => {
    for (const isFixed of [false, true]) {
      const pace = createPrefillPace({ maxRows: 512, isFixed });
      const beside = () => pace.next(5000, { room: 500, isBeside: true });
      expect(beside()).toBe(isFixed ? 500 : 32);
      const found = [40, 400, 4000].map((ms) => (pace.note(512, ms), beside()));
      expect(found).toEqual([500, 128, 32]);
      expect(pace.next(5000)).toBe(isFixed ? 512 : 64);
    }
  });

  it('shows in the reports of a slow machine: one at once, before any work, and one for each half second', async () => {
    let now = 0;
    const { model, log } = await loadFakeModel({ prefillRows: null, adjust: () => {} });
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    try {
      const seen: { readonly loaded: number; readonly steps: number; readonly atMs: number }[] = [];
      const ids = Array.from({ length: 600 }, (_, i) => i % 90);
      // The clock goes on by 6 ms a token of the prompt as each step is logged.
      log.steps.push = (...steps) => {
        for (const { count } of steps) now += 6 * count;
        return Array.prototype.push.apply(log.steps, steps);
      };
      const onProgress = ({ loaded, total }: { readonly loaded: number; readonly total: number }) => {
        expect(total).toBe(600);
        seen.push({ loaded, steps: log.steps.length, atMs: now });
      };
      await collect(model.generate({ ids, maxTokens: 1, seed: 1, onProgress }));
      expect(seen[0]).toEqual({ loaded: 0, steps: 0, atMs: 0 });
      expect(seen.map(({ loaded }) => loaded)).toEqual([0, 32, 96, 160, 224, 288, 352, 416, 480, 544, 600]);
      seen.slice(1).forEach(({ atMs }, i) => expect(atMs - seen[i]!.atMs).toBeLessThanOrEqual(500));
    } finally {
      vi.restoreAllMocks();
      await model.dispose();
    }
  });

  it('lets an abort stop a long prompt before the next step', async () => {
    const { model, log } = await loadFakeModel({ prefillRows: null, stepMs: 1 });
    const controller = new AbortController();
    const onProgress = ({ loaded }: { readonly loaded: number }) => loaded > 0 && controller.abort(new Error('enough'));
    await expect(collect(model.generate({ ids: new Array<number>(900).fill(3), signal: controller.signal, onProgress }))).rejects.toThrow(
      'enough',
    );
    expect(log.steps).toEqual([{ start: 0, count: 32 }]);
    await model.dispose();
  });
});

describe('results do not hang on it', () => {
  afterEach(() => void vi.restoreAllMocks());

  it.each([
    ['q4_0', bundledModelPath(), 4000],
    ['f32', `${fixturesPath}golden/qwen3`, 60],
  ])('%s on the CPU: the same to the last bit on a machine of any speed', async (_, path, vocabSize) => {
    const answers = [];
    // A clock that stands still: a step is as long as may be. One that runs: as short.
    for (const msPerLook of [0, 10_000]) {
      let now = 0;
      vi.spyOn(performance, 'now').mockImplementation(() => (now += msPerLook));
      const model = await loadModel(path, { device: 'cpu', threads: 2, contextLength: 256 });
      for (const length of [200, 136, 97, 33]) {
        const seen: number[] = [];
        // No prompt begins as another.
        const ids = Array.from({ length }, (_id, i) => (i * 37 + length) % vocabSize);
        const { tokens, logprobs } = await collect(
          model.generate({
            ids,
            temperature: 0,
            maxTokens: 2,
            ignoreEos: true,
            logprobs: 20,
            onProgress: ({ loaded }) => seen.push(loaded),
          }),
        );
        answers.push({ length, tokens, logprobs });
        if (length === 136) expect(seen).toEqual(msPerLook === 0 ? [0, 136] : [0, 32, 64, 96, 136]);
      }
      await model.dispose();
    }
    expect(answers.slice(4)).toEqual(answers.slice(0, 4));
  });
});
