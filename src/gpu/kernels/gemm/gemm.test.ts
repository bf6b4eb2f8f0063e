import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { BufferData, TestDevice } from '../../../../test/gpu-harness.ts';
import { interleaveRows, packParts } from '../../../../test/gpu/pack-matrix.ts';
import { compareQ8, normFactorsOf, roundToQ8, valuesOfQ8 } from '../../../../test/gpu/q8-values.ts';
import { randomSource, randomWeights } from '../../../cpu/kernel-check.ts';
import { decodeRows } from '../../../tensor/codec/decode-rows.ts';
import type { WeightType } from '../../../tensor/tensor-type.ts';
import { WEIGHT_TYPES } from '../../../tensor/tensor-type.ts';
import { outputWidth, totalRows } from '../../linear-shape.ts';
import type { LinearShape } from '../../linear-shape.ts';
import { q8CodeBytes, q8StatBytes } from '../../q8-layout.ts';
import { gemmKernel, gemmWorkgroups } from './gemm.ts';
import type { GemmVariant } from './gemm.ts';

const BLOCK_TYPES = ['q4_0', 'q8_0', 'q4_k', 'q6_k'] as const satisfies readonly WeightType[];

type Tiling = Pick<GemmVariant, 'arithmetic' | 'tileRows' | 'tileCols' | 'tileDepth' | 'rowsPerInvocation'>;

/** Small, for most of the time goes into compiling them. */
const INT8: Tiling = { arithmetic: 'int8', tileRows: 16, tileCols: 32, tileDepth: 32, rowsPerInvocation: 4 };
const F32: Tiling = { arithmetic: 'f32', tileRows: 16, tileCols: 32, tileDepth: 16, rowsPerInvocation: 4 };

type Problem = Pick<LinearShape, 'parts' | 'cols'> & Partial<LinearShape> & { readonly tiling: Tiling; readonly xRows: number };

function variantOf({ tiling, ...problem }: Problem): GemmVariant {
  const { parts, cols, norm, bias = false, gated = false, residual = false, outputs = { f32: true, q8: undefined }, rowCount = 'rows' } = problem;
  const { input = tiling.arithmetic === 'f32' ? 'f32' : 'q8' } = problem;
  return { shape: { parts, cols, input, norm, bias, gated, residual, outputs, rowCount }, ...tiling };
}

/** Buffers are longer than the step needs: the rest must stay as it was. */
const SPARE_ROWS = 2;
const UNTOUCHED = 12345.5;

function randomInputs(shape: LinearShape, xRows: number, seed: number) {
  const random = randomSource(seed);
  const symmetric = (length: number) => Float32Array.from({ length }, () => random() * 2 - 1);
  const { cols, parts, gated } = shape;
  const files = parts.map(({ type, rows }) => {
    if (!gated) return randomWeights(type, rows, cols, random);
    return interleaveRows([randomWeights(type, rows / 2, cols, random), randomWeights(type, rows / 2, cols, random)], rows / 2);
  });
  const floats = symmetric(xRows * cols);
  const width = outputWidth(shape);
  return {
    files, floats,
    q8: shape.input === 'f32' ? undefined : roundToQ8(floats, { rows: xRows, width: cols, norm: shape.input === 'q8n' ? { eps: 1e-6, gain: symmetric(cols) } : undefined }),
    gain: symmetric(cols), bias: symmetric(totalRows(shape)), residual: symmetric((xRows + SPARE_ROWS) * width), yGain: symmetric(width),
  };
}

type Inputs = ReturnType<typeof randomInputs>;

/** What is multiplied by the weights, [xRows, cols] in float64, norms included. */
function expectedX({ cols, input, norm }: LinearShape, xRows: number, { floats, q8, gain }: Inputs): Float64Array {
  if (q8) {
    const factors = input === 'q8n' ? normFactorsOf(q8) : new Float64Array(xRows).fill(1);
    return valuesOfQ8(q8).map((value, i) => value * factors[Math.floor(i / cols)]!);
  }
  const x = Float64Array.from(floats);
  if (!norm) return x;
  for (let r = 0; r < xRows; r++) {
    const row = x.subarray(r * cols, (r + 1) * cols);
    const factor = 1 / Math.sqrt(row.reduce((sum, value) => sum + value * value, 0) / cols + norm.eps);
    row.forEach((value, col) => (row[col] = value * factor * gain[col]!));
  }
  return x;
}

