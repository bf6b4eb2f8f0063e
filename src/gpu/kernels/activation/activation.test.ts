import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stepOf } from '../../../../test/gpu/step-of.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { compareQ8, emptyQ8, writtenQ8 } from '../../../../test/gpu/q8-values.ts';
import { randomSource } from '../../../tensor/codec/random-weights.ts';
import { ACTIVATIONS } from '../../../graph/ops/activation.ts';
import { ACTIVATION_FUNCTIONS, gateOf } from '../../../reference/ops/activation.ts';
import { activationKernel, activationWorkgroups } from './activation.ts';
import type { ActivationVariant } from './activation.ts';

type Shape = Omit<ActivationVariant, 'fn'>;

describe.each(ACTIVATIONS)('%s', (fn) => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  async function run(shape: Shape, rows: number) {
    const variant: ActivationVariant = { ...shape, fn };
    const { width, gated, columns, clamp } = variant;
    const random = randomSource(width);
    const gate = Float32Array.from({ length: rows * width }, () => (random() - 0.5) * 30);
    const { of, start } = columns ?? { of: width, start: 0 };
    const up = Float32Array.from({ length: rows * of }, () => random() - 0.5);
    // Far ends of the sigmoid.
    gate.set([90, -90].slice(0, gate.length));
    const step = stepOf(rows);
    const buffers = {
      gate, up, y: new Float32Array(rows * width), step,
      ...emptyQ8(rows, width),
    };
    const out = await test.run({ kernel: activationKernel(variant), workgroups: activationWorkgroups(variant, rows), buffers });
    const upAt = (i: number) => up[Math.floor(i / width) * of + start + (i % width)]!;
    const wanted = (x: number, i: number) => (gated ? gateOf(fn, clamp, x, upAt(i)) : ACTIVATION_FUNCTIONS[fn](x));
    return { out, want: Float64Array.from(gate, wanted) };
  }

  it.each([
    [{ gated: true, width: 1, output: 'f32' }, 2],
    [{ gated: false, width: 77, output: 'f32' }, 3],
    [{ gated: true, width: 512, output: 'f32', single: true }, 1],
    [{ gated: true, width: 64, output: 'f32', columns: { start: 128, of: 256 } }, 3],
    [{ gated: true, width: 7, output: 'f32', columns: { start: 3, of: 12 } }, 3],
    [{ gated: true, width: 77, output: 'f32', clamp: { limit: 0.25, offset: 1 } }, 3],
  ] as const satisfies [Shape, number][])('%j as f32, %i rows', async (variant, rows) => {
    const { out, want } = await run(variant, rows);
    const got = out.get('y') as Float32Array;
    want.forEach((value, i) => expect(Math.abs(got[i]! - value)).toBeLessThan(4e-6 * Math.abs(value) + 1e-9));
  });

  it.each([
    [{ gated: true, width: 32, output: 'q8' }, 3],
    [{ gated: false, width: 1056, output: 'q8' }, 5],
    [{ gated: true, width: 3072, output: 'q8', single: true }, 1],
    [{ gated: true, width: 64, output: 'q8', columns: { start: 64, of: 192 } }, 3],
    [{ gated: true, width: 64, output: 'q8', columns: { start: 64, of: 192 }, clamp: { limit: 0.25, offset: 1 } }, 3],
  ] as const satisfies [Shape, number][])('%j, %i rows', async (variant, rows) => {
    const { out, want } = await run(variant, rows);
    const got = writtenQ8(out, rows, variant.width);
    expect(compareQ8(got, want, { error: (i) => 4e-6 * Math.abs(want[i]!) + 1e-9 })).toBeUndefined();
  });
});
