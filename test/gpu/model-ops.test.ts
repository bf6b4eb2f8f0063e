/** Ops beyond a plain block's give what the reference gives. */
import { expect, it } from 'vitest';
import type { Graph } from '../../src/graph/graph.ts';
import { compareRuns, loadPair, sequence, TEST_PROFILES } from './executor-check.ts';
import { MODEL_OP_GRAPHS } from './model-op-graphs.ts';

const PROFILES = ['int8', 'float'] as const;
const CASES = [...MODEL_OP_GRAPHS.keys()].flatMap((name) => PROFILES.map((profile) => [name, profile] as const));

it.each(CASES)('%s, by the profile %s', async (name, profile) => {
  const type = profile === 'int8' ? 'q8_0' : 'f32';
  const pair = await loadPair({
    shape: MODEL_OP_GRAPHS.get(name) as Graph,
    weights: { typeOf: (id) => (/^conv(\.gated)?$/.test(id) ? 'f32' : type) },
    profile: TEST_PROFILES[profile],
    tolerance: profile === 'int8' ? 5e-3 : 2e-5,
  });
  try {
    for (const program of [pair.wanted, pair.found]) program.ensureSlots(2);
    const steps = [sequence(11, { outputs: [3, 10] }), sequence(1, { seed: 1 }), sequence(3, { seed: 2 })];
    await compareRuns(pair, steps.map((step) => ({ sequences: [{ ...step, slots: { read: 0, write: 1 } }] })));
    expect(pair.found.printPlan()).toContain('softcap');
  } finally {
    await pair.dispose();
  }
}, 120_000);
