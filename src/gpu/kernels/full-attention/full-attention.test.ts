import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stepOf } from '../../../../test/gpu/step-of.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { randomSource } from '../../../tensor/codec/random-weights.ts';
import { fullAttention } from '../../../reference/ops/full-attention.ts';
import { relativeAttend } from '../../../reference/ops/relative-attention.ts';
import { fullAttentionKernel, fullAttentionWorkgroups } from './full-attention.ts';

describe('full attention', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  const square = (heads: number, kvHeads: number, dim: number) => ({ heads, kvHeads, keyDim: dim, valueDim: dim });
  it.each([
    [square(1, 1, 1), 1, 1],
    [square(4, 2, 16), 3, 5],
    [square(6, 6, 64), 2, 64],
    [square(4, 1, 20), 5, 65],
    [{ heads: 2, kvHeads: 2, keyDim: 24, valueDim: 80 }, 7, 200],
    [{ heads: 3, kvHeads: 1, keyDim: 40, valueDim: 7 }, 4, 130],
    [square(2, 1, 64), 40, 70],
    [square(2, 2, 128), 19, 33],
    [square(1, 1, 300), 5, 9],
    [square(2, 1, 8), 3, 0],
  ])('%j, %i rows over %i keys', async (heads, rows, keys) => {
    const shape = { ...heads, scale: heads.keyDim ** -0.5 };
    const random = randomSource(rows * 1000 + keys);
    const fill = (count: number, size: number) => Float32Array.from({ length: count }, () => (random() - 0.5) * size);
    const q = fill(rows * shape.heads * shape.keyDim, 8);
    // A buffer has at least one value; what lies past the keys must not count.
    const k = fill((keys + 1) * shape.kvHeads * shape.keyDim, 8);
    const v = fill((keys + 1) * shape.kvHeads * shape.valueDim, 2);
    const y = new Float32Array((rows + 1) * shape.heads * shape.valueDim).fill(9);
    const variant = { ...shape, invocations: 64 };
    const buffers = { q, k, v, y, step: stepOf(rows), keys: stepOf(keys) };
    const out = (
      await test.run({ kernel: fullAttentionKernel(variant), workgroups: fullAttentionWorkgroups(variant, rows), buffers })
    ).get('y') as Float32Array;
    const seen = <Values extends Float32Array>(values: Values, width: number) => Float64Array.from(values.subarray(0, keys * width));
    const want = fullAttention(
      [Float64Array.from(q), seen(k, shape.kvHeads * shape.keyDim), seen(v, shape.kvHeads * shape.valueDim)],
      shape,
    );
    want.forEach((value, i) => expect(Math.abs(out[i]! - value)).toBeLessThan(2e-5));
    expect([...out.subarray(want.length)].every((value) => value === 9)).toBe(true);
  });

  it.each([[1, 1, 1], [3, 4, 5], [2, 64, 40], [1, 128, 33], [1, 300, 6], [2, 20, 70]])(
    'by distance: %i heads of %i, %i rows', async (heads, dim, rows) => {
      const random = randomSource(rows * 1000 + dim);
      const fill = (count: number, size: number) => Float32Array.from({ length: count * heads * dim }, () => (random() - 0.5) * size);
      const [q, k, v, p] = [fill(rows, 4), fill(rows, 4), fill(rows, 2), fill(2 * rows - 1, 4)] as const;
      const [contentBias, positionBias] = [fill(1, 2), fill(1, 2)] as const;
      const shape = { heads, scale: dim ** -0.5 };
      const variant = { ...shape, kvHeads: heads, keyDim: dim, valueDim: dim, invocations: 64, byDistance: true };
      const y = new Float32Array((rows + 1) * heads * dim).fill(9);
      const buffers = { q, k, v, p, contentBias, positionBias, y, step: stepOf(rows), keys: stepOf(rows) };
      const kernel = fullAttentionKernel(variant);
      const out = (await test.run({ kernel, workgroups: fullAttentionWorkgroups(variant, rows), buffers })).get('y') as Float32Array;
      const wide = (values: Float32Array) => Float64Array.from(values);
      const want = relativeAttend([wide(q), wide(k), wide(v), wide(p)], { ...shape, headDim: dim, contentBias, positionBias });
      want.forEach((value, i) => expect(Math.abs(out[i]! - value)).toBeLessThan(2e-5));
      expect([...out.subarray(want.length)].every((value) => value === 9)).toBe(true);
    },
  );
});
