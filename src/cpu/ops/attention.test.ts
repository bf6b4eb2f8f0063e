import { describe, it } from 'vitest';
import {
  checkAttention, checkAttentionWidths, checkLongAttention, CODED, nameOfWidths, WIDTH_CASES,
} from '../../../test/attention-oracle.ts';
import { longCases, scoreCases, widthCases } from '../../../test/scores-oracle.ts';
import { openExecutor } from '../../node/load-model.ts';

const KV_TYPES = ['f32', 'f16'] as const;
const ODD = KV_TYPES.map((kv) => ({ heads: 5, kvHeads: 1, keyDim: 7, valueDim: 21, kv }));

describe.each([1, 3])('attention on the CPU with %i thread(s)', (threads) => {
  it.each([...WIDTH_CASES, ...ODD].map((widths) => [nameOfWidths(widths), widths] as const))('%s', async (_, widths) => {
    await checkAttentionWidths(await openExecutor({ device: 'cpu', threads }), widths, 5e-6);
  });

  it.each([...CODED, ...CODED.slice(0, 1).map((widths) => ({ ...widths, keyDim: 7, valueDim: 21 }))].map((widths) =>
    [nameOfWidths(widths), widths] as const))('%s', async (_, widths) => {
    await checkAttentionWidths(await openExecutor({ device: 'cpu', threads }), widths, 5e-6);
  });

  it.each(longCases('q8/q4'))('%s, after many keys, codes', async (_, layers) => {
    await checkLongAttention(await openExecutor({ device: 'cpu', threads }), layers, 5e-6);
  });

  describe.each(KV_TYPES)('%s', (kv) => {
    it.each([...scoreCases(kv), ...widthCases(kv)])('%s', async (_, layers) => {
      await checkAttention(await openExecutor({ device: 'cpu', threads }), layers, 5e-6);
    });

    it.each(longCases(kv))('%s, after many keys', async (_, layers) => {
      await checkLongAttention(await openExecutor({ device: 'cpu', threads }), layers, 5e-6);
    });
  });
});
