import { describe, it } from 'vitest';
import { checkAttentionWidths, nameOfWidths, WIDTH_CASES } from '../../../test/attention-oracle.ts';
import { createReferenceExecutor } from '../reference-executor.ts';

describe('attention on the reference', () => {
  it.each(WIDTH_CASES.map((widths) => [nameOfWidths(widths), widths] as const))('%s', async (_, widths) => {
    await checkAttentionWidths(createReferenceExecutor(), widths, 1e-6);
  });
});
