/** Several answers to one prompt. */
import { describe, expect, it } from 'vitest';
import { fakeModels } from '../../test/fake-model.ts';
import { InputError } from '../tensor/errors.ts';
import { collect, collectChoices } from './collect.ts';

const { load } = fakeModels();
const ids = Array.from({ length: 200 }, (_, i) => (i * 7) % 250);
const ASK = { ids, seed: 40, temperature: 1, ignoreEos: true, maxTokens: 9 } as const;

describe('n', () => {
  it('answers share the prompt to a page, and each is what its seed alone gives', async () => {
    const { model, log } = await load();
    const answers = await collectChoices(model.generate({ ...ASK, n: 5, logprobs: true }));
    expect(answers.map(({ usage, seed, index }) => [index, seed, usage.cachedTokens])).toEqual([
      [0, 40, 0], [1, 41, 192], [2, 42, 192], [3, 43, 192], [4, 44, 192],
    ]);
    const rows = log.steps.reduce((sum, { count }) => sum + count, 0);
    // The prompt, the ends of four more, and eight tokens of each.
    expect(rows).toBe(200 + 4 * 8 + 5 * 8);
    // One step for the first of all, then the others' first one beside its second, and so on.
    expect(log.runs).toBeLessThanOrEqual(9 + 1);
    for (const { tokens, seed, logprobs } of answers) {
      const { model: other } = await load();
      expect((await collect(other.generate({ ...ASK, seed }))).tokens).toEqual(tokens);
      expect(logprobs?.map(({ token }) => token)).toEqual(tokens);
    }
    expect(new Set(answers.map(({ tokens }) => tokens.join())).size).toBe(5);
  });

  it('answers that are left, or aborted, leave nothing that runs', async () => {
    const { model, log } = await load();
    for await (const piece of model.generate({ ...ASK, n: 3 })) if (piece.index === 2) break;
    const { runs } = log;
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve));
    expect(log.runs).toBe(runs);
    const controller = new AbortController();
    const reading = (async () => {
      for await (const piece of model.generate({ ...ASK, n: 3, signal: controller.signal }))
        if (piece.index === 1) controller.abort(new Error('enough'));
    })();
    await expect(reading).rejects.toThrow('enough');
    expect((await collectChoices(model.generate({ ...ASK, n: 2 }))).map(({ tokens }) => tokens.length)).toEqual([9, 9]);
  });

  it.each([[0], [65], [1.5], ['2' as never]])('%j is refused', async (n) => {
    const { model } = await load();
    await expect(collectChoices(model.generate({ ...ASK, n }))).rejects.toThrow(/^n must be an integer from 1 to 64, found/);
  });

  it('is refused beside cachePrompt false, and by collect', async () => {
    const { model } = await load();
    await expect(collectChoices(model.generate({ ...ASK, n: 2, cachePrompt: false }))).rejects.toThrow(InputError);
    await expect(collect(model.generate({ ...ASK, n: 2 }))).rejects.toThrow('use collectChoices');
  });
});
