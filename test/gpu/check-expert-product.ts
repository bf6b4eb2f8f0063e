/** Runs a kernel for a product with matrices of experts on random data, and holds the result against float64 from the definition. */
import { expect } from 'vitest';
import { expertListWidth } from '../../src/gpu/kernels/expert-lists/expert-lists.ts';
import type { Kernel, Workgroups } from '../../src/gpu/kernel.ts';
import { inputWidth, matrixRows, outputWidth, resultWidth } from '../../src/gpu/linear-shape.ts';
import type { ExpertsShape, LinearShape } from '../../src/gpu/linear-shape.ts';
import { q8CodeBytes, q8StatBytes } from '../../src/gpu/q8-layout.ts';
import { ACTIVATION_FUNCTIONS } from '../../src/reference/ops/activation.ts';
import { decodeRows } from '../../src/tensor/codec/decode-rows.ts';
import { randomSource, randomWeights } from '../../src/tensor/codec/random-weights.ts';
import { bytesOfElements } from '../../src/tensor/tensor-type.ts';
import type { WeightType } from '../../src/tensor/tensor-type.ts';
import type { BufferData, TestDevice } from '../gpu-harness.ts';
import { interleaveRows, packParts } from './pack-matrix.ts';
import { compareQ8, normFactorsOf, roundToQ8, valuesOfQ8, writtenQ8 } from './q8-values.ts';
import { stepOf } from './step-of.ts';

export interface ExpertProductRun {
  readonly kernel: Kernel;
  readonly workgroups: Workgroups;
  readonly shape: LinearShape;
  readonly xRows: number;
  /** Pairs of a tile of `lists`, for kernels that read them. */
  readonly tileRows?: number | undefined;
  /** How far a value may be from its definition, of the sum of |w x|. Default 1e-5. */
  readonly relativeError?: number | undefined;
}

const UNTOUCHED = 12345.5;

/** Routes [rows, 2 * used]: different experts of a row, some of which no row has. */
export function randomRoutes({ count, used }: Pick<ExpertsShape, 'count' | 'used'>, rows: number, random: () => number): Float32Array {
  const routes = new Float32Array(rows * 2 * used);
  for (let row = 0; row < rows; row++) {
    const free = Array.from({ length: count }, (_, e) => e);
    for (let i = 0; i < used; i++) {
      // The first expert is popular.
      const [expert] = free.splice(random() < 0.3 ? 0 : Math.floor(random() * free.length), 1);
      routes[row * 2 * used + i] = random() + 0.1;
      routes[row * 2 * used + used + i] = expert as number;
    }
  }
  return routes;
}

/** How many experts there are, where parts hold so many of them. */
function heldOf(
  counts: readonly number[], others: readonly [before: number, behind: number, kept: boolean] | undefined,
): Pick<ExpertsShape, 'count' | 'piece'> {
  const count = counts.reduce((sum, own) => sum + own, 0);
  if (others === undefined) return { count };
  const [first, behind, before] = others;
  return { count: first + count + behind, piece: { first, count, before } };
}

/** Experts of each part, `rows` of one (gate and up together), and what else a product has. */
export interface ExpertProblem extends Partial<LinearShape> {
  readonly type: WeightType;
  readonly counts?: readonly number[];
  /** Other experts, before those of the parts and behind them. */
  readonly others?: readonly [before: number, behind: number, kept: boolean];
  readonly rows: number;
  readonly used?: number;
  readonly each?: boolean;
  readonly summed?: boolean;
}

export type ExpertDefaults = Required<Pick<ExpertProblem, 'counts' | 'used' | 'cols' | 'input'>>;

/** The shape of a problem, with defaults for what it leaves out. */
export function expertShape(
  { type, counts, others, rows, used, each = false, summed = false, ...rest }: ExpertProblem, defaults: ExpertDefaults,
): LinearShape {
  const held = counts ?? defaults.counts;
  return {
    input: defaults.input, norm: undefined, bias: false, gated: false, residual: false, outputs: { f32: true, q8: undefined },
    cols: defaults.cols, ...rest,
    parts: held.map((count) => ({ type, rows: count * rows })),
    experts: { ...heldOf(held, others), used: used ?? defaults.used, each, summed },
  };
}

