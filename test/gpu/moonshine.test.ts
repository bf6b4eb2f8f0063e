import { describe, it } from 'vitest';
import { hasShared } from '../fixture-tensors.ts';
import { checkMoonshine, checkRecording, MOONSHINE_GOLDEN, MOONSHINE_REAL } from '../moonshine-golden.ts';
import { TEST_PROFILES } from './executor-check.ts';
import { softwareExecutor } from './shared-device.ts';

describe.skipIf(!hasShared(MOONSHINE_GOLDEN))('moonshine hears and says what transformers does', () => {
  it.each(['float', 'workgroup'] as const)('by the profile %s', async (profile) => {
    await checkMoonshine(await softwareExecutor({ profile: TEST_PROFILES[profile] }), 1e-4);
  }, 240_000);
});

/** Of the real model's recording: the piece with the smallest lead. INGOT_MOONSHINE_PIECES=0,1,2,3,4,5 asks for all. */
const PIECES = (process.env['INGOT_MOONSHINE_PIECES'] ?? '5').split(',').map(Number);

it.skipIf(!hasShared(MOONSHINE_REAL))('the real model gives the ids of its recording', { tags: 'slow', timeout: 600_000 }, async () => {
  await checkRecording(await softwareExecutor({}), PIECES);
});
