import { afterAll, beforeAll, describe, it } from 'vitest';
import type { StepBatch } from '../../src/graph/decoder-steps.ts';
import type { WeightType } from '../../src/tensor/tensor-type.ts';
import { TINY } from '../synthetic-graph.ts';
import { compareRuns, loadPair, sequence, TEST_PROFILES } from './executor-check.ts';
import type { CheckedModel, CheckedPair } from './executor-check.ts';

const { int8, float, workgroup, subgroupInt8, subgroupFloat } = TEST_PROFILES;

/** Types by what a weight's id ends with, the first that fits. */
const mix = (...rules: readonly (readonly [pattern: RegExp, type: WeightType])[]) => (id: string): WeightType => {
  const rule = rules.find(([pattern]) => pattern.test(id));
  if (rule === undefined) throw new Error(`no type for ${id}`);
  return rule[1];
};

/** As Q4_K_M files have it in half of their layers. */
const Q4_K_M = mix([/embedding|output|\.v$|\.down$/, 'q6_k'], [/./, 'q4_k']);
const BLOCK_TYPES = mix(
  [/embedding|0\.o$|1\.gate|1\.up/, 'q4_0'],
  [/output|0\.down|1\.k$/, 'q8_0'],
  [/0\.[qk]$|1\.down/, 'q4_k'],
  [/0\.v$|1\.o$/, 'q6_k'],
  [/./, 'q4_0'],
);
const FLOAT_TYPES = mix([/embedding|0\.o$|1\.k$/, 'f16'], [/output|0\.down|1\.gate/, 'bf16'], [/./, 'f32']);
const Q4_0 = () => 'q4_0' as const;

const WIDE = { ...TINY, dim: 256, ffnDim: 512 };
const SMALL = { ...TINY, headDim: 64, qkNorm: true };
/** Widths that are multiples of nothing; heads of 20 are no whole number of 16-byte chunks of f16. */
const ODD = { ...TINY, dim: 54, heads: 3, kvHeads: 1, headDim: 20, ffnDim: 35, vocab: 51 };

// Rounding to int8 turns a difference of one part in 1e7 into one of 1/127 where a value lies at a tie: rare, but it spreads. Keys and
// values in f16 have 11 bits.
const MODELS: readonly (readonly [name: string, model: CheckedModel])[] = [
  [
    'int8, all block types, heads of 64 in f16',
    {
      profile: int8,
      shape: { ...WIDE, headDim: 64, qkNorm: true },
      weights: { typeOf: BLOCK_TYPES, kv: { type: 'f16' } },
      tolerance: 2e-2,
    },
  ],
  [
    'int8 by subgroups, heads of 128',
    { profile: subgroupInt8, shape: { ...SMALL, headDim: 128 }, weights: { typeOf: Q4_0 }, tolerance: 2e-2 },
  ],
  [
    'floats, Q4_K_M, heads of 16 that turn by half',
    {
      profile: float,
      shape: { ...WIDE, heads: 16, kvHeads: 4, rotaryDim: 8, normFirst: true, qkNorm: true },
      weights: { typeOf: Q4_K_M, kv: { type: 'f16' } },
      tolerance: 3e-3,
    },
  ],
  [
    'floats by subgroups, heads of 64',
    { profile: subgroupFloat, shape: { ...SMALL, bias: true }, weights: { typeOf: Q4_0 }, tolerance: 2e-5 },
  ],
  [
    'floats by workgroups, odd widths, f16 cache',
    {
      profile: workgroup,
      shape: { ...ODD, bias: true, normFirst: true },
      weights: { typeOf: FLOAT_TYPES, vectorType: 'f16', kv: { type: 'f16' } },
      tolerance: 3e-3,
    },
  ],
];

const TAPS = ['hidden.0', 'hidden.1', 'hidden.2'];

describe.each(MODELS)('%s', (_, model) => {
  let pair: CheckedPair;
  beforeAll(async () => {
    pair = await loadPair(model);
  });
  afterAll(() => pair?.dispose());
  const check = (batches: readonly StepBatch[]) => compareRuns(pair, batches);

  it('computes every hidden state and goes on from the cache, with keys in one part and in several', async () => {
    const decode = Array.from({ length: 8 }, (__, i): StepBatch => ({ sequences: [sequence(1, { start: 11 + i })] }));
    await check([{ sequences: [sequence(11, { outputs: [0, 4, 10] })], taps: TAPS }, ...decode]);
    await check([{ sequences: [sequence(1, { start: 19 })], taps: TAPS }]);
  });

  it.each([1, 2, 3, 4, 5, 7, 8, 9, 17])('takes %i rows at once', async (rows) => {
    const pages = [9, 3, 12, 6];
    await check([{ sequences: [sequence(rows, { pages, seed: rows, outputs: Array.from({ length: rows }, (__, i) => i) })] }]);
    await check([{ sequences: [sequence(rows, { start: rows, pages: [...pages, 1], seed: rows, outputs: [] })] }]);
    await check([{ sequences: [sequence(1, { start: 2 * rows, pages: [...pages, 1], seed: rows })] }]);
  });

  it('decodes sequences of different lengths together, on pages that lie anywhere', async () => {
    const starts = [
      { start: 13, pages: [20, 4, 11], seed: 1 },
      { start: 2, pages: [7], seed: 2 },
      { start: 21, pages: [15, 2, 19], seed: 3 },
    ];
    await check([{ sequences: starts.slice(0, 2).map(({ start, ...rest }) => sequence(start, rest)) }]);
    await check([{ sequences: [sequence(21, { ...starts[2], start: 0 })] }]);
    for (const step of [0, 1]) await check([{ sequences: starts.map((each) => sequence(1, { ...each, start: each.start + step })) }]);
    const many = Array.from({ length: 10 }, (__, i) => ({ start: 2 + 2 * i, pages: [30 + i, 50 - i, 60 - i], seed: 10 + i }));
    await check([
      { sequences: many.map(({ start, ...rest }) => sequence(start, rest)) },
      { sequences: many.map((each) => sequence(1, each)) },
    ]);
    // Some that are new beside some that go on.
    await check([
      {
        sequences: [
          sequence(1, { ...starts[0], start: 15 }),
          sequence(6, { pages: [5], seed: 4, outputs: [2, 5] }),
          sequence(3, { ...starts[2], start: 23, pages: [15, 2, 19, 0], outputs: [] }),
        ],
      },
    ]);
  });
});
