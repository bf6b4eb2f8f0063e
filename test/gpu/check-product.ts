/** Runs a kernel for a product (src/gpu/linear-shape.ts) on random data, and holds the result against float64 from the definition. */
import { stepOf } from './step-of.ts';
import { ACTIVATION_FUNCTIONS } from '../../src/reference/ops/activation.ts';
import { rmsNorm } from '../../src/reference/ops/rms-norm.ts';
import { expect } from 'vitest';
import { randomWeights, randomSource } from '../../src/tensor/codec/random-weights.ts';
import type { Kernel, Workgroups } from '../../src/gpu/kernel.ts';
import { outputWidth, totalRows } from '../../src/gpu/linear-shape.ts';
import type { LinearActivation, LinearShape, LinearSum } from '../../src/gpu/linear-shape.ts';
import { q8CodeBytes, q8StatBytes } from '../../src/gpu/q8-layout.ts';
import { decodeRows } from '../../src/tensor/codec/decode-rows.ts';
import { bytesOfElements } from '../../src/tensor/tensor-type.ts';
import type { WeightType } from '../../src/tensor/tensor-type.ts';
import type { BufferData, TestDevice } from '../gpu-harness.ts';
import { interleaveRows, packParts } from './pack-matrix.ts';
import { compareQ8, normFactorsOf, roundToQ8, valuesOfQ8, writtenQ8 } from './q8-values.ts';
import type { Q8Values } from './q8-values.ts';

export interface ProductRun {
  readonly kernel: Kernel;
  readonly workgroups: Workgroups;
  readonly shape: LinearShape;
  /** Rows of x in the step. */
  readonly xRows: number;
  /** Rows that the buffers of the result hold: those past the step's must stay as they were. Default: two more than xRows. */
  readonly heldRows?: number | undefined;
  readonly seed?: number | undefined;
  /** How far a value may be from its definition, of the sum of |w x|. Default 1e-5, for sums in f32 of values that are not rounded. */
  readonly relativeError?: number | undefined;
  /** The values of x, of random ones in -1 .. 1 at a row and column. */
  readonly xOf?: ((value: number, row: number, col: number) => number) | undefined;
}

interface Tensor {
  readonly type: WeightType;
  readonly rows: number;
  readonly bytes: Uint8Array;
}

interface ProductInputs {
  /** The parts; of a gated product gate and up, which lie interleaved in its only part. */
  readonly tensors: readonly Tensor[];
  readonly floats: Float32Array;
  readonly q8: Q8Values | undefined;
  readonly gain: Float32Array;
  /** Over the rows of `tensors`. */
  readonly bias: Float32Array;
  readonly residual: Float32Array;
  readonly yGain: Float32Array;
  /** [held rows, of], of an activated product. */
  readonly times: Float32Array;
  /** What x is the sum of. */
  readonly sum: SumInputs | undefined;
}

interface SumInputs {
  /** By binding: one row each, but for `factor`. */
  readonly read: Readonly<Record<'branch' | 'base' | 'branchGain' | 'xGain' | 'factor', Float32Array>>;
  /** Their sum. */
  readonly x: Float64Array;
}

const UNTOUCHED = 12345.5;
const UNTOUCHED_CODES = 0x55555555;

function tensorsOf({ parts, cols, gated }: LinearShape, random: () => number): readonly Tensor[] {
  const sizes = gated ? [0, 1].map(() => ({ ...parts[0]!, rows: parts[0]!.rows / 2 })) : parts;
  // One row more: randomWeights wants four bytes.
  return sizes.map(({ type, rows }) => ({
    type,
    rows,
    bytes: randomWeights(type, rows + 1, cols, random).subarray(0, bytesOfElements(type, rows * cols)),
  }));
}

/** Of magnitudes that differ, so that a value in the wrong place shows. */
function randomSum({ cols }: LinearShape, { eps, by = 1 }: LinearSum, random: () => number): SumInputs {
  const fill = (spread: number) =>
    Float32Array.from({ length: cols }, (_, i) => (random() * 2 - 1) * 10 ** (spread * (((i >> 4) % 3) - 1)));
  const [branch, base] = [fill(1), fill(1)];
  const [branchGain, xGain] = [fill(0), fill(0)];
  const factor = Float32Array.of(-1.3);
  const normed = rmsNorm(Float64Array.from(branch), branchGain, { eps });
  const times = by === 'factor' ? factor[0]! : by;
  return { read: { branch, base, branchGain, xGain, factor }, x: normed.map((value, i) => times * (base[i]! + value)) };
}

