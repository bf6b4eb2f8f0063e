/** Ends of background tuning, on Dawn's null backend, which runs nothing and makes every buffer: what it took is free, whatever ends it. */
import { afterEach, expect, it, vi } from 'vitest';
import { adapterFacts } from '../../src/gpu/device/adapter-facts.ts';
import { openGpuDevice } from '../../src/gpu/device/gpu-device.ts';
import type { GpuDevice } from '../../src/gpu/device/gpu-device.ts';
import { createGpuExecutor } from '../../src/gpu/gpu-executor.ts';
import { profileFor } from '../../src/gpu/profile/profile-for.ts';
import { createIdleGate } from '../../src/gpu/tuning/idle-gate.ts';
import type { ClassTuning } from '../../src/gpu/tuning/tuning-record.ts';
import { decoderSteps } from '../../src/graph/decoder-steps.ts';
import type { Executor, Program, ProgramRequest } from '../../src/graph/executor.ts';
import { createNullGpu } from '../gpu-harness.ts';
import { syntheticGraph, syntheticRequest, TINY } from '../synthetic-graph.ts';
import { sequence } from './executor-check.ts';

// What runs nothing finds nothing out about weights: what it reads back is whatever memory held.
vi.mock(import('../../src/gpu/weights/repacker.ts'), async (original) => {
  const module = await original();
  return {
    ...module,
    createRepacker: async (options) => Object.assign(await module.createRepacker(options), { findNotFinite: async () => undefined }),
  };
});

const nullGpu = createNullGpu();
const request = syntheticRequest({
  graph: syntheticGraph({ ...TINY, layers: 1 }), typeOf: () => 'f32', kv: { type: 'f16', pageTokens: 16, maxPages: 8 },
});
const OF_TIMING = 'partial results of timing';

interface Rig {
  readonly executor: Executor;
  readonly devices: readonly GpuDevice[];
  /** Labels of buffers that were made and not destroyed, by device. */
  readonly live: readonly (readonly string[])[];
  readonly kept: readonly ClassTuning[];
  /** Before, the clock stands still, so that no program ever rests; from then on it goes on as it is looked at, however long that takes. */
  letRest(): void;
}

afterEach(() => void vi.restoreAllMocks());

/** Programs of one GPU. */
async function rig(): Promise<Rig> {
  let [now, step] = [0, 0];
  vi.spyOn(performance, 'now').mockImplementation(() => (now += step));
  const devices: GpuDevice[] = [];
  const live: string[][] = [];
  const kept: ClassTuning[] = [];
  const open = async () => {
    const adapter = (await nullGpu.requestAdapter())!;
    const gpu = await openGpuDevice(adapter);
    live.push(watched(gpu.device as GPUDevice));
    devices.push(gpu);
    return gpu;
  };
  const profile = profileFor(adapterFacts((await nullGpu.requestAdapter())!));
  const tuning = { of: () => undefined, keep: (_: unknown, found: ClassTuning) => void kept.push(found) };
  const executor = createGpuExecutor({ open, name: 'null', kind: 'software', profile, tuning, gate: createIdleGate(1) });
  return { executor, devices, live, kept, letRest: () => void (step = 1) };
}

function watched(device: GPUDevice): string[] {
  const live: string[] = [];
  const create = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const buffer = create(descriptor);
    const { label = '' } = descriptor;
    live.push(label);
    const destroy = buffer.destroy.bind(buffer);
    let isThere = true;
    buffer.destroy = () => {
      if (isThere) live.splice(live.indexOf(label), 1);
      isThere = false;
      return destroy();
    };
    return buffer;
  };
  return live;
}

async function work(program: Program): Promise<void> {
  program.ensurePages(0, 8);
  await decoderSteps(program).run({ sequences: [sequence(1)] });
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 1));
}

it('a load that is aborted in the midst of tuning leaves it to go on to its end, after which its memory is free', async () => {
  const { executor, devices, live, kept, letRest } = await rig();
  const program = await executor.load(request);
  await work(program);
  const before = live[0]!.toSorted();
  expect(before).not.toContain(OF_TIMING);
  letRest();
  await until(() => live[0]!.includes(OF_TIMING));
  const controller = new AbortController();
  const reason = new Error('not this one');
  const aborted: ProgramRequest = { ...request, signal: controller.signal, onProgress: () => controller.abort(reason) };
  await expect(executor.load(aborted)).rejects.toBe(reason);
  expect(devices.map(({ isLost }) => isLost)).toEqual([false, true]);
  expect(kept).toEqual([]);
  await until(() => kept.length > 0 && live[0]!.length === before.length);
  expect(kept).toMatchObject([{ isWhole: true }]);
  expect(live[0]!.toSorted()).toEqual(before);
  await program.dispose();
});

it('a program whose load is aborted when it is over lives on; disposed of in the midst of tuning it frees what that took', async () => {
  const { executor, devices, live, kept, letRest } = await rig();
  const controller = new AbortController();
  const program = await executor.load({ ...request, signal: controller.signal });
  await work(program);
  const before = live[0]!.toSorted();
  letRest();
  await until(() => live[0]!.includes(OF_TIMING));
  controller.abort();
  await program.dispose();
  expect(devices[0]!.isLost).toBe(true);
  expect(live[0]!.toSorted()).toEqual(before);
  // Nothing goes on behind it.
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(live[0]!.toSorted()).toEqual(before);
  expect(kept.every(({ isWhole }) => !isWhole)).toBe(true);
  // And it is in nobody's way.
  const next = await executor.load(request);
  await work(next);
  await until(() => kept.some(({ isWhole }) => isWhole));
  await next.dispose();
});

it('memory that the device has not for timing is free again, and the program goes on', async () => {
  const { executor, devices, live, kept, letRest } = await rig();
  const program = await executor.load(request);
  const device = devices[0]!.device as GPUDevice;
  const create = device.createBuffer;
  let refused = 0;
  device.createBuffer = (descriptor) => {
    if (descriptor.label !== OF_TIMING) return create.call(device, descriptor);
    refused++;
    throw new RangeError('none left');
  };
  await work(program);
  const before = live[0]!.toSorted();
  letRest();
  await until(() => kept.length > 0 && live[0]!.length === before.length);
  expect(live[0]!.toSorted()).toEqual(before);
  // Each knob asks once, is passed over, and changes nothing.
  const outcomes = kept.at(-1)!.knobs.map(({ outcome }) => outcome);
  expect(outcomes.filter((outcome) => outcome === 'untimed')).toHaveLength(refused);
  expect([refused > 0, outcomes.includes('taken')]).toEqual([true, false]);
  await work(program);
  await program.dispose();
});
