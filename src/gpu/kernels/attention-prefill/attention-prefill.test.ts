import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { BufferData, TestDevice } from '../../../../test/gpu-harness.ts';
import {
  ATTENTION_TOLERANCE, compareAttention, expectedAttention, makeAttentionCase, shapeOf, withoutPositions, withRowsWritten,
} from '../../../../test/gpu/attention-case.ts';
import type { AttentionCase, CaseSequence } from '../../../../test/gpu/attention-case.ts';
import { compareQ8 } from '../../../../test/gpu/q8-values.ts';
import type { AttentionShape } from '../../attention-shape.ts';
import { attentionPrefillKernel, attentionPrefillWorkgroups } from './attention-prefill.ts';
import { attentionPrefillVariant } from './attention-prefill-variant.ts';
import type { AttentionPrefillVariant } from './attention-prefill-variant.ts';
import { attentionTiles } from './attention-tiles.ts';
import { workgroupBytesOf } from '../../kernel.ts';

type Tile = Omit<AttentionPrefillVariant, 'shape'>;

const norm = { eps: 1e-5 };
/** Tiles that end inside sequences and at their ends, and sequences that begin inside a page and a tile of keys. */
const MIXED: readonly CaseSequence[] = [{ start: 0, rows: 33 }, { start: 31, rows: 1 }, { start: 13, rows: 20 }, { start: 65, rows: 7 }];
const SHORT: readonly CaseSequence[] = [{ start: 20, rows: 13 }, { start: 0, rows: 3 }];
const SMALL: Tile = { tileRows: 8, tileKeys: 8, invocations: 8 };

const CASES: readonly (readonly [name: string, shape: AttentionShape, sequences: readonly CaseSequence[], tiles: readonly Tile[]])[] = [
  [
    'headDim 16, groups of 2', shapeOf({}), MIXED,
    [SMALL, { tileRows: 16, tileKeys: 32, invocations: 16 }, { tileRows: 4, tileKeys: 12, invocations: 4 }],
  ],
  ['headDim 16, f16, no norm', shapeOf({ kv: 'f16', q: { rotaryDim: 16 } }), MIXED, [SMALL]],
  ['headDim 16, f16, fewer invocations than rows', shapeOf({ kv: 'f16' }), MIXED, [{ tileRows: 32, tileKeys: 8, invocations: 16 }]],
  [
    'headDim 20, chunks that invocations do not divide', shapeOf({ headDim: 20, heads: 3, kvHeads: 1 }), MIXED,
    [SMALL, { tileRows: 8, tileKeys: 16, invocations: 16 }],
  ],
  ['headDim 20 padded, f16', shapeOf({ headDim: 20, kv: 'f16', heads: 2 }), MIXED, [SMALL]],
  ['separate, no rope', shapeOf({ input: 'separate', q: { norm, rotaryDim: 0 } }), SHORT, [SMALL]],
  [
    'an odd rotary part, neither norm, pages of 12',
    shapeOf({ pageTokens: 12, q: { rotaryDim: 10 }, k: { rotaryDim: 10 } }), SHORT, [SMALL],
  ],
  [
    'a window of 10', shapeOf({ window: 10 }), MIXED,
    [SMALL, { tileRows: 16, tileKeys: 32, invocations: 16 }, { tileRows: 4, tileKeys: 12, invocations: 4 }],
  ],
  ['a window of 1, f16', shapeOf({ window: 1, kv: 'f16' }), MIXED, [SMALL]],
  ['a window of 40, longer than most', shapeOf({ window: 40 }), [...MIXED, { start: 90, rows: 30 }], [SMALL]],
  [
    'both directions', shapeOf({ causal: false }), MIXED,
    [SMALL, { tileRows: 16, tileKeys: 32, invocations: 16 }, { tileRows: 4, tileKeys: 12, invocations: 4 }],
  ],
  ['both directions, f16, q8', shapeOf({ causal: false, kv: 'f16', output: 'q8' }), SHORT, [SMALL]],
  ['q8', shapeOf({ output: 'q8', headDim: 32, heads: 8, kvHeads: 1 }), SHORT, [SMALL]],
  [
    'q8, f16 with tiles of more chunks than invocations', shapeOf({ output: 'q8', headDim: 48, kv: 'f16', heads: 2 }),
    SHORT, [{ tileRows: 16, tileKeys: 16, invocations: 16 }],
  ],
  ['tiles that are parts of listed ones', shapeOf({}), MIXED, [{ ...SMALL, listedRows: 16 }, { ...SMALL, tileRows: 4, listedRows: 32 }]],
  ['both directions, parts of listed tiles', shapeOf({ causal: false }), MIXED, [{ ...SMALL, listedRows: 16 }]],
  [
    'keys and values where they lie', shapeOf({ kv: 'f16', window: 10, output: 'q8' }), MIXED,
    [{ ...SMALL, unstaged: true }, { tileRows: 4, tileKeys: 16, invocations: 2, unstaged: true, listedRows: 16 }],
  ],
  ['keys of 32, values of 16', shapeOf({ keyDim: 32, valueDim: 16 }), MIXED, [SMALL, { ...SMALL, unstaged: true }]],
  ['keys of 16, values of 48, f16, q8', shapeOf({ keyDim: 16, valueDim: 48, kv: 'f16', output: 'q8' }), SHORT, [SMALL]],
  ['codes, q8', shapeOf({ kv: 'q8', headDim: 32 }), MIXED, [SMALL, { ...SMALL, unstaged: true }]],
  ['codes, keys of q8, values of q4, sinks', shapeOf({ kv: 'q8', valueKv: 'q4', keyDim: 32, valueDim: 80, sinks: true }), SHORT, [
    SMALL, { ...SMALL, unstaged: true },
  ]],
  [
    'both directions, a window of 20', shapeOf({ causal: false, window: 20 }), MIXED,
    [SMALL, { tileRows: 16, tileKeys: 32, invocations: 16 }, { tileRows: 4, tileKeys: 12, invocations: 4 }, { ...SMALL, listedRows: 16 }],
  ],
  ['both directions, a window of 1', shapeOf({ causal: false, window: 1 }), SHORT, [SMALL]],
  ['scores capped at 2', shapeOf({ softcap: 2 }), MIXED, [SMALL, { ...SMALL, unstaged: true }]],
  ['sinks', shapeOf({ sinks: true }), MIXED, [SMALL, { tileRows: 16, tileKeys: 32, invocations: 16 }]],
  ['sinks, f16, q8, a window', shapeOf({ sinks: true, kv: 'f16', output: 'q8', window: 10 }), SHORT, [{ ...SMALL, listedRows: 16 }]],
  [
    'a temperature, capped scores, norms without gains',
    shapeOf({ temperature: { beta: 0.5, length: 8 }, softcap: 20, q: { norm: { ...norm, ungained: true }, rotaryDim: 16 } }),
    MIXED, [SMALL],
  ],
  [
    'queries alone, a window, sinks', shapeOf({ input: 'queries', k: { rotaryDim: 0 }, window: 20, sinks: true }), MIXED,
    [SMALL, { ...SMALL, unstaged: true }],
  ],
  ['keys of 20, values of 36, f16, separate', shapeOf({ keyDim: 20, valueDim: 36, kv: 'f16', input: 'separate' }), SHORT, [SMALL]],
];

