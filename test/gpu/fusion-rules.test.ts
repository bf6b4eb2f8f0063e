/** Every op has kernels of its own: with any rule taken out, results stay what the reference says. */
import { expect, it } from 'vitest';
import { gpuRules } from '../../src/gpu/plan/rules.ts';
import { TINY } from '../synthetic-graph.ts';
import { compareRuns, loadPair, sequence, TEST_PROFILES } from './executor-check.ts';

const RULES = gpuRules(() => 'q8_0').map(({ name }) => name);
const { int8, float } = TEST_PROFILES;

const CASES: readonly (readonly [what: string, withoutRules: readonly string[], profile: typeof int8 | typeof float])[] = [
  // Two rules are for inputs that are rounded to int8; the kernels of floats compile faster.
  ...RULES.map((rule) => [rule, [rule], rule.includes('quantize') ? int8 : float] as const),
  ['all rules', RULES, int8],
  ['all rules, float activations', RULES, float],
];

it.each(CASES)('without %s', async (_, withoutRules, profile) => {
  const isFloat = profile === float;
  const pair = await loadPair({
    profile, withoutRules,
    shape: { ...TINY, layers: 1, qkNorm: true },
    weights: { typeOf: () => (isFloat ? 'f32' : 'q8_0') },
    tolerance: isFloat ? 2e-5 : 5e-3,
  });
  try {
    withoutRules.forEach((rule) => expect(pair.found.printPlan()).not.toContain(`rule ${rule} `));
    await compareRuns(pair, [
      { sequences: [sequence(11, { outputs: [3, 10] })], taps: ['hidden.0', 'hidden.1'] },
      { sequences: [sequence(1, { start: 11 })] },
      { sequences: [sequence(4, { start: 12, outputs: [] })] },
      { sequences: [sequence(1, { start: 16 })] },
      { sequences: [sequence(1, { start: 17 }), sequence(1, { pages: [9], seed: 3 }), sequence(1, { start: 0, pages: [10], seed: 8 })] },
    ]);
  } finally {
    await pair.dispose();
  }
});
