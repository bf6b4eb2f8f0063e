/**
 * One device for all programs of a test file. The software adapter takes 20 to 50 ms to compile a kernel, and Dawn hands out what it has
 * compiled as long as something holds it: so each text is compiled once a file, however many programs have it.
 */
import { GpuDevice, openGpuDevice } from '../../src/gpu/device/gpu-device.ts';
import { createGpuExecutor } from '../../src/gpu/gpu-executor.ts';
import type { GpuExecutorOptions } from '../../src/gpu/gpu-executor.ts';
import { profileFor } from '../../src/gpu/profile/profile-for.ts';
import type { Executor } from '../../src/graph/executor.ts';
import { findAdapter } from '../../src/node/gpu-adapter.ts';
import { defaultMemoryBudget } from '../../src/node/memory-budget.ts';

export type SoftwareChoices = Partial<Pick<GpuExecutorOptions, 'profile' | 'withoutRules' | 'tuning'>>;

/** What a program's device does for itself; all else is the shared one's. */
type OwnPart = Pick<GPUDevice, 'createBuffer' | 'createComputePipelineAsync' | 'destroy' | 'lost'>;

const shared: { opening?: Promise<GpuDevice>; readonly compiled: Set<GPUComputePipeline | GPUShaderModule> } = { compiled: new Set() };

/** The executor of the software adapter, as `openGpuExecutor` makes it but for the device. */
export async function softwareExecutor({ profile, withoutRules, tuning }: SoftwareChoices): Promise<Executor> {
  const found = await findAdapter('software');
  if (found.adapter === undefined) throw new Error(found.problem);
  const { adapter, facts, description } = found;
  const open = async (): Promise<GpuDevice> => {
    const { device, info } = await (shared.opening ??= openGpuDevice(adapter));
    return new GpuDevice(partOf(device as GPUDevice), info);
  };
  const executor = createGpuExecutor({
    open, name: description, kind: 'software', profile: profile ?? profileFor(facts), withoutRules, tuning,
  });
  return { ...executor, memoryBytes: defaultMemoryBudget(facts).bytes };
}

/** The shared device to one program, which frees its own buffers in its place. */
function partOf(device: GPUDevice): GPUDevice {
  const buffers: GPUBuffer[] = [];
  const own: OwnPart = {
    createBuffer(descriptor) {
      const buffer = device.createBuffer(descriptor);
      buffers.push(buffer);
      return buffer;
    },
    async createComputePipelineAsync(descriptor) {
      const pipeline = await device.createComputePipelineAsync(descriptor);
      shared.compiled.add(pipeline).add(descriptor.compute.module);
      return pipeline;
    },
    destroy() {
      for (const buffer of buffers) buffer.destroy();
      return undefined;
    },
    lost: new Promise(() => {}),
  };
  return new Proxy(device, {
    get(target, name) {
      if (name in own) return own[name as keyof OwnPart];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