describe('attention-prefill', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  async function prefill(
    problem: AttentionCase, variant: AttentionPrefillVariant, sequences = problem.sequences,
  ): Promise<Map<string, BufferData>> {
    const tiles = attentionTiles(sequences, variant.listedRows ?? variant.tileRows);
    return await test.run({
      kernel: attentionPrefillKernel(variant),
      workgroups: attentionPrefillWorkgroups(variant, { tiles: tiles.length / 4 }),
      buffers: { ...problem.buffers, tiles },
    });
  }

  function compare(problem: AttentionCase, out: Map<string, BufferData>): string | undefined {
    const { shape, rows, buffers } = problem;
    const want = expectedAttention(problem, buffers['kv'] as BufferData);
    if (shape.output === 'f32') return compareAttention(out.get('y') as BufferData, want);
    const got = {
      rows, width: shape.heads * shape.valueDim, codes: out.get('yCodes') as Uint32Array,
      stats: out.get('yStats') as Float32Array,
    };
    return compareQ8(got, want, { error: () => ATTENTION_TOLERANCE });
  }

  for (const [name, shape, sequences, tiles] of CASES) {
    it.each(tiles.map((tile) => [
      `${name}: ${tile.tileRows} of ${tile.listedRows ?? tile.tileRows} rows, ${tile.tileKeys} keys, ${tile.invocations} invocations`, tile,
    ] as const))('%s', async (_, tile) => {
      const problem = withRowsWritten(makeAttentionCase(shape, sequences));
      expect(compare(problem, await prefill(problem, { shape, ...tile }))).toBeUndefined();
    });
  }

  it.each([
    [64, 'f32'], [64, 'f16'], [128, 'f32'], [128, 'f16'],
  ] as const)('the tile for software adapters, headDim %i, %s', async (headDim, kv) => {
    const shape = shapeOf({ headDim, kv, heads: 2, kvHeads: 1 });
    const variant = attentionPrefillVariant(shape, { invocations: 64, bytes: 16384, mostBytes: 16384 })!;
    expect(workgroupBytesOf(attentionPrefillKernel(variant).wgsl)).toBeLessThanOrEqual(16384);
    const problem = withRowsWritten(makeAttentionCase(shape, SHORT));
    expect(compare(problem, await prefill(problem, variant))).toBeUndefined();
  });

  it.each([
    ['causal', { window: 5 }], ['on both sides', { window: 9, causal: false }],
  ] as const)('reads no tile of keys outside the window, %s', async (_, change) => {
    const shape = shapeOf(change);
    const problem = withRowsWritten(makeAttentionCase(shape, [{ start: 64, rows: 24 }]));
    const want = expectedAttention(problem, problem.buffers['kv'] as BufferData);
    // Rows of the first tile, 64..71, see keys of 60..75 at most, which lie in the tiles of keys 56..79. A NaN that is read stays one.
    const kv = withoutPositions(problem, (position) => position < 56 || position >= 80);
    const out = await prefill({ ...problem, buffers: { ...problem.buffers, kv } }, { shape, ...SMALL });
    const ofFirstTile = 8 * shape.heads * shape.valueDim;
    expect(compareAttention(out.get('y') as BufferData, want.slice(0, ofFirstTile))).toBeUndefined();
    expect(compareAttention(out.get('y') as BufferData, want)).toMatch(/is NaN/);
  });

  it('gives a row the same bits however the prompt was cut', async () => {
    const shape = shapeOf({});
    const whole = withRowsWritten(makeAttentionCase(shape, [{ start: 0, rows: 50 }]));
    const variant = { shape, ...SMALL };
    const all = (await prefill(whole, variant)).get('y') as BufferData;
    const inputs = shape.heads + 2 * shape.kvHeads;
    for (const [start, rows] of [[0, 7], [7, 30], [37, 13]] as const) {
      const cut = (name: string, width: number) => (whole.buffers[name] as BufferData).slice(start * width, (start + rows) * width);
      const part = {
        ...whole,
        buffers: { ...whole.buffers, qkv: cut('qkv', inputs * 16), y: new Float32Array(rows * shape.heads * 16) },
      };
      const got = (await prefill(part, variant, [{ start, rows }])).get('y') as BufferData;
      expect(got).toEqual(all.slice(start * shape.heads * 16, (start + rows) * shape.heads * 16));
    }
  });

  it('a comparison fails where a row sees one key less', async () => {
    const problem = withRowsWritten(makeAttentionCase(shapeOf({}), SHORT));
    const out = await prefill(problem, { shape: problem.shape, ...SMALL });
    const shorter = { ...problem, positions: problem.positions.map((position, row) => (row === 12 ? position - 1 : position)) };
    expect(compare(shorter, out)).toMatch(/^value/);
  });

  it('cuts tiles where sequences end', () => {
    expect([
      ...attentionTiles([{ start: 3, rows: 5 }, { start: 0, rows: 1 }, { start: 9, rows: 4 }], 4),
    ]).toEqual([0, 4, 0, 3, 4, 1, 0, 7, 5, 1, 1, 0, 6, 4, 2, 9]);
    // Leading rows that are alone in their sequences are in none.
    const mixed = [{ start: 7, rows: 1 }, { start: 0, rows: 2 }, { start: 3, rows: 1 }];
    expect([...attentionTiles(mixed, 4, 1)]).toEqual([1, 2, 1, 0, 3, 1, 2, 3]);
  });

  it('chooses the first tile of its list that fits, for headDim 128', () => {
    const shape = shapeOf({ headDim: 128, kv: 'f16' });
    const chosen = (bytes: number, invocations = 256) => attentionPrefillVariant(shape, { invocations, bytes, mostBytes: bytes })!;
    expect(chosen(49152)).toEqual({ shape, tileRows: 32, tileKeys: 64, invocations: 128 });
    expect(chosen(32768)).toEqual({ shape, tileRows: 16, tileKeys: 32, invocations: 64 });
    expect(chosen(49152, 32)).toEqual({ shape, tileRows: 8, tileKeys: 32, invocations: 32 });
    for (const bytes of [49152, 32768, 16384])
      expect(workgroupBytesOf(attentionPrefillKernel(chosen(bytes)).wgsl)).toBeLessThanOrEqual(bytes);
    expect(attentionPrefillVariant(shape, { invocations: 256, bytes: 1024, mostBytes: 1024 })).toBeUndefined();
  });

  it('takes more of the memory for wide heads, and reads keys where they lie when there is still too little', () => {
    const shape = shapeOf({ headDim: 512, kv: 'f16' });
    const chosen = (mostBytes: number, kv: 'f16' | 'f32' = 'f16') => {
      const variant = attentionPrefillVariant({ ...shape, kv }, { invocations: 256, bytes: 16384, mostBytes })!;
      expect(workgroupBytesOf(attentionPrefillKernel(variant).wgsl)).toBeLessThanOrEqual(mostBytes);
      return [variant.tileRows, variant.tileKeys, variant.unstaged ?? false];
    };
    expect(chosen(49152)).toEqual([8, 16, false]);
    expect(chosen(32768)).toEqual([4, 16, false]);
    expect(chosen(16384)).toEqual([4, 32, true]);
    expect(chosen(32768, 'f32')).toEqual([8, 32, true]);
    expect(chosen(16384, 'f32')).toEqual([4, 32, true]);
  });
});
