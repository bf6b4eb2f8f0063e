/**
 * Every WGSL module of every named profile, compiled by Dawn's null backend: it has all features, validates everything and runs nothing, so
 * that what a Mac would get is at least well-formed where there is no Mac.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gpuLimits } from '../../src/gpu/device/adapter-facts.ts';
import { kernelProblems } from '../../src/gpu/device/pipeline-cache.ts';
import type { AttentionShape } from '../../src/gpu/attention-shape.ts';
import { attentionMatrixKernel } from '../../src/gpu/kernels/attention-matrix/attention-matrix.ts';
import { storageBuffersOf } from '../../src/gpu/kernel.ts';
import type { Kernel } from '../../src/gpu/kernel.ts';
import { kernelsOfModel, planModel } from '../../src/gpu/plan/model-plan.ts';
import type { ModelPlan } from '../../src/gpu/plan/model-plan.ts';
import type { DeviceProfile } from '../../src/gpu/profile/device-profile.ts';
import { representativeTypes } from '../../src/gpu/packed-forms.ts';
import { PROFILES, PROFILE_NAMES } from '../../src/gpu/profile/profiles.ts';
import type { KvType } from '../../src/graph/kv-types.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { modelOfDecoder } from '../../src/graph/model-graphs.ts';
import { MATRIX_CONFIGS, MATRIX_FEATURE } from '../../src/gpu/wgsl/subgroup-matrix.ts';
import { WEIGHT_TYPES } from '../../src/tensor/formats/weight-formats.ts';
import { isQuantized } from '../../src/tensor/tensor-type.ts';
import type { WeightType } from '../../src/tensor/tensor-type.ts';
import { createNullGpu } from '../gpu-harness.ts';
import { attentionGraph, fullAttentionGraph } from './attention-graph.ts';
import { EXPERT_GRAPHS, EXPERT_SHAPES, expertGraph, expertTypes } from './expert-graphs.ts';
import { FAMILIES, familyGraph } from '../family-graphs.ts';
import { groupsOfPlan } from './groups-of-plan.ts';
import { MODEL_OP_GRAPHS } from './model-op-graphs.ts';
import { syntheticGraph } from '../synthetic-graph.ts';
import type { SyntheticShape } from '../synthetic-graph.ts';

const gpu = createNullGpu();
let device: GPUDevice;

beforeAll(async () => {
  const adapter = await gpu.requestAdapter();
  if (adapter === null) throw new Error('no null adapter');
  device = await adapter.requestDevice({ requiredFeatures: ['subgroups', 'shader-f16', MATRIX_FEATURE as GPUFeatureName] });
});
afterAll(() => device.destroy());

const SMALL: SyntheticShape = { layers: 1, dim: 256, heads: 4, kvHeads: 2, headDim: 64, ffnDim: 768, vocab: 1000 };
const QWEN3_0_6B: SyntheticShape = { layers: 2, dim: 1024, heads: 16, kvHeads: 8, headDim: 128, ffnDim: 3072, vocab: 151936, qkNorm: true };
const QWEN3_4B: SyntheticShape = { ...QWEN3_0_6B, dim: 2560, heads: 32, ffnDim: 9728 };
const LLAMA_3B: SyntheticShape = { layers: 2, dim: 3072, heads: 24, kvHeads: 8, headDim: 128, ffnDim: 8192, vocab: 128256 };

type Mix = (id: string) => WeightType;

/** Every width of heads that models have, some turned in part, each owning and sharing, with and without all that scores may have. */
const WIDTHS = [64, 80, 96, 112, 128, 192, 256, 512];
const temperature = { beta: 0.1, length: 8192 };
const WIDE_GRAPHS: readonly Graph[] = [
  attentionGraph(WIDTHS.flatMap((width, n) => [{ width, rotaryDim: width }, { width, rotaryDim: width, owner: 2 * n }])),
  attentionGraph(WIDTHS.flatMap((width, n) => {
    const layer = { width, rotaryDim: width / 4, sinks: true, softcap: 50, temperature, window: 1000 } as const;
    return [{ ...layer, vNorm: true }, { ...layer, owner: 2 * n }];
  })),
  attentionGraph([64, 96].map((width) => ({ width, rotaryDim: width, window: 257 })), false),
];

