/** Products with matrices of experts: tiles of the rows of each. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkExpertProduct, expertShape } from '../../../../test/gpu/check-expert-product.ts';
import type { ExpertProblem } from '../../../../test/gpu/check-expert-product.ts';
import { typeCases } from '../../../../test/gpu/type-cases.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { takesInt8 } from '../../../tensor/formats/weight-formats.ts';
import { gemmKernel, gemmWorkgroups } from './gemm.ts';
import type { GemmVariant } from './gemm.ts';

const INT8 = { arithmetic: 'int8', tileRows: 8, tileCols: 32, tileDepth: 32, rowsPerInvocation: 4 } as const;
const F32 = { arithmetic: 'f32', tileRows: 8, tileCols: 32, tileDepth: 16, rowsPerInvocation: 4 } as const;

interface Problem extends ExpertProblem {
  readonly tiling: typeof INT8 | typeof F32;
  readonly xRows?: number;
}

function variantOf({ tiling, ...problem }: Problem): GemmVariant {
  const input = tiling.arithmetic === 'f32' ? 'f32' : 'q8';
  return { shape: expertShape(problem, { input, counts: [4], used: 2, cols: 256 }), ...tiling };
}

describe('gemm with experts', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  async function check({ xRows = 17, ...problem }: Problem): Promise<void> {
    const variant = variantOf(problem);
    const { shape, tileRows } = variant;
    await checkExpertProduct(test, { kernel: gemmKernel(variant), workgroups: gemmWorkgroups(variant, xRows), shape, xRows, tileRows });
  }

  const q8 = { f32: false, q8: { norm: undefined } } as const;

  for (const { type, options } of typeCases(takesInt8)) {
    it(`int8, ${type}`, options, async () => {
      await check({ tiling: INT8, type, rows: 37, input: 'q8n', bias: true });
      await check({ tiling: INT8, type, rows: 64, gated: 'silu', outputs: q8 });
      await check({ tiling: INT8, type, rows: 64, gated: 'silu', counts: [3, 1] });
      await check({ tiling: INT8, type, rows: 40, each: true, xRows: 9, used: 3 });
    });
  }

  for (const { type, options } of typeCases()) {
    it(`f32, ${type}`, options, async () => {
      await check({ tiling: F32, type, rows: 37, norm: { eps: 1e-5 }, bias: true });
      await check({ tiling: F32, type, rows: 32, gated: 'geluTanh', counts: [3, 1] });
      await check({ tiling: F32, type, rows: 40, each: true, xRows: 9, used: 3 });
    });
  }

  it('bounds of a gate, rows that end inside 16 bytes, one expert for all', async () => {
    await check({ tiling: INT8, type: 'q4_0', rows: 64, gated: 'quickGelu', clamp: { limit: 0.2, offset: 1 }, bias: true, outputs: q8 });
    await check({ tiling: F32, type: 'f16', rows: 20, cols: 37, each: true });
    await check({ tiling: F32, type: 'q4_0', rows: 33, cols: 32, counts: [1], used: 1 });
  });

  it('some of the experts: results of others are left, or as a step before has them', async () => {
    await check({ tiling: INT8, type: 'q4_0', rows: 37, bias: true, counts: [2, 1], others: [3, 2, true], used: 4 });
    await check({ tiling: INT8, type: 'q4_0', rows: 64, gated: 'silu', bias: true, others: [0, 3, false], used: 4 });
    await check({ tiling: F32, type: 'q8_0', rows: 64, gated: 'silu', norm: { eps: 1e-5 }, others: [3, 0, true], used: 3 });
    await check({ tiling: F32, type: 'f16', rows: 40, each: true, xRows: 9, counts: [2, 2], others: [1, 1, true], used: 3 });
  });

  it('refuses ends that a result of one expert has not', () => {
    expect(() => gemmKernel(variantOf({ tiling: INT8, type: 'q4_0', rows: 32, residual: true }))).toThrow('no such end');
  });
});
