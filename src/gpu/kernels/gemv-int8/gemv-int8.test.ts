import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNullGpu, openTestDevice } from '../../../../test/gpu-harness.ts';
import type { BufferData, TestDevice } from '../../../../test/gpu-harness.ts';
import { interleaveRows, packParts } from '../../../../test/gpu/pack-matrix.ts';
import { compareQ8, normFactorsOf, roundToQ8, valuesOfQ8 } from '../../../../test/gpu/q8-values.ts';
import { randomSource, randomWeights } from '../../../cpu/kernel-check.ts';
import { decodeRows } from '../../../tensor/codec/decode-rows.ts';
import type { WeightType } from '../../../tensor/tensor-type.ts';
import { outputWidth, totalRows } from '../../linear-shape.ts';
import type { LinearPartShape, LinearShape } from '../../linear-shape.ts';
import { q8CodeBytes, q8StatBytes } from '../../q8-layout.ts';
import { gemvInt8Kernel, gemvInt8Workgroups } from './gemv-int8.ts';
import type { GemvInt8Variant } from './gemv-int8-variant.ts';

const TYPES = ['q4_0', 'q8_0', 'q4_k', 'q6_k'] as const satisfies readonly WeightType[];

type Problem = Partial<Omit<GemvInt8Variant, 'shape'>> & Partial<LinearShape> & {
  readonly parts: readonly LinearPartShape[];
  readonly cols: number;
  /** Rows of x. */
  readonly xRows?: number;
};

function variantOf(problem: Problem): GemvInt8Variant {
  const { subgroupSize, batch = 1, rowsPerWorkgroup = subgroupSize === undefined ? 64 : 16, subgroupsPerRow = 1, rowsPerSubgroup = 1, unroll = subgroupSize === undefined || batch > 2 ? 1 : 2 } = problem;
  const { parts, cols, input = 'q8', bias = false, gated = false, residual = false, outputs = { f32: true, q8: undefined }, rowCount = 'rows' } = problem;
  const shape: LinearShape = { parts, cols, input, bias, gated, residual, outputs, rowCount, norm: undefined };
  return { shape, batch, subgroupSize, rowsPerWorkgroup, subgroupsPerRow, rowsPerSubgroup, unroll };
}

/** Some buffers are longer than the step needs: the rest must stay as it was. */
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
  const before = symmetric(xRows * cols);
  before.fill(0, 16, 32);
  const x = roundToQ8(before, { rows: xRows, width: cols, norm: shape.input === 'q8n' ? { eps: 1e-6, gain: symmetric(cols) } : undefined });
  const width = outputWidth(shape);
  return { files, x, bias: symmetric(totalRows(shape)), residual: symmetric((xRows + SPARE_ROWS) * width), gain: symmetric(width) };
}

type Inputs = ReturnType<typeof randomInputs>;

/** y [xRows, width] in float64, and how far f32 may be from each value: 1e-5 of the sum of |w x|, carried through the activation. */
function expectedProduct(shape: LinearShape, xRows: number, inputs: Inputs) {
  const { cols } = shape;
  const width = outputWidth(shape);
  const rows = totalRows(shape);
  const weights = inputs.files.map((bytes, n) => {
    const out = new Float32Array(shape.parts[n]!.rows * cols);
    decodeRows(shape.parts[n]!.type, bytes, out);
    return out;
  });
  const w = weights.flatMap((part) => [...part]);
  const x = valuesOfQ8(inputs.x);
  const factors = shape.input === 'q8n' ? normFactorsOf(inputs.x) : new Float64Array(xRows).fill(1);
  const linear = (r: number, row: number) => {
    let sum = 0;
    let magnitude = 0;
    for (let col = 0; col < cols; col++) {
      const term = w[row * cols + col]! * x[r * cols + col]! * factors[r]!;
      sum += term;
      magnitude += Math.abs(term);
    }
    const bias = shape.bias ? inputs.bias[row]! : 0;
    return { value: sum + bias, error: 1e-5 * magnitude + 1e-7 * Math.abs(bias) };
  };
  const y = new Float64Array(xRows * width);
  const error = new Float64Array(xRows * width);
  for (let r = 0; r < xRows; r++) {
    for (let o = 0; o < width; o++) {
      const i = r * width + o;
      if (shape.gated) {
        const row = Math.floor(o / 16) * 32 + (o % 16);
        const gate = linear(r, row);
        const up = linear(r, row + 16);
        const silu = gate.value / (1 + Math.exp(-gate.value));
        y[i] = silu * up.value;
        // silu's slope is below 1.1.
        error[i] = 1.1 * gate.error * Math.abs(up.value) + Math.abs(silu) * up.error + 1e-6 * Math.abs(y[i]!);
      } else {
        const { value, error: own } = linear(r, o);
        y[i] = value + (shape.residual ? inputs.residual[i]! : 0);
        error[i] = own + 1e-7 * (Math.abs(value) + Math.abs(y[i]!));
      }
    }
  }
  expect(rows * cols).toBe(w.length);
  return { y, error };
}

