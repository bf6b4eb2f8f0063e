import { describe, it } from 'vitest';
import { checkSlotEngine, checkSlots } from '../check-slots.ts';
import { TEST_PROFILES } from './executor-check.ts';
import { softwareExecutor } from './shared-device.ts';

describe('slots and windows', () => {
  it.each(['float', 'workgroup'] as const)('by the profile %s, against the reference', async (profile) => {
    await checkSlots(await softwareExecutor({ profile: TEST_PROFILES[profile] }), 5e-5);
  });

  it('in conversations, with up to 16 steps a submit', { timeout: 180_000 }, async () => {
    await checkSlotEngine(await softwareExecutor({ profile: { ...TEST_PROFILES.float, prefillRows: 32, stepsPerSubmit: 16 } }));
  });
});
