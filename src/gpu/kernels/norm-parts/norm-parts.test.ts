import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stepOf } from '../../../../test/gpu/step-of.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { randomSource } from '../../../tensor/codec/random-weights.ts';
import { rmsNorm } from '../../../reference/ops/rms-norm.ts';
import { normPartsKernel, normPartsWorkgroups } from './norm-parts.ts';
import type { NormPartsVariant } from './norm-parts.ts';

describe('norm-parts', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  const part = (width: number, eps?: number) => ({ width, norm: eps === undefined ? undefined : { eps } });

  it.each([
    [{ parts: [part(64, 1e-6), part(32, 1e-2), part(32)] }, 3],
    [{ parts: [part(7, 1e-5), part(20), part(301, 1e-6)] }, 4],
    [{ parts: [part(4096, 1e-6), part(1028, 1e-6), part(1028)], single: true }, 1],
  ] as const satisfies [NormPartsVariant, number][])('%j, %i rows', async (variant: NormPartsVariant, rows) => {
    const width = variant.parts.reduce((sum, each) => sum + each.width, 0);
    const random = randomSource(width);
    const x = Float32Array.from({ length: rows * width }, () => random() - 0.5);
    const gain = Float32Array.from({ length: width }, () => random() * 2 - 0.5);
    const buffers = { x, gain, y: new Float32Array((rows + 1) * width).fill(7), step: stepOf(rows) };
    const out = await test.run({ kernel: normPartsKernel(variant), workgroups: normPartsWorkgroups(variant, rows), buffers });
    const y = out.get('y') as Float32Array;
    let start = 0;
    for (const { width: own, norm } of variant.parts) {
      for (let row = 0; row < rows; row++) {
        const [begin, end] = [row * width + start, row * width + start + own];
        const from = Float64Array.from(x.subarray(begin, end));
        const want = norm ? rmsNorm(from, gain.subarray(start, start + own), norm) : from;
        const got = y.subarray(begin, end);
        expect(got.findIndex((value, i) => !(Math.abs(value - want[i]!) <= (norm ? 2e-6 : 0) * Math.abs(want[i]!)))).toBe(-1);
      }
      start += own;
    }
    expect(y.subarray(rows * width).every((value) => value === 7)).toBe(true);
  });
});
