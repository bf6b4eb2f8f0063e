import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkProduct } from '../../../../test/gpu/check-product.ts';
import { typeCases } from '../../../../test/gpu/type-cases.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { takesInt8 } from '../../../tensor/formats/weight-formats.ts';
import type { LinearShape } from '../../linear-shape.ts';
import { gemmKernel, gemmWorkgroups } from './gemm.ts';
import type { GemmVariant } from './gemm.ts';
import { workgroupBytesOf } from '../../kernel.ts';

type Tiling = Pick<GemmVariant, 'arithmetic' | 'tileRows' | 'tileCols' | 'tileDepth' | 'rowsPerInvocation'>;

/** Small, for most of the time goes into compiling them. */
const INT8: Tiling = { arithmetic: 'int8', tileRows: 16, tileCols: 32, tileDepth: 32, rowsPerInvocation: 4 };
const F32: Tiling = { arithmetic: 'f32', tileRows: 16, tileCols: 32, tileDepth: 16, rowsPerInvocation: 4 };

type Problem = Pick<LinearShape, 'parts' | 'cols'> & Partial<LinearShape> & { readonly tiling: Tiling; readonly xRows: number };

function variantOf({ tiling, ...problem }: Problem): GemmVariant {
  const { parts, cols, norm, bias = false, gated = false, residual = false, outputs = { f32: true, q8: undefined } } = problem;
  const { input = tiling.arithmetic === 'f32' ? 'f32' : 'q8' } = problem;
  return { shape: { parts, cols, input, norm, bias, gated, residual, outputs, activation: problem.activation }, ...tiling };
}

