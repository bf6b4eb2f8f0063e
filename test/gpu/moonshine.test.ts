import { describe, it } from 'vitest';
import { hasShared } from '../fixture-tensors.ts';
import { checkMoonshine, MOONSHINE_GOLDEN } from '../moonshine-golden.ts';
import { TEST_PROFILES } from './executor-check.ts';
import { softwareExecutor } from './shared-device.ts';

describe.skipIf(!hasShared(MOONSHINE_GOLDEN))('moonshine hears and says what transformers does', () => {
  it.each(['float', 'workgroup'] as const)('by the profile %s', async (profile) => {
    await checkMoonshine(await softwareExecutor({ profile: TEST_PROFILES[profile] }), 1e-4);
  }, 240_000);
});
