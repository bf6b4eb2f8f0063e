import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stepOf } from '../../../../test/gpu/step-of.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { randomSource } from '../../../tensor/codec/random-weights.ts';
import { rope } from '../../../reference/ops/rope.ts';
import { ropeKernel, ropeWorkgroups } from './rope.ts';
import type { RopeVariant } from './rope.ts';

const POSITIONS = 300;

/** (cos, sin) of [position, frequency], as the host makes it. */
function tableOf(frequencies: Float64Array): Float32Array {
  const angles = Array.from({ length: POSITIONS }, (_, position) => [...frequencies].map((frequency) => position * frequency)).flat();
  return Float32Array.from(angles.flatMap((angle) => [Math.cos(angle), Math.sin(angle)]));
}

describe('rope', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  const cases: { variant: RopeVariant; positions: number[] }[] = [
    { variant: { heads: 1, headDim: 2, rotaryDim: 2 }, positions: [0, 1, 299] },
    { variant: { heads: 3, headDim: 21, rotaryDim: 6 }, positions: [7, 7, 128, 3, 0] },
    { variant: { heads: 5, headDim: 64, rotaryDim: 64 }, positions: [250, 251] },
    { variant: { heads: 16, headDim: 128, rotaryDim: 128, single: true }, positions: [299] },
  ];

  it.each(cases)('turns heads of $variant.headDim at $positions', async ({ variant, positions }) => {
    const { heads, headDim, rotaryDim } = variant;
    const random = randomSource(headDim);
    const x = Float32Array.from({ length: positions.length * heads * headDim }, () => random() * 4 - 2);
    const frequencies = Float64Array.from({ length: rotaryDim / 2 }, (_, i) => 10000 ** ((-2 * i) / rotaryDim));
    const step = stepOf(positions.length);
    const out = await test.run({
      kernel: ropeKernel(variant),
      workgroups: ropeWorkgroups(variant, positions.length),
      buffers: { x, positions: Uint32Array.from(positions), rope: tableOf(frequencies), y: new Float32Array(x.length), step },
    });
    const want = rope(Float64Array.from(x), Int32Array.from(positions), { heads, headDim, table: { id: 't', frequencies } });
    const got = out.get('y') as Float32Array;
    const worst = want.reduce((most, value, i) => Math.max(most, Math.abs(value - got[i]!)), 0);
    expect(worst).toBeLessThan(1e-6);
  });

  it('refuses an odd number of turned dimensions', () => {
    expect(() => ropeKernel({ heads: 1, headDim: 8, rotaryDim: 3 })).toThrow(/even number.*got 3 of 8/);
  });
});