/** `lists` of routes, as kernels/expert-lists has them. */
export function listsOf({ count, used }: Pick<ExpertsShape, 'count' | 'used'>, routes: Float32Array, tileRows: number): Uint32Array {
  const pairs = routes.length / 2;
  const lists = new Uint32Array((pairs / used) * expertListWidth({ used }));
  const expertOf = (pair: number) => routes[Math.floor(pair / used) * 2 * used + used + (pair % used)];
  let [place, tile] = [0, pairs];
  for (let e = 0; e < count; e++) {
    const own = Array.from({ length: pairs }, (_, pair) => pair).filter((pair) => expertOf(pair) === e);
    lists.set(own, place);
    for (let first = 0; first < own.length; first += tileRows, tile += 3)
      lists.set([e, place + first, Math.min(tileRows, own.length - first)], tile);
    place += own.length;
  }
  return lists;
}

interface Inputs {
  /** Decoded [all rows, cols] of the matrices, gate's before up's. */
  readonly matrices: readonly Float32Array[];
  readonly planes: Record<string, Uint8Array>;
  readonly biases: readonly Float32Array[];
  readonly routes: Float32Array;
  readonly x: Float64Array;
  readonly residual: Float32Array;
  readonly before: Float32Array;
  readonly yGain: Float32Array;
}

/** Rows of each part, and of gate and up alone where they alternate. */
function matricesOf(shape: LinearShape, random: () => number): Pick<Inputs, 'matrices' | 'planes'> {
  const { parts, cols, gated } = shape;
  const matrices: Float32Array[][] = gated ? [[], []] : [[]];
  const bytes = parts.map(({ type, rows: all }) => {
    const rows = gated ? all / 2 : all;
    const each = matrices.map((decoded) => {
      const own = randomWeights(type, rows + 1, cols, random).subarray(0, bytesOfElements(type, rows * cols));
      const values = new Float32Array(rows * cols);
      decodeRows(type, own, values);
      decoded.push(values);
      return own;
    });
    return gated ? interleaveRows(each, rows) : (each[0] as Uint8Array);
  });
  const joined = matrices.map((pieces) => Float32Array.from(pieces.flatMap((piece) => [...piece])));
  return { matrices: joined, planes: packParts(parts, cols, bytes) };
}

/** Throws where a value is farther from the definition than f32 may be. */
export async function checkExpertProduct(
  device: TestDevice, { kernel, workgroups, shape, xRows, tileRows = 0, relativeError = 1e-5 }: ExpertProductRun,
): Promise<void> {
  const random = randomSource(shape.cols + xRows);
  const symmetric = (length: number) => Float32Array.from({ length }, () => random() * 2 - 1);
  const experts = shape.experts as ExpertsShape;
  const [width, inWidth] = [resultWidth(shape), inputWidth(shape)];
  const { matrices, planes } = matricesOf(shape, random);
  const biases = matrices.map(() => symmetric((experts.count * matrixRows(shape)) / matrices.length));
  const floats = symmetric(xRows * inWidth);
  const gain = symmetric(inWidth);
  const norm = shape.input === 'q8n' ? { eps: 1e-6, gain } : undefined;
  const q8 = shape.input === 'f32' ? undefined : roundToQ8(floats, { rows: xRows, width: inWidth, norm });
  const factors = q8 && norm && normFactorsOf(q8);
  const x = q8 ? valuesOfQ8(q8).map((value, i) => value * (factors?.[Math.floor(i / inWidth)] ?? 1)) : normed(shape, floats, gain);
  const routes = randomRoutes(experts, xRows, random);
  const before = symmetric(xRows * width);
  const inputs: Inputs = { matrices, planes, biases, routes, x, residual: symmetric(xRows * width), yGain: symmetric(width), before };
  const biasBytes = biases.map(({ buffer }) => new Uint8Array(buffer));
  const [firstBias] = biases as [Float32Array];
  const bias = shape.gated ? new Float32Array(interleaveRows(biasBytes, firstBias.length).buffer) : firstBias;
  const buffers: Record<string, BufferData> = {
    ...planes, routes, before, residual: inputs.residual, yGain: inputs.yGain, gain,
    bias,
    ...(q8 ? { xCodes: q8.codes, xStats: q8.stats } : { x: floats }),
    lists: listsOf(experts, routes, Math.max(1, tileRows)),
    y: new Float32Array((xRows + 1) * width).fill(UNTOUCHED),
    yCodes: new Uint32Array(q8CodeBytes(xRows + 1, width) / 4),
    yStats: new Float32Array(Math.ceil(q8StatBytes(xRows + 1, width) / 4)),
    step: stepOf(xRows),
  };
  const out = await device.run({ kernel, workgroups, buffers });
  compare(shape, { inputs, out, xRows, relativeError, key: kernel.key });
}

