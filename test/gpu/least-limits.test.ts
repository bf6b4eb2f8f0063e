/**
 * What WebGPU promises everywhere and nothing more: bindings of 128 MiB, 8 storage buffers, workgroups of 256 in 16 KiB, without subgroups
 * and without f16, as Safari on old devices. Dawn itself checks: the device has no more than that.
 */
import { describe, expect, it } from 'vitest';
import { createModel } from '../../src/engine/model.ts';
import { openCheckpoint } from '../../src/files/open-checkpoint.ts';
import { planOfShape } from '../../src/bench/plan-of-shape.ts';
import { gpuLimits } from '../../src/gpu/device/adapter-facts.ts';
import type { AdapterFacts } from '../../src/gpu/device/adapter-facts.ts';
import { openGpuDevice } from '../../src/gpu/device/gpu-device.ts';
import { createGpuExecutor } from '../../src/gpu/gpu-executor.ts';
import { beyondLimits } from '../../src/gpu/kernel.ts';
import { kernelsOfModel } from '../../src/gpu/plan/model-plan.ts';
import type { DeviceProfile } from '../../src/gpu/profile/device-profile.ts';
import { profileFor } from '../../src/gpu/profile/profile-for.ts';
import { layOutMatrix, packedFormatOf } from '../../src/gpu/packed-layout.ts';
import type { Executor } from '../../src/graph/executor.ts';
import { synthPlan } from '../../src/models/synth-shapes.ts';
import type { SynthModel } from '../../src/models/synth-shapes.ts';
import { locate } from '../../src/node/open-path.ts';
import { f32Of, readFixtureTensors } from '../fixture-tensors.ts';
import { goldenContext, goldenPath, goldensOn, hasGolden, readGolden } from '../goldens.ts';
import { createNullGpu, testGpu } from '../gpu-harness.ts';
import { relativeError } from '../relative-error.ts';

const LEAST = {
  maxBufferSize: 2 ** 28,
  maxStorageBufferBindingSize: 2 ** 27,
  maxStorageBuffersPerShaderStage: 8,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupStorageSize: 16_384,
};

/** An adapter that has no more than the least. */
function leastOf(adapter: GPUAdapter): GPUAdapter {
  const { vendor, architecture, device, description } = adapter.info;
  return {
    info: { vendor, architecture, device, description },
    features: new Set(),
    limits: LEAST,
    requestDevice: (descriptor: GPUDeviceDescriptor) => adapter.requestDevice(descriptor),
  } as unknown as GPUAdapter;
}

/** What a browser says of its GPU: that of a Mac, and nothing at all. */
const TOLD: Readonly<Record<string, Partial<AdapterFacts>>> = {
  'a Mac': { vendor: 'apple', architecture: 'metal-3' },
  'an unknown GPU': {},
};

function leastProfile(told: string): DeviceProfile {
  const unknown = { vendor: '', architecture: '', device: '', description: '', isSoftware: false };
  const profile = profileFor({
    ...unknown,
    features: [],
    subgroupSizes: undefined,
    matrixConfigs: [],
    limits: gpuLimits(LEAST),
    ...TOLD[told],
  });
  expect(profile).toMatchObject({ subgroupSize: undefined, hasF16: false, subgroupMatrix: undefined, storageBuffers: 8 });
  return profile;
}

function leastExecutor(gpu: GPU, told: string): Executor {
  const open = async () => openGpuDevice(leastOf((await gpu.requestAdapter())!));
  return createGpuExecutor({ open, name: told, kind: 'software', profile: leastProfile(told) });
}