function randomInputs(
  shape: LinearShape, rows: { readonly x: number; readonly held: number }, { seed = 1, xOf }: Pick<ProductRun, 'seed' | 'xOf'>,
): ProductInputs {
  const random = randomSource(seed);
  const symmetric = (length: number) => Float32Array.from({ length }, () => random() * 2 - 1);
  const { cols, input } = shape;
  const width = outputWidth(shape);
  const tensors = tensorsOf(shape, random);
  const sum = shape.sum && randomSum(shape, shape.sum, random);
  const floats = sum ? Float32Array.from(sum.x) : symmetric(rows.x * cols);
  if (xOf) floats.forEach((value, i) => (floats[i] = xOf(value, Math.floor(i / cols), i % cols)));
  // A block of zeros.
  if (input !== 'f32' && !sum) floats.fill(0, 16, 32);
  const norm = sum ? { eps: shape.sum?.next?.eps ?? 0, gain: sum.read.xGain } : { eps: 1e-6, gain: symmetric(cols) };
  const q8 =
    input === 'f32'
      ? undefined
      : roundToQ8(sum?.x ?? floats, { rows: rows.x, width: cols, norm: input === 'q8n' ? norm : undefined });
  return {
    tensors,
    sum,
    floats,
    q8,
    gain: symmetric(cols),
    bias: symmetric(totalRows(shape)),
    residual: symmetric(rows.held * width),
    yGain: symmetric(width),
    times: symmetric(rows.held * (shape.activation?.times?.of ?? 1)),
  };
}

function buffersOf(
  shape: LinearShape,
  { tensors, sum, floats, q8, gain, bias, residual, yGain, times }: ProductInputs,
  rows: { readonly x: number; readonly held: number },
): Record<string, BufferData> {
  const width = outputWidth(shape);
  const bytes = tensors.map((tensor) => tensor.bytes);
  const biases = [bias.slice(0, width), bias.slice(width)].map(({ buffer }) => new Uint8Array(buffer));
  return {
    ...packParts(shape.parts, shape.cols, shape.gated ? [interleaveRows(bytes, width)] : bytes),
    ...(sum
      ? { ...sum.read, sum: new Float32Array(shape.cols).fill(UNTOUCHED) }
      : q8 ? { xCodes: q8.codes, xStats: q8.stats } : { x: floats }),
    gain,
    residual,
    yGain,
    times,
    bias: shape.gated ? new Float32Array(interleaveRows(biases, width).buffer) : bias,
    y: new Float32Array(rows.held * width).fill(UNTOUCHED),
    yCodes: new Uint32Array(Math.ceil(q8CodeBytes(rows.held, width) / 4)).fill(UNTOUCHED_CODES),
    yStats: new Float32Array(Math.ceil(q8StatBytes(rows.held, width) / 4)).fill(UNTOUCHED),
    step: stepOf(rows.x),
  };
}

/** What is multiplied by the weights, [xRows, cols], norms included. */
function multiplied({ cols, input, norm }: LinearShape, { floats, q8, gain }: ProductInputs): Float64Array {
  if (q8) {
    const factors = input === 'q8n' ? normFactorsOf(q8) : undefined;
    return valuesOfQ8(q8).map((value, i) => value * (factors?.[Math.floor(i / cols)] ?? 1));
  }
  const x = Float64Array.from(floats);
  if (!norm) return x;
  for (let at = 0; at < x.length; at += cols) {
    const row = x.subarray(at, at + cols);
    const factor = 1 / Math.sqrt(row.reduce((sum, value) => sum + value * value, 0) / cols + norm.eps);
    row.forEach((value, col) => (row[col] = value * factor * gain[col]!));
  }
  return x;
}

/** What one code more is worth in each block of a row, norms included. */
function stepsOfQ8(q8: Q8Values, { input }: LinearShape): Float64Array {
  const factor = input === 'q8n' ? normFactorsOf(q8)[0]! : 1;
  return Float64Array.from({ length: q8.width / 16 }, (_, block) => q8.stats[block]! * factor);
}

interface Expected {
  readonly y: Float64Array;
  /**
   * How far the kernel may be from each value: `relativeError` of the sum of |w x|, and what a sum's rounding adds, carried through the
   * activation.
   */
  readonly error: Float64Array;
}

function activatedBy(activation: LinearActivation, value: number): number {
  if (activation.fn === 'softcap') return activation.cap * Math.tanh(value / activation.cap);
  return ACTIVATION_FUNCTIONS[activation.fn](value);
}

