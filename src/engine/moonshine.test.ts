import { describe, test } from 'vitest';
import { hasShared } from '../../test/fixture-tensors.ts';
import { checkMoonshine, checkRecording, MOONSHINE_GOLDEN, MOONSHINE_REAL } from '../../test/moonshine-golden.ts';
import { openExecutor } from '../node/load-model.ts';
import { createReferenceExecutor } from '../reference/reference-executor.ts';

describe.skipIf(!hasShared(MOONSHINE_GOLDEN))('moonshine hears and says what transformers does', () => {
  test('on the reference', () => checkMoonshine(createReferenceExecutor(), 2e-5));

  test.each([1, 3])('on the CPU with %i thread(s)', async (threads) => {
    await checkMoonshine(await openExecutor({ device: 'cpu', threads }), 5e-5);
  });
});

test.skipIf(!hasShared(MOONSHINE_REAL))('the real model gives the ids of all six pieces of its recording, on the CPU', async () => {
  await checkRecording(await openExecutor({ device: 'cpu', threads: 2 }), [0, 1, 2, 3, 4, 5]);
});