/** Attention without a state, at the widths that towers and encoders have. */
const FULL_ATTENTION = fullAttentionGraph([36, 52, 64, 72, 80, 128], 64);

/** Experts at real sizes; lists of pairs are larger, and matrices are cut where bindings are small. */
const LARGE_EXPERTS: readonly Graph[] = [
  { ...EXPERT_SHAPES.qwen3_moe, dim: 2048, experts: 128, used: 8, ffnDim: 768 },
  { ...EXPERT_SHAPES.gpt_oss, dim: 2880, experts: 32, used: 4, ffnDim: 2880 },
  { ...EXPERT_SHAPES.qwen3_5_moe, dim: 2048, experts: 256, used: 8, ffnDim: 512, sharedDim: 512 },
].map(expertGraph);

/** As Q4_K_M files have it: some layers' v and down in six bits, and the head. */
const mixedK: Mix = (id) => (/output|embedding|layers\.0\.(v|down)$/.test(id) ? 'q6_k' : 'q4_k');

interface PlannedModel {
  readonly shape: SyntheticShape | Graph;
  readonly mix: Mix;
  readonly kv: KvType;
}

const FAMILY_GRAPHS = Object.values(FAMILIES).map(familyGraph);

const TYPES = WEIGHT_TYPES.filter(isQuantized);
const CHOSEN_TYPES = representativeTypes(TYPES);

/** A model of matrices of one type. */
function modelIn(type: WeightType): PlannedModel {
  return { shape: SMALL, mix: () => type, kv: 'f16' };
}

const MODELS: readonly PlannedModel[] = [
  ...[true, false].map((qkNorm): PlannedModel => ({
    shape: { ...SMALL, qkNorm, bias: true, headDim: 24, rotaryDim: 16, normFirst: true },
    mix: () => 'q8_0',
    kv: 'f32',
  })),
  ...FAMILY_GRAPHS.map((shape): PlannedModel => ({ shape, mix: () => 'q4_0', kv: 'f16' })),
  ...[...MODEL_OP_GRAPHS.values()].flatMap((shape): readonly PlannedModel[] => [
    { shape, mix: (id) => (id === 'conv' ? 'f32' : 'q8_0'), kv: 'f16' },
    { shape, mix: () => 'f16', kv: 'f16' },
  ]),
  ...[...EXPERT_GRAPHS.values()].flatMap((shape): readonly PlannedModel[] =>
    (['q8_0', 'f16'] as const).map((type) => ({ shape, mix: expertTypes(type), kv: 'f16' }))),
  { shape: FULL_ATTENTION, mix: () => 'f16', kv: 'f16' },
  ...LARGE_EXPERTS.map((shape): PlannedModel => ({ shape, mix: expertTypes('q4_0'), kv: 'f16' })),
  ...WIDE_GRAPHS.flatMap((shape) => (['f16', 'f32'] as const).map((kv): PlannedModel => ({ shape, mix: () => 'q8_0', kv }))),
  ...[QWEN3_0_6B, QWEN3_4B, LLAMA_3B].flatMap((shape): readonly PlannedModel[] => [
    { shape, mix: () => 'q4_0', kv: 'f16' },
    { shape, mix: mixedK, kv: 'f16' },
  ]),
  ...(['q8', 'q4'] as const).map((kv): PlannedModel => ({ shape: QWEN3_0_6B, mix: () => 'q4_0', kv })),
];

/** All kernels of a profile by key; equal keys must stand for equal texts. */
function kernelsOf(profile: DeviceProfile, models: readonly PlannedModel[] = MODELS): ReadonlyMap<string, Kernel> {
  return eachOnce(models.flatMap((model) => kernelsOfModel(planOf(model, profile))));
}

function eachOnce(all: readonly Kernel[]): ReadonlyMap<string, Kernel> {
  const kernels = new Map<string, Kernel>();
  for (const kernel of all) {
    expect(kernels.get(kernel.key)?.wgsl ?? kernel.wgsl, `two texts for ${kernel.key}`).toBe(kernel.wgsl);
    kernels.set(kernel.key, kernel);
  }
  return kernels;
}

