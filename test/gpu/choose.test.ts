import { it } from 'vitest';
import { checkChoices, CHOICE_WIDTHS } from '../choose-op.ts';
import { TEST_PROFILES } from './executor-check.ts';
import { softwareExecutor } from './shared-device.ts';

it.each(CHOICE_WIDTHS)('choices of rows of %i', async (width) => {
  await checkChoices(await softwareExecutor({ profile: TEST_PROFILES.float }), width);
});
