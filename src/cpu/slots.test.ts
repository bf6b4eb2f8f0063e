import { describe, test } from 'vitest';
import { checkSlotEngine, checkSlots } from '../../test/check-slots.ts';
import { openExecutor } from '../node/load-model.ts';
import { createReferenceExecutor } from '../reference/reference-executor.ts';

describe('slots and windows', () => {
  test('on the reference, against itself', async () => {
    await checkSlots(createReferenceExecutor(), 1e-6);
    await checkSlotEngine({ ...createReferenceExecutor(), prefillRows: 16 });
  });

  test.each([1, 3])('on the CPU with %i thread(s)', async (threads) => {
    const executor = await openExecutor({ device: 'cpu', threads });
    await checkSlots(executor, 5e-5);
    await checkSlotEngine({ ...executor, prefillRows: 16 });
  });
});
