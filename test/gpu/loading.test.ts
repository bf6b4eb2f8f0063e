/** Loading on the GPU, and its ends: progress, abort, damage, a lost device, no device. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Model } from '../../src/engine/api.ts';
import { collect } from '../../src/engine/collect.ts';
import { openGpuDevice } from '../../src/gpu/device/gpu-device.ts';
import { createGpuExecutor } from '../../src/gpu/gpu-executor.ts';
import type { ProgramRequest, WeightSource } from '../../src/graph/executor.ts';
import { modelOfDecoder } from '../../src/graph/model-graphs.ts';
import { findAdapter, listAdapters } from '../../src/node/gpu-adapter.ts';
import { loadModel, openExecutor } from '../../src/node/load-model.ts';
import { CapacityError, FormatError } from '../../src/tensor/errors.ts';
import type { ProgressEvent } from '../../src/tensor/progress.ts';
import { fixturesPath } from '../fixture-tensors.ts';
import { createNullGpu } from '../gpu-harness.ts';
import { syntheticGraph, TINY } from '../synthetic-graph.ts';
import type { SyntheticShape } from '../synthetic-graph.ts';
import { TEST_PROFILES } from './executor-check.ts';
import { filledWith, lettersDecoder, lettersModel, observedExecutor } from './letters-model.ts';
import type { LettersModelOptions } from './letters-model.ts';

const golden = `${fixturesPath}golden/qwen3`;
const ASK = { prompt: 'Once', seed: 2, maxTokens: 40 };
const models: Model[] = [];
/** Dawn's instances must outlive what came from them. */
const nullGpu = createNullGpu();

afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(models.splice(0).map((model) => model.dispose()));
});

async function load(options: LettersModelOptions): Promise<Model> {
  const model = await lettersModel(options);
  models.push(model);
  return model;
}

/** A model whose weights must not be read. */
function unreadRequest(shape: SyntheticShape): ProgramRequest {
  const graph = syntheticGraph(shape);
  const read = () => Promise.reject(new Error('read too soon'));
  const weights = new Map(graph.weights.map(({ id, shape: sizes }): [string, WeightSource] => {
    const sizeBytes = 4 * sizes.reduce((a, b) => a * b, 1);
    return [id, { id, type: 'f32', shape: sizes, sizeBytes, origin: id, read }];
  }));
  return { model: modelOfDecoder(graph), weights, kv: { type: 'f32', pageTokens: 64, maxPages: 2 }, sizes: { rows: 32 } };
}

describe('a lost device', () => {
  it('rejects each of 16 streams with the same error, and what comes; the model can be loaded again', async () => {
    const { executor, devices } = observedExecutor();
    const model = await load({ executor });
    const wanted = (await collect(model.generate(ASK))).tokens;
    let read = 0;
    const streams = Array.from({ length: 16 }, async (_, i) => {
      for await (const piece of model.generate({ ...ASK, seed: i, maxTokens: 900 }))
        if ((read += piece.tokens.length) >= 40) devices[0]?.device.destroy();
    });
    const errors = await Promise.all(streams.map((stream) => stream.then(() => 'ended', (error: unknown) => error)));
    expect(read).toBeGreaterThanOrEqual(40);
    for (const error of errors) {
      expect(error).toBeInstanceOf(CapacityError);
      expect((error as Error).message).toMatch(/^The GPU device was lost.*load the model again/);
      expect((error as Error).message).toBe((errors[0] as Error).message);
    }
    await expect(collect(model.generate(ASK))).rejects.toThrow(/was lost/);
    await expect(model.forward([1, 2, 3])).rejects.toThrow(/was lost/);
    await model.dispose();
    const again = await load({ executor });
    expect(devices).toHaveLength(2);
    expect((await collect(again.generate(ASK))).tokens).toEqual(wanted);
  });

  it('while it loads is what the load rejects with', async () => {
    const { executor, devices } = observedExecutor();
    const onProgress = () => void devices[0]?.device.destroy();
    await expect(load({ executor, onProgress })).rejects.toThrow(/The GPU device was lost/);
  });
});

