import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stepOf } from '../../../../test/gpu/step-of.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { compareQ8, emptyQ8, writtenQ8 } from '../../../../test/gpu/q8-values.ts';
import { randomSource } from '../../../tensor/codec/random-weights.ts';
import { rmsNorm } from '../../../reference/ops/rms-norm.ts';
import { addNormKernel, addNormWorkgroups } from './add-norm.ts';
import type { AddNormVariant } from './add-norm.ts';

const f32 = { f32: true, q8: undefined };
const q8 = { f32: false, q8: { norm: undefined } };
const q8n = { f32: true, q8: { norm: { eps: 1e-5 } } };

describe('add-norm', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  it.each([
    [{ width: 1, eps: 1e-2, outputs: f32 }, 3],
    [{ width: 301, eps: 1e-6, outputs: f32, by: 0.75 }, 5],
    [{ width: 1300, eps: 1e-6, outputs: f32, by: 'factor' }, 3],
    [{ width: 5120, eps: 1e-6, outputs: f32, single: true }, 1],
    [{ width: 64, groups: 5, eps: 1e-5, outputs: f32, by: 0.5 }, 3],
    [{ width: 7, groups: 3, eps: 1e-5, outputs: f32, single: true }, 1],
    [{ width: 32, eps: 1e-5, outputs: q8 }, 3],
    [{ width: 1152, eps: 1e-6, outputs: q8n }, 4],
    [{ width: 1536, eps: 1e-6, outputs: q8n, by: 'factor', single: true }, 1],
    [{ width: 5376, eps: 1e-6, outputs: q8n, by: 2.5, single: true }, 1],
    [{ width: 8192, eps: 1e-6, outputs: { f32: true, q8: { norm: undefined } } }, 2],
  ] as const satisfies [AddNormVariant, number][])('%j, %i rows', async (variant: AddNormVariant, rows) => {
    const { width, groups = 1, eps, by = 1, outputs } = variant;
    const all = rows * groups * width;
    const random = randomSource(width);
    const fill = (length: number) => Float32Array.from({ length }, (_, i) => (random() - 0.5) * 10 ** ((i >> 5) % 4 - 2));
    const [x, residual] = [fill(all), fill(all)];
    const [gain, yGain] = [0, 1].map(() => Float32Array.from({ length: width }, () => random() * 2 - 0.5)) as [Float32Array, Float32Array];
    const factor = Float32Array.of(-1.3);
    const out = await test.run({
      kernel: addNormKernel(variant),
      workgroups: addNormWorkgroups(variant, rows),
      buffers: {
        x, residual, gain, yGain, factor, y: new Float32Array(all + width).fill(7), step: stepOf(rows),
        ...emptyQ8(rows, width),
      },
    });
    const times = by === 'factor' ? factor[0]! : by;
    const normed = rmsNorm(Float64Array.from(x), gain, { eps });
    const want = normed.map((value, i) => times * (residual[i]! + value));
    const error = (i: number) => 4e-6 * Math.abs(times) * (Math.abs(normed[i]!) + Math.abs(residual[i]!)) + 1e-9;
    if (outputs.f32) {
      const y = out.get('y') as Float32Array;
      expect(y.findIndex((value, i) => !(i < want.length ? Math.abs(value - want[i]!) <= error(i) : value === 7))).toBe(-1);
    }
    if (outputs.q8) {
      const { norm } = outputs.q8;
      expect(compareQ8(writtenQ8(out, rows, width), want, { norm: norm && { ...norm, gain: yGain }, error })).toBeUndefined();
    }
  });
});
