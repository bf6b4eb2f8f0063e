/** The kernel's logic in plain WGSL, on any adapter; every text with matrices compiles in test/gpu/null-backend.test.ts. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { BufferData, TestDevice } from '../../../../test/gpu-harness.ts';
import {
  ATTENTION_TOLERANCE, expectedAttention, makeAttentionCase, shapeOf, withRowsWritten,
} from '../../../../test/gpu/attention-case.ts';
import type { AttentionCase, CaseSequence } from '../../../../test/gpu/attention-case.ts';
import { compareQ8 } from '../../../../test/gpu/q8-values.ts';
import type { AttentionShape } from '../../attention-shape.ts';
import { MATRIX_CONFIGS } from '../../wgsl/subgroup-matrix.ts';
import { attentionCombineKernel, attentionCombineWorkgroups } from '../attention-combine/attention-combine.ts';
import { partialBytes } from '../attention-decode/key-splits.ts';
import { attentionTiles } from '../attention-prefill/attention-tiles.ts';
import { attentionMatrixKernel, attentionMatrixWorkgroups } from './attention-matrix.ts';
import type { AttentionMatrixVariant } from './attention-matrix-variant.ts';

type Tile = Omit<AttentionMatrixVariant, 'shape'>;

/** Tiles that end inside sequences and at their ends, and sequences that begin inside a page and a tile of keys. */
const MIXED: readonly CaseSequence[] = [{ start: 0, rows: 33 }, { start: 31, rows: 1 }, { start: 13, rows: 20 }, { start: 65, rows: 7 }];
const SHORT: readonly CaseSequence[] = [{ start: 20, rows: 13 }, { start: 0, rows: 3 }];

const HALVES: Tile = {
  matrix: { ...MATRIX_CONFIGS.nvidia, emulated: true }, tileHeads: 2, tileRows: 16, tileKeys: 32, valueParts: 1,
};
/** Products are exact to f32, so that results are compared as other kernels' are. */
const FLOATS: Tile = {
  matrix: { ...MATRIX_CONFIGS.metalF32, emulated: true }, tileHeads: 2, tileRows: 8, tileKeys: 16, valueParts: 1,
};
const norm = { eps: 1e-5 };

