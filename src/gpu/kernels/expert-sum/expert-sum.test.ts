/** Sums of what experts make, and factors of rows. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomRoutes } from '../../../../test/gpu/check-expert-product.ts';
import { compareQ8, emptyQ8, writtenQ8 } from '../../../../test/gpu/q8-values.ts';
import { stepOf } from '../../../../test/gpu/step-of.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { KernelRun, TestDevice } from '../../../../test/gpu-harness.ts';
import { runExpertSum } from '../../../reference/ops/expert-sum.ts';
import { runScaleRows } from '../../../reference/ops/scale-rows.ts';
import type { OpRun } from '../../../reference/op-run.ts';
import { randomSource } from '../../../tensor/codec/random-weights.ts';
import type { Value } from '../../../graph/value.ts';
import { scaleRowsKernel, scaleRowsWorkgroups } from '../scale-rows/scale-rows.ts';
import { expertSumKernel, expertSumWorkgroups } from './expert-sum.ts';

const valueOf = (label: string, width: number): Value => ({ id: 0, dtype: 'f32', shape: ['rows', width], label });

describe('expert-sum and scale-rows', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  async function checkRun(run: KernelRun, want: Float64Array): Promise<void> {
    const y = (await test.run(run)).get('y') as Float32Array;
    const wrong = want.findIndex((value, i) => !(Math.abs(y[i]! - value) <= 1e-6 * (1 + Math.abs(value))));
    expect(wrong, `${wrong}: ${y[wrong]}, expected ${want[wrong]}`).toBe(-1);
    expect(y.subarray(want.length).every((value) => value === 7)).toBe(true);
  }

  it.each([[3, 64, 4, false], [8, 7, 3, true], [1, 256, 1, true]] as const)('%i experts, [%i], %i rows, residual %s', async (
    used, width, rows, residual,
  ) => {
    const random = randomSource(width);
    const values = (length: number) => Float32Array.from({ length }, () => random() - 0.5);
    const variant = { used, width, residual, outputs: { f32: true, q8: undefined }, single: rows === 1 };
    const [x, added, routes] = [values(rows * used * width), values(rows * width), randomRoutes({ count: 9, used }, rows, random)];
    const floats = ({ label }: Value) => Float64Array.from(label === 'x' ? x : routes);
    const sums = runExpertSum({ kind: 'expertSum' }, [valueOf('x', used * width), valueOf('routes', 2 * used)], { floats } as OpRun);
    await checkRun({
      kernel: expertSumKernel(variant), workgroups: expertSumWorkgroups(variant, rows),
      buffers: { x, routes, residual: added, y: new Float32Array((rows + 1) * width).fill(7), step: stepOf(rows) },
    }, sums.map((value, i) => value + (residual ? added[i]! : 0)));
  });

  it.each([undefined, { eps: 1e-5 }])('rounded, before a norm or as it is: %j', async (norm) => {
    const [used, width, rows] = [3, 96, 3];
    const random = randomSource(width);
    const values = (length: number) => Float32Array.from({ length }, () => random() - 0.5);
    const [x, residual, yGain] = [values(rows * used * width), values(rows * width), values(width)];
    const routes = randomRoutes({ count: 9, used }, rows, random);
    const floats = ({ label }: Value) => Float64Array.from(label === 'x' ? x : routes);
    const sums = runExpertSum({ kind: 'expertSum' }, [valueOf('x', used * width), valueOf('routes', 2 * used)], { floats } as OpRun);
    const want = sums.map((value, i) => value + residual[i]!);
    for (const f32 of [true, false]) {
      const variant = { used, width, residual: true, outputs: { f32, q8: { norm } } };
      const buffers = { x, routes, residual, yGain, y: new Float32Array(rows * width), ...emptyQ8(rows, width), step: stepOf(rows) };
      const out = await test.run({ kernel: expertSumKernel(variant), workgroups: expertSumWorkgroups(variant, rows), buffers });
      const error = (i: number) => 1e-6 * (1 + Math.abs(want[i]!));
      expect(compareQ8(writtenQ8(out, rows, width), want, { norm: norm && { ...norm, gain: yGain }, error })).toBeUndefined();
      const y = out.get('y') as Float32Array | undefined;
      expect(y?.findIndex((value, i) => !(Math.abs(value - want[i]!) <= error(i)))).toBe(f32 ? -1 : undefined);
    }
  });

  it.each([[64, 5], [13, 2]] as const)('factors of rows of %i, %i rows', async (width, rows) => {
    const random = randomSource(width);
    const values = (length: number) => Float32Array.from({ length }, () => random() - 0.5);
    const [x, by] = [values(rows * width), values(rows)];
    const floats = ({ label }: Value) => Float64Array.from(label === 'x' ? x : by);
    await checkRun({
      kernel: scaleRowsKernel({ width }), workgroups: scaleRowsWorkgroups({ width }, rows),
      buffers: { x, by, y: new Float32Array((rows + 1) * width).fill(7), step: stepOf(rows) },
    }, runScaleRows({ kind: 'scaleRows' }, [valueOf('x', width), valueOf('by', 1)], { floats } as OpRun));
  });
});
