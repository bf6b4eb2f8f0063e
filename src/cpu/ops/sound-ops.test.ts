import { describe, test } from 'vitest';
import { checkRecurrence, checkSoundOp, SOUND_OP_CASES } from '../../../test/sound-ops.ts';
import { openExecutor } from '../../node/load-model.ts';

describe.each([1, 3])('with %i thread(s)', (threads) => {
  const open = () => openExecutor({ device: 'cpu', threads });

  test.each(SOUND_OP_CASES)('%s', async (name) => checkSoundOp(await open(), name, 2e-6));

  test('a recurrence that goes on in its slot', async () => checkRecurrence(await open(), 2e-6));
});
