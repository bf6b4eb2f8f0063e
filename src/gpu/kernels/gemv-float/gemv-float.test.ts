import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { interleaveRows, packParts } from '../../../../test/gpu/pack-matrix.ts';
import { canRun, createNullGpu, openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { randomSource, randomWeights } from '../../../cpu/kernel-check.ts';
import { decodeRows } from '../../../tensor/codec/decode-rows.ts';
import { bytesOfElements, isQuantized, TENSOR_TYPES, WEIGHT_TYPES } from '../../../tensor/tensor-type.ts';
import { outputWidth, totalRows } from '../../linear-shape.ts';
import type { LinearShape } from '../../linear-shape.ts';
import { gemvFloatKernel, gemvFloatWorkgroups } from './gemv-float.ts';
import type { GemvFloatVariant } from './gemv-float.ts';

const SHAPE: LinearShape = {
  cols: 256, parts: [{ type: 'q4_0', rows: 21 }], input: 'f32', norm: undefined, bias: false, gated: false, residual: false,
  outputs: { f32: true, q8: undefined }, rowCount: 'rows',
};

/** SwiftShader's subgroups have 4 lanes. */
const SUBGROUP = { reduction: 'subgroup', lanes: 4, rowsPerTeam: 2, teams: 4 } as const;
const WORKGROUP = { reduction: 'workgroup', lanes: 16, rowsPerTeam: 2, teams: 4 } as const;
const NONE = { reduction: 'none', lanes: 1, rowsPerTeam: 1, teams: 64 } as const;
const TEAMS = [SUBGROUP, WORKGROUP, NONE];

function variantOf(shape: Partial<LinearShape>, rest: Partial<GemvFloatVariant> = {}): GemvFloatVariant {
  return { shape: { ...SHAPE, ...shape }, batch: 1, arithmetic: 'integer', ...SUBGROUP, ...rest };
}

interface Problem {
  readonly xRows: number;
  /** File bytes of every part; of gate and up where the shape is gated. */
  readonly weights: readonly Uint8Array[];
  readonly x: Float32Array;
  readonly gain: Float32Array;
  readonly bias: Float32Array;
  readonly residual: Float32Array;
}

function randomProblem(shape: LinearShape, xRows: number): Problem {
  const random = randomSource(shape.cols + xRows);
  const floats = (length: number, scale: number) => Float32Array.from({ length }, () => (random() - 0.4) * scale);
  const { parts, cols, gated } = shape;
  const tensors = gated ? [parts[0]!, parts[0]!].map(({ type, rows }) => ({ type, rows: rows / 2 })) : parts;
  return {
    xRows,
    // One row more: randomWeights wants four bytes.
    weights: tensors.map(({ type, rows }) => randomWeights(type, rows + 1, cols, random).subarray(0, bytesOfElements(type, rows * cols))),
    x: floats(xRows * cols, 4), gain: floats(cols, 2), bias: floats(totalRows(shape), 0.5), residual: floats(xRows * outputWidth(shape), 3),
  };
}

/** From the definition, in float64; and the sum of |w x|, which an error is relative to. */
function expected(shape: LinearShape, { xRows, weights, x, gain, bias, residual }: Problem) {
  const { cols, gated, norm, parts } = shape;
  const matrix = weights.flatMap((bytes, n) => {
    const type = parts[gated ? 0 : n]!.type;
    const rows = gated ? totalRows(shape) / 2 : parts[n]!.rows;
    const values = new Float32Array(rows * cols);
    decodeRows(type, bytes, values);
    return Array.from({ length: rows }, (_, row) => values.subarray(row * cols, (row + 1) * cols));
  });
  const width = outputWidth(shape);
  const y = new Float64Array(xRows * width);
  const allowance = new Float64Array(xRows * width);
  const biasAt = gated ? new Float32Array(interleaveRows([0, 1].map((half) => new Uint8Array(bias.slice(half * width, (half + 1) * width).buffer)), width).buffer) : bias;
  for (let r = 0; r < xRows; r++) {
    const row = x.subarray(r * cols, (r + 1) * cols);
    const factor = norm ? 1 / Math.sqrt(row.reduce((sum, v) => sum + v * v, 0) / cols + norm.eps) : 1;
    const products = matrix.map((weight, m) => {
      let sum = 0;
      let size = 0;
      for (let i = 0; i < cols; i++) {
        const term = weight[i]! * row[i]! * (norm ? gain[i]! : 1) * factor;
        sum += term;
        size += Math.abs(term);
      }
      return { sum: sum + (shape.bias ? bias[m]! : 0), size: size + (shape.bias ? Math.abs(bias[m]!) : 0) };
    });
    for (let o = 0; o < width; o++) {
      const own = products[o]!;
      const up = products[width + o];
      const at = r * width + o;
      const silu = own.sum / (1 + Math.exp(-own.sum));
      y[at] = (gated ? silu * up!.sum : own.sum) + (shape.residual ? residual[at]! : 0);
      // The slope of silu is at most 1.1.
      allowance[at] = (gated ? 1.1 * own.size * Math.abs(up!.sum) + Math.abs(silu) * up!.size : own.size) + (shape.residual ? Math.abs(residual[at]!) : 0);
    }
  }
  return { y, allowance, biasAt };
}

/** The same text for adapters without f16: x is rounded to f32 instead. */
function withoutF16(wgsl: string): string {
  return wgsl.replace('enable f16;', '').replaceAll('f16>', 'f32>');
}

/** Runs a variant on random data; every result within 1e-5 of what it may be relative to. */
async function check(device: TestDevice, variant: GemvFloatVariant, { xRows, maxRows = xRows, edit }: { xRows: number; maxRows?: number; edit?: (wgsl: string) => string } = { xRows: variant.batch }): Promise<void> {
  const { shape } = variant;
  const made = gemvFloatKernel(variant);
  const kernel = edit ? { ...made, wgsl: edit(made.wgsl), needs: { ...made.needs, f16: false } } : made;
  expect(canRun(device, kernel)).toBe(true);
  const problem = randomProblem(shape, xRows);
  const { y, allowance, biasAt } = expected(shape, problem);
  const files = shape.gated ? [interleaveRows(problem.weights, outputWidth(shape))] : problem.weights;
  const all = {
    ...packParts(shape.parts, shape.cols, files), x: problem.x, gain: problem.gain, bias: biasAt, residual: problem.residual,
    y: new Float32Array(maxRows * outputWidth(shape)).fill(777), step: Uint32Array.of(shape.rowCount === 'rows' ? xRows : 0, shape.rowCount === 'rows' ? 0 : xRows, 0, 0),
  };
  const result = await device.run({ kernel, workgroups: gemvFloatWorkgroups(variant, maxRows), buffers: all });
  const got = result.get('y')!;
  for (let i = 0; i < got.length; i++) {
    if (i >= y.length) expect(got[i], `${kernel.key}: y[${i}] is past the rows of the step`).toBe(777);
    else if (!(Math.abs(got[i]! - y[i]!) <= 1e-5 * allowance[i]! + 1e-30)) expect.fail(`${kernel.key}: y[${i}] is ${got[i]}, expected ${y[i]} +- ${1e-5 * allowance[i]!}`);
  }
}

describe('gemvFloatKernel', () => {
  let device: TestDevice;
  beforeAll(async () => {
    device = await openTestDevice();
  });
  afterAll(() => device.close());

  describe.each(WEIGHT_TYPES)('%s', (type) => {
    const [least, cols] = isQuantized(type) ? [TENSOR_TYPES[type].blockSize, 3 * TENSOR_TYPES[type].blockSize] : [1, 261];

    it.each(TEAMS)('$reduction', async (team) => {
      await check(device, variantOf({ cols, parts: [{ type, rows: 37 }] }, team));
      if (!isQuantized(type)) await check(device, variantOf({ cols: least, parts: [{ type, rows: 1 }] }, team));
    });

    it.runIf(isQuantized(type))('codes through halves', async () => {
      for (const arithmetic of ['half', 'subnormal'] as const) await check(device, variantOf({ cols, parts: [{ type, rows: 9 }] }, { arithmetic }));
    });

    it.runIf(isQuantized(type))('two lanes to a group', async () => {
      const shape = { cols, parts: [{ type, rows: 9 }], norm: { eps: 1e-5 } };
      await check(device, variantOf(shape, { ...SUBGROUP, arithmetic: 'half', lanesPerGroup: 2 }));
      await check(device, variantOf(shape, { ...WORKGROUP, rowsPerTeam: 1, arithmetic: 'integer', lanesPerGroup: 2 }));
    });

    it.runIf(isQuantized(type))('x in f16, with f32 in its place', async () => {
      await check(device, variantOf({ cols, parts: [{ type, rows: 9 }] }, { arithmetic: 'f16', rowsPerTeam: 1 }), { xRows: 1, edit: withoutF16 });
    });

    it.runIf(!isQuantized(type))('rows that end in the middle of 16 bytes', async () => {
      for (const width of [6, 68]) await check(device, variantOf({ cols: width, parts: [{ type, rows: 9 }], norm: { eps: 1e-5 } }, { batch: 2 }));
    });

    it('several columns', async () => {
      const forms = isQuantized(type) ? (['integer', 'half', 'subnormal'] as const) : (['integer'] as const);
      for (const arithmetic of forms) await check(device, variantOf({ cols: least, parts: [{ type, rows: 7 }] }, { arithmetic, batch: 2, rowsPerTeam: 1 }));
    });

    it.each(TEAMS)('norm, bias and residual: $reduction', async (team) => {
      const epilogue = { cols, parts: [{ type, rows: 13 }], norm: { eps: 1e-5 }, bias: true, residual: true };
      await check(device, variantOf(epilogue, { ...team, arithmetic: team.reduction === 'subgroup' ? 'half' : 'integer' }));
    });

    it.each(TEAMS)('pairs gate and up: $reduction', async (team) => {
      await check(device, variantOf({ cols: least, parts: [{ type, rows: 2 * 39 }], gated: true, norm: { eps: 1e-6 }, bias: team.reduction === 'subgroup' }, { ...team, rowsPerTeam: team.reduction === 'none' ? 1 : 2 }));
    });
  });

  it.each([5, 16, 33])('pairs %s rows of gate and up', async (rows) => {
    await check(device, variantOf({ cols: 32, parts: [{ type: 'q8_0', rows: 2 * rows }], gated: true, bias: true }));
    await check(device, variantOf({ cols: 32, parts: [{ type: 'f16', rows: 2 * rows }], gated: true }, { ...WORKGROUP, batch: 2 }));
  });

  it.each([['q4_k', 'q6_k'], ['q8_0', 'q4_0', 'f32'], ['f16', 'bf16', 'q4_k']] as const)('parts of different types: $0, $1', async (...types) => {
    const parts = types.filter((type) => type !== undefined).map((type, n) => ({ type, rows: 11 + 6 * n }));
    const shape = { parts, norm: { eps: 1e-5 }, residual: true, bias: true };
    for (const team of TEAMS) await check(device, variantOf(shape, { ...team, rowsPerTeam: 1 }));
    await check(device, variantOf(shape, { batch: 2, rowsPerTeam: 1 }));
  });

  it.each([{ ...SUBGROUP, batch: 2 }, { ...WORKGROUP, rowsPerTeam: 1, batch: 4 }, { ...NONE, batch: 8 }, { ...SUBGROUP, rowsPerTeam: 1, batch: 8 }] as const)('$reduction: some columns of $batch, and more than $batch', async ({ batch, ...team }) => {
    const variant = variantOf({ cols: 32, rowCount: batch === 4 ? 'outRows' : 'rows' }, { ...team, batch });
    for (const xRows of [1, 2 * batch - 1]) await check(device, variant, { xRows, maxRows: 2 * batch + 1 });
  });

  it('every number of rows of a team, and long rows', async () => {
    for (const [rowsPerTeam, team] of [[1, SUBGROUP], [4, SUBGROUP], [4, WORKGROUP], [4, NONE]] as const) {
      await check(device, variantOf({ cols: 1696, parts: [{ type: 'q8_0', rows: 5 }] }, { ...team, rowsPerTeam }));
      await check(device, variantOf({ cols: 1701, parts: [{ type: 'f16', rows: 5 }] }, { ...team, rowsPerTeam }));
    }
  });

  it('more workgroups than one dimension holds', async () => {
    const variant = variantOf({ cols: 4, parts: [{ type: 'f32', rows: 70000 }] }, { rowsPerTeam: 1, teams: 1 });
    expect(gemvFloatWorkgroups(variant, 1)[1]).toBe(2);
    await check(device, variant);
  });

  it('says what it does not do', () => {
    expect(() => gemvFloatKernel(variantOf({ input: 'q8' }))).toThrow('input is q8');
    expect(() => gemvFloatKernel(variantOf({ outputs: { f32: true, q8: { norm: undefined } } }))).toThrow('f32 only');
    expect(() => gemvFloatKernel(variantOf({ gated: true, residual: true, parts: [{ type: 'f32', rows: 32 }] }))).toThrow('gated');
    expect(() => gemvFloatKernel(variantOf({}, { reduction: 'none' }))).toThrow('lanes');
    expect(() => gemvFloatKernel(variantOf({}, { ...WORKGROUP, batch: 8, rowsPerTeam: 4, lanes: 32, teams: 8 }))).toThrow('workgroup memory');
  });
});

describe('variants for devices that no test has', () => {
  let device: TestDevice;
  let gpu: GPU;
  beforeAll(async () => {
    gpu = createNullGpu();
    device = await openTestDevice(gpu);
  });
  afterAll(() => device.close());

  it.each(WEIGHT_TYPES)('compiles %s with x in f16 and subgroups of 32', async (type) => {
    for (const batch of [1, 4] as const) {
      for (const gated of [false, true]) {
        const variant = variantOf({ cols: 1024, parts: [{ type, rows: 64 }], gated, norm: { eps: 1e-6 } }, { arithmetic: 'f16', batch, lanes: 32, rowsPerTeam: 4, teams: 2, lanesPerGroup: batch === 1 && gated ? 2 : 1 });
        const kernel = gemvFloatKernel(variant);
        expect(kernel.needs.f16 === true).toBe(isQuantized(type) && batch === 1);
        const bytes = new Uint8Array(bytesOfElements(type, 64 * 1024));
        const f32 = new Float32Array(4096);
        await device.run({ kernel, workgroups: gemvFloatWorkgroups(variant, batch), buffers: { ...packParts(variant.shape.parts, 1024, [bytes]), x: f32, gain: f32, y: f32, step: new Uint32Array(4) } });
      }
    }
  });
});