/** y [xRows, width] in float64, and how far f32 may be from each value: 1e-5 of the sum of |w x|, carried through the activation. */
function expectedProduct(shape: LinearShape, xRows: number, inputs: Inputs) {
  const { cols } = shape;
  const width = outputWidth(shape);
  const w = inputs.files.flatMap((bytes, n) => {
    const out = new Float32Array(shape.parts[n]!.rows * cols);
    decodeRows(shape.parts[n]!.type, bytes, out);
    return [...out];
  });
  const x = expectedX(shape, xRows, inputs);
  const linear = (r: number, row: number) => {
    let value = shape.bias ? inputs.bias[row]! : 0;
    let magnitude = Math.abs(value);
    for (let col = 0; col < cols; col++) {
      const term = w[row * cols + col]! * x[r * cols + col]!;
      value += term;
      magnitude += Math.abs(term);
    }
    return { value, error: 1e-5 * magnitude };
  };
  const y = new Float64Array(xRows * width);
  const error = new Float64Array(xRows * width);
  for (let i = 0; i < y.length; i++) {
    const [r, o] = [Math.floor(i / width), i % width];
    if (shape.gated) {
      const row = Math.floor(o / 16) * 32 + (o % 16);
      const [gate, up] = [linear(r, row), linear(r, row + 16)];
      const silu = gate.value / (1 + Math.exp(-gate.value));
      y[i] = silu * up.value;
      // silu's slope is below 1.1.
      error[i] = 1.1 * gate.error * Math.abs(up.value) + Math.abs(silu) * up.error + 1e-6 * Math.abs(y[i]!);
    } else {
      const { value, error: own } = linear(r, o);
      y[i] = value + (shape.residual ? inputs.residual[i]! : 0);
      error[i] = own + 1e-6 * Math.abs(y[i]!);
    }
  }
  return { y, error };
}