/** Kept, since Node aborts when Dawn's instance is collected before what came from it. */
let nullGpu: GPU | undefined;

async function nullAdapter(): Promise<GPUAdapter> {
  const adapter = await (nullGpu ??= createNullGpu()).requestAdapter();
  if (adapter === null) throw new Error('Dawn has no null backend');
  return adapter;
}

describe('gemv-int8', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  async function check(problem: Problem, seed = 1): Promise<void> {
    const variant = variantOf(problem);
    const { shape } = variant;
    const xRows = problem.xRows ?? 1;
    const inputs = randomInputs(shape, xRows, seed);
    const width = outputWidth(shape);
    const held = xRows + SPARE_ROWS;
    const step = shape.rowCount === 'rows' ? [xRows, 99, 0, 0] : [99, xRows, 0, 0];
    const buffers: Record<string, BufferData> = {
      ...packParts(shape.parts, shape.cols, inputs.files),
      xCodes: inputs.x.codes, xStats: inputs.x.stats, bias: inputs.bias, residual: inputs.residual, yGain: inputs.gain,
      y: new Float32Array(held * width).fill(UNTOUCHED),
      yCodes: new Uint32Array(q8CodeBytes(held, width) / 4).fill(0x55555555),
      yStats: new Float32Array(q8StatBytes(held, width) / 4).fill(UNTOUCHED),
      step: Uint32Array.from(step),
    };
    const kernel = gemvInt8Kernel(variant);
    const out = await test.run({ kernel, workgroups: gemvInt8Workgroups(variant, xRows), buffers });
    const want = expectedProduct(shape, xRows, inputs);
    const name = kernel.label;
    if (shape.outputs.f32) {
      const y = out.get('y') as Float32Array;
      for (let i = 0; i < xRows * width; i++) {
        if (!(Math.abs(y[i]! - want.y[i]!) <= want.error[i]! + 1e-30)) throw new Error(`${name}: y[${Math.floor(i / width)}][${i % width}] is ${y[i]}, expected ${want.y[i]} +- ${want.error[i]}`);
      }
      expect(y.subarray(xRows * width).every((value) => value === UNTOUCHED)).toBe(true);
    }
    if (shape.outputs.q8) {
      const got = { rows: xRows, width, codes: out.get('yCodes') as Uint32Array, stats: out.get('yStats') as Float32Array };
      const norm = shape.outputs.q8.norm && { eps: shape.outputs.q8.norm.eps, gain: inputs.gain };
      expect(compareQ8(got, want.y, { norm, error: (i) => want.error[i]! }), name).toBeUndefined();
      expect(got.codes.subarray((xRows * width) / 4).every((word) => word === 0x55555555)).toBe(true);
      expect(got.stats.subarray((xRows * 3 * width) / 16).every((value) => value === UNTOUCHED)).toBe(true);
    }
  }

  const sizes = () => [test.subgroupSize, undefined].filter((size, i) => i === 1 || size !== undefined);
  const q8 = { f32: false, q8: { norm: undefined } } as const;
  const both = { f32: true, q8: { norm: { eps: 1e-5 } } } as const;

  it.each(TYPES)('%s: every width, odd row counts', async (type) => {
    const widths = type === 'q4_0' || type === 'q8_0' ? [32, 64, 96, 256, 1280] : [256, 1280];
    for (const subgroupSize of sizes()) {
      for (const cols of widths) {
        await check({ parts: [{ type, rows: cols === 256 ? 1 : 70 }], cols, subgroupSize }, cols);
      }
      await check({ parts: [{ type, rows: 9 }], cols: 2560, subgroupSize, unroll: 4, rowsPerWorkgroup: 8 });
    }
  });

  it.each(TYPES)('%s: norm of x, bias, residual, both outputs', async (type) => {
    for (const subgroupSize of sizes()) {
      await check({ parts: [{ type, rows: 96 }], cols: 512, subgroupSize, input: 'q8n', bias: true, residual: true, outputs: both });
      await check({ parts: [{ type, rows: 48 }, { type: 'q4_0', rows: 16 }], cols: 256, subgroupSize, bias: true, outputs: q8 });
    }
  });

  it.each(TYPES)('%s: gated', async (type) => {
    for (const subgroupSize of sizes()) {
      for (const outputs of type === 'q4_0' ? [q8, { f32: true, q8: undefined }] : [q8]) {
        const problem = { parts: [{ type, rows: 192 }], cols: 256, subgroupSize, gated: true, outputs, input: 'q8n' } as const;
        await check({ ...problem, rowsPerWorkgroup: subgroupSize === undefined ? 64 : 32, bias: true });
        if (type === 'q4_0') await check({ ...problem, batch: 2, xRows: 3, rowsPerWorkgroup: 32 });
      }
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
      await check({ parts: [{ type: 'q4_k', rows: 80 }, { type: 'q6_k', rows: 48 }], cols: 256, subgroupSize, rowsPerWorkgroup: 32, outputs: q8, residual: true });
    }
  });

  it('batches with any number of rows', async () => {
    for (const subgroupSize of sizes()) {
      for (const [batch, counts] of [[2, [1]], [4, [3]], [8, [11]]] as const) {
        for (const xRows of counts) {
          await check({ parts: [{ type: 'q4_0', rows: 50 }], cols: 160, subgroupSize, batch, xRows, input: 'q8n', residual: true, rowCount: 'outRows' }, xRows);
          await check({ parts: [{ type: 'q4_k', rows: 96 }], cols: 256, subgroupSize, batch, xRows, outputs: both, bias: true, rowsPerWorkgroup: 32 }, xRows);
        }
      }
    }
  });

  it('subgroups: several a row, several rows each, any unrolling', async () => {
    const { subgroupSize } = test;
    if (subgroupSize === undefined) return;
    const knobs = [[2, 1, 1], [4, 1, 1], [1, 2, 1], [2, 2, 2]] as const;
    for (const [subgroupsPerRow, rowsPerSubgroup, batch] of knobs) {
      const common = { subgroupSize, subgroupsPerRow, rowsPerSubgroup, batch, xRows: batch, rowsPerWorkgroup: 16 * rowsPerSubgroup, input: 'q8n' } as const;
      await check({ ...common, parts: [{ type: 'q4_0', rows: 96 }], cols: 608, unroll: batch > 1 ? 1 : 3, residual: true, outputs: both });
      // 24 groups: of the widths of super-blocks, only over 16 lanes does a turn stay partial.
      for (const type of ['q4_k', 'q6_k'] as const) await check({ ...common, parts: [{ type, rows: 75 }], cols: 768, unroll: 2 });
      if (rowsPerSubgroup > 1) await check({ ...common, parts: [{ type: 'q4_k', rows: 192 }], cols: 256, unroll: 1, gated: true, bias: true, outputs: q8 });
    }
    for (const gated of [false, true]) await check({ subgroupSize, rowsPerSubgroup: 4, rowsPerWorkgroup: 64, parts: [{ type: 'q8_0', rows: 192 }], cols: 288, gated });
  });

  it.each(TYPES)('%s: the text for 32 lanes compiles without a warning', async (type) => {
    const adapter = await nullAdapter();
    const device = await adapter.requestDevice({ requiredFeatures: ['subgroups'] });
    const dense = { parts: [{ type, rows: 1024 }], cols: 3072, subgroupSize: 32, unroll: 4 } as const;
    const problems: readonly Problem[] = [
      { ...dense, input: 'q8n', rowsPerWorkgroup: 8 },
      { ...dense, subgroupsPerRow: 2, residual: true, outputs: both },
      { ...dense, gated: true, rowsPerWorkgroup: 32, rowsPerSubgroup: 2, outputs: q8 },
      { ...dense, batch: 8, input: 'q8n', outputs: both, residual: true },
      { ...dense, parts: [{ type, rows: 3072 }, { type: 'q6_k', rows: 1000 }], batch: 2 },
    ];
    for (const problem of problems) {
      const module = device.createShaderModule({ code: gemvInt8Kernel(variantOf(problem)).wgsl });
      expect((await module.getCompilationInfo()).messages.map(({ message }) => message)).toEqual([]);
    }
    device.destroy();
  });

  it('refuses what it cannot compute', () => {
    const base = { parts: [{ type: 'q4_0', rows: 96 }], cols: 64, subgroupSize: 4 } as const;
    expect(() => gemvInt8Kernel(variantOf({ ...base, input: 'f32' }))).toThrow(/int8/);
    expect(() => gemvInt8Kernel(variantOf({ ...base, cols: 40 }))).toThrow(/multiple of 32/);
    expect(() => gemvInt8Kernel(variantOf({ ...base, rowsPerWorkgroup: 8, outputs: q8 }))).toThrow(/whole blocks/);
    expect(() => gemvInt8Kernel(variantOf({ ...base, gated: true }))).toThrow(/interleaved/);
    expect(() => gemvInt8Kernel(variantOf({ ...base, subgroupSize: undefined, subgroupsPerRow: 2 }))).toThrow(/one row an invocation/);
    expect(() => gemvInt8Workgroups(variantOf(base), 2)).toThrow(RangeError);
  });
});
