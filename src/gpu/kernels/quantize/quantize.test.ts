import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stepOf } from '../../../../test/gpu/step-of.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { compareQ8, emptyQ8, writtenQ8 } from '../../../../test/gpu/q8-values.ts';
import { randomSource } from '../../../tensor/codec/random-weights.ts';
import { quantizeKernel, quantizeWorkgroups } from './quantize.ts';
import type { QuantizeVariant } from './quantize.ts';

describe('quantize', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  const norm = { eps: 1e-6 };
  const cases: [QuantizeVariant, rows: number][] = [
    [{ width: 32, norm: undefined, gather: false }, 1],
    [{ width: 1120, norm: undefined, gather: false }, 5],
    [{ width: 96, norm: undefined, gather: true }, 4],
    [{ width: 1024, norm, gather: false }, 3],
    [{ width: 160, norm, gather: true }, 3],
    [{ width: 2560, norm, gather: false, single: true }, 1],
    [{ width: 64, norm, gather: true, single: true }, 1],
  ];

  it.each(cases)('%j, %i rows', async (variant, rows) => {
    const { width, gather } = variant;
    const random = randomSource(width);
    const x = Float32Array.from({ length: 6 * width }, (_, i) => (random() - 0.5) * 10 ** ((i >> 4) % 6 - 3));
    const gain = Float32Array.from({ length: width }, () => random() * 2 - 0.5);
    const indices = gather ? [5, 1, 1, 0].slice(0, rows) : Array.from({ length: rows }, (_, i) => i);
    const step = stepOf(rows);
    const out = await test.run({
      kernel: quantizeKernel(variant),
      workgroups: quantizeWorkgroups(variant, rows),
      buffers: {
        x, yGain: gain, outIndices: Uint32Array.from(indices), step,
        ...emptyQ8(rows, width),
      },
    });
    const got = writtenQ8(out, rows, width);
    const want = indices.flatMap((row) => [...x.subarray(row * width, (row + 1) * width)]);
    expect(
      compareQ8(got, want, { norm: variant.norm && { ...variant.norm, gain }, error: (i) => 1e-7 * Math.abs(want[i]!) }),
    ).toBeUndefined();
  });
});
