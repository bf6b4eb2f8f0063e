import { it } from 'vitest';
import { checkMemory } from '../check-memory.ts';
import { TEST_PROFILES } from './executor-check.ts';
import { softwareExecutor } from './shared-device.ts';

it.each(['float', 'int8', 'workgroup'] as const)('a memory that an encoder writes once, by the profile %s', async (profile) => {
  await checkMemory(await softwareExecutor({ profile: TEST_PROFILES[profile] }), 5e-5);
});
