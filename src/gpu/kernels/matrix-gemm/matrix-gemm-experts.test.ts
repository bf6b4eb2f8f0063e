/** Products with matrices of experts on matrix units, emulated: tiles of the rows of each. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkExpertProduct, expertShape } from '../../../../test/gpu/check-expert-product.ts';
import type { ExpertProblem } from '../../../../test/gpu/check-expert-product.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { MATRIX_CONFIGS } from '../../wgsl/subgroup-matrix.ts';
import { matrixGemmKernel, matrixGemmWorkgroups, takesMatrixUnits } from './matrix-gemm.ts';
import type { MatrixGemmVariant } from './matrix-gemm.ts';

function variantOf(problem: ExpertProblem): MatrixGemmVariant {
  const shape = expertShape(problem, { input: 'q8', counts: [4], used: 2, cols: 96 });
  const config = { ...MATRIX_CONFIGS.nvidia, emulated: true } as const;
  return { shape, config, tileRows: 16, tileCols: 64, tileDepth: 64, subgroups: [1, 2, 2], splits: 1, areHalvesReady: false, burst: 1 };
}

describe('matrix gemm with experts', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  async function check(problem: ExpertProblem): Promise<void> {
    const variant = variantOf(problem);
    const { shape, tileRows } = variant;
    expect(takesMatrixUnits(shape)).toBe(true);
    const workgroups = matrixGemmWorkgroups(variant, 17);
    const kernel = matrixGemmKernel(variant);
    await checkExpertProduct(test, { kernel, workgroups, shape, xRows: 17, tileRows, relativeError: 6e-4 });
  }

  it('norm of x and bias; rows of an expert that end inside a tile', async () => {
    await check({ type: 'q4_0', rows: 36, input: 'q8n', bias: true, counts: [3, 1] });
    await check({ type: 'mxfp4', rows: 36, bias: true });
  });

  it('gated, within bounds, rounded', async () => {
    const q8 = { f32: false, q8: { norm: undefined } } as const;
    await check({ type: 'q4_0', rows: 64, gated: 'silu', counts: [3, 1], outputs: q8 });
    await check({ type: 'q8_0', rows: 64, gated: 'quickGelu', clamp: { limit: 0.2, offset: 1 }, bias: true });
  });

  it('a vector for each expert of a row', () => check({ type: 'q4_0', rows: 40, each: true, used: 3 }));

  it('norm of an f32 x', () => check({ type: 'bf16', rows: 36, input: 'f32', norm: { eps: 1e-5 } }));

  it('leaves matrices of some of the experts to the tiles without matrix units', () => {
    const { shape } = variantOf({ type: 'q4_0', rows: 32 });
    expect(takesMatrixUnits({ ...shape, experts: { ...shape.experts!, piece: { first: 0, count: 4, before: false } } })).toBe(false);
    expect(() => matrixGemmKernel(variantOf({ type: 'q4_0', rows: 32, residual: true }))).toThrow('no such end');
  });
});
