import { describe, it } from 'vitest';
import { checkAttentionWidths, nameOfWidths, WIDTH_CASES } from '../../../test/attention-oracle.ts';
import { openExecutor } from '../../node/load-model.ts';

const ODD = (['f32', 'f16'] as const).map((kv) => ({ heads: 5, kvHeads: 1, keyDim: 7, valueDim: 21, kv }));

describe.each([1, 3])('attention on the CPU with %i thread(s)', (threads) => {
  it.each([...WIDTH_CASES, ...ODD].map((widths) => [nameOfWidths(widths), widths] as const))('%s', async (_, widths) => {
    await checkAttentionWidths(await openExecutor({ device: 'cpu', threads }), widths, 5e-6);
  });
});
