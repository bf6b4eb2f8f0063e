import { stepOf } from '../../../../test/gpu/step-of.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { randomSource } from '../../../tensor/codec/random-weights.ts';
import { gatherKernel, gatherWorkgroups } from './gather.ts';
import type { GatherVariant } from './gather.ts';

describe('gather', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  const cases: { variant: GatherVariant; indices: number[] }[] = [
    { variant: { width: 1 }, indices: [2] },
    { variant: { width: 67 }, indices: [6, 0, 0, 3] },
    { variant: { width: 132 }, indices: [0, 1, 6] },
    { variant: { width: 1024, single: true }, indices: [5] },
  ];

  it.each(cases)('takes rows $indices of $variant.width values', async ({ variant, indices }) => {
    const { width } = variant;
    const random = randomSource(width);
    const x = Float32Array.from({ length: 7 * width }, () => random());
    const y = new Float32Array((indices.length + 1) * width).fill(9);
    const step = stepOf(indices.length);
    const workgroups = gatherWorkgroups(variant, indices.length);
    const out = await test.run({
      kernel: gatherKernel(variant),
      workgroups,
      buffers: { x, outIndices: Uint32Array.from(indices), y, step },
    });
    expect(out.get('y')).toEqual(
      y.map((old, i) => (i < indices.length * width ? x[indices[Math.floor(i / width)]! * width + (i % width)]! : old)),
    );
  });
});
