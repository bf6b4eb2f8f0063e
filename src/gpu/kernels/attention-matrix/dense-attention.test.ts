/** Attention on matrices over keys that are in no cache, in plain WGSL, beside the reference; with matrices: null-backend.test.ts. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stepOf } from '../../../../test/gpu/step-of.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { fullAttention } from '../../../reference/ops/full-attention.ts';
import { f32ToF16 } from '../../../tensor/half.ts';
import { randomSource } from '../../../tensor/codec/random-weights.ts';
import type { AttentionShape } from '../../attention-shape.ts';
import { MATRIX_CONFIGS } from '../../wgsl/subgroup-matrix.ts';
import { attentionMatrixKernel, denseAttentionWorkgroups } from './attention-matrix.ts';
import type { AttentionMatrixVariant } from './attention-matrix-variant.ts';
import { matrixKeysBytes, matrixKeysKernel, matrixKeysWorkgroups } from './matrix-keys.ts';

type Heads = Pick<AttentionShape, 'heads' | 'kvHeads' | 'keyDim' | 'valueDim'>;
type Tile = Omit<AttentionMatrixVariant, 'shape'>;

const HALVES: Tile = {
  matrix: { ...MATRIX_CONFIGS.nvidia, emulated: true }, tileHeads: 1, tileRows: 32, tileKeys: 32, valueParts: 1,
};
const FLOATS: Tile = {
  matrix: { ...MATRIX_CONFIGS.metalF32, emulated: true }, tileHeads: 1, tileRows: 16, tileKeys: 16, valueParts: 1,
};

/** Of scores up to 10 and values up to 1, each rounded to 11 bits: as of prefill on matrices (attention-matrix.test.ts). */
const HALF_TOLERANCE = 3e-3;
const FLOAT_TOLERANCE = 2e-5;

const square = (heads: number, kvHeads: number, dim: number): Heads => ({ heads, kvHeads, keyDim: dim, valueDim: dim });
const CASES: readonly (readonly [name: string, heads: Heads, tile: Tile, sizes: readonly (readonly [rows: number, keys: number])[]])[] = [
  ['halves, a width of 72', square(2, 2, 72), HALVES, [[37, 70], [1, 1], [3, 0], [32, 64]]],
  ['halves, heads that share, widths of 20 and 36', { heads: 4, kvHeads: 2, keyDim: 20, valueDim: 36 },
    { ...HALVES, tileHeads: 2, tileRows: 16 }, [[19, 33]]],
  ['halves, two blocks of rows of a head', square(2, 2, 72), { ...HALVES, tileRows: 64, rowBlocks: 2 }, [[37, 70], [3, 0], [64, 64]]],
  ['floats, widths of 24', square(2, 1, 24), { ...FLOATS, tileHeads: 2, tileRows: 8 }, [[21, 35], [2, 0]]],
];