function planOf({ shape, mix, kv }: PlannedModel, profile: DeviceProfile): ModelPlan {
  const graph = 'nodes' in shape ? shape : syntheticGraph(shape);
  const vectors = new Set(graph.weights.filter((weight) => weight.shape.length === 1).map(({ id }) => id));
  return planModel({
    model: modelOfDecoder(graph), profile, sizes: { rows: profile.prefillRows }, kv: { type: kv, pageTokens: 32, maxPages: 128 },
    typeOf: (id) => (vectors.has(id) ? 'f32' : mix(id)),
  });
}

/** Kernels of a row's step in groups, in which their buffers are structs, and why there are none of some models. */
async function sharedKernelsOf(profile: DeviceProfile, models: readonly PlannedModel[]) {
  const found: Kernel[] = [];
  const refused = new Set<string>();
  for (const plan of models.map((model) => planOf(model, profile))) {
    const groupsOf = await groupsOfPlan(plan, { bindingBytes: Infinity });
    try {
      for (const attention of ['whole', 'split'] as const)
        for (const { uses } of groupsOf(attention)) found.push(...uses.map(({ kernel }) => kernel));
    } catch (error) {
      refused.add((error as Error).message);
    }
  }
  return { kernels: [...eachOnce(found).values()], refused: [...refused] };
}

/** What is wrong with a module, with its line. */
async function moduleProblems({ label, wgsl }: Kernel): Promise<readonly string[]> {
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code: wgsl });
  const error = await device.popErrorScope();
  if (error === null) return [];
  const lines = wgsl.split('\n');
  const { messages } = await module.getCompilationInfo();
  return messages
    .filter(({ type }) => type === 'error')
    .map(({ lineNum, message }) => `${label}, line ${lineNum}: ${message} | ${lines[lineNum - 1]}`);
}

const BUFFER_TYPES = { read: 'read-only-storage', write: 'storage', uniform: 'uniform' } as const;

/** Layout against text, for kernels that fit the null device's limits, which are WebGPU's defaults. */
async function pipelineProblems(kernel: Kernel): Promise<readonly string[]> {
  device.pushErrorScope('validation');
  const layout = device.createBindGroupLayout({
    entries: kernel.bindings.map(({ access }, binding) => ({
      binding,
      visibility: GPUShaderStage.COMPUTE,
      buffer: { type: BUFFER_TYPES[access] },
    })),
  });
  device.createComputePipeline({
    layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module: device.createShaderModule({ code: kernel.wgsl }), entryPoint: 'main' },
  });
  const error = await device.popErrorScope();
  return error === null ? [] : [`${kernel.label}: ${error.message}`];
}

/** By text: what profiles share is compiled once. */
const compiled = new Map<string, Promise<readonly string[]>>();

/**
 * What is wrong with a kernel: with its text, and with its bindings where the null device's limits let a pipeline be made of it. Many may
 * be asked for at once: each pushes and pops its error scope in one turn.
 */
function compileProblems(kernel: Kernel): Promise<readonly string[]> {
  const known = compiled.get(kernel.wgsl) ?? problemsOf(kernel);
  compiled.set(kernel.wgsl, known);
  return known;
}

async function problemsOf(kernel: Kernel): Promise<readonly string[]> {
  return [...(await moduleProblems(kernel)), ...(fitsNullDevice(kernel) ? await pipelineProblems(kernel) : [])];
}

function fitsNullDevice(kernel: Kernel): boolean {
  const found = kernelProblems(
    { ...kernel, needs: {} },
    { limits: gpuLimits(device.limits), features: new Set(), subgroupSize: undefined },
  );
  return found.length === 0;
}

