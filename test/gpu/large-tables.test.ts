/** Tables that are larger than what a kernel may bind lie in pieces, and nothing else changes. */
import { expect, it } from 'vitest';
import type { Graph } from '../../src/graph/graph.ts';
import { familyGraph, tinyFamily } from '../family-graphs.ts';
import { syntheticGraph, TINY } from '../synthetic-graph.ts';
import { compareRuns, loadPair, sequence, TEST_PROFILES } from './executor-check.ts';

const VOCAB = 700;
const graph = familyGraph({ ...tinyFamily('gemma4'), vocab: VOCAB });
const plain = syntheticGraph({ ...TINY, dim: 64, layers: 1, vocab: VOCAB });
const summed = familyGraph({ ...tinyFamily('gemma3'), vocab: VOCAB });
/** Tokens of every piece, and of the rows beside their ends. */
const TOKENS = [3, 699, 256, 255, 511, 512, 100, 640, 319, 320];

const steps = (start: number, tokens: readonly number[]) => ({
  sequences: [{ ...sequence(tokens.length, { start, outputs: [tokens.length - 1] }), tokens }],
});

it.each([
  // Three pieces: one dispatch of two and one of one where the first norm is written too, two planes a piece.
  ['int8', 'q8_0', 256 * 68 + 512, / embed q8_0 \[700, 64\] in 2 q8n/],
  ['float', 'f32', 192 * 256, / embed f32 \[700, 64\] in 4/],
] as const)('by the profile %s, of %s', async (profile, type, maxBufferBindingBytes, embedding) => {
  const pair = await loadPair({
    shape: graph,
    weights: { typeOf: () => type },
    profile: { ...TEST_PROFILES[profile], storageBuffers: 10, maxBufferBindingBytes },
    tolerance: profile === 'int8' ? 5e-3 : 2e-5,
  });
  try {
    expect(pair.found.printPlan()).toMatch(embedding);
    await compareRuns(pair, [steps(0, TOKENS), ...[600, 300, 5].map((token, i) => steps(TOKENS.length + i, [token]))]);
  } finally {
    await pair.dispose();
  }
}, 120_000);

/** All rows are wanted of a prompt of so many: products of one row, of a few and of many. */
const ROWS = [10, 1, 3] as const;

// Three pieces of two planes: beside x, a gain and the result two of them and one.
it('heads of more pieces than 8 buffers hold, by the profile float', () =>
  headInDispatches(plain, 'float', /gemv-float q8_0\+q8_0 \[0.. of 700: 512, 64\].*gemv-float q8_0 \[512.. of 700: 188, 64\]/s), 120_000);

const IN_TWO = /gemv-int8 q8_0\+q8_0 \[0.. of 700: 512, 64\].*gemv-int8 q8_0 \[512.. of 700: 188, 64\]/s;
/** Beside what a sum is made of, which each dispatch makes for itself, there is room for one piece. */
const IN_THREE = /of a sum q8_0 \[0.. of 700: 256, 64\].*of a sum q8_0 \[256.. of 700: 256, 64\].*of a sum q8_0 \[512.. of 700/s;

it.each([
  ['rounded', plain, 'int8', IN_TWO],
  ['rounded, of a sum', summed, 'int8', IN_THREE],
  ['of a sum', summed, 'float', IN_THREE],
] as const)('the same %s', { tags: ['slow'], timeout: 120_000 }, (_, shape, profile, head) => headInDispatches(shape, profile, head));

async function headInDispatches(shape: Graph, profile: 'int8' | 'float', head: RegExp): Promise<void> {
  const pair = await loadPair({
    shape,
    weights: { typeOf: () => 'q8_0' },
    profile: { ...TEST_PROFILES[profile], storageBuffers: 8, maxBufferBindingBytes: 256 * 68 + 512 },
    tolerance: profile === 'int8' ? 5e-3 : 2e-5,
  });
  try {
    expect(pair.found.printPlan()).toMatch(head);
    const runs = ROWS.map((rows, i) => {
      const start = ROWS.slice(0, i).reduce((sum, each) => sum + each, 0);
      const outputs = Array.from({ length: rows }, (_, n) => n);
      return { sequences: [{ ...sequence(rows, { start, outputs }), tokens: TOKENS.slice(0, rows) }] };
    });
    await compareRuns(pair, runs);
  } finally {
    await pair.dispose();
  }
}
