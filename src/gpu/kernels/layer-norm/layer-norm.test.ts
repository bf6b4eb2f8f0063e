import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stepOf } from '../../../../test/gpu/step-of.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { compareQ8, emptyQ8, writtenQ8 } from '../../../../test/gpu/q8-values.ts';
import { randomSource } from '../../../tensor/codec/random-weights.ts';
import { layerNorm } from '../../../reference/ops/layer-norm.ts';
import { layerNormKernel, layerNormWorkgroups } from './layer-norm.ts';
import type { LayerNormVariant } from './layer-norm.ts';

const f32 = { f32: true, q8: false };
const q8 = { f32: false, q8: true };
const both = { f32: true, q8: true };

describe('layer norm', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  it.each([
    [{ width: 1, eps: 1e-2, bias: true, outputs: f32 }, 3],
    [{ width: 77, eps: 1e-5, bias: true, outputs: f32 }, 5],
    [{ width: 768, eps: 1e-12, bias: false, outputs: f32 }, 3],
    [{ width: 1024, eps: 1e-6, bias: true, outputs: f32, single: true }, 1],
    [{ width: 32, eps: 1e-5, bias: true, outputs: q8 }, 3],
    [{ width: 1056, eps: 1e-5, bias: false, outputs: both }, 4],
    [{ width: 768, eps: 1e-12, bias: true, outputs: both, single: true }, 1],
  ] as const satisfies [LayerNormVariant, number][])('%j, %i rows', async (variant: LayerNormVariant, rows) => {
    const { width, eps, bias, outputs } = variant;
    const random = randomSource(width);
    // A mean that is larger than what is left without it, by more from row to row.
    const x = Float32Array.from({ length: rows * width }, (_, i) => random() - 0.5 + 3 ** Math.floor(i / width));
    const gain = Float32Array.from({ length: width }, () => random() * 2 - 0.5);
    const offset = Float32Array.from({ length: width }, () => random() - 0.5);
    const out = await test.run({
      kernel: layerNormKernel(variant),
      workgroups: layerNormWorkgroups(variant, rows),
      buffers: {
        x, gain, bias: offset, y: new Float32Array((rows + 1) * width).fill(7), step: stepOf(rows),
        ...emptyQ8(rows, width),
      },
    });
    const want = layerNorm(Float64Array.from(x), gain, bias ? offset : undefined, eps);
    // A value of x is known to 2^-24 of itself, which is more of what is left of it.
    const error = (i: number) => 4e-6 * (Math.abs(want[i]!) + Math.abs(x[i]!));
    if (outputs.f32) {
      const y = out.get('y') as Float32Array;
      expect(y.findIndex((value, i) => !(i < want.length ? Math.abs(value - want[i]!) <= error(i) : value === 7))).toBe(-1);
    }
    if (outputs.q8) expect(compareQ8(writtenQ8(out, rows, width), want, { error })).toBeUndefined();
  });
});
