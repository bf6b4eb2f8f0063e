/** Answers that share steps, on the executors without a device. */
import { describe, expect, it } from 'vitest';
import { asksOf, checkStreams } from '../../test/check-streams.ts';
import { goldenPath, hasGolden, readGolden } from '../../test/goldens.ts';
import type { GoldenName } from '../../test/goldens.ts';
import { loadModel } from '../node/load-model.ts';

/** All kinds of state: pages, windows, slots of both kinds, and experts, whose rows are put in order by the step. */
const FOLDERS: readonly GoldenName[] = ['qwen3', 'lfm2_plain', 'gemma3', 'qwen3_5', 'gpt_oss'];

describe.each([['reference', 34], ['cpu', 70]] as const)('tokens alone and in any batch on %s', (device, longest) => {
  for (const name of FOLDERS)
    it.skipIf(!hasGolden(name))(`are equal of the golden of ${name}`, async () => {
      const { prompts, greedy } = readGolden(name);
      const { short, mid, long } = prompts as Record<'short' | 'mid' | 'long', number[]>;
      const model = await loadModel(goldenPath(name), { device, ...(device === 'cpu' ? { threads: 2 } : {}) });
      try {
        const alone = await checkStreams(model, asksOf([short, long.slice(0, longest), mid]));
        expect(alone[0]).toEqual(greedy['short']?.slice(0, alone[0]?.length));
      } finally {
        await model.dispose();
      }
    });
});