describe.each(PROFILE_NAMES)('the kernels of the profile %s', (name) => {
  const profile = PROFILES[name];

  it('compile, and fit the profile', () => check(MODELS), 240_000);

  it('compile where a layer shares a bind group', async () => {
    const { kernels, refused } = await sharedKernelsOf(profile, [...MODELS, ...CHOSEN_TYPES.map(modelIn)]);
    // No decoder's: a sum of a value with itself, which it sees by two widths, and one uniform by two names.
    expect(refused.filter((problem) => !/leaves residual no place|step is no array, but Step/.test(problem))).toEqual([]);
    expect(kernels.filter(({ wgsl }) => wgsl.includes('struct Shared')).length).toBeGreaterThan(50);
    const problems = (await Promise.all(kernels.map(moduleProblems))).flat();
    // What is read of a buffer that others write may differ between invocations, so that experts' kernels have no barrier behind it.
    const differing = problems.filter((problem) => problem.includes("'workgroupBarrier' must only be called from uniform control flow"));
    expect(problems.filter((problem) => !differing.includes(problem))).toEqual([]);
    expect(differing.length > 0).toBe(name === 'generic');
    expect(kernels.filter((kernel) => storageBuffersOf(kernel) > profile.storageBuffers)).toEqual([]);
  }, 240_000);

  it('of each packed form of weights', () => check(CHOSEN_TYPES.map(modelIn)), 240_000);

  // Minutes a profile: on one that multiplies int8 and one that multiplies floats.
  it.runIf(['nvidia', 'apple-m4'].includes(name))('of every type of weights', { tags: 'slow', timeout: 600_000 }, () =>
    check(TYPES.filter((type) => !CHOSEN_TYPES.includes(type)).map(modelIn)));

  async function check(models: readonly PlannedModel[]): Promise<void> {
    const kernels = [...kernelsOf(profile, models).values()];
    expect(kernels.length).toBeGreaterThan(50);
    const { storageBuffers, invocations, workgroupBytes, maxBufferBindingBytes, subgroupSize, hasF16, subgroupMatrix } = profile;
    const own = {
      limits: { storageBuffers, invocations, workgroupBytes, bindingBytes: maxBufferBindingBytes, bufferBytes: maxBufferBindingBytes },
      features: new Set([...(hasF16 ? ['shader-f16'] : []), ...(subgroupSize === undefined ? [] : ['subgroups']),
        ...(subgroupMatrix === undefined ? [] : [MATRIX_FEATURE])]), subgroupSize,
    };
    expect(kernels.flatMap((kernel) => kernelProblems(kernel, own).map((problem) => `${kernel.label}: ${problem}`))).toEqual([]);
    expect((await Promise.all(kernels.map(compileProblems))).flat()).toEqual([]);
    expect(kernels.filter(fitsNullDevice).length).toBeGreaterThan(kernels.length / 5);
  }
});

/** Sizes of tiles that no profile has as yet, or that some device might do without. */
it('attention on matrices compiles in tiles of any size', async () => {
  const q = { norm: { eps: 1e-6 }, rotaryDim: 128 };
  const shape: AttentionShape = {
    heads: 32, kvHeads: 8, keyDim: 128, valueDim: 128, scale: 0.1, kv: 'f16', pageTokens: 32, maxPages: 8, input: 'joined',
    q, k: q, output: 'q8',
  };
  const kernels = ([1, 2] as const).flatMap((rowBlocks) => ([1, 2] as const).flatMap((valueParts) => [16, 32, 64].flatMap((tileKeys) =>
    [MATRIX_CONFIGS.nvidia, MATRIX_CONFIGS.metalF32].filter(({ n }) => tileKeys % (n * valueParts) === 0).map((matrix) =>
      attentionMatrixKernel({ shape, matrix, tileHeads: 4, tileRows: 32, tileKeys, valueParts, rowBlocks })))));
  expect((await Promise.all(kernels.map(moduleProblems))).flat()).toEqual([]);
});

it('finds what does not compile', async () => {
  const [kernel] = kernelsOf(PROFILES.generic, [modelIn('q4_0')]).values();
  expect(await moduleProblems({ ...kernel, wgsl: kernel.wgsl.replace('fn main', 'fun main') })).not.toEqual([]);
  expect(await pipelineProblems({ ...kernel, bindings: kernel.bindings.slice(1) })).not.toEqual([]);
});