/** y [xRows, width] in float64. */
function expectedProduct(
  shape: LinearShape, inputs: ProductInputs, { xRows, relativeError = 1e-5 }: Pick<ProductRun, 'xRows' | 'relativeError'>,
): Expected {
  const { cols, gated, activation, bias, residual } = shape;
  const width = outputWidth(shape);
  const x = multiplied(shape, inputs);
  // A code of a sum may be the neighbour's where f32 and float64 round it to either side: room for one in each product.
  const steps = shape.sum && inputs.q8 && stepsOfQ8(inputs.q8, shape);
  const matrix = inputs.tensors.flatMap(({ type, rows, bytes }) => {
    const values = new Float32Array(rows * cols);
    decodeRows(type, bytes, values);
    return Array.from({ length: rows }, (_, row) => values.subarray(row * cols, (row + 1) * cols));
  });
  const linear = (r: number, row: number) => {
    const weights = matrix[row]!;
    let value = bias ? inputs.bias[row]! : 0;
    let magnitude = Math.abs(value);
    let step = 0;
    for (let col = 0; col < cols; col++) {
      const term = weights[col]! * x[r * cols + col]!;
      value += term;
      magnitude += Math.abs(term);
      step = Math.max(step, Math.abs(weights[col]!) * (steps?.[Math.floor(col / 16)] ?? 0));
    }
    return { value, error: relativeError * magnitude + step };
  };
  const y = new Float64Array(xRows * width);
  const error = new Float64Array(xRows * width);
  for (let i = 0; i < y.length; i++) {
    const [r, o] = [Math.floor(i / width), i % width];
    const own = linear(r, o);
    if (gated) {
      const up = linear(r, width + o);
      const gate = ACTIVATION_FUNCTIONS[gated](own.value);
      y[i] = gate * up.value;
      // The slopes of all functions are at most 1.2.
      error[i] = 1.2 * own.error * Math.abs(up.value) + Math.abs(gate) * up.error;
    } else if (activation) {
      const { times } = activation;
      const factor = times ? inputs.times[r * times.of + times.start + o]! : 1;
      y[i] = activatedBy(activation, own.value) * factor;
      error[i] = 1.2 * own.error * Math.abs(factor);
    } else {
      y[i] = own.value + (residual ? inputs.residual[i]! : 0);
      error[i] = own.error;
    }
    error[i]! += 1e-6 * Math.abs(y[i]!) + 1e-30;
  }
  return { y, error };
}

/** Throws where a value is farther from the definition than f32 may be, or where something past the step's rows was written. */
export async function checkProduct(
  device: TestDevice,
  { kernel, workgroups, shape, xRows, heldRows = xRows + 2, ...given }: ProductRun,
): Promise<void> {
  const rows = { x: xRows, held: heldRows };
  const inputs = randomInputs(shape, rows, given);
  const out = await device.run({ kernel, workgroups, buffers: buffersOf(shape, inputs, rows) });
  const want = expectedProduct(shape, inputs, { xRows, ...given });
  const width = outputWidth(shape);
  const { f32, q8 } = shape.outputs;
  if (shape.sum?.isKept) {
    const kept = out.get('sum') as Float32Array;
    const { x, read: { base } } = inputs.sum!;
    const wrong = x.findIndex((value, i) => !(Math.abs(kept[i]! - value) <= 4e-6 * (Math.abs(value) + 2 * Math.abs(base[i]!)) + 1e-9));
    expect(wrong, `${kernel.key}: where the sum is wrong`).toBe(-1);
  }
  if (f32) {
    const y = out.get('y') as Float32Array;
    const wrong = want.y.findIndex((value, i) => !(Math.abs(y[i]! - value) <= want.error[i]!));
    if (wrong >= 0)
      throw new Error(
        `${kernel.key}: y[${Math.floor(wrong / width)}][${wrong % width}] is ${y[wrong]}, ` +
          `expected ${want.y[wrong]} +- ${want.error[wrong]}`,
      );
    expect(
      y.subarray(xRows * width).every((value) => value === UNTOUCHED),
      `${kernel.key} past the rows of the step`,
    ).toBe(true);
  }
  if (q8) {
    const got = writtenQ8(out, xRows, width);
    const norm = q8.norm && { ...q8.norm, gain: inputs.yGain };
    expect(compareQ8(got, want.y, { norm, error: (i) => want.error[i]! }), kernel.key).toBeUndefined();
    expect(
      got.codes.subarray((xRows * width) / 4).every((word) => word === UNTOUCHED_CODES),
      `${kernel.key} past the rows of the step`,
    ).toBe(true);
    expect(
      got.stats.subarray((xRows * 3 * width) / 16).every((value) => value === UNTOUCHED),
      `${kernel.key} past the rows of the step`,
    ).toBe(true);
  }
}
