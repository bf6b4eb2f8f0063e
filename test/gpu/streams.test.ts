/** Answers that share steps, on the software adapter: of float goldens each has the tokens that it has alone, of blocks to a near tie. */
import { describe, expect, it, vi } from 'vitest';
import type { Model } from '../../src/engine/api.ts';
import { collect } from '../../src/engine/collect.ts';
import type { CollectedAnswer } from '../../src/engine/collect.ts';
import { createModel } from '../../src/engine/model.ts';
import { openCheckpoint } from '../../src/files/open-checkpoint.ts';
import { bundledModelPath } from '../../src/node/package-root.ts';
import { locate } from '../../src/node/open-path.ts';
import { asksOf, checkStreams } from '../check-streams.ts';
import { goldenPrompts } from '../ember/ember-files.ts';
import { goldenPath, hasGolden, readGolden } from '../goldens.ts';
import { softwareExecutor } from './shared-device.ts';

/** Of log probabilities: what the model's README calls a near-tie. Kernels of one row and of several round to the same 8 bits. */
const NEAR_TIE = 0.05;

vi.setConfig({ testTimeout: 300_000 });

async function load(path: string): Promise<Model> {
  const executor = await softwareExecutor({});
  const checkpoint = await openCheckpoint(await locate(path));
  return createModel({ checkpoint, executor: { ...executor, prefillRows: 8 }, contextLength: 256 });
}

describe('tokens alone and in any batch on the software adapter', () => {
  for (const name of ['qwen3', 'lfm2_plain'] as const)
    it.skipIf(!hasGolden(name))(`are equal of the golden of ${name}`, async () => {
      const { prompts, greedy } = readGolden(name);
      const { short, mid, long } = prompts as Record<'short' | 'mid' | 'long', number[]>;
      const model = await load(goldenPath(name));
      try {
        const alone = await checkStreams(model, asksOf([short, long.slice(0, 70), mid], 4));
        expect(alone[0]).toEqual(greedy['short']?.slice(0, alone[0]?.length));
      } finally {
        await model.dispose();
      }
    });

  it('part in the bundled model only where the two best scores are as near as kernels round', { tags: 'slow' }, async () => {
    const model = await load(bundledModelPath());
    try {
      const [first, second] = goldenPrompts.map(({ ids }) => ids.slice(0, 8));
      const settings = { temperature: 0, ignoreEos: true, maxTokens: 5, cachePrompt: false };
      const asks = [first, second, first?.toReversed()].map((ids) => ({ ...settings, ids }));
      const together = await Promise.all(asks.map((ask) => collect(model.generate(ask))));
      for (const [i, ask] of asks.entries()) {
        const alone = await collect(model.generate({ ...ask, logprobs: 2 }));
        const found = (together[i] as CollectedAnswer).tokens;
        const parting = alone.tokens.findIndex((token, at) => token !== found[at]);
        if (parting < 0) continue;
        const [best, next] = alone.logprobs?.[parting]?.top ?? [];
        expect((best?.logprob ?? NaN) - (next?.logprob ?? NaN)).toBeLessThan(NEAR_TIE);
        expect(found[parting]).toBe(next?.token);
      }
    } finally {
      await model.dispose();
    }
  });
});
