import { it } from 'vitest';
import { checkTwoGraphs } from '../check-two-graphs.ts';
import { TEST_PROFILES } from './executor-check.ts';
import { softwareExecutor } from './shared-device.ts';

it.each(['float', 'int8', 'workgroup'] as const)('a model of two graphs, by the profile %s', async (profile) => {
  await checkTwoGraphs(await softwareExecutor({ profile: TEST_PROFILES[profile] }), 5e-5);
});
