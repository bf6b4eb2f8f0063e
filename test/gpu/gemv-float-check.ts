/** Runs float GEMV kernels on random data and compares them with float64 from the definition. */
import { expect } from 'vitest';
import { randomSource, randomWeights } from '../../src/cpu/kernel-check.ts';
import { gemvFloatKernel, gemvFloatWorkgroups } from '../../src/gpu/kernels/gemv-float/gemv-float.ts';
import type { GemvFloatVariant } from '../../src/gpu/kernels/gemv-float/gemv-float.ts';
import { outputWidth, totalRows } from '../../src/gpu/linear-shape.ts';
import type { LinearShape } from '../../src/gpu/linear-shape.ts';
import { decodeRows } from '../../src/tensor/codec/decode-rows.ts';
import { bytesOfElements } from '../../src/tensor/tensor-type.ts';
import { canRun } from '../gpu-harness.ts';
import type { TestDevice } from '../gpu-harness.ts';
import { interleaveRows, packParts } from './pack-matrix.ts';

const SHAPE: LinearShape = {
  cols: 256, parts: [{ type: 'q4_0', rows: 21 }], input: 'f32', norm: undefined, bias: false, gated: false, residual: false,
  outputs: { f32: true, q8: undefined }, rowCount: 'rows',
};

/** SwiftShader's subgroups have 4 lanes; the check takes the device's number. */
export const SUBGROUP = { reduction: 'subgroup', lanes: 4, rowsPerTeam: 2, teams: 4 } as const;
export const WORKGROUP = { reduction: 'workgroup', lanes: 16, rowsPerTeam: 2, teams: 4 } as const;
export const NONE = { reduction: 'none', lanes: 1, rowsPerTeam: 1, teams: 64 } as const;
export const TEAMS = [SUBGROUP, WORKGROUP, NONE];

export function variantOf(shape: Partial<LinearShape>, rest: Partial<GemvFloatVariant> = {}): GemvFloatVariant {
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
export function withoutF16(wgsl: string): string {
  return wgsl.replace('enable f16;', '').replaceAll('f16>', 'f32>');
}

/** Runs a variant on random data with `xRows` columns of x where `maxRows` were dispatched; every result within 1e-5 of the sum of |w x|. */
export async function checkGemvFloat(device: TestDevice, asked: GemvFloatVariant, { xRows, maxRows = xRows, edit }: { xRows: number; maxRows?: number; edit?: (wgsl: string) => string } = { xRows: asked.batch }): Promise<void> {
  const lanes = asked.reduction === 'subgroup' ? (device.subgroupSize ?? asked.lanes) : asked.lanes;
  const variant = { ...asked, lanes };
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
