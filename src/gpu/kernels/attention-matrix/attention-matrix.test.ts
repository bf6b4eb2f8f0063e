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
  ['halves, two parts of values', shapeOf({ kv: 'f16', headDim: 64 }), SHORT, { ...HALVES, tileHeads: 1, valueParts: 2 }],
  ['floats', shapeOf({}), MIXED, FLOATS],
  ['floats of halves, one head, parts of listed tiles', shapeOf({ kv: 'f16' }), MIXED, { ...FLOATS, tileHeads: 1, listedRows: 32 }],
  ['floats, values of 48, q8, sinks', shapeOf({ valueDim: 48, output: 'q8', sinks: true }), SHORT, FLOATS],
  ['floats, values of 24, two rows of blocks', shapeOf({ valueDim: 24 }), SHORT, { ...FLOATS, tileHeads: 1, tileRows: 16 }],
  ['floats, a window, capped scores, a sink', shapeOf({ window: 10, softcap: 2, sinks: true }), MIXED, FLOATS],
  ['both directions, separate', shapeOf({ causal: false, input: 'separate', q: { norm, rotaryDim: 0 } }), MIXED, FLOATS],
  ['both directions, a window, four parts of values', shapeOf({ causal: false, window: 20, headDim: 64 }), SHORT,
    { ...FLOATS, tileKeys: 32, tileHeads: 1, valueParts: 2 }],
  ['a temperature, norms without gains, gates', shapeOf({
    temperature: { beta: 0.5, length: 8 }, q: { norm: { ...norm, ungained: true }, rotaryDim: 10 }, k: { rotaryDim: 10 },
  }), SHORT, FLOATS],
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
    const tiles = attentionTiles(problem.sequences, variant.listedRows ?? variant.tileRows);
    return await test.run({
      kernel: attentionMatrixKernel(variant),
      workgroups: attentionMatrixWorkgroups(variant, { tiles: tiles.length / 4 }),
      buffers: { ...problem.buffers, tiles },
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
});
