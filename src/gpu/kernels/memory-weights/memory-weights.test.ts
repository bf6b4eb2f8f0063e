import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeAttentionCase, shapeOf, storedVector } from '../../../../test/gpu/attention-case.ts';
import type { AttentionCase, CaseSequence } from '../../../../test/gpu/attention-case.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import type { AttentionShape } from '../../attention-shape.ts';
import { memoryWeightsKernel, memoryWeightsWorkgroups } from './memory-weights.ts';

const asIs = { q: { rotaryDim: 0 }, k: { rotaryDim: 0 }, input: 'separate', causal: false } as const;
/** Memories of 70, 1 and 16 keys, which end inside a round of keys, a page, and with one. */
const LISTENERS: readonly CaseSequence[] = [{ start: 70, rows: 3 }, { start: 1, rows: 1 }, { start: 16, rows: 2 }];
/** More than any memory has. */
const POSITIONS = 75;

const CASES: readonly (readonly [name: string, shape: AttentionShape, taken: readonly number[], invocations: number])[] = [
  ['f32', shapeOf({ ...asIs }), [0, 1, 2, 3], 64],
  ['f16, two heads out of order', shapeOf({ ...asIs, kv: 'f16', headDim: 40 }), [3, 1], 4],
  ['keys of q4, values of q8', shapeOf({ ...asIs, kv: 'q4', valueKv: 'q8', headDim: 48 }), [2], 16],
];

/** softmax(q k^T * scale) in float64, [rows, taken, POSITIONS]. */
function expectedWeights(problem: AttentionCase, taken: readonly number[]): Float64Array {
  const { shape: { heads, kvHeads, keyDim, scale }, rows, rowSequence, q } = problem;
  const y = new Float64Array(rows * taken.length * POSITIONS);
  for (let row = 0; row < rows; row++) {
    const sequence = rowSequence[row]!;
    taken.forEach((head, index) => {
      const kvHead = Math.floor(head / (heads / kvHeads));
      const weights = Array.from({ length: LISTENERS[sequence]!.start }, (_, position) => {
        const key = storedVector(problem, { sequence, part: 0, kvHead, position });
        let dot = 0;
        for (let i = 0; i < keyDim; i++) dot += q[(row * heads + head) * keyDim + i]! * key[i]!;
        return Math.exp(dot * scale);
      });
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      y.set(weights.map((weight) => weight / total), (row * taken.length + index) * POSITIONS);
    });
  }
  return y;
}

describe('memory-weights', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  it.each(CASES)('%s', async (_, shape, taken, invocations) => {
    const problem = makeAttentionCase(shape, LISTENERS);
    const variant = { shape, taken, positions: POSITIONS, invocations };
    const out = await test.run({
      kernel: memoryWeightsKernel(variant),
      workgroups: memoryWeightsWorkgroups(variant, problem.rows),
      buffers: {
        ...problem.buffers,
        y: new Float32Array(problem.rows * taken.length * POSITIONS).fill(NaN),
        memory: Uint32Array.from(LISTENERS, ({ start }) => start),
      },
    });
    const found = out.get('y') as Float32Array;
    const expected = expectedWeights(problem, taken);
    expect(found.length).toBe(expected.length);
    for (let i = 0; i < found.length; i++) expect(Math.abs(found[i]! - expected[i]!), `value ${i}`).toBeLessThan(2e-5);
    expect(Math.max(...expected.subarray(0, 70))).toBeGreaterThan(0.02);
  });
});