describe('attention on matrices without a cache', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  interface Problem {
    readonly shape: AttentionShape;
    readonly rows: number;
    readonly keys: number;
    /** What queries are multiplied by, and keys divided. */
    readonly size?: number;
    /** Its size in the first two columns of keys and values, + and -; queries are 0 there, so that scores stay what they are. */
    readonly outlier?: number;
  }

  function inputsOf({ shape, rows, keys, size = 1, outlier }: Problem) {
    const { heads, kvHeads, keyDim, valueDim } = shape;
    const random = randomSource(rows * 1000 + keys);
    const fill = (count: number, most: number) => Float32Array.from({ length: count }, () => (random() - 0.5) * most);
    // A buffer has at least one value; what lies past the keys must not count.
    const q = fill(rows * heads * keyDim, 6 * size);
    const [k, v] = [fill((keys + 1) * kvHeads * keyDim, 6 / size), fill((keys + 1) * kvHeads * valueDim, 2)];
    if (outlier === undefined) return { q, k, v };
    const set = (values: Float32Array, dim: number, [first, second]: readonly [number, number]) =>
      values.map((value, i) => [first, second][i % dim] ?? value);
    const both = [outlier, -outlier] as const;
    return { q: set(q, keyDim, [0, 0]), k: set(k, keyDim, both), v: set(v, valueDim, both) };
  }

  /** The largest, relative to what is wanted where that is over 1. */
  async function difference(problem: Problem, tile: Tile): Promise<number> {
    const { shape, rows, keys } = problem;
    const { q, k, v } = inputsOf(problem);
    const kv = new Float32Array(matrixKeysBytes(shape, keys + 1) / 4).fill(NaN);
    const written = await test.run({
      kernel: matrixKeysKernel(shape), workgroups: matrixKeysWorkgroups(shape, keys), buffers: { k, v, kv, step: stepOf(keys) },
    });
    const width = shape.heads * shape.valueDim;
    const variant = { ...tile, shape };
    const y = new Float32Array((rows + 1) * width).fill(9);
    const buffers = { q, kv: written.get('kv') as Float32Array, y, step: stepOf(rows), keys: stepOf(keys) };
    const workgroups = denseAttentionWorkgroups(variant, rows);
    const out = (await test.run({ kernel: attentionMatrixKernel(variant), workgroups, buffers })).get('y') as Float32Array;
    const seen = (values: Float32Array, dim: number) => Float64Array.from(values.subarray(0, keys * shape.kvHeads * dim));
    const most = shape.kv === 'f16' ? 65_504 : Infinity;
    const held = (values: Float64Array) => values.map((value) => Math.max(-most, Math.min(most, value)));
    const want = fullAttention([Float64Array.from(q), held(seen(k, shape.keyDim)), held(seen(v, shape.valueDim))], shape);
    expect([...out.subarray(rows * width)].every((value) => value === 9)).toBe(true);
    const apart = (value: number, i: number) => Math.abs(out[i]! - value) / Math.max(1, Math.abs(value));
    return want.reduce((largest, value, i) => Math.max(largest, Number.isNaN(out[i]) ? Infinity : apart(value, i)), 0);
  }

  const shapeOf = (heads: Heads, { matrix }: Tile): AttentionShape => ({
    ...heads, scale: heads.keyDim ** -0.5, kv: matrix.input, dense: true, pageTokens: 0, maxPages: 0, input: 'separate',
    q: { rotaryDim: 0 }, k: { rotaryDim: 0 }, output: 'f32', causal: false,
  });

  it.each(CASES)('%s', async (_, heads, tile, sizes) => {
    const shape = shapeOf(heads, tile);
    for (const [rows, keys] of sizes)
      expect(await difference({ shape, rows, keys }, tile)).toBeLessThan(tile.matrix.input === 'f16' ? HALF_TOLERANCE : FLOAT_TOLERANCE);
  });

  it('keys and values are written as the halves nearest to them, none of them infinite', async () => {
    const shape = shapeOf(square(2, 2, 72), HALVES);
    const wild = [65_504, 65_519, -65_520, 1e30, Infinity, -Infinity, 3e-8, -6e-8, 6e-5, 1e-40, 0, 1];
    const values = Float32Array.from({ length: 2 * 72 }, (_, i) => wild[i % wild.length]!);
    const kv = new Float32Array(matrixKeysBytes(shape, 1) / 4).fill(NaN);
    const out = await test.run({
      kernel: matrixKeysKernel(shape), workgroups: matrixKeysWorkgroups(shape, 1), buffers: { k: values, v: values, kv, step: stepOf(1) },
    });
    const { buffer, byteOffset, byteLength } = out.get('kv') as Float32Array;
    const halves = new Uint16Array(buffer, byteOffset, byteLength / 2);
    const held = wild.map((value) => f32ToF16(Math.max(-65_504, Math.min(65_504, value))));
    // Of each head the key and the value, 72 of each and zeros behind them.
    const width = halves.length / 4;
    for (const first of [0, width, 2 * width, 3 * width])
      expect([...halves.subarray(first, first + 72)]).toEqual(Array.from({ length: 72 }, (_, i) => held[i % held.length]));
  });

  it('takes queries that halves do not hold', async () => {
    const shape = shapeOf(square(2, 2, 72), HALVES);
    expect(await difference({ shape, rows: 17, keys: 40, size: 1e5 }, HALVES)).toBeLessThan(HALF_TOLERANCE);
  });

  const ends = [CASES[0]!, CASES.at(-1)!];
  it.each(ends)('takes keys and values over what halves hold as the largest that they do: %s', async (_, heads, tile) => {
    const shape = shapeOf(heads, tile);
    const tolerance = tile.matrix.input === 'f16' ? HALF_TOLERANCE : FLOAT_TOLERANCE;
    expect(await difference({ shape, rows: 17, keys: 40, outlier: 1e5 }, tile)).toBeLessThan(tolerance);
  });
});
