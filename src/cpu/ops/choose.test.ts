import { describe, test } from 'vitest';
import { checkChoices, CHOICE_WIDTHS } from '../../../test/choose-op.ts';
import { openExecutor } from '../../node/load-model.ts';
import { createReferenceExecutor } from '../../reference/reference-executor.ts';

describe.each(CHOICE_WIDTHS)('choices of rows of %i', (width) => {
  test('on the reference', () => checkChoices(createReferenceExecutor(), width));

  test.each([1, 3])('on the CPU with %i thread(s)', async (threads) => checkChoices(await openExecutor({ device: 'cpu', threads }), width));
});
