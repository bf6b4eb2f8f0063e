/** Mixtures of experts give what the reference gives: one row, a few, many; in one binding and in several. */
import { expect, it } from 'vitest';
import type { WeightType } from '../../src/tensor/tensor-type.ts';
import { compareRuns, loadPair, sequence, TEST_PROFILES } from './executor-check.ts';
import type { CheckedModel } from './executor-check.ts';
import { EXPERT_GRAPHS, EXPERT_SHAPES, expertGraph, expertTypes } from './expert-graphs.ts';

type Profile = keyof typeof TEST_PROFILES;

async function check(model: Omit<CheckedModel, 'weights' | 'tolerance'> & { readonly type: WeightType }, plan?: RegExp): Promise<void> {
  const isInt8 = model.profile.activations === 'int8' && model.type !== 'f32';
  // As for other models of these types: blocks of fewer bits have larger products that cancel.
  const tolerance = isInt8 ? (model.type === 'q8_0' ? 5e-3 : 2e-2) : 2e-5;
  const pair = await loadPair({ ...model, weights: { typeOf: expertTypes(model.type) }, tolerance });
  try {
    await compareRuns(pair, [
      { sequences: [sequence(11, { outputs: [3, 10] })] },
      { sequences: [sequence(1, { start: 11 })] },
      { sequences: [sequence(3, { start: 12 })] },
      { sequences: [sequence(8, { pages: [9, 10], seed: 3 })] },
      { sequences: [sequence(1, { start: 15 }), sequence(1, { start: 8, pages: [9, 10], seed: 3 })] },
    ]);
    if (plan) expect(pair.found.printPlan()).toMatch(plan);
  } finally {
    await pair.dispose();
  }
}

const CASES = [...EXPERT_GRAPHS.keys()].flatMap((name) => (['int8', 'float'] as const).map((profile) => [name, profile] as const));

it.each(CASES)('as %s has them, by the profile %s', async (name, profile) => {
  const shape = EXPERT_GRAPHS.get(name) as CheckedModel['shape'];
  await check({ shape, type: profile === 'int8' ? 'q8_0' : 'f32', profile: TEST_PROFILES[profile] }, /expert-product-sum x1/);
}, 120_000);

const SMALL = EXPERT_SHAPES.qwen3_moe;

it.each([96, 32])('an expert for all rows, %i wide, counts as one more where it is as wide as the others', async (sharedDim) => {
  const graph = expertGraph({ ...EXPERT_SHAPES.qwen3_5_moe, sharedDim });
  await check({ shape: graph, type: 'q8_0', profile: TEST_PROFILES.int8 }, sharedDim === 96 ? /shared-expert x1/ : /shared-expert x0/);
}, 120_000);

it.each(['workgroup', 'subgroupInt8', 'subgroupFloat'] as const satisfies readonly Profile[])('by the profile %s', async (profile) => {
  await check({ shape: expertGraph({ ...SMALL, layers: 2 }), type: 'q4_0', profile: TEST_PROFILES[profile] });
}, 120_000);

it.each(['int8', 'float'] as const)('experts that are larger than a binding lie in several: %s', async (profile) => {
  // Gate and up of an expert take 12 KiB in q8_0, down 6.
  const limited = { ...TEST_PROFILES[profile], maxBufferBindingBytes: 40_000 };
  await check({ shape: expertGraph(SMALL), type: 'q8_0', profile: limited }, /\[0\.\.2\]|summed/);
}, 120_000);

it('and a kernel that cannot bind them all takes some at a time', async () => {
  const limited = { ...TEST_PROFILES.int8, maxBufferBindingBytes: 20_000, storageBuffers: 8 };
  await check({ shape: expertGraph(SMALL), type: 'q8_0', profile: limited }, / each summed \+residual in pieces 0\.\.1/);
}, 120_000);

const TILES = [['int8', 2 ** 27], ['float', 2 ** 27], ['int8', 9000]] as const;

it.each(TILES)('tiles of many rows: %s, bindings of %i', async (profile, maxBufferBindingBytes) => {
  // 16 rows for each expert on average, and more.
  const pair = await loadPair({
    shape: expertGraph({ ...EXPERT_SHAPES.gpt_oss, experts: 4, used: 3 }), profile: { ...TEST_PROFILES[profile], maxBufferBindingBytes },
    weights: { typeOf: expertTypes(profile === 'int8' ? 'q8_0' : 'f32') }, tolerance: profile === 'int8' ? 5e-3 : 2e-5,
  });
  try {
    expect(/ in pieces /.test(pair.found.printPlan())).toBe(maxBufferBindingBytes === 9000);
    await compareRuns(pair, [{ sequences: [sequence(29, { outputs: [0, 17, 28] })] }, { sequences: [sequence(1, { start: 29 })] }]);
  } finally {
    await pair.dispose();
  }
}, 120_000);

it('an expert for all rows beside others in several bindings', async () => {
  const profile = { ...TEST_PROFILES.int8, maxBufferBindingBytes: 40_000 };
  await check({ shape: expertGraph(EXPERT_SHAPES.qwen3_5_moe), type: 'q8_0', profile }, /shared-expert x1/);
}, 120_000);

it('experts of floats beside int8 activations, widths that are no multiple of 16', async () => {
  const shape = { ...SMALL, ffnDim: 36, bias: true };
  await check({ shape: expertGraph(shape), type: 'f32', profile: TEST_PROFILES.int8 });
}, 120_000);

it('on a device of 8 storage buffers', async () => {
  const profile = { ...TEST_PROFILES.int8, storageBuffers: 8 };
  await check({ shape: expertGraph({ ...EXPERT_SHAPES.gpt_oss, dim: 256, ffnDim: 256 }), type: 'q4_k', profile }, /cut-to-limits x[1-9]/);
}, 120_000);