describe('a load', () => {
  it('reports bytes and kernels, each up to all of them', async () => {
    const events: ProgressEvent[] = [];
    const { executor } = observedExecutor();
    const decoder = lettersDecoder();
    await load({ executor, decoder, onProgress: (event) => events.push(event) });
    const bytes = [...decoder.weights.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const loading = events.filter(({ phase }) => phase === 'load');
    expect(loading[0]).toEqual({ phase: 'load', loaded: 0, total: bytes });
    expect(loading.at(-1)).toEqual({ phase: 'load', loaded: bytes, total: bytes });
    const compiling = events.filter(({ phase }) => phase === 'compile');
    expect(compiling.length).toBeGreaterThan(20);
    expect(compiling.at(-1)?.loaded).toBe(compiling.at(-1)?.total);
    for (const [i, { phase, loaded }] of events.entries()) {
      const next = events.slice(i + 1).find((event) => event.phase === phase);
      if (next !== undefined) expect(next.loaded).toBeGreaterThanOrEqual(loaded);
    }
    // Kernels compile while weights load.
    expect(events.findIndex(({ phase }) => phase === 'compile')).toBeLessThan(events.findLastIndex(({ phase }) => phase === 'load'));
  });

  it.each(['load', 'compile'] as const)(
    'that is aborted in its phase %s rejects with the reason, and gives everything back',
    async (wanted) => {
      const { executor, devices } = observedExecutor();
      const controller = new AbortController();
      const reason = new Error(`no more of ${wanted}`);
      const later: ProgressEvent[] = [];
      const onProgress = (event: ProgressEvent) => {
        if (controller.signal.aborted) later.push(event);
        else if (event.phase === wanted && event.loaded > 0) controller.abort(reason);
      };
      await expect(load({ executor, signal: controller.signal, onProgress })).rejects.toBe(reason);
      expect(devices.map(({ isLost }) => isLost)).toEqual([true]);
      // It does not wait for all kernels to compile.
      expect(later.filter(({ phase, loaded, total }) => phase === 'compile' && loaded === total)).toEqual([]);
    },
  );

  it('that was aborted before opens no device', async () => {
    const { executor, devices } = observedExecutor();
    await expect(load({ executor, signal: AbortSignal.abort(new Error('not at all')) })).rejects.toThrow('not at all');
    expect(devices).toHaveLength(0);
  });

  it.each([
    [
      'NaN in a weight',
      (weights: Map<string, WeightSource>) =>
        void weights.set('layers.0.up', filledWith(weights.get('layers.0.up') as WeightSource, Number.NaN)),
      FormatError,
      /tensor layers\.0\.up of synthetic: expected finite weights/,
    ],
    [
      'a source that fails',
      (weights: Map<string, WeightSource>) =>
        void weights.set('layers.0.o', {
          ...(weights.get('layers.0.o') as WeightSource),
          read: () => Promise.reject(new Error('the disk is gone')),
        }),
      Error,
      'the disk is gone',
    ],
  ])('of %s rejects and gives everything back', async (_, weights, kind, message) => {
    const { executor, devices } = observedExecutor();
    const failing = load({ executor, decoder: lettersDecoder({ weights }) });
    await expect(failing).rejects.toThrow(kind);
    await expect(failing).rejects.toThrow(message);
    expect(devices.map(({ isLost }) => isLost)).toEqual([true]);
  });

  it.each([
    [
      'in a matrix',
      { ...TINY, dim: 8192, ffnDim: 8192 },
      /layers\.0\.gate and layers\.0\.up: \d+ bytes of values must be seen by one kernel; null-backend lets it see at most \d+/,
    ],
    ['in all', { ...TINY, layers: 8, dim: 4096, ffnDim: 3072 }, /null-backend is out of memory .* Use a smaller model/],
  ])('that does not fit the device, %s, rejects before a byte is read, and gives everything back', async (name, shape, message) => {
    // The null backend has 512 MiB, and takes none of them from this machine.
    const adapter = await nullGpu.requestAdapter();
    const device = await openGpuDevice(adapter as GPUAdapter);
    const executor = createGpuExecutor({ open: async () => device, name: 'null', kind: 'software', profile: TEST_PROFILES.float });
    const failing = executor.load(unreadRequest(shape));
    await expect(failing).rejects.toThrow(CapacityError);
    await expect(failing).rejects.toThrow(message);
    expect(device.isLost).toBe(true);
    // What it gave before it refused, which tells what would fit.
    const { availableBytes } = (await failing.catch((error: unknown) => error)) as CapacityError;
    expect(availableBytes).toBe(name === 'in all' ? 512 * 1024 * 1024 : undefined);
  });

  it('of heads that no kernel takes says so, before a device is opened', async () => {
    const { executor, devices } = observedExecutor();
    await expect(executor.load(unreadRequest({ ...TINY, headDim: 18 }))).rejects.toThrow(
      'takes heads of a multiple of 4 values; synthetic has 18. Use the CPU',
    );
    expect(devices).toHaveLength(0);
  });
});

describe('a cache that outgrows the device', () => {
  it('fails the call that needs it, in words; shorter ones go on', async () => {
    const { executor, devices } = observedExecutor();
    // 1,024 positions are there from the start.
    const model = await load({ executor, decoder: lettersDecoder({ contextLength: 2048 }) });
    const before = await collect(model.generate(ASK));
    const { device } = devices[0] as (typeof devices)[number];
    const pop = device.popErrorScope.bind(device);
    // The device has no more memory from here on.
    vi.spyOn(device, 'popErrorScope').mockImplementation(async () => (await pop(), new GPUOutOfMemoryError('none left')));
    const failing = collect(model.generate({ ...ASK, prompt: 'x'.repeat(1100) }));
    await expect(failing).rejects.toThrow(CapacityError);
    await expect(failing).rejects.toThrow(
      /Allocating \d+ \w+( \w+)?: SwiftShader is out of memory \(none left\)\. Use .* a shorter context/,
    );
    expect((await collect(model.generate(ASK))).tokens).toEqual(before.tokens);
    await expect(collect(model.generate({ ...ASK, prompt: 'y'.repeat(1100) }))).rejects.toThrow(CapacityError);
    vi.restoreAllMocks();
    expect((await collect(model.generate({ ...ASK, prompt: 'x'.repeat(1100) }))).tokens.length).toBeGreaterThan(0);
    expect((await collect(model.generate(ASK))).tokens).toEqual(before.tokens);
  });
});

describe('memory beside the cache', () => {
  it('that the device has not for what is read back fails the call, in words; the next one goes on', async () => {
    const { executor, devices } = observedExecutor();
    const model = await load({ executor });
    const { device } = devices[0]!;
    const create = device.createBuffer.bind(device);
    const [push, pop] = [device.pushErrorScope.bind(device), device.popErrorScope.bind(device)];
    let scopes = 0;
    let refused = false;
    const unguarded: string[] = [];
    vi.spyOn(device, 'pushErrorScope').mockImplementation((filter) => {
      scopes++;
      refused = false;
      push(filter);
    });
    vi.spyOn(device, 'popErrorScope').mockImplementation(async () => {
      scopes--;
      const isRefused = refused;
      return (await pop(), isRefused ? new GPUOutOfMemoryError('none left') : null);
    });
    vi.spyOn(device, 'createBuffer').mockImplementation((descriptor) => {
      if (scopes === 0) unguarded.push(descriptor.label!);
      refused = descriptor.label === 'read back';
      return create(descriptor);
    });
    for (const ask of [() => collect(model.generate(ASK)), () => model.forward([1, 2, 3])]) {
      const failing = ask();
      await expect(failing).rejects.toThrow(CapacityError);
      await expect(failing).rejects.toThrow(/read through: SwiftShader is out of memory \(none left\)\. Use a smaller model/);
    }
    vi.mocked(device.popErrorScope).mockImplementation(async () => (scopes--, pop()));
    expect((await collect(model.generate(ASK))).tokens.length).toBeGreaterThan(0);
    expect((await model.forward([1, 2, 3])).length).toBeGreaterThan(0);
    // Of those nobody would hear.
    expect(unguarded).toEqual([]);
  });
});

describe('scores of no use', () => {
  it('are a FormatError, however tokens are sampled, and the model lives on', async () => {
    const { executor } = observedExecutor();
    // Finite as weights have to be, but their squares are not.
    const decoder = lettersDecoder({
      weights: (weights) => void weights.set('embedding', filledWith(weights.get('embedding') as WeightSource, 3e38)),
    });
    const model = await load({ executor, decoder });
    for (const options of [
      { temperature: 0 },
      { temperature: 1 },
      { temperature: 1, presencePenalty: 1 },
      { temperature: 0, logprobs: true },
    ]) {
      const failing = collect(model.generate({ ...ASK, ...options }));
      await expect(failing, JSON.stringify(options)).rejects.toThrow(FormatError);
      await expect(failing).rejects.toThrow(/logit/);
    }
    expect((await model.forward([1, 2])).every(Number.isNaN)).toBe(true);
  });
});

describe('the device', () => {
  it('"software" is there, by name', async () => {
    const model = await loadModel(golden, { device: 'software', contextLength: 64 });
    models.push(model);
    expect(model.info).toMatchObject({ device: 'software', deviceDescription: 'software (SwiftShader, profile software)' });
  });

  it('"gpu:N" is one of those that there are, by number', async () => {
    const [software, gpus] = [await listAdapters('software'), await listAdapters('hardware')];
    expect(software.map(({ name, problem }) => ({ name, problem }))).toEqual([{ name: 'SwiftShader', problem: undefined }]);
    expect(await findAdapter('software', { index: 0 })).toMatchObject({ description: 'SwiftShader' });
    const { problem } = await findAdapter('software', { index: 1 });
    expect(problem).toBe('there is no gpu:1 here, only gpu:0 (SwiftShader)');
    const [wanted, there] = [gpus.length, gpus.map(({ name }, i) => `gpu:${i} (${name})`).join(' and ')];
    await expect(loadModel(golden, { device: `gpu:${wanted}` })).rejects.toThrow(
      `The device "gpu:${wanted}" cannot be used: there is no gpu:${wanted} here, ${there === '' ? 'nor any other GPU' : `only ${there}`}`,
    );
  });

  it('"gpu" and "auto" never are a software adapter', async () => {
    const { problem } = await findAdapter('hardware');
    const auto = await openExecutor({ device: 'auto', threads: 1 });
    if (problem === undefined) {
      expect(auto.kind).toBe('gpu');
      return;
    }
    expect(problem).toMatch(/no GPU|no Vulkan/);
    await expect(openExecutor({ device: 'gpu' })).rejects.toThrow(CapacityError);
    await expect(openExecutor({ device: 'gpu' })).rejects.toThrow(`The device "gpu" cannot be used: ${problem}. Use "cpu", or "auto"`);
    expect(auto.kind).toBe('cpu');
    expect(auto.description).toMatch(/^cpu \(/);
  });
});
