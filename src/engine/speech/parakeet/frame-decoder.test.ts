import { describe, test } from 'vitest';
import { hasShared } from '../../../../test/fixture-tensors.ts';
import { checkParakeet, parakeetGolden } from '../../../../test/parakeet-golden.ts';
import { PARAKEET_HEADS } from '../../../models/parakeet.ts';
import { openExecutor } from '../../../node/load-model.ts';
import { createReferenceExecutor } from '../../../reference/reference-executor.ts';

describe.each(PARAKEET_HEADS)('%s hears what transformers does', (head) => {
  describe.skipIf(!hasShared(parakeetGolden(head)))('with its golden', () => {
    test('on the reference', () => checkParakeet(createReferenceExecutor(), head, 2e-5));

    test.each([1, 3])('on the CPU with %i thread(s)', async (threads) => {
      await checkParakeet(await openExecutor({ device: 'cpu', threads }), head, 5e-5);
    });
  });
});
