import { describe, test } from 'vitest';
import { checkTwoGraphs } from '../../test/check-two-graphs.ts';
import { openExecutor } from '../node/load-model.ts';
import { createReferenceExecutor } from '../reference/reference-executor.ts';

describe('a model of two graphs', () => {
  test('on the reference, against itself: the lists of runs and what is refused', async () => {
    await checkTwoGraphs(createReferenceExecutor(), 1e-9);
  });

  test.each([1, 3])('on the CPU with %i thread(s)', async (threads) => {
    await checkTwoGraphs(await openExecutor({ device: 'cpu', threads }), 2e-5);
  });
});
