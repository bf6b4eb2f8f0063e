import { describe, test } from 'vitest';
import { checkMemory } from '../../test/check-memory.ts';
import { openExecutor } from '../node/load-model.ts';
import { createReferenceExecutor } from '../reference/reference-executor.ts';

describe('a memory that an encoder writes once', () => {
  test('on the reference', async () => {
    await checkMemory(createReferenceExecutor(), 1e-6);
  });

  test.each([1, 3])('on the CPU with %i thread(s)', async (threads) => {
    await checkMemory(await openExecutor({ device: 'cpu', threads }), 2e-5);
  });
});
