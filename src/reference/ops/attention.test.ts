import { describe, it } from 'vitest';
import { checkAttention, checkAttentionWidths, nameOfWidths, WIDTH_CASES } from '../../../test/attention-oracle.ts';
import { scoreCases } from '../../../test/scores-oracle.ts';
import { createReferenceExecutor } from '../reference-executor.ts';

describe('attention on the reference', () => {
  it.each(WIDTH_CASES.map((widths) => [nameOfWidths(widths), widths] as const))('%s', async (_, widths) => {
    await checkAttentionWidths(createReferenceExecutor(), widths, 1e-6);
  });

  it.each([...scoreCases('f32')])('%s', async (_, layers) => {
    await checkAttention(createReferenceExecutor(), layers, 1e-6);
  });
});
