import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stepOf } from '../../../../test/gpu/step-of.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { compareQ8, emptyQ8, writtenQ8 } from '../../../../test/gpu/q8-values.ts';
import { randomSource } from '../../../cpu/kernel-check.ts';
import * as reference from '../../../reference/reference-ops.ts';
import { swigluKernel, swigluWorkgroups } from './swiglu.ts';
import type { SwigluVariant } from './swiglu.ts';

describe('swiglu', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  async function run(variant: SwigluVariant, rows: number) {
    const { width, rowCount } = variant;
    const random = randomSource(width);
    const gate = Float32Array.from({ length: rows * width }, () => (random() - 0.5) * 30);
    const up = Float32Array.from({ length: rows * width }, () => random() - 0.5);
    // Far ends of the sigmoid.
    gate.set([90, -90].slice(0, gate.length));
    const { counts, step } = stepOf(rowCount, rows);
    const buffers = {
      gate, up, y: new Float32Array(rows * width), step,
      ...emptyQ8(rows, width),
    };
    const out = await test.run({ kernel: swigluKernel(variant), workgroups: swigluWorkgroups(variant, counts), buffers });
    return { out, want: reference.swiglu(Float64Array.from(gate), Float64Array.from(up)) };
  }

  it.each([
    [{ width: 1, output: 'f32', rowCount: 'rows' }, 2],
    [{ width: 77, output: 'f32', rowCount: 'outRows' }, 3],
    [{ width: 512, output: 'f32', rowCount: 'rows', single: true }, 1],
  ] as const satisfies [SwigluVariant, number][])('%j as f32, %i rows', async (variant, rows) => {
    const { out, want } = await run(variant, rows);
    const got = out.get('y') as Float32Array;
    want.forEach((value, i) => expect(Math.abs(got[i]! - value)).toBeLessThan(4e-6 * Math.abs(value) + 1e-9));
  });

  it.each([
    [{ width: 32, output: 'q8', rowCount: 'rows' }, 3],
    [{ width: 1056, output: 'q8', rowCount: 'outRows' }, 5],
    [{ width: 3072, output: 'q8', rowCount: 'rows', single: true }, 1],
  ] as const satisfies [SwigluVariant, number][])('%j, %i rows', async (variant, rows) => {
    const { out, want } = await run(variant, rows);
    const got = writtenQ8(out, rows, variant.width);
    expect(compareQ8(got, want, { error: (i) => 4e-6 * Math.abs(want[i]!) + 1e-9 })).toBeUndefined();
  });
});
