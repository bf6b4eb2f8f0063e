import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { syntheticGraph, syntheticRequest, TINY } from '../../test/synthetic-graph.ts';
import type { SyntheticOptions, SyntheticShape } from '../../test/synthetic-graph.ts';
import type { Executor, Program, SequenceStep, StepBatch } from '../graph/executor.ts';
import { createThreadHost } from '../node/thread-host.ts';
import { readKernelModules } from '../node/wasm-modules.ts';
import { createReferenceExecutor } from '../reference/reference-executor.ts';
import { isQuantized, WEIGHT_TYPES } from '../tensor/tensor-type.ts';
import type { WeightType } from '../tensor/tensor-type.ts';
import { createCpuExecutor } from './cpu-executor.ts';

const reference = createReferenceExecutor({ activationRounding: 'int8' });
const executors = new Map<string, Executor>();

beforeAll(async () => {
  const modules = await readKernelModules();
  const threadHost = createThreadHost();
  for (const threads of [1, 2, 3]) {
    executors.set(`${threads}`, await createCpuExecutor({ threads, modules, threadHost }));
    executors.set(`${threads} plain`, await createCpuExecutor({ threads, modules, threadHost, forcePlain: true }));
  }
});

const programs: Program[] = [];
afterAll(() => Promise.all(programs.map((program) => program.dispose())));

async function loadBoth(shape: SyntheticShape, options: Omit<SyntheticOptions, 'graph'>, executor = '2') {
  const graph = syntheticGraph(shape);
  const request = syntheticRequest({ ...options, graph });
  const both = await Promise.all([reference.load(request), (executors.get(executor) as Executor).load(request)]);
  programs.push(...both);
  return { wanted: both[0], found: both[1] };
}

/** Tokens with a pattern; pages in an order of their own. */
function sequence(length: number, { start = 0, pages = [0, 1, 2, 3, 4, 5, 6, 7], outputs = [length - 1], seed = 0 } = {}): SequenceStep {
  return { tokens: Array.from({ length }, (_, i) => (7 * (start + i) + 3 + seed) % 50), start, pages, outputs };
}

function expectClose(found: ArrayLike<number>, wanted: ArrayLike<number>, tolerance: number): void {
  expect(found.length).toBe(wanted.length);
  const range = Math.max(...Array.from(wanted, Math.abs));
  let worst = 0;
  for (let i = 0; i < wanted.length; i++) {
    const error = Math.abs((found[i] as number) - (wanted[i] as number));
    if (!(error <= worst)) worst = error;
  }
  expect(range).toBeGreaterThan(0.01);
  expect(worst / range).toBeLessThan(tolerance);
}

async function compareRuns(both: { wanted: Program; found: Program }, batches: readonly StepBatch[], tolerance: number) {
  for (const batch of batches) {
    const pages = Math.max(...batch.sequences.flatMap((s) => Array.from(s.pages))) + 1;
    both.wanted.ensureKvPages(pages);
    both.found.ensureKvPages(pages);
    const wanted = await both.wanted.run(batch);
    const found = await both.found.run(batch);
    expectClose(found.logits, wanted.logits, tolerance);
    for (const [name, values] of wanted.taps) expectClose(found.taps.get(name) as Float32Array, values, tolerance);
  }
}

const PREFILL_DECODE: StepBatch[] = [
  { sequences: [sequence(11, { outputs: [0, 4, 10] })] },
  { sequences: [sequence(1, { start: 11 })] },
  { sequences: [sequence(1, { start: 12 })] },
];

// Rounding to int8 turns a difference of one part in 1e7 into one of 1/127 where a value lies at a tie: rare, but it spreads.
const toleranceOf = (type: WeightType) => (isQuantized(type) ? 5e-3 : 2e-5);

describe('agrees with the reference', () => {
  const blocks = { ...TINY, dim: 256, ffnDim: 256, headDim: 64 };
  test.each(WEIGHT_TYPES)('%s', async (type) => {
    await compareRuns(await loadBoth(blocks, { typeOf: () => type }), PREFILL_DECODE, toleranceOf(type));
  });
});
void expectClose;
