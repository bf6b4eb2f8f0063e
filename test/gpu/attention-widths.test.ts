import { describe, it } from 'vitest';
import { checkAttentionWidths, CODED, nameOfWidths, WIDTH_CASES } from '../attention-oracle.ts';
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
it.each([['float', CODED[0]], ['subgroupFloat', CODED[4]]] as const)('codes by the profile %s', async (profile, widths) => {
  await checkAttentionWidths(await softwareExecutor({ profile: TEST_PROFILES[profile] }), widths!, 2e-3);
});
