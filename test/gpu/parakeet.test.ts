import { describe, it } from 'vitest';
import { PARAKEET_HEADS } from '../../src/models/parakeet.ts';
import { hasShared } from '../fixture-tensors.ts';
import { checkParakeet, parakeetGolden } from '../parakeet-golden.ts';
import { TEST_PROFILES } from './executor-check.ts';
import { softwareExecutor } from './shared-device.ts';

describe.each(PARAKEET_HEADS)('%s hears what transformers does', (head) => {
  it.skipIf(!hasShared(parakeetGolden(head)))('by the profile float', async () => {
    await checkParakeet(await softwareExecutor({ profile: TEST_PROFILES.float }), head, 1e-4);
  }, 240_000);
});
