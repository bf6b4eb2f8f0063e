/**
 * The text around the products on matrix units: tails, forms of weights, ends and scaling, with the products themselves emulated, for the
 * software adapter has no matrix units. bench/gpu-matrix-gemm.mjs checks values on those that a GPU has.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkProduct } from '../../../../test/gpu/check-product.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { BufferData, TestDevice } from '../../../../test/gpu-harness.ts';
import { blockFormatOf, takesInt8, WEIGHT_TYPES } from '../../../tensor/formats/weight-formats.ts';
import { isQuantized } from '../../../tensor/tensor-type.ts';
import type { WeightType } from '../../../tensor/tensor-type.ts';
import { workgroupBytesOf } from '../../kernel.ts';
import type { LinearShape } from '../../linear-shape.ts';
import { representativeTypes } from '../../packed-forms.ts';
import { MATRIX_CONFIGS } from '../../wgsl/subgroup-matrix.ts';
import { combineOf, matrixCombineKernel, matrixCombineWorkgroups, partialBytes, unfinishedShape } from './matrix-combine.ts';
import { matrixGemmKernel, matrixGemmWorkgroups, takesMatrixUnits } from './matrix-gemm.ts';
import type { MatrixGemmVariant, MatrixTiling } from './matrix-gemm.ts';
import { matrixRowsKernel, matrixRowsWorkgroups } from './matrix-rows.ts';
import { halvesBytes } from './ready-halves.ts';

const HALVES = { ...MATRIX_CONFIGS.nvidia, emulated: true } as const;
const FLOATS = { ...MATRIX_CONFIGS.metalF32, emulated: true } as const;

/** Small, for most of the time goes into compiling them. */
const TILING: MatrixTiling = {
  tileRows: 16, tileCols: 32, tileDepth: 64, subgroups: [1, 2, 1], splits: 1, areHalvesReady: false, burst: 1,
};
/** Gate and up of a unit meet in a subgroup. */
const GATED: Partial<MatrixTiling> = { tileRows: 32, tileCols: 64, subgroups: [2, 2, 1] };

type Problem = Pick<LinearShape, 'parts' | 'cols'> & Partial<LinearShape> & {
  readonly config?: MatrixGemmVariant['config'];
  readonly tiling?: Partial<MatrixTiling>;
  readonly xRows: number;
  readonly xOf?: (value: number, row: number, col: number) => number;
};

function variantOf({ config = HALVES, tiling, ...problem }: Omit<Problem, 'xRows' | 'xOf'>): MatrixGemmVariant {
  const plain = { norm: undefined, bias: false, gated: false, residual: false, outputs: { f32: true, q8: undefined } } as const;
  return { shape: { ...plain, input: 'q8', ...problem }, config, ...TILING, ...tiling };
}

