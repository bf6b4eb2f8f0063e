import { describe, it } from 'vitest';
import { hasShared } from '../fixture-tensors.ts';
import { checkWhisper, WHISPER_GOLDEN } from '../whisper-golden.ts';
import { TEST_PROFILES } from './executor-check.ts';
import { softwareExecutor } from './shared-device.ts';

describe.skipIf(!hasShared(WHISPER_GOLDEN))('whisper hears and says what transformers does', () => {
  it('by the profile float', async () => {
    await checkWhisper(await softwareExecutor({ profile: TEST_PROFILES.float }), 1e-4);
  }, 240_000);
});
