/** Products with matrices of experts. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkExpertProduct, expertShape } from '../../../../test/gpu/check-expert-product.ts';
import type { ExpertProblem } from '../../../../test/gpu/check-expert-product.ts';
import { typeCases } from '../../../../test/gpu/type-cases.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { takesInt8 } from '../../../tensor/formats/weight-formats.ts';
import { gemvInt8Kernel, gemvInt8Workgroups } from './gemv-int8.ts';
import type { GemvInt8Variant } from './gemv-int8-variant.ts';

const TYPES = typeCases(takesInt8);

interface Problem extends ExpertProblem {
  readonly cols: number;
  readonly form?: Partial<GemvInt8Variant>;
  readonly xRows?: number;
}

function variantOf({ form, ...problem }: Problem, batch: 1 | 4 | 8) {
  const shape = expertShape(problem, { input: 'q8', counts: [5], used: 3, cols: problem.cols });
  const plain = { subgroupSize: undefined, rowsPerWorkgroup: 32, lanesPerRow: 1, rowsPerSlot: 1, unroll: 1 } as const;
  return { shape, batch, ...plain, ...form } as const;
}

describe('gemv-int8 with experts', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  async function check({ xRows = 1, ...problem }: Problem): Promise<void> {
    const forms: readonly Partial<GemvInt8Variant>[] = [
      {}, { subgroupSize: test.subgroupSize, lanesPerRow: test.subgroupSize ?? 1, rowsPerWorkgroup: 32, rowsPerSlot: 2, unroll: 2 },
    ];
    for (const form of forms) {
      const variant: GemvInt8Variant = variantOf({ ...problem, form: { ...form, ...problem.form } }, xRows === 1 ? 1 : 4);
      if (form.subgroupSize !== undefined && xRows > 1 && problem.type !== 'q4_0') continue;
      const { shape, batch } = variant;
      const kernel = gemvInt8Kernel(variant);
      const workgroups = gemvInt8Workgroups(variant, xRows);
      await checkExpertProduct(test, { kernel, workgroups, shape, xRows, tileRows: batch });
    }
  }

  const q8 = { f32: false, q8: { norm: undefined } } as const;
  const both = { f32: true, q8: { norm: { eps: 1e-5 } } } as const;

  for (const { type, options } of TYPES) {
    it(`${type}: one row`, options, async () => {
      await check({ type, rows: 37, cols: 256, bias: true });
      await check({ type, rows: 64, cols: 256, input: 'q8n', gated: 'silu', bias: true, outputs: q8 });
      await check({ type, rows: 40, cols: 512, each: true, counts: [2, 3] });
      await check({ type, rows: 70, cols: 256, each: true, summed: true, bias: true });
      await check({ type, rows: 64, cols: 256, each: true, summed: true, residual: true, outputs: both });
      await check({ type, rows: 33, cols: 256, each: true, summed: true, counts: [4, 2] });
    });
  }

  for (const { type, options } of TYPES) {
    it(`${type}: several rows`, options, async () => {
      await check({ type, rows: 37, cols: 256, xRows: 7, bias: true });
      await check({ type, rows: 64, cols: 256, input: 'q8n', gated: 'silu', outputs: q8, xRows: 3 });
      await check({ type, rows: 32, cols: 256, xRows: 3, counts: [4, 1] });
    });
  }

  it('odd numbers of groups, two subgroups a row, one expert, all experts', async () => {
    await check({ type: 'q4_0', rows: 32, cols: 96, each: true, summed: true, used: 4 });
    await check({ type: 'q4_0', rows: 32, cols: 32, each: true, summed: true, used: 1, counts: [1] });
    await check({ type: 'q4_0', rows: 64, cols: 64, gated: 'quickGelu', clamp: { limit: 0.2, offset: 1 }, bias: true });
    await check({ type: 'q4_0', rows: 18, cols: 160, used: 5, xRows: 4, each: true });
    const form = { subgroupSize: test.subgroupSize, lanesPerRow: 2 * (test.subgroupSize ?? 1), rowsPerSlot: 2, unroll: 4 } as const;
    await check({ type: 'q4_0', rows: 48, cols: 224, each: true, summed: true, residual: true, form });
  });

  it('some of the experts: results of others are left, or as a step before has them; sums are without them', async () => {
    for (const xRows of [1, 7])
      await check({ type: 'q4_0', rows: 37, cols: 64, bias: true, xRows, counts: [2, 2], others: [3, 2, true], used: 5 });
    await check({ type: 'q4_0', rows: 64, cols: 64, input: 'q8n', gated: 'silu', counts: [3], others: [0, 3, false], used: 4 });
    const summed = { type: 'q4_0', rows: 70, cols: 64, each: true, summed: true, used: 5 } as const;
    await check({ ...summed, bias: true, residual: true, counts: [2, 2], others: [2, 2, false] });
  });

  it('refuses ends that a result of one expert has not', () => {
    expect(() => gemvInt8Kernel(variantOf({ type: 'q4_0', rows: 32, cols: 32, residual: true }, 1))).toThrow('no such end');
    expect(() => gemvInt8Kernel(variantOf({ type: 'q4_0', rows: 32, cols: 32, each: true, summed: true }, 4))).toThrow('one row');
  });
});
