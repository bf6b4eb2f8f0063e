import { expect, it } from 'vitest';
import { ACTIVATIONS } from '../../src/graph/ops/activation.ts';
import { TINY } from '../synthetic-graph.ts';
import { compareRuns, loadPair, sequence, TEST_PROFILES } from './executor-check.ts';

/** The text of an activation is the same for both profiles; int8 rounds what it gives. */
const CASES = [
  ...ACTIVATIONS.map((activation) => [activation, 'float'] as const), ['silu', 'int8'] as const, ['geluTanh', 'int8'] as const,
];

it.each(CASES)('gates of %s in the products that make them, by the profile %s', async (activation, profile) => {
  const weights = { typeOf: (id: string) => (id === 'embedding' || profile === 'float' ? 'f32' : 'q8_0') as 'f32' | 'q8_0' };
  const tolerance = profile === 'float' ? 5e-5 : 5e-3;
  const pair = await loadPair({ shape: { ...TINY, layers: 1, activation }, weights, profile: TEST_PROFILES[profile], tolerance });
  try {
    expect(pair.found.printPlan()).toContain(activation);
    await compareRuns(pair, [{ sequences: [sequence(11, { outputs: [0, 10] })] }, { sequences: [sequence(1, { start: 11 })] }]);
  } finally {
    await pair.dispose();
  }
}, 240_000);
