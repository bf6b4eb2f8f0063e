import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareAttention, expectedAttention, makeAttentionCase, shapeOf } from '../../../../test/gpu/attention-case.ts';
import type { CaseSequence } from '../../../../test/gpu/attention-case.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { BufferData, TestDevice } from '../../../../test/gpu-harness.ts';
import type { AttentionShape } from '../../attention-shape.ts';
import { storedAttentionKernel, storedAttentionWorkgroups } from './stored-attention.ts';

const asIs = { q: { rotaryDim: 0 }, k: { rotaryDim: 0 }, input: 'separate', causal: false } as const;
/** Memories of 70, 1 and 16 keys, which end inside a tile of keys, a page, and with one. */
const LISTENERS: readonly CaseSequence[] = [{ start: 70, rows: 3 }, { start: 1, rows: 1 }, { start: 16, rows: 2 }];

const CASES: readonly (readonly [name: string, shape: AttentionShape, invocations: number])[] = [
  ['f32', shapeOf({ ...asIs }), 64],
  ['f16, more chunks than invocations', shapeOf({ ...asIs, kv: 'f16', headDim: 40 }), 4],
  ['keys of 20, values of 36, f16', shapeOf({ ...asIs, kv: 'f16', keyDim: 20, valueDim: 36, kvHeads: 1, heads: 3 }), 16],
  ['keys of q4, values of q8', shapeOf({ ...asIs, kv: 'q4', valueKv: 'q8', headDim: 48 }), 16],
  ['scores capped at 2, sinks', shapeOf({ ...asIs, softcap: 2, sinks: true }), 16],
  ['pages of 12 positions, no sharing', shapeOf({ ...asIs, pageTokens: 12, heads: 2 }), 32],
];

describe('stored-attention', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  it.each(CASES)('%s', async (_, shape, invocations) => {
    const problem = makeAttentionCase(shape, LISTENERS);
    const variant = { shape, invocations };
    const out = await test.run({
      kernel: storedAttentionKernel(variant),
      workgroups: storedAttentionWorkgroups(variant, problem.rows),
      buffers: { ...problem.buffers, memory: Uint32Array.from(LISTENERS, ({ start }) => start) },
    });
    // The memory ends before the rows' own positions.
    const compare = (...lengths: readonly number[]) => {
      const over = { ...problem, sequences: lengths.map((start) => ({ start, rows: 0 })) };
      return compareAttention(out.get('y') as BufferData, expectedAttention(over, problem.buffers['kv'] as BufferData));
    };
    expect(compare(70, 1, 16)).toBeUndefined();
    expect(compare(69, 1, 16), 'where one key less is attended to').toMatch(/^value/);
  });
});