describe('gemm', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  async function check(problem: Problem, seed = 1): Promise<void> {
    const variant = variantOf(problem);
    const { shape } = variant;
    const { xRows } = problem;
    const inputs = randomInputs(shape, xRows, seed);
    const width = outputWidth(shape);
    const held = xRows + SPARE_ROWS;
    const buffers: Record<string, BufferData> = {
      ...packParts(shape.parts, shape.cols, inputs.files),
      ...(inputs.q8 ? { xCodes: inputs.q8.codes, xStats: inputs.q8.stats } : { x: inputs.floats }),
      gain: inputs.gain, bias: inputs.bias, residual: inputs.residual, yGain: inputs.yGain,
      y: new Float32Array(held * width).fill(UNTOUCHED),
      yCodes: new Uint32Array(Math.ceil(q8CodeBytes(held, width) / 4)).fill(0x55555555),
      yStats: new Float32Array(Math.ceil(q8StatBytes(held, width) / 4)).fill(UNTOUCHED),
      step: Uint32Array.from(shape.rowCount === 'rows' ? [xRows, 99, 0, 0] : [99, xRows, 0, 0]),
    };
    const kernel = gemmKernel(variant);
    expect(kernel.bindings.filter(({ access }) => access !== 'uniform').length).toBeLessThanOrEqual(10);
    expect(kernel.workgroupBytes).toBeLessThanOrEqual(16384);
    expect(kernel.workgroupSize).toBeLessThanOrEqual(256);
    const out = await test.run({ kernel, workgroups: gemmWorkgroups(variant, xRows), buffers });
    const want = expectedProduct(shape, xRows, inputs);
    if (shape.outputs.f32) {
      const y = out.get('y') as Float32Array;
      for (let i = 0; i < xRows * width; i++) {
        if (!(Math.abs(y[i]! - want.y[i]!) <= want.error[i]!)) throw new Error(`${kernel.label}: y[${Math.floor(i / width)}][${i % width}] is ${y[i]}, expected ${want.y[i]} +- ${want.error[i]}`);
      }
      expect(y.subarray(xRows * width).every((value) => value === UNTOUCHED)).toBe(true);
    }
    if (shape.outputs.q8) {
      const got = { rows: xRows, width, codes: out.get('yCodes') as Uint32Array, stats: out.get('yStats') as Float32Array };
      const norm = shape.outputs.q8.norm && { eps: shape.outputs.q8.norm.eps, gain: inputs.yGain };
      expect(compareQ8(got, want.y, { norm, error: (i) => want.error[i]! }), kernel.label).toBeUndefined();
      expect(got.codes.subarray((xRows * width) / 4).every((word) => word === 0x55555555)).toBe(true);
      expect(got.stats.subarray((xRows * 3 * width) / 16).every((value) => value === UNTOUCHED)).toBe(true);
    }
  }

  const q8 = { f32: false, q8: { norm: undefined } } as const;
  const q8n = { f32: false, q8: { norm: { eps: 1e-5 } } } as const;
  const both = { f32: true, q8: { norm: { eps: 1e-5 } } } as const;

  describe.each([['int8', INT8, BLOCK_TYPES], ['f32', F32, WEIGHT_TYPES]] as const)('%s', (_, tiling, types) => {
    const input = tiling.arithmetic === 'int8' ? 'q8n' : 'f32';
    const norm = tiling.arithmetic === 'f32' ? { eps: 1e-6 } : undefined;

    it.each(types)('%s: norm of x, bias, residual, rows and columns that end inside a tile', async (type) => {
      await check({ tiling, parts: [{ type, rows: 37 }], cols: 512, xRows: 33, input, norm, bias: true, residual: true });
    });

    it.each(types)('%s: gated', async (type) => {
      await check({ tiling, parts: [{ type, rows: 192 }], cols: 256, xRows: 18, input, norm, gated: true, bias: true, outputs: q8 });
    });

    it('f32 and q8n out, plain x', async () => {
      await check({ tiling, parts: [{ type: 'q4_0', rows: 96 }], cols: 256, xRows: 17, residual: true, outputs: both });
    });

    it('parts of several types, whose rows end inside a tile', async () => {
      await check({ tiling, parts: [{ type: 'q4_k', rows: 53 }, { type: 'q8_0', rows: 71 }, { type: 'q4_0', rows: 5 }], cols: 512, xRows: 9, bias: true });
      await check({ tiling: { ...tiling, tileCols: 64 }, parts: [{ type: 'q4_k', rows: 80 }, { type: 'q6_k', rows: 48 }], cols: 256, xRows: 11, outputs: q8, rowCount: 'outRows' });
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
    { arithmetic: 'int8', tileRows: 128, tileCols: 128, tileDepth: 32, rowsPerInvocation: 8 },
    { arithmetic: 'int8', tileRows: 64, tileCols: 64, tileDepth: 32, rowsPerInvocation: 4 },
    { arithmetic: 'int8', tileRows: 32, tileCols: 96, tileDepth: 64, rowsPerInvocation: 8 },
    { arithmetic: 'f32', tileRows: 64, tileCols: 64, tileDepth: 16, rowsPerInvocation: 8 },
    { arithmetic: 'f32', tileRows: 64, tileCols: 32, tileDepth: 16, rowsPerInvocation: 4 },
  ] as const)('$arithmetic $tileRows x $tileCols x $tileDepth, $rowsPerInvocation rows an invocation', async (tiling) => {
    const input = tiling.arithmetic === 'int8' ? 'q8n' : 'f32';
    const norm = tiling.arithmetic === 'f32' ? { eps: 1e-6 } : undefined;
    await check({ tiling, parts: [{ type: 'q4_k', rows: 192 }], cols: 256, xRows: 70, input, norm, gated: true, outputs: q8n });
  });

  it('refuses tilings and shapes that it cannot compute', () => {
    const shape = variantOf({ tiling: INT8, parts: [{ type: 'q4_0', rows: 40 }], cols: 64, xRows: 1 }).shape;
    expect(() => gemmKernel({ ...INT8, shape, arithmetic: 'f32' })).toThrow('q8 input');
    expect(() => gemmKernel({ ...INT8, shape, tileCols: 48 })).toThrow('multiple of 32');
    expect(() => gemmKernel({ ...INT8, shape, tileRows: 24 })).toThrow('24 rows');
    expect(() => gemmKernel({ ...INT8, shape, tileDepth: 16 })).toThrow('16 deep');
    expect(() => gemmKernel({ ...INT8, shape: { ...shape, outputs: q8 } })).toThrow('whole blocks');
  });
});
