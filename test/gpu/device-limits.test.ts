/** Plans that were cut to a device's limits, and heads of many widths in one graph, compute what the reference does. */
import { describe, expect, it } from 'vitest';
import type { StepBatch } from '../../src/graph/decoder-steps.ts';
import { TINY } from '../synthetic-graph.ts';
import { compareRuns, loadPair, sequence, TEST_PROFILES } from './executor-check.ts';
import type { CheckedModel } from './executor-check.ts';

const { int8, float, subgroupFloat } = TEST_PROFILES;

/** A prompt, single rows with keys in one part and in several, rows of two sequences together. */
const BATCHES: readonly StepBatch[] = [
  { sequences: [sequence(11, { outputs: [0, 10] })], taps: ['hidden.1'] },
  { sequences: [sequence(1, { start: 11 })] },
  { sequences: [sequence(3, { start: 12 }), sequence(7, { pages: [9], seed: 5, outputs: [2, 6] })] },
  { sequences: [sequence(1, { start: 15 }), sequence(1, { start: 7, pages: [9], seed: 5 })] },
];

async function check(model: CheckedModel, plan: RegExp): Promise<void> {
  const pair = await loadPair(model);
  try {
    expect(pair.found.printPlan()).toMatch(plan);
    await compareRuns(pair, BATCHES);
  } finally {
    await pair.dispose();
  }
}

describe('a device of 8 storage buffers', () => {
  const shape = { ...TINY, dim: 256, ffnDim: 256, headDim: 64, qkNorm: true, bias: true };

  it('with int8 activations, q6_k, biases and norms of heads', async () => {
    const profile = { ...int8, storageBuffers: 8 };
    await check({ profile, shape, weights: { typeOf: () => 'q6_k' }, tolerance: 2e-2 }, /rule cut-to-limits x[1-9]/);
  });

  it('with float activations, q, k and v of three types', async () => {
    const types = { q: 'q4_k', k: 'q4_0', v: 'q6_k' } as const;
    const typeOf = (id: string) => types[id.split('.').at(-1) as 'q'] ?? 'q4_0';
    await check({ profile: { ...float, storageBuffers: 8 }, shape, weights: { typeOf }, tolerance: 2e-5 }, /rule cut-to-limits x[1-9]/);
  });
});

describe('heads of several widths in one graph', () => {
  const small = { ...TINY, heads: 2, kvHeads: 1, ffnDim: 64 };
  const q4: Pick<CheckedModel, 'weights' | 'tolerance'> = { weights: { typeOf: () => 'q4_0', kv: { type: 'f32' } }, tolerance: 2e-2 };
  const floats = (type: 'f32' | 'f16'): Pick<CheckedModel, 'weights' | 'tolerance'> => ({
    weights: { typeOf: () => 'f32', kv: { type } },
    tolerance: type === 'f32' ? 2e-5 : 3e-3,
  });

  it('32, 80, 96 and 112, in f16', async () => {
    const shape = { ...small, layers: 4, headDims: [[32, 32], [80, 80], [96, 96], [112, 112]] } as const;
    await check({ profile: float, shape, ...floats('f16') }, /rule/);
  });

  it('128 and 192, in f16', async () => {
    const shape = { ...small, headDims: [[128, 128], [192, 192]] } as const;
    await check({ profile: float, shape, ...floats('f16') }, /rule/);
  });

  it('64 and 256, with int8 activations', async () => {
    const shape = { ...small, headDims: [[64, 64], [256, 256]] } as const;
    await check({ profile: int8, shape, ...q4 }, /rule/);
  });

  it('256 and 512, with the least workgroup memory', async () => {
    const shape = { ...small, headDims: [[256, 256], [512, 512]] } as const;
    await check({ profile: { ...float, workgroupBytes: 16384 }, shape, ...floats('f32') }, /rule/);
  });

  // Four lanes a subgroup: the software adapter takes minutes to compile longer heads than these.
  it('128, and keys of 64 with values of 96, by subgroups', async () => {
    const shape = { ...small, headDims: [[128, 128], [64, 96]] } as const;
    await check({ profile: subgroupFloat, shape, ...floats('f16') }, /rule/);
  });
});
