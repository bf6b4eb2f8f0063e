/**
 * The text around the products on matrix units: tails, forms of weights, ends and scaling, with the products themselves emulated, for the
 * software adapter has no matrix units. bench/gpu-matrix-gemm.mjs checks values on those that a GPU has.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkProduct } from '../../../../test/gpu/check-product.ts';
import { typeCases } from '../../../../test/gpu/type-cases.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { takesInt8 } from '../../../tensor/formats/weight-formats.ts';
import { workgroupBytesOf } from '../../kernel.ts';
import type { LinearShape } from '../../linear-shape.ts';
import { MATRIX_CONFIGS } from '../../wgsl/subgroup-matrix.ts';
import { matrixGemmKernel, matrixGemmWorkgroups, takesMatrixUnits } from './matrix-gemm.ts';
import type { MatrixGemmVariant, MatrixTiling } from './matrix-gemm.ts';

const HALVES = { ...MATRIX_CONFIGS.nvidia, emulated: true } as const;
const FLOATS = { ...MATRIX_CONFIGS.metalF32, emulated: true } as const;

/** Small, for most of the time goes into compiling them. */
const TILING: MatrixTiling = { tileRows: 32, tileCols: 64, tileDepth: 64, subgroups: [2, 2, 1], splits: 1 };

type Problem = Pick<LinearShape, 'parts' | 'cols'> & Partial<LinearShape> & {
  readonly config?: MatrixGemmVariant['config'];
  readonly tiling?: Partial<MatrixTiling>;
  readonly xRows: number;
  readonly xOf?: (value: number, row: number, col: number) => number;
};

function variantOf({ config = HALVES, tiling, xRows: _, xOf: __, ...shape }: Problem): MatrixGemmVariant {
  const plain = { norm: undefined, bias: false, gated: false, residual: false, outputs: { f32: true, q8: undefined } } as const;
  return { shape: { ...plain, input: 'q8', ...shape }, config, ...TILING, ...tiling };
}

describe('matrix gemm', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  async function check(problem: Problem): Promise<void> {
    const variant = variantOf(problem);
    const { xRows, xOf } = problem;
    expect(takesMatrixUnits(variant.shape)).toBe(true);
    const kernel = matrixGemmKernel(variant);
    expect(workgroupBytesOf(kernel.wgsl)).toBeLessThanOrEqual(32768);
    // Halves have 11 bits; x, a weight, its scale and its minimum are rounded.
    const relativeError = variant.config.input === 'f16' ? 6e-4 : 1e-5;
    const workgroups = matrixGemmWorkgroups(variant, xRows);
    await checkProduct(test, { kernel, workgroups, shape: variant.shape, xRows, xOf, relativeError });
  }

  const q8 = { f32: false, q8: { norm: undefined } } as const;
  const both = { f32: true, q8: { norm: { eps: 1e-5 } } } as const;

  for (const { type, options } of typeCases(takesInt8)) {
    it(`${type}: norm of x, bias, residual, rows and columns that end inside a tile`, options, async () => {
      await check({ parts: [{ type, rows: 100 }], cols: 256, xRows: 35, input: 'q8n', bias: true, residual: true });
    });
  }

  for (const { type, options } of typeCases((name) => !takesInt8(name))) {
    it(`${type}: norm of an f32 x`, options, async () => {
      await check({ parts: [{ type, rows: 100 }], cols: 256, xRows: 35, input: 'f32', norm: { eps: 1e-6 }, residual: true });
    });
  }

  it('gated, rounded', async () => {
    await check({ parts: [{ type: 'q4_0', rows: 192 }], cols: 96, xRows: 35, input: 'q8n', gated: 'silu', bias: true, outputs: q8 });
  });
});