describe('matrix gemm', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  async function check({ xRows, xOf, ...problem }: Problem): Promise<void> {
    const variant = variantOf(problem);
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

  const colsOf = (type: WeightType) => (isQuantized(type) && blockFormatOf(type).blockSize > 32 ? 256 : 96);

  for (const type of representativeTypes(WEIGHT_TYPES.filter(takesInt8))) {
    it(`${type}: norm of x, bias, residual, rows, columns and depth that end inside a tile`, async () => {
      await check({ parts: [{ type, rows: 36 }], cols: colsOf(type), xRows: 18, input: 'q8n', bias: true, residual: true });
    });
  }

  for (const type of representativeTypes(WEIGHT_TYPES.filter((name) => !takesInt8(name)))) {
    it(`${type}: norm of an f32 x`, async () => {
      await check({ parts: [{ type, rows: 36 }], cols: colsOf(type), xRows: 18, input: 'f32', norm: { eps: 1e-6 }, residual: true });
    });
  }

  it('gated, rounded or not', async () => {
    const gated = { parts: [{ type: 'q4_0', rows: 128 }], cols: 64, tiling: GATED, input: 'q8n', gated: 'silu', bias: true } as const;
    await check({ ...gated, xRows: 35, outputs: q8 });
    await check({ ...gated, xRows: 3 });
  });

  it('f32 and q8n out; a function of the result, and its product with columns of another value', async () => {
    await check({ parts: [{ type: 'q4_0', rows: 64 }], cols: 64, xRows: 17, residual: true, outputs: both });
    const activation = { fn: 'geluTanh', times: { start: 32, of: 160 } } as const;
    await check({ parts: [{ type: 'q4_0', rows: 64 }], cols: 64, xRows: 17, activation, outputs: q8 });
    await check({ parts: [{ type: 'q8_0', rows: 36 }], cols: 64, xRows: 17, activation: { fn: 'softcap', cap: 0.5 } });
  });

  it('parts of several types, whose rows end inside a tile', async () => {
    const parts = [
      { type: 'q4_k', rows: 52 }, { type: 'q8_0', rows: 72 }, { type: 'q4_0', rows: 4 }, { type: 'iq4_xs', rows: 20 },
    ] as const;
    await check({ parts, cols: 256, xRows: 9, bias: true });
  });

  it('two steps fetched together, of an odd or even number, in one part or three', async () => {
    const burst = 2;
    for (const cols of [544, 512]) {
      const { shape } = variantOf({ parts: [{ type: 'q4_0', rows: 36 }], cols, input: 'q8n' });
      await check({ ...shape, tiling: { burst }, xRows: 18 });
      await checkSplit(variantOf({ ...shape, tiling: { splits: 3, burst } }));
    }
  });

  it('subgroups share the depth, are twice as many, or five', async () => {
    await check({ parts: [{ type: 'q4_0', rows: 36 }], cols: 160, tiling: { subgroups: [1, 2, 2] }, xRows: 18, residual: true });
    const deep = { tileCols: 16, tileDepth: 128, subgroups: [1, 1, 8] } as const;
    await check({ parts: [{ type: 'q4_0', rows: 64 }], cols: 160, tiling: deep, xRows: 18, outputs: both });
    const wide = { tileRows: 32, tileCols: 64, subgroups: [2, 4, 1] } as const;
    await check({ parts: [{ type: 'q4_0', rows: 68 }], cols: 96, tiling: wide, xRows: 34, residual: true });
    const five = { tileRows: 16, tileCols: 160, tileDepth: 32, subgroups: [1, 5, 1] } as const;
    await check({ parts: [{ type: 'q4_0', rows: 192 }], cols: 64, input: 'q8n', gated: 'silu', tiling: five, xRows: 18, outputs: q8 });
  });

  /** What halves do not hold as it is: rows of 1e5 and more, of numbers below their least, and of nothing. */
  it.each(['q8', 'f32'] as const)('rows of any magnitude, %s', async (input) => {
    const magnitudes = [1e5, 1e-9, 1, 0, 3e30];
    const xOf = (value: number, row: number) => value * magnitudes[row % 5]!;
    await check({ parts: [{ type: input === 'q8' ? 'q4_0' : 'f16', rows: 36 }], cols: 96, xRows: 18, input, xOf });
  });

  it('rows whose parts of the depth are of different magnitudes', async () => {
    const xOf = (value: number, row: number, col: number) => value * (col < 128 ? 1e5 : 1e-3) * (row % 2 === 0 ? 1 : 1e-6);
    await checkSplit(variantOf({ parts: [{ type: 'q4_0', rows: 36 }], cols: 256, tiling: { splits: 2 } }), xOf);
  });

  it('matrices of floats', async () => {
    for (const type of ['q4_0', 'q4_k', 'q6_k', 'mxfp8', 'bf16'] as const) {
      const tiling = { tileDepth: 32, subgroups: [2, 2, 1] } as const;
      const problem = { parts: [{ type, rows: 36 }], cols: colsOf(type), norm: { eps: 1e-6 }, bias: true } as const;
      await check({ config: FLOATS, tiling, input: 'f32', xRows: 18, ...problem });
    }
  });

  it('sums of parts of the depth are added up by a kernel of their own', async () => {
    for (const end of [{ residual: true, outputs: both }, { gated: 'silu', outputs: q8 }, { bias: true }] as const) {
      const variant = variantOf({ parts: [{ type: 'q4_0', rows: 128 }], cols: 320, input: 'q8n', ...end, tiling: { splits: 3 } });
      await checkSplit(variant);
    }
  });

  it('sums of halves made before, left to that kernel in one part or several, by one text', async () => {
    const tiling = { tileRows: 32, subgroups: [2, 2, 1], areHalvesReady: true } as const;
    const gated = { parts: [{ type: 'q4_0', rows: 128 }], cols: 320, input: 'q8n', gated: 'silu', outputs: q8 } as const;
    await checkSplit(variantOf({ ...gated, tiling: { ...tiling, leavesSums: true } }));
    const plain = { parts: [{ type: 'q4_0', rows: 36 }], residual: true } as const;
    for (const splits of [2, 3]) await checkSplit(variantOf({ ...plain, cols: 64 * (splits + 2), tiling: { ...tiling, splits } }));
  });

  /** Two dispatches, or three: each reads what the one before wrote. */
  async function checkSplit(variant: MatrixGemmVariant, xOf?: Problem['xOf']): Promise<void> {
    const { shape } = variant;
    const product = { ...variant, shape: unfinishedShape(shape) };
    const combine = combineOf(shape, variant);
    const xRows = 18;
    const run: TestDevice['run'] = async ({ buffers }) => {
      const partials = new Float32Array(partialBytes(combine, xRows) / 4).fill(NaN);
      const first = { kernel: matrixGemmKernel(product), workgroups: matrixGemmWorkgroups(product, xRows) };
      const ready = variant.areHalvesReady ? await halvesOf(variant, xRows, buffers) : {};
      const sums = await test.run({ ...first, buffers: { ...buffers, ...ready, y: partials } });
      return test.run({
        kernel: matrixCombineKernel(combine), workgroups: matrixCombineWorkgroups(combine, xRows),
        buffers: { ...buffers, partials: sums.get('y')! },
      });
    };
    const kernel = matrixCombineKernel(combine);
    await checkProduct({ ...test, run }, { kernel, workgroups: [1, 1, 1], shape, xRows, xOf, relativeError: 6e-4 });
  }

  async function halvesOf(variant: MatrixGemmVariant, xRows: number, buffers: Readonly<Record<string, BufferData>>) {
    const xHalves = new Uint32Array(halvesBytes(variant.shape.cols, xRows) / 4).fill(0xffffffff);
    const first = { kernel: matrixRowsKernel(variant), workgroups: matrixRowsWorkgroups(xRows) };
    return { xHalves: (await test.run({ ...first, buffers: { ...buffers, xHalves } })).get('xHalves')! };
  }

  /** Two dispatches: the second reads the halves that the first made of x. */
  async function checkHalves({ xRows, xOf, ...problem }: Problem): Promise<void> {
    const variant = variantOf(problem);
    const { shape } = variant;
    const run: TestDevice['run'] = async ({ kernel, workgroups, buffers }) =>
      test.run({ kernel, workgroups, buffers: { ...buffers, ...(await halvesOf(variant, xRows, buffers)) } });
    const product = { kernel: matrixGemmKernel(variant), workgroups: matrixGemmWorkgroups(variant, xRows) };
    await checkProduct({ ...test, run }, { ...product, shape, xRows, xOf, relativeError: 6e-4 });
  }

  const magnitudes = [1e5, 1e-9, 1, 0, 3e30];
  it('halves made before, of rows of any magnitude', async () => {
    const parts = [{ type: 'q4_k', rows: 36 }, { type: 'q8_0', rows: 20 }] as const;
    const xOf = (value: number, row: number) => value * magnitudes[row % 5]!;
    const tiling = { tileRows: 32, subgroups: [2, 2, 1], areHalvesReady: true } as const;
    await checkHalves({ parts, cols: 256, xRows: 35, input: 'q8', xOf, tiling, bias: true });
    const deep = { tileDepth: 32, subgroups: [1, 1, 2], areHalvesReady: true } as const;
    await checkHalves({ parts: [{ type: 'q4_0', rows: 36 }], cols: 96, xRows: 18, input: 'q8n', tiling: deep, residual: true });
  });

  it('halves made before, of floats behind a norm, gated and rounded', async () => {
    const norm = { eps: 1e-6 };
    await checkHalves({ parts: [{ type: 'bf16', rows: 36 }], cols: 64, xRows: 18, input: 'f32', norm, tiling: { areHalvesReady: true } });
    const gated = { parts: [{ type: 'q4_0', rows: 64 }], cols: 64, input: 'q8n', gated: 'silu', outputs: q8 } as const;
    await checkHalves({ ...gated, xRows: 35, tiling: { ...GATED, burst: 2, areHalvesReady: true } });
  });

  it('refuses tilings and shapes that it cannot compute', () => {
    const variant = variantOf({ parts: [{ type: 'q4_0', rows: 64 }], cols: 64 });
    expect(() => matrixGemmKernel({ ...variant, tileRows: 24 })).toThrow('do not cut tiles of 24 x 32');
    expect(() => matrixGemmKernel({ ...variant, tileDepth: 48 })).toThrow('48 deep');
    expect(() => matrixGemmKernel({ ...variant, splits: 2 })).toThrow('1 bursts do not make 2 parts');
    expect(() => matrixGemmKernel({ ...variant, shape: { ...variant.shape, gated: 'silu' } })).toThrow('two subgroups');
    expect(takesMatrixUnits({ ...variant.shape, parts: [{ type: 'q4_0', rows: 37 }] })).toBe(false);
    expect(takesMatrixUnits({ ...variant.shape, cols: 40 })).toBe(false);
  });
});
