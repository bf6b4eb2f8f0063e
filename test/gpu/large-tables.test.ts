/** Tables that are larger than what a kernel may bind lie in pieces, and nothing else changes. */
import { expect, it } from 'vitest';
import { familyGraph, tinyFamily } from '../family-graphs.ts';
import { compareRuns, loadPair, sequence, TEST_PROFILES } from './executor-check.ts';

const VOCAB = 700;
const graph = familyGraph({ ...tinyFamily('gemma4'), vocab: VOCAB });
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
