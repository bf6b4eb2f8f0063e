/** Which products share a text, as keys of kernels say, and that keys do not promise more than texts hold. */
import { describe, expect, it } from 'vitest';
import type { LinearShape } from '../../linear-shape.ts';
import { MATRIX_CONFIGS } from '../../wgsl/subgroup-matrix.ts';
import { unfinishedShape } from './matrix-combine.ts';
import { matrixGemmKernel } from './matrix-gemm.ts';
import { isInParts } from './matrix-geometry.ts';
import type { MatrixTiling } from './matrix-gemm.ts';

const TILING: MatrixTiling = {
  tileRows: 128, tileCols: 128, tileDepth: 64, subgroups: [2, 4, 1], splits: 1, areHalvesReady: false, burst: 1,
};

const HALVES: Partial<MatrixTiling> = { tileRows: 256, tileCols: 64, subgroups: [4, 1, 1], areHalvesReady: true };

type Product = Partial<LinearShape> & { readonly rows: number; readonly cols: number; readonly tiling?: Partial<MatrixTiling> };

function kernelOf({ rows, tiling, ...shape }: Product) {
  const plain = { norm: undefined, bias: false, gated: false, residual: false, outputs: { f32: true, q8: undefined } } as const;
  const whole: LinearShape = { ...plain, input: 'q8', parts: [{ type: 'q4_0', rows }], ...shape };
  const own = { ...TILING, ...tiling };
  return matrixGemmKernel({ shape: isInParts(own) ? unfinishedShape(whole) : whole, config: MATRIX_CONFIGS.nvidia, ...own });
}

const distinct = (products: readonly Product[]) => new Set(products.map((product) => kernelOf(product).key)).size;

const RESIDUAL = { residual: true, outputs: { f32: true, q8: { norm: { eps: 1e-5 } } } } as const;
const GATED = { input: 'q8n', gated: 'silu', outputs: { f32: false, q8: { norm: undefined } } } as const;

describe('texts of products on matrix units', () => {
  it('are one for q, k and v, o, gate and up, and down of Llama-3.2-3B where sums are left to be finished apart', () => {
    const leavesSums = true;
    const products: readonly Product[] = [
      { rows: 5120, cols: 3072, input: 'q8n', tiling: { ...HALVES, splits: 3 } },
      { rows: 3072, cols: 3072, ...RESIDUAL, tiling: { ...HALVES, splits: 2 } },
      { rows: 16384, cols: 3072, ...GATED, tiling: { ...HALVES, leavesSums } },
      { rows: 3072, cols: 8192, ...RESIDUAL, tiling: { ...HALVES, splits: 5 } },
    ];
    expect(distinct(products)).toBe(1);
    expect(new Set(products.map((product) => kernelOf(product).wgsl)).size).toBe(1);
    expect(products.map((product) => kernelOf(product).sizes)).toEqual([
      [96, 48, 16, 3, 5120], [96, 48, 24, 2, 3072], [96, 48, 48, 1, 16384], [256, 128, 26, 5, 3072],
    ]);
  });

  it('are their own where products unpack x or finish their results', () => {
    const [o, down] = [{ rows: 3072, cols: 3072, ...RESIDUAL }, { rows: 3072, cols: 8192, ...RESIDUAL }];
    expect(distinct([{ ...o, tiling: { splits: 2 } }, { ...down, tiling: { splits: 2 } }])).toBe(2);
    expect(distinct([{ ...o, tiling: HALVES }, { ...down, tiling: HALVES }])).toBe(2);
    expect(kernelOf({ ...o, tiling: HALVES }).sizes).toBeUndefined();
  });

  it('are several for other tiles, types, tails and bursts', () => {
    const base = { rows: 128, cols: 1024, tiling: HALVES };
    const products: readonly Product[] = [
      base, { ...base, tiling: { ...HALVES, splits: 2 } }, { ...base, tiling: { ...HALVES, burst: 2 } },
      { ...base, cols: 960, tiling: { ...HALVES, burst: 2 } }, { ...base, parts: [{ type: 'q8_0', rows: 128 }] }, { ...base, bias: true },
      { ...base, tiling: {} }, { ...base, tiling: { ...HALVES, tileDepth: 128 } },
    ];
    expect(distinct(products)).toBe(products.length);
  });

  /** What a pipeline cache refuses. */
  it('are equal where keys are', () => {
    const texts = new Map<string, string>();
    let shared = 0;
    for (const type of ['q4_0', 'q4_k', 'q6_k', 'mxfp4', 'bf16'] as const)
      for (const end of [{}, RESIDUAL, GATED, { norm: { eps: 1e-6 } }])
        for (const cols of [512, 768, 1024])
          for (const rows of [128, 192])
            for (const tiling of [{}, { splits: 2 }, HALVES, { ...HALVES, splits: 2 }, { ...HALVES, splits: 3 }]) {
              const input = type === 'bf16' || 'norm' in end ? 'f32' : 'q8';
              const { key, wgsl } = kernelOf({ input, cols, ...end, parts: [{ type, rows }], rows, tiling });
              if (texts.has(key)) shared++;
              expect(texts.get(key) ?? wgsl, key).toBe(wgsl);
              texts.set(key, wgsl);
            }
    expect(shared).toBeGreaterThan(texts.size / 4);
  });
});