/** Models up to 1B: as many layers as show each kind. */
const SHAPES = { 'qwen3-0.6b': 2, 'gemma-3-1b': 6, 'llama-3.2-1b': 2, 'qwen3.5-0.8b': 4, 'lfm2.5-1.2b': 3 } as const;
const TYPES = ['q4_0', 'q8_0', 'q4_k_m', 'f16'] as const;
type Case = readonly [model: SynthModel, type: (typeof TYPES)[number], layers: number];
const CASES: readonly Case[] = Object.entries(SHAPES).flatMap(([model, layers]) =>
  TYPES.map((type): Case => [model as SynthModel, type, layers]),
);
/** Models whose heads lie in more pieces than a kernel can bind beside its other buffers, and so take two dispatches. */
const DIVIDED = [
  'gemma-3-1b q8_0', 'gemma-3-1b q4_k_m', 'llama-3.2-1b q8_0', 'llama-3.2-1b q4_k_m', 'qwen3.5-0.8b q8_0', 'qwen3.5-0.8b q4_k_m',
];
/** What has the largest matrices, and what has most kinds of layers. */
const isShown = ([model, type]: Case) => /gemma.*(f16|q4_k_m)|qwen3.5.*q8_0/.test(`${model} ${type}`);
/** Of the range of the logits. */
const TOLERANCE = 1e-3;

// A Mac's profile without subgroups and f16 is the same arithmetic in other tiles.
describe.each(goldensOn('gpu').filter(hasGolden))('the least of WebGPU on the software adapter: %s', { tags: ['slow'] }, (name) => {
  it('has the logits of transformers, and answers', async () => {
    const [prompt, ids] = Object.entries(readGolden(name).prompts).find(([each]) => each !== 'one')!;
    const checkpoint = await openCheckpoint(await locate(goldenPath(name)));
    const executor = leastExecutor(testGpu(), 'an unknown GPU');
    const model = await createModel({ checkpoint, executor, contextLength: goldenContext(name, prompt) });
    const wanted = f32Of(readFixtureTensors(`${goldenPath(name)}/golden.safetensors`), `${prompt}.logits`);
    expect(relativeError(await model.forward(ids), wanted)).toBeLessThan(TOLERANCE);
    const tokens: number[] = [];
    for await (const piece of model.generate({ ids, temperature: 0, ignoreEos: true, maxTokens: 4 })) tokens.push(...piece.tokens);
    expect(tokens).toEqual(readGolden(name).greedy[prompt]!.slice(0, 4));
    await model.dispose();
  });
});

describe.each(Object.keys(TOLD))('the least of WebGPU, on %s', (told) => {
  it.each(CASES.filter(isShown))('%s in %s is planned within it', (...each) => plansWithin(each));
  it.each(CASES.filter((each) => !isShown(each)))('%s in %s is planned within it', { tags: ['slow'] }, (...each) =>
    plansWithin(each),
  );

  function plansWithin([model, type, layers]: Case): void {
    const profile = leastProfile(told);
    const plan = planOfShape({ model, type, profile, config: synthPlan(model, type, layers).config });
    expect(kernelsOfModel(plan).flatMap((kernel) => beyondLimits(kernel, profile))).toEqual([]);
    const headParts = plan.decoder!.one.kernels.filter(({ label }) => /\.\. of \d+:/.test(label));
    expect(headParts).toHaveLength(DIVIDED.includes(`${model} ${type}`) ? 2 : 0);
    // What loading refuses by name (allocate-weights.ts).
    const tooLarge = [...plan.weights.matrices.values()].filter(({ type: own, rows, cols }) =>
      layOutMatrix(packedFormatOf(own), rows, cols).planes.some(({ sizeBytes }) => sizeBytes > LEAST.maxStorageBufferBindingSize),
    );
    expect(tooLarge.map(({ key }) => key)).toEqual([]);
  }

  it('binds no more than it says', async () => {
    const device = await openGpuDevice(leastOf((await createNullGpu().requestAdapter())!));
    expect([device.limits.bindingBytes, device.limits.storageBuffers, device.limits.workgroupBytes]).toEqual([2 ** 27, 8, 16_384]);
    expect([...device.features].filter((name) => /subgroup|f16/.test(name))).toEqual([]);
    device.destroy();
  });
});
