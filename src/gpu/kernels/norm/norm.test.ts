import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stepOf } from '../../../../test/gpu/step-of.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { compareQ8, emptyQ8, writtenQ8 } from '../../../../test/gpu/q8-values.ts';
import { randomSource } from '../../../tensor/codec/random-weights.ts';
import { rmsNorm } from '../../../reference/ops/rms-norm.ts';
import { normKernel, normWorkgroups } from './norm.ts';
import type { NormVariant } from './norm.ts';

const f32 = { f32: true, q8: false };
const q8 = { f32: false, q8: true };
const both = { f32: true, q8: true };

describe('norm', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  const cases: [NormVariant, rows: number][] = [
    [{ width: 1, groups: 1, eps: 1e-2, gather: false, outputs: f32 }, 3],
    [{ width: 77, groups: 7, eps: 1e-5, gather: false, outputs: f32 }, 5],
    [{ width: 301, groups: 1, eps: 1e-6, gather: true, outputs: f32 }, 2],
    [{ width: 1024, groups: 8, eps: 1e-6, gather: false, outputs: f32 }, 3],
    [{ width: 1024, groups: 1, eps: 1e-6, gather: false, outputs: f32, single: true }, 1],
    [{ width: 5120, groups: 1, eps: 1e-6, gather: false, outputs: f32 }, 2],
    [{ width: 32, groups: 2, eps: 1e-5, gather: false, outputs: q8 }, 3],
    [{ width: 1056, groups: 1, eps: 1e-5, gather: true, outputs: both }, 3],
    [{ width: 2560, groups: 1, eps: 1e-5, gather: true, outputs: q8, single: true }, 1],
    [{ width: 384, groups: 3, eps: 1e-5, gather: false, outputs: both }, 4],
  ];

  it.each(cases)('%j, %i rows', async (variant, rows) => {
    const { width, groups, eps, gather, outputs } = variant;
    const random = randomSource(width);
    const x = Float32Array.from({ length: 6 * width }, (_, i) => (random() - 0.5) * 10 ** (Math.floor(i / width) - 4));
    const gain = Float32Array.from({ length: width / groups }, () => random() * 2 - 0.5);
    const indices = gather ? [5, 1, 4].slice(0, rows) : Array.from({ length: rows }, (_, i) => i);
    const step = stepOf(rows);
    const y = new Float32Array((rows + 1) * width).fill(7);
    const out = await test.run({
      kernel: normKernel(variant),
      workgroups: normWorkgroups(variant, rows),
      buffers: {
        x, gain, y, outIndices: Uint32Array.from(indices), step,
        ...emptyQ8(rows, width),
      },
    });
    const want = rmsNorm(Float64Array.from(indices.flatMap((row) => [...x.subarray(row * width, (row + 1) * width)])), gain, { eps });
    const error = (i: number) => 2e-6 * Math.abs(want[i]!) + 1e-9;
    if (outputs.f32) {
      const got = out.get('y') as Float32Array;
      const wrong = [...got].findIndex((value, i) => !(i < want.length ? Math.abs(value - want[i]!) <= error(i) : value === 7));
      expect(wrong).toBe(-1);
    }
    if (outputs.q8) {
      const got = writtenQ8(out, rows, width);
      expect(compareQ8(got, want, { error })).toBeUndefined();
    }
  });

  it('refuses groups that do not divide a row or an int8 block', () => {
    const variant: NormVariant = { width: 64, groups: 8, eps: 1e-5, gather: false, outputs: q8 };
    expect(() => normKernel(variant)).toThrow(/groups of a multiple of 16 values; got 8/);
    expect(() => normKernel({ ...variant, groups: 5 })).toThrow(/64 values do not divide by 5/);
    expect(() => normKernel({ ...variant, outputs: { f32: false, q8: false } })).toThrow(/without outputs/);
  });
});
