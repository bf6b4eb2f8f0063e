import { describe, it } from 'vitest';
import { checkAttentionWidths, nameOfWidths, WIDTH_CASES } from '../attention-oracle.ts';
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
