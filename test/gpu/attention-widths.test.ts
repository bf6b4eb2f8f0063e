import { describe, it } from 'vitest';
import { checkAttentionWidths, checkLongAttention, CODED, nameOfWidths, WIDTH_CASES } from '../attention-oracle.ts';
import { TEST_PROFILES } from './executor-check.ts';
import { softwareExecutor } from './shared-device.ts';

/** Both forms of decode attention, keys in one part and in several; prefill tiles. */
describe.each([
  ['float', WIDTH_CASES],
  ['subgroupFloat', WIDTH_CASES.filter((_, i) => i % 3 === 0)],
] as const)('attention by the profile %s', (profile, cases) => {
  it.each(cases.map((widths) => [nameOfWidths(widths), widths] as const))('%s', async (_, widths) => {
    await checkAttentionWidths(await softwareExecutor({ profile: TEST_PROFILES[profile] }), widths, 1e-5);
  });
});

/** Tiles read codes as halves, which leaves scores and values of up to 1 uncertain by a few 2^-11. */
const OF_HALVES = 2e-3;

it('codes by the profile float', async () => {
  await checkAttentionWidths(await softwareExecutor({ profile: TEST_PROFILES.float }), CODED[0]!, OF_HALVES);
});

/** Divided keys, and rows alone beside tiles. */
it('codes by the profile subgroupFloat, after many keys', async () => {
  const layer = { heads: 4, kvHeads: 2, keyDim: 32, valueDim: 32, kv: 'q8/q4', softcap: 4, sinks: true } as const;
  await checkLongAttention(await softwareExecutor({ profile: TEST_PROFILES.subgroupFloat }), [layer], OF_HALVES);
});