function normed({ norm }: LinearShape, floats: Float32Array, gain: Float32Array): Float64Array {
  if (norm === undefined) return Float64Array.from(floats);
  const width = gain.length;
  return Float64Array.from(floats, (value, i) => {
    const row = floats.subarray(i - (i % width), i - (i % width) + width);
    return (value * gain[i % width]!) / Math.sqrt(row.reduce((sum, other) => sum + other ** 2, 0) / width + norm.eps);
  });
}

interface Ran {
  readonly inputs: Inputs;
  readonly out: ReadonlyMap<string, BufferData>;
  readonly xRows: number;
  readonly relativeError: number;
  readonly key: string;
}

function compare(shape: LinearShape, { inputs, out, xRows, relativeError, key }: Ran): void {
  const width = resultWidth(shape);
  const want = expected(shape, inputs, { xRows, relativeError });
  if (shape.outputs.f32) {
    const y = out.get('y') as Float32Array;
    const wrong = want.y.findIndex((value, i) => !(Math.abs(y[i]! - value) <= want.error[i]!));
    const place = `y[${Math.floor(wrong / width)}][${wrong % width}] is ${y[wrong]}, expected ${want.y[wrong]} +- ${want.error[wrong]}`;
    expect(wrong, `${key}: ${place}`).toBe(-1);
    expect(y.subarray(xRows * width).every((value) => value === UNTOUCHED), `${key} past the rows of the step`).toBe(true);
  }
  const { q8 } = shape.outputs;
  if (q8 === undefined) return;
  const norm = q8.norm && { ...q8.norm, gain: inputs.yGain };
  expect(compareQ8(writtenQ8(out, xRows, width), want.y, { norm, error: (i) => want.error[i]! }), key).toBeUndefined();
}

/** y [xRows, result width] in float64, and how far f32 may be from it. */
function expected(
  shape: LinearShape, { matrices, biases, routes, x, residual, before }: Inputs,
  { xRows, relativeError }: Pick<Ran, 'xRows' | 'relativeError'>,
) {
  const { count, used, each, summed, piece } = shape.experts as ExpertsShape;
  const held = piece ?? { first: 0, count, before: false };
  const { cols } = shape;
  const [own, width, inWidth] = [outputWidth(shape), resultWidth(shape), inputWidth(shape)];
  const y = new Float64Array(xRows * width);
  const error = new Float64Array(xRows * width);
  const dot = (m: number, row: number, at: number) => {
    const place = row - held.first * own;
    const weights = (matrices[m] as Float32Array).subarray(place * cols, (place + 1) * cols);
    let value = shape.bias ? biases[m]![row]! : 0;
    let magnitude = Math.abs(value);
    for (let c = 0; c < cols; c++) {
      value += weights[c]! * x[at + c]!;
      magnitude += Math.abs(weights[c]! * x[at + c]!);
    }
    return { value, error: relativeError * magnitude };
  };
  for (let row = 0; row < xRows; row++) {
    for (let i = 0; i < used; i++) {
      const [weight, expert] = [routes[row * 2 * used + i]!, routes[row * 2 * used + used + i]!];
      if (expert < held.first || expert >= held.first + held.count) {
        const [from, to] = [(row * used + i) * own, (row * used + i + 1) * own];
        if (!summed && held.before) y.set(before.subarray(from, to), from);
        else if (!summed) y.fill(UNTOUCHED, from, to);
        continue;
      }
      for (let o = 0; o < own; o++) {
        const at = row * inWidth + (each ? i * cols : 0);
        const result = dot(0, expert * own + o, at);
        if (shape.gated) {
          const up = dot(1, expert * own + o, at);
          const { limit = Infinity, offset = 0 } = shape.clamp ?? {};
          up.value = Math.min(Math.max(up.value, -limit), limit) + offset;
          const gate = ACTIVATION_FUNCTIONS[shape.gated](Math.min(result.value, limit));
          result.error = 1.2 * result.error * Math.abs(up.value) + Math.abs(gate) * up.error;
          result.value = gate * up.value;
        }
        const to = row * width + (summed ? o : i * own + o);
        y[to] = y[to]! + result.value * (summed ? weight : 1);
        error[to] = error[to]! + result.error * (summed ? weight : 1);
      }
    }
  }
  if (shape.residual) y.forEach((value, i) => (y[i] = value + residual[i]!));
  y.forEach((value, i) => (error[i]! += 1e-6 * Math.abs(value) + 1e-30));
  return { y, error };
}
