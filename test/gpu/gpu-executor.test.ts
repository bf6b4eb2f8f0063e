import { afterAll, describe, expect, test } from 'vitest';
import type { DeviceProfile } from '../../src/gpu/profile/device-profile.ts';
import { PROFILES } from '../../src/gpu/profile/profiles.ts';
import type { Program, SequenceStep, StepBatch } from '../../src/graph/executor.ts';
import { openGpuExecutor } from '../../src/node/gpu-executor.ts';
import { createReferenceExecutor } from '../../src/reference/reference-executor.ts';
import { isQuantized, WEIGHT_TYPES } from '../../src/tensor/tensor-type.ts';
import type { WeightType } from '../../src/tensor/tensor-type.ts';
import { syntheticGraph, syntheticRequest, TINY } from '../synthetic-graph.ts';
import type { SyntheticOptions, SyntheticShape } from '../synthetic-graph.ts';

const { software } = PROFILES;
/** The path of Apple and Safari on this adapter. */
const FLOATS: DeviceProfile = { ...software, activations: 'f32' };

const programs: Program[] = [];
afterAll(() => Promise.all(programs.map((program) => program.dispose())));

interface Choices {
  readonly profile?: DeviceProfile;
  readonly withoutRules?: readonly string[];
}

async function loadBoth(shape: SyntheticShape, options: Omit<SyntheticOptions, 'graph'>, { profile = software, withoutRules }: Choices = {}) {
  const request = syntheticRequest({ ...options, graph: syntheticGraph(shape) });
  const executor = await openGpuExecutor('software', { profile, withoutRules });
  if ('problem' in executor) throw new Error(executor.problem);
  const reference = createReferenceExecutor({ activationRounding: profile.activations === 'int8' ? 'int8' : 'none', roundingBlock: 16 });
  const both = await Promise.all([reference.load(request), executor.load(request)]);
  programs.push(...both);
  return { wanted: both[0], found: both[1] };
}

/** Tokens with a pattern; pages in an order of their own. */
function sequence(length: number, { start = 0, pages = [0, 1, 2, 3, 4, 5, 6, 7], outputs = [length - 1], seed = 0 } = {}): SequenceStep {
  return { tokens: Array.from({ length }, (_, i) => (7 * (start + i) + 3 + seed) % 50), start, pages, outputs };
}

function expectClose(what: string, found: ArrayLike<number>, wanted: ArrayLike<number>, tolerance: number): void {
  expect(found.length, what).toBe(wanted.length);
  let range = 0;
  let worst = 0;
  for (let i = 0; i < wanted.length; i++) {
    range = Math.max(range, Math.abs(wanted[i] as number));
    const error = Math.abs((found[i] as number) - (wanted[i] as number));
    worst = Math.max(worst, Number.isNaN(error) ? Infinity : error);
  }
  expect(range, what).toBeGreaterThan(0.01);
  expect(worst / range, what).toBeLessThan(tolerance);
}

async function compareRuns(both: { wanted: Program; found: Program }, batches: readonly StepBatch[], tolerance: number) {
  for (const [i, batch] of batches.entries()) {
    const pages = Math.max(...batch.sequences.flatMap((s) => Array.from(s.pages))) + 1;
    both.wanted.ensureKvPages(pages);
    both.found.ensureKvPages(pages);
    const wanted = await both.wanted.run(batch);
    const found = await both.found.run(batch);
    for (const [name, values] of wanted.taps) expectClose(`batch ${i} ${name}`, found.taps.get(name) as Float32Array, values, tolerance);
    expectClose(`batch ${i} logits`, found.logits, wanted.logits, tolerance);
  }
}

const TAPS = ['hidden.0', 'hidden.1', 'hidden.2'];
const PREFILL_DECODE: StepBatch[] = [
  { sequences: [sequence(11, { outputs: [0, 4, 10] })], taps: TAPS },
  { sequences: [sequence(1, { start: 11 })] },
  { sequences: [sequence(1, { start: 12 })] },
];

// Rounding to int8 turns a difference of one part in 1e7 into one of 1/127 where a value lies at a tie: rare, but it spreads.
const toleranceOf = (type: WeightType) => (isQuantized(type) ? 5e-3 : 2e-5);

describe('agrees with the reference', () => {
  const blocks = { ...TINY, dim: 256, ffnDim: 256, headDim: 64 };
  test.each(WEIGHT_TYPES)('%s weights', async (type) => {
    await compareRuns(await loadBoth(blocks, { typeOf: () => type }), PREFILL_DECODE, toleranceOf(type));
  });
});