const CASES: readonly (readonly [name: string, shape: AttentionShape, sequences: readonly CaseSequence[], tile: Tile])[] = [
  ['halves', shapeOf({ kv: 'f16', headDim: 32 }), MIXED, HALVES],
  ['halves, q8, two blocks of a head, a window', shapeOf({ kv: 'f16', headDim: 32, output: 'q8', window: 10 }), SHORT,
    { ...HALVES, tileHeads: 1, tileRows: 32 }],
  ['floats', shapeOf({}), MIXED, FLOATS],
  ['floats of halves, one head, parts of listed tiles', shapeOf({ kv: 'f16' }), MIXED, { ...FLOATS, tileHeads: 1, listedRows: 32 }],
  ['floats, values of 48, q8, sinks', shapeOf({ valueDim: 48, output: 'q8', sinks: true }), SHORT, FLOATS],
  ['floats, values of 24, two rows of blocks', shapeOf({ valueDim: 24 }), SHORT, { ...FLOATS, tileHeads: 1, tileRows: 16 }],
  ['floats, a window, capped scores, a sink', shapeOf({ window: 10, softcap: 2, sinks: true }), MIXED, FLOATS],
  ['both directions, separate', shapeOf({ causal: false, input: 'separate', q: { norm, rotaryDim: 0 } }), MIXED, FLOATS],
  ['both directions, a window, two parts of values', shapeOf({ causal: false, window: 20, headDim: 32 }), SHORT,
    { ...FLOATS, tileHeads: 1, valueParts: 2 }],
  ['keys over three workgroups, some without any, sinks', shapeOf({ sinks: true }), MIXED, { ...FLOATS, keySplits: 3 }],
  ['keys over two workgroups, a window, halves, q8', shapeOf({ kv: 'f16', headDim: 32, window: 40, output: 'q8' }), MIXED,
    { ...HALVES, keySplits: 2 }],
  ['a temperature, norms without gains', shapeOf({
    temperature: { beta: 0.5, length: 8 }, q: { norm: { ...norm, ungained: true }, rotaryDim: 10 }, k: { rotaryDim: 10 },
  }), SHORT, FLOATS],
  ['codes, q8, a window', shapeOf({ kv: 'q8', headDim: 32, window: 10 }), SHORT, HALVES],
  ['codes, keys of q8, values of q4, keys over two workgroups', shapeOf({ kv: 'q8', valueKv: 'q4', headDim: 48 }), MIXED,
    { ...HALVES, keySplits: 2 }],
  ['codes, q4, floats', shapeOf({ kv: 'q4' }), MIXED, FLOATS],
  ['halves, weights apart from scores', shapeOf({ kv: 'f16', headDim: 32 }), MIXED, { ...HALVES, tileKeys: 16 }],
  ['halves, 64 keys', shapeOf({ kv: 'f16', headDim: 32, window: 50 }), MIXED, { ...HALVES, tileKeys: 64 }],
  ['halves, eight subgroups', shapeOf({ kv: 'f16' }), MIXED, { ...HALVES, tileRows: 64 }],
  ['halves, a subgroup with two heads', shapeOf({ kv: 'f16', headDim: 32, output: 'q8', sinks: true }), MIXED,
    { ...HALVES, rowBlocks: 2 }],
  ['halves, two blocks of rows, two parts of values, keys over two workgroups', shapeOf({ kv: 'f16', headDim: 64 }), MIXED,
    { ...HALVES, tileHeads: 1, tileRows: 32, rowBlocks: 2, valueParts: 2, keySplits: 2 }],
  ['halves, two parts of values, weights apart from scores', shapeOf({ kv: 'f16', headDim: 64, softcap: 2 }), SHORT,
    { ...HALVES, valueParts: 2 }],
  ['floats, two blocks of rows, a window, capped scores', shapeOf({ window: 10, softcap: 2 }), MIXED, { ...FLOATS, rowBlocks: 2 }],
  ['codes, two blocks of rows of a head', shapeOf({ kv: 'q8', headDim: 32 }), MIXED,
    { ...HALVES, tileHeads: 1, tileRows: 32, rowBlocks: 2 }],
  ['queries alone, a window', shapeOf({ input: 'queries', q: { rotaryDim: 0 }, k: { rotaryDim: 0 }, window: 20 }), MIXED, FLOATS],
];

/**
 * Queries and weights in f16 are off by 2^-11 at most: of scores up to 10 by 1e-3 at random signs, of values up to 1 by the same; a few
 * of either happen to add up.
 */
const HALF_TOLERANCE = 3e-3;

