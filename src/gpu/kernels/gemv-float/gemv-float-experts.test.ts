/** Products with matrices of experts. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkExpertProduct, expertShape } from '../../../../test/gpu/check-expert-product.ts';
import type { ExpertProblem } from '../../../../test/gpu/check-expert-product.ts';
import { NONE, SUBGROUP, WORKGROUP } from '../../../../test/gpu/gemv-float-check.ts';
import { typeCases } from '../../../../test/gpu/type-cases.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { isQuantized } from '../../../tensor/tensor-type.ts';
import { gemvFloatKernel, gemvFloatWorkgroups } from './gemv-float.ts';
import type { GemvFloatVariant } from './gemv-float.ts';

interface Problem extends ExpertProblem {
  readonly form?: Partial<GemvFloatVariant>;
  readonly xRows?: number;
}

function variantOf({ form, ...problem }: Problem, batch: 1 | 4): GemvFloatVariant {
  const shape = expertShape(problem, { input: 'f32', counts: [5], used: 3, cols: 256 });
  return { shape, batch, arithmetic: 'half', ...NONE, ...form };
}

describe('gemv-float with experts', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  async function check({ xRows = 1, ...problem }: Problem): Promise<void> {
    const variant = variantOf(problem, xRows === 1 ? 1 : 4);
    const { shape, batch } = variant;
    await checkExpertProduct(test, {
      kernel: gemvFloatKernel(variant), workgroups: gemvFloatWorkgroups(variant, xRows), shape, xRows, tileRows: batch,
    });
  }

  for (const { type, options } of typeCases()) {
    it(`${type}: one row`, options, async () => {
      const cols = isQuantized(type) ? 512 : 261;
      await check({ type, rows: 37, cols, bias: true, norm: { eps: 1e-6 } });
      await check({ type, rows: 40, cols, each: true, counts: [2, 3] });
      await check({ type, rows: 35, cols, each: true, summed: true, bias: true, residual: true });
      await check({ type, rows: 33, each: true, summed: true, counts: [4, 2], form: SUBGROUP });
      await check({ type, rows: 64, gated: 'silu', bias: true, counts: [2, 3], form: WORKGROUP });
    });
  }

  for (const { type, options } of typeCases()) {
    it(`${type}: several rows`, options, async () => {
      const cols = isQuantized(type) ? 256 : 35;
      await check({ type, rows: 37, cols, xRows: 7, bias: true, norm: { eps: 1e-6 } });
      await check({ type, rows: 18, cols, each: true, xRows: 3, counts: [2, 3], form: SUBGROUP });
    });
  }

  it('lanes that share a group, teams that end inside a vector', async () => {
    await check({ type: 'q4_0', rows: 40, cols: 96, each: true, summed: true, used: 4, form: { ...SUBGROUP, lanesPerGroup: 2 } });
    await check({ type: 'q8_0', rows: 40, cols: 96, each: true, form: { ...SUBGROUP, lanesPerGroup: 2 } });
    await check({ type: 'q4_k', rows: 40, cols: 256, each: true, summed: true, used: 5, form: WORKGROUP });
    await check({ type: 'f32', rows: 12, cols: 6, each: true, summed: true, used: 5, form: WORKGROUP });
    await check({ type: 'q4_0', rows: 64, cols: 64, gated: 'quickGelu', clamp: { limit: 0.2, offset: 1 }, bias: true });
    await check({ type: 'q4_0', rows: 64, gated: 'geluTanh', norm: { eps: 1e-5 }, xRows: 3, bias: true, form: WORKGROUP });
  });

  it('some of the experts: results of others are left, or as a step before has them; sums are without them', async () => {
    for (const [form, xRows] of [[NONE, 1], [SUBGROUP, 7], [WORKGROUP, 1]] as const) {
      await check({ type: 'q4_0', rows: 37, bias: true, norm: { eps: 1e-6 }, xRows, counts: [2, 2], others: [3, 2, true], used: 5, form });
      await check({ type: 'f16', rows: 64, cols: 64, gated: 'silu', xRows, counts: [3], others: [0, 3, true], used: 4, form });
      const summed = { type: 'q4_0', rows: 35, each: true, summed: true, used: 5, form } as const;
      await check({ ...summed, bias: true, residual: true, counts: [2, 2], others: [2, 2, false] });
      await check({ ...summed, type: 'f16', cols: 64, counts: [3], others: [0, 3, false] });
    }
  });

  it('refuses ends that a result of one expert has not', () => {
    expect(() => gemvFloatKernel(variantOf({ type: 'q4_0', rows: 32, residual: true }, 1))).toThrow('no such end');
    expect(() => gemvFloatKernel(variantOf({ type: 'q4_0', rows: 32, each: true, summed: true }, 4))).toThrow('one row');
  });
});
