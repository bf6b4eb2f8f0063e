import { it } from 'vitest';
import { checkRecurrence, checkSoundOp, SOUND_OP_CASES } from '../sound-ops.ts';
import { TEST_PROFILES } from './executor-check.ts';
import { softwareExecutor } from './shared-device.ts';

const open = () => softwareExecutor({ profile: TEST_PROFILES.float });

it.each(SOUND_OP_CASES)('%s', async (name) => checkSoundOp(await open(), name, 5e-6));

it('a recurrence that goes on in its slot', async () => checkRecurrence(await open(), 5e-6));