describe('attention-matrix', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  async function attend(problem: AttentionCase, variant: AttentionMatrixVariant): Promise<Map<string, BufferData>> {
    const { shape, keySplits } = variant;
    const tiles = attentionTiles(problem.sequences, variant.listedRows ?? variant.tileRows);
    const splits = { count: keySplits ?? 1, granule: 1 };
    const partials = new Float32Array(partialBytes(shape, splits, problem.rows) / 4).fill(NaN);
    const out = await test.run({
      kernel: attentionMatrixKernel(variant),
      workgroups: attentionMatrixWorkgroups(variant, { tiles: tiles.length / 4 }),
      buffers: { ...problem.buffers, tiles, partials },
    });
    if (keySplits === undefined) return out;
    const combine = { shape, splits, invocations: 64, ofTiles: true } as const;
    return await test.run({
      kernel: attentionCombineKernel(combine), workgroups: attentionCombineWorkgroups(combine, problem.rows),
      buffers: { ...problem.buffers, partials: out.get('partials') as BufferData },
    });
  }

  function difference({ shape, rows }: AttentionCase, out: Map<string, BufferData>, want: Float64Array, tolerance: number) {
    if (shape.output === 'f32') {
      const y = out.get('y') as BufferData;
      const at = want.findIndex((value, i) => !(Math.abs(y[i]! - value) <= tolerance));
      return at < 0 ? undefined : `value ${at} is ${y[at]}, expected ${want[at]}`;
    }
    const width = shape.heads * shape.valueDim;
    const got = { rows, width, codes: out.get('yCodes') as Uint32Array, stats: out.get('yStats') as Float32Array };
    return compareQ8(got, want, { error: () => tolerance });
  }

  it.each(CASES)('%s', async (_, shape, sequences, tile) => {
    const problem = withRowsWritten(makeAttentionCase(shape, sequences));
    const want = expectedAttention(problem, problem.buffers['kv'] as BufferData);
    const tolerance = tile.matrix.input === 'f16' ? HALF_TOLERANCE : ATTENTION_TOLERANCE;
    expect(difference(problem, await attend(problem, { shape, ...tile }), want, tolerance)).toBeUndefined();
  });

  /** Keys whose products with any query of a head grow from tile to tile, by up to `growth` a position. */
  function growingCase(shape: AttentionShape, sequences: readonly CaseSequence[], { growth, size }: { growth: number; size: number }) {
    const plain = { norm: undefined, rotaryDim: 0 };
    const problem = makeAttentionCase({ ...shape, q: plain, k: plain }, sequences);
    const width = shape.keyDim;
    const positionOf = (i: number) => problem.positions[Math.floor(i / width / shape.kvHeads)]!;
    const k = problem.k.map((value, i) => value + (i % width === 0 ? growth * positionOf(i) : 0));
    const q = Float32Array.from(problem.q, (value, i) => Math.fround((i % width === 0 ? 1 : value) * size));
    const qkv = (problem.buffers['qkv'] as Float32Array).slice();
    const rowWidth = shape.heads * width + shape.kvHeads * (width + shape.valueDim);
    const ofQ = shape.heads * width;
    q.forEach((value, i) => (qkv[Math.floor(i / ofQ) * rowWidth + (i % ofQ)] = value));
    return withRowsWritten({ ...problem, k, q: Float64Array.from(q), buffers: { ...problem.buffers, qkv } });
  }

  it.each<readonly [name: string, valueDim: number, tile: Tile]>([
    ['weights where scores were', 24, FLOATS], ['two blocks of rows', 24, { ...FLOATS, rowBlocks: 2 }],
    ['two parts of values', 32, { ...FLOATS, valueParts: 2 }],
  ])('fades what it has where maxima grow, and where they do not: %s', async (_, valueDim, tile) => {
    const shape = shapeOf({ scale: 1, valueDim });
    for (const growth of [1.5, 0.1, -1]) {
      const problem = growingCase(shape, [{ start: 0, rows: 40 }], { growth, size: 1 });
      const want = expectedAttention(problem, problem.buffers['kv'] as BufferData);
      // Scores of up to 80, which f32 leaves uncertain by 1e-5.
      expect(difference(problem, await attend(problem, { shape: problem.shape, ...tile }), want, 4e-5)).toBeUndefined();
    }
  });

  it.each([1e5, 1e9, 1e-6])('takes queries of %s, which f16 does not hold', async (size) => {
    const shape = shapeOf({ kv: 'f16', headDim: 32, scale: 1 / size / Math.sqrt(32) });
    const problem = growingCase(shape, [{ start: 0, rows: 40 }], { growth: 0.1, size });
    const want = expectedAttention(problem, problem.buffers['kv'] as BufferData);
    expect(difference(problem, await attend(problem, { shape: problem.shape, ...HALVES }), want, HALF_TOLERANCE)).toBeUndefined();
  });
});