describe('gemm', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  async function check(problem: Problem): Promise<void> {
    const variant = variantOf(problem);
    const { xRows } = problem;
    const kernel = gemmKernel(variant);
    expect(kernel.bindings.filter(({ access }) => access !== 'uniform').length).toBeLessThanOrEqual(10);
    expect(workgroupBytesOf(kernel.wgsl)).toBeLessThanOrEqual(16384);
    expect(kernel.workgroupSize).toBeLessThanOrEqual(256);
    await checkProduct(test, { kernel, workgroups: gemmWorkgroups(variant, xRows), shape: variant.shape, xRows });
  }

  const q8 = { f32: false, q8: { norm: undefined } } as const;
  const q8n = { f32: false, q8: { norm: { eps: 1e-5 } } } as const;
  const both = { f32: true, q8: { norm: { eps: 1e-5 } } } as const;

  describe.each([['int8', INT8, typeCases(takesInt8)], ['f32', F32, typeCases()]] as const)('%s', (_, tiling, types) => {
    const input = tiling.arithmetic === 'int8' ? 'q8n' : 'f32';
    const norm = tiling.arithmetic === 'f32' ? { eps: 1e-6 } : undefined;

    for (const { type, options } of types) {
      it(`${type}: norm of x, bias, residual, rows and columns that end inside a tile`, options, async () => {
        await check({ tiling, parts: [{ type, rows: 37 }], cols: 512, xRows: 33, input, norm, bias: true, residual: true });
      });
    }

    for (const { type, options } of types) {
      it(`${type}: gated`, options, async () => {
        await check({ tiling, parts: [{ type, rows: 192 }], cols: 256, xRows: 18, input, norm, gated: 'silu', bias: true, outputs: q8 });
      });
    }

    it('a function of the result, and its product with columns of another value', async () => {
      const problem = { tiling, parts: [{ type: 'q4_0', rows: 96 }], cols: 256, xRows: 17, input, norm } as const;
      await check({ ...problem, activation: { fn: 'geluTanh', times: { start: 32, of: 160 } }, outputs: q8 });
      await check({ ...problem, parts: [{ type: 'q8_0', rows: 37 }], activation: { fn: 'gelu', times: undefined }, bias: true });
      await check({ ...problem, parts: [{ type: 'q8_0', rows: 37 }], activation: { fn: 'gelu', times: { start: 0, of: 37 } } });
      await check({ ...problem, activation: { fn: 'softcap', cap: 0.5 } });
    });

    it('f32 and q8n out, plain x', async () => {
      await check({ tiling, parts: [{ type: 'q4_0', rows: 96 }], cols: 256, xRows: 17, residual: true, outputs: both });
    });

    it('parts of several types, whose rows end inside a tile', async () => {
      await check({
        tiling,
        parts: [
          { type: 'q4_k', rows: 53 },
          { type: 'q8_0', rows: 71 },
          { type: 'q4_0', rows: 5 },
        ],
        cols: 512,
        xRows: 9,
        bias: true,
      });
      await check({
        tiling, parts: [{ type: 'q2_k', rows: 37 }, { type: 'q4_k', rows: 21 }, { type: 'iq4_xs', rows: 17 }], cols: 256, xRows: 9,
      });
      await check({
        tiling: { ...tiling, tileCols: 64 },
        parts: [
          { type: 'q4_k', rows: 80 },
          { type: 'q6_k', rows: 48 },
        ],
        cols: 256,
        xRows: 11,
        outputs: q8,
      });
    });

    it('one column, one row', async () => {
      await check({ tiling, parts: [{ type: 'q4_0', rows: 1 }], cols: 32, xRows: 1 });
    });
  });

  it.each([['f32', 1], ['f16', 7], ['bf16', 261], ['f16', 36]] as const)('%s: %i columns', async (type, cols) => {
    await check({ tiling: F32, parts: [{ type, rows: 40 }, { type: 'f32', rows: 9 }], cols, xRows: 10, norm: { eps: 1e-5 } });
  });

  it.each([64, 128])('int8: tiles %i deep, and lines that end inside them', async (tileDepth) => {
    await check({ tiling: { ...INT8, tileDepth }, parts: [{ type: 'q4_0', rows: 70 }], cols: 224, xRows: 19, input: 'q8n' });
  });

  it('f32: tiles 32 deep, and lines that end inside them', async () => {
    await check({ tiling: { ...F32, tileDepth: 32 }, parts: [{ type: 'f16', rows: 70 }], cols: 210, xRows: 19 });
  });

  /** As GPUs take them: 8 rows an invocation, tiles of which a lane fetches several units, wide and tall ones, lanes without work. */
  it.each([
    { arithmetic: 'int8', tileRows: 32, tileCols: 64, tileDepth: 64, rowsPerInvocation: 4 },
    { arithmetic: 'int8', tileRows: 64, tileCols: 32, tileDepth: 32, rowsPerInvocation: 8 },
    { arithmetic: 'int8', tileRows: 16, tileCols: 96, tileDepth: 32, rowsPerInvocation: 4 },
    { arithmetic: 'f32', tileRows: 64, tileCols: 64, tileDepth: 16, rowsPerInvocation: 4 },
    { arithmetic: 'f32', tileRows: 64, tileCols: 32, tileDepth: 16, rowsPerInvocation: 8 },
  ] as const)('$arithmetic $tileRows x $tileCols x $tileDepth, $rowsPerInvocation rows an invocation', async (tiling) => {
    const input = tiling.arithmetic === 'int8' ? 'q8n' : 'f32';
    const norm = tiling.arithmetic === 'f32' ? { eps: 1e-6 } : undefined;
    await check({ tiling, parts: [{ type: 'q4_k', rows: 192 }], cols: 256, xRows: 70, input, norm, gated: 'silu', outputs: q8n });
  });

  it('refuses tilings and shapes that it cannot compute', () => {
    const shape = variantOf({ tiling: INT8, parts: [{ type: 'q4_0', rows: 40 }], cols: 64, xRows: 1 }).shape;
    expect(() => gemmKernel({ ...INT8, shape, arithmetic: 'f32' })).toThrow('q8 input');
    expect(() => gemmKernel({ ...INT8, shape, tileCols: 48 })).toThrow('multiple of 32');
    expect(() => gemmKernel({ ...INT8, shape, tileRows: 24 })).toThrow('24 rows');
    expect(() => gemmKernel({ ...INT8, shape, tileDepth: 16 })).toThrow('16 deep');
    expect(() => gemmKernel({ ...INT8, shape: { ...shape, outputs: q8 } })).toThrow('whole blocks');
    const activation = { fn: 'silu', times: undefined } as const;
    expect(() => gemmKernel({ ...INT8, shape: { ...shape, residual: true, activation } })).toThrow('activated or added');
  });
});
