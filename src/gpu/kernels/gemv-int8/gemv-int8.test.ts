import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkProduct } from '../../../../test/gpu/check-product.ts';
import { typeCases } from '../../../../test/gpu/type-cases.ts';
import { createNullGpu, openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { takesInt8 } from '../../../tensor/formats/weight-formats.ts';
import { TENSOR_TYPES } from '../../../tensor/tensor-type.ts';
import type { LinearPartShape, LinearShape } from '../../linear-shape.ts';
import { gemvInt8Kernel, gemvInt8Workgroups } from './gemv-int8.ts';
import type { GemvInt8Variant } from './gemv-int8-variant.ts';

const TYPES = typeCases(takesInt8);

type Problem = Partial<Omit<GemvInt8Variant, 'shape'>> & Partial<LinearShape> & {
  readonly parts: readonly LinearPartShape[];
  readonly cols: number;
  /** Rows of x. */
  readonly xRows?: number;
};

function variantOf(problem: Problem): GemvInt8Variant {
  const {
    subgroupSize,
    batch = 1,
    rowsPerWorkgroup = subgroupSize === undefined ? 64 : 16,
    lanesPerRow = subgroupSize ?? 1,
    rowsPerSlot = 1,
    isAhead,
    unroll = subgroupSize === undefined || batch > 2 ? 1 : 2,
  } = problem;
  const { parts, cols, input = 'q8', bias = false, gated = false, residual = false, outputs = { f32: true, q8: undefined } } = problem;
  const { activation, sum } = problem;
  const shape: LinearShape = { parts, cols, input, bias, gated, residual, activation, outputs, norm: undefined, ...(sum && { sum }) };
  return { shape, batch, subgroupSize, rowsPerWorkgroup, lanesPerRow, rowsPerSlot, unroll, isAhead };
}

describe('gemv-int8', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  function check(problem: Problem, seed?: number): Promise<void> {
    const variant = variantOf(problem);
    const { xRows = 1 } = problem;
    return checkProduct(test, {
      kernel: gemvInt8Kernel(variant),
      workgroups: gemvInt8Workgroups(variant, xRows),
      shape: variant.shape,
      xRows,
      seed,
    });
  }

  const sizes = () => [test.subgroupSize, undefined].filter((size, i) => i === 1 || size !== undefined);
  const q8 = { f32: false, q8: { norm: undefined } } as const;
  const both = { f32: true, q8: { norm: { eps: 1e-5 } } } as const;

  for (const { type, options } of TYPES) {
    it(`${type}: every width, odd row counts`, options, async () => {
      const widths = [32, 64, 96, 256, 1280].filter((cols) => cols % TENSOR_TYPES[type].blockSize === 0);
      for (const subgroupSize of sizes()) {
        for (const cols of widths) {
          await check({ parts: [{ type, rows: cols === 256 ? 1 : 70 }], cols, subgroupSize }, cols);
        }
        await check({ parts: [{ type, rows: 9 }], cols: 2560, subgroupSize, unroll: 4, rowsPerWorkgroup: 8 });
      }
    });
  }

  for (const { type, options } of TYPES) {
    it(`${type}: norm of x, bias, residual, both outputs`, options, async () => {
      for (const subgroupSize of sizes()) {
        await check({ parts: [{ type, rows: 96 }], cols: 512, subgroupSize, input: 'q8n', bias: true, residual: true, outputs: both });
        await check({ parts: [{ type, rows: 48 }, { type: 'q4_0', rows: 16 }], cols: 256, subgroupSize, bias: true, outputs: q8 });
      }
    });
  }

  for (const { type, options } of TYPES) {
    it(`${type}: gated`, options, async () => {
      for (const subgroupSize of sizes()) {
        for (const outputs of type === 'q4_0' ? [q8, { f32: true, q8: undefined }] : [q8]) {
          const problem = { parts: [{ type, rows: 192 }], cols: 256, subgroupSize, gated: 'silu', outputs, input: 'q8n' } as const;
          await check({ ...problem, rowsPerWorkgroup: subgroupSize === undefined ? 64 : 32, bias: true });
          if (type === 'q4_0') await check({ ...problem, batch: 2, xRows: 3, rowsPerWorkgroup: 32 });
        }
      }
    });
  }

  it('a function of the result, and its product with columns of another value', async () => {
    const times = { start: 32, of: 160 };
    for (const subgroupSize of sizes()) {
      const problem = { parts: [{ type: 'q4_0', rows: 96 }], cols: 256, subgroupSize, input: 'q8n' } as const;
      await check({ ...problem, activation: { fn: 'geluTanh', times }, outputs: q8 });
      await check({ ...problem, activation: { fn: 'gelu', times: undefined }, bias: true });
      await check({ ...problem, activation: { fn: 'silu', times }, batch: 2, xRows: 3 });
      await check({ ...problem, activation: { fn: 'softcap', cap: 0.5 } });
    }
  });

  it('x as a sum that every workgroup makes', async () => {
    const sum = { eps: 1e-3, by: undefined, next: undefined, isKept: true } as const;
    const next = { eps: 1e-2 };
    for (const subgroupSize of sizes()) {
      const problem = { parts: [{ type: 'q4_0', rows: 96 }], cols: 256, subgroupSize } as const;
      const times = { start: 32, of: 160 };
      await check({ ...problem, sum: { ...sum, by: 'factor' }, activation: { fn: 'geluTanh', times }, outputs: q8 });
      await check({ ...problem, sum: { ...sum, next, by: 0.75 }, input: 'q8n', bias: true });
      await check({ ...problem, sum: { ...sum, isKept: false }, cols: 32, parts: [{ type: 'q8_0', rows: 70 }] });
      await check({
        ...problem, cols: 1536, sum: { ...sum, next, by: 'factor' }, input: 'q8n', parts: [{ type: 'q4_k', rows: 80 }],
      });
      await check({
        ...problem, cols: 512, sum: { ...sum, next }, input: 'q8n', parts: [{ type: 'q4_0', rows: 80 }, { type: 'q8_0', rows: 21 }],
      });
      const gated = { gated: 'silu', outputs: q8, rowsPerWorkgroup: subgroupSize === undefined ? 64 : 32 } as const;
      await check({ ...problem, ...gated, parts: [{ type: 'q4_0', rows: 192 }], cols: 1152, sum: { ...sum, next }, input: 'q8n' });
    }
  });

  it('many columns: fewer sums than lanes and more, slots with several norms, loops whose last turn some lanes have', async () => {
    for (const subgroupSize of sizes()) {
      const many = subgroupSize === undefined
        ? ({ rowsPerWorkgroup: 64 } as const) : ({ rowsPerWorkgroup: 16, rowsPerSlot: 4, lanesPerRow: 2 * subgroupSize } as const);
      const problem = { parts: [{ type: 'q4_k', rows: 53 }], subgroupSize, input: 'q8n', cols: 1280, residual: true, ...many } as const;
      await check({ ...problem, batch: 8, xRows: 7 });
      await check({ ...problem, batch: 4, xRows: 6, unroll: 2, cols: 1536 });
      await check({ ...problem, batch: 2, xRows: 2, cols: 256, rowsPerSlot: 1 });
      const gated = { residual: false, gated: 'silu', outputs: q8, rowsPerWorkgroup: subgroupSize === undefined ? 64 : 32 } as const;
      await check({ ...problem, ...gated, lanesPerRow: subgroupSize, parts: [{ type: 'q4_0', rows: 192 }], batch: 8, xRows: 7 });
    }
  });

  it('parts of several types, whose rows end inside a workgroup', async () => {
    const parts: readonly LinearPartShape[] = [{ type: 'q4_k', rows: 53 }, { type: 'q6_k', rows: 21 }];
    for (const subgroupSize of sizes()) {
      for (const input of ['q8', 'q8n'] as const) {
        await check({ parts, cols: 512, subgroupSize, input, bias: true });
      }
      await check({ parts, cols: 256, subgroupSize, input: 'q8n', batch: 2, xRows: 3, residual: true });
      await check({ parts: [...parts, { type: 'q8_0', rows: 17 }], cols: 256, subgroupSize });
      const books = [{ type: 'iq4_xs', rows: 53 }, { type: 'mxfp4', rows: 21 }, { type: 'nvfp4', rows: 9 }] as const;
      await check({ parts: books, cols: 256, subgroupSize });
      await check({
        parts: [
          { type: 'q4_k', rows: 80 },
          { type: 'q6_k', rows: 48 },
        ],
        cols: 256,
        subgroupSize,
        rowsPerWorkgroup: 32,
        outputs: q8,
        residual: true,
      });
    }
  });

  it('batches with any number of rows', async () => {
    for (const subgroupSize of sizes()) {
      for (const [batch, xRows] of [[2, 1], [4, 3], [8, 11]] as const) {
        await check({ parts: [{ type: 'q4_0', rows: 50 }], cols: 160, subgroupSize, batch, xRows, input: 'q8n', residual: true }, xRows);
      }
      await check({
        parts: [{ type: 'q4_k', rows: 96 }],
        cols: 256,
        subgroupSize,
        batch: 4,
        xRows: 7,
        outputs: both,
        bias: true,
        rowsPerWorkgroup: 32,
      });
    }
  });

  it('subgroups: several a row, several rows each, any unrolling', async () => {
    const { subgroupSize } = test;
    if (subgroupSize === undefined) return;
    const knobs = [[2, 1, 1], [4, 1, 1], [1, 2, 1], [2, 2, 2]] as const;
    for (const [subgroupsPerRow, rowsPerSlot, batch] of knobs) {
      const common = {
        subgroupSize,
        lanesPerRow: subgroupsPerRow * subgroupSize,
        rowsPerSlot,
        batch,
        xRows: batch,
        rowsPerWorkgroup: 16 * rowsPerSlot,
        input: 'q8n',
      } as const;
      await check({ ...common, parts: [{ type: 'q4_0', rows: 96 }], cols: 608, unroll: batch > 1 ? 1 : 3, residual: true, outputs: both });
      // 24 groups: of the widths of super-blocks, only over 16 lanes does a turn stay partial.
      for (const type of subgroupsPerRow === 4 ? (['q4_k', 'q6_k'] as const) : (['q6_k'] as const))
        await check({ ...common, parts: [{ type, rows: 75 }], cols: 768, unroll: 2 });
      if (rowsPerSlot > 1)
        await check({ ...common, parts: [{ type: 'q4_k', rows: 192 }], cols: 256, unroll: 1, gated: 'silu', bias: true, outputs: q8 });
    }
    for (const gated of [false, 'silu'] as const)
      await check({ subgroupSize, rowsPerSlot: 4, rowsPerWorkgroup: 64, parts: [{ type: 'q8_0', rows: 192 }], cols: 288, gated });
  });

  it('parts of a subgroup, which read the same columns; words read a turn ahead', async () => {
    const { subgroupSize } = test;
    if (subgroupSize === undefined) return;
    const common = { subgroupSize, input: 'q8n', cols: 864, unroll: 1 } as const;
    const ofFew = { ...common, rowsPerSlot: 2, isAhead: true } as const;
    const dense = { parts: [{ type: 'q4_0', rows: 64 }], residual: true, outputs: both } as const;
    for (const lanesPerRow of [1, 2]) await check({ ...ofFew, ...dense, lanesPerRow, rowsPerWorkgroup: 64, batch: 8, xRows: 7 });
    await check({ ...common, ...dense, lanesPerRow: 2, rowsPerSlot: 4, rowsPerWorkgroup: 64, batch: 8, xRows: 16 });
    const gated = { parts: [{ type: 'q4_0', rows: 128 }], gated: 'silu', outputs: q8 } as const;
    await check({ ...ofFew, ...gated, lanesPerRow: 2, rowsPerWorkgroup: 32, batch: 4, xRows: 6 });
    const parts = [{ type: 'q4_0', rows: 53 }, { type: 'q8_0', rows: 21 }] as const;
    await check({ ...ofFew, parts, lanesPerRow: 1, rowsPerSlot: 1, rowsPerWorkgroup: 16, batch: 2, xRows: 2 });
    await check({ ...ofFew, parts: [{ type: 'q6_k', rows: 37 }], lanesPerRow: 2, rowsPerWorkgroup: 16, cols: 1536 });
    await check({ ...ofFew, parts: [{ type: 'q4_k', rows: 37 }], lanesPerRow: 8, rowsPerWorkgroup: 16, cols: 1536, batch: 4, xRows: 3 });
  });

  for (const { type, options } of TYPES) {
    it(`${type}: the text for 32 lanes compiles without a warning`, options, async () => {
      const { device, close } = await openTestDevice(createNullGpu());
      const dense = { parts: [{ type, rows: 1024 }], cols: 3072, subgroupSize: 32, unroll: 4 } as const;
      const problems: readonly Problem[] = [
        { ...dense, input: 'q8n', rowsPerWorkgroup: 8 },
        { ...dense, lanesPerRow: 64, residual: true, outputs: both },
        { ...dense, lanesPerRow: 16, rowsPerSlot: 2, unroll: 1, isAhead: true, batch: 2, input: 'q8n' },
        { ...dense, gated: 'silu', rowsPerWorkgroup: 32, rowsPerSlot: 2, outputs: q8 },
        { ...dense, input: 'q8n', sum: { eps: 1e-6, by: 'factor', next: { eps: 1e-6 }, isKept: true } },
        { ...dense, batch: 8, input: 'q8n', outputs: both, residual: true },
        { ...dense, parts: [{ type, rows: 3072 }, { type: 'q6_k', rows: 1000 }], batch: 2 },
      ];
      for (const problem of problems) {
        const module = device.createShaderModule({ code: gemvInt8Kernel(variantOf(problem)).wgsl });
        expect((await module.getCompilationInfo()).messages.map(({ message }) => message)).toEqual([]);
      }
      close();
    });
  }

  it('refuses what it cannot compute', () => {
    const base = { parts: [{ type: 'q4_0', rows: 96 }], cols: 64, subgroupSize: 4 } as const;
    expect(() => gemvInt8Kernel(variantOf({ ...base, input: 'f32' }))).toThrow(/int8/);
    expect(() => gemvInt8Kernel(variantOf({ ...base, cols: 40 }))).toThrow(/multiple of 32/);
    expect(() => gemvInt8Kernel(variantOf({ ...base, rowsPerWorkgroup: 8, outputs: q8 }))).toThrow(/whole blocks/);
    expect(() => gemvInt8Kernel(variantOf({ ...base, gated: 'silu' }))).toThrow(/interleaved/);
    const activation = { fn: 'silu', times: undefined } as const;
    expect(() => gemvInt8Kernel(variantOf({ ...base, residual: true, activation }))).toThrow(/activated or added/);
    expect(() => gemvInt8Kernel(variantOf({ ...base, subgroupSize: undefined, lanesPerRow: 2 }))).toThrow(/an invocation has a row/);
    const sum = { eps: 1e-6, next: undefined, isKept: false };
    expect(() => gemvInt8Kernel(variantOf({ ...base, sum, batch: 2 }))).toThrow(/a sum is of one row/);
    expect(() => gemvInt8Workgroups(variantOf(base), 2)).toThrow(RangeError);
  });
});
