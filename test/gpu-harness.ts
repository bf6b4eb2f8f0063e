/** Runs single kernels on whatever adapter the process has (in CI SwiftShader, see scripts/software-gpu.mjs) with plain arrays. */
import { create, globals } from 'webgpu';
import type { Kernel, Workgroups } from '../src/gpu/kernel.ts';
import { recordVariant } from './gpu/record-variant.ts';

Object.assign(globalThis, globals);

/** Dawn's instance must outlive all that came from it: when it is collected, the process aborts. */
const kept = globalThis as { ingotTestGpu?: GPU; ingotNullGpu?: GPU };

/**
 * Workgroup memory starts with whatever it held, as in a program: no kernel may count on zeros. SwiftShader also compiles 10 times faster
 * so.
 */
export function testGpu(): GPU {
  return (kept.ingotTestGpu ??= create(['enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia,disable_workgroup_init']));
}

/** Dawn's backend that validates everything, has every feature and runs nothing. */
export function createNullGpu(): GPU {
  return (kept.ingotNullGpu ??= create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']));
}

export type BufferData = Float32Array | Uint32Array | Int32Array | Uint8Array;

export interface KernelRun {
  readonly kernel: Kernel;
  readonly workgroups: Workgroups;
  /** By binding name; what a kernel writes begins as given. Length 0 is not allowed. */
  readonly buffers: Readonly<Record<string, BufferData>>;
}

export interface TestDevice {
  readonly device: GPUDevice;
  readonly adapter: GPUAdapter;
  /** Lanes of a subgroup where their number is fixed. */
  readonly subgroupSize: number | undefined;
  readonly hasF16: boolean;
  /** Contents of the written buffers after the run, by binding name, in the type they were given. */
  run(run: KernelRun): Promise<Map<string, BufferData>>;
  close(): void;
}

export function canRun(device: Pick<TestDevice, 'subgroupSize' | 'hasF16'>, { needs }: Pick<Kernel, 'needs'>): boolean {
  return (needs.subgroupSize === undefined || needs.subgroupSize === device.subgroupSize) && (!needs.f16 || device.hasF16);
}

export async function openTestDevice(gpu = testGpu()): Promise<TestDevice> {
  const adapter = await gpu.requestAdapter();
  if (adapter === null) throw new Error('no WebGPU adapter: run through `npm test gpu` or scripts/software-gpu.mjs');
  const wanted: GPUFeatureName[] = ['subgroups', 'shader-f16', 'timestamp-query'];
  const { limits, info } = adapter;
  const device = await adapter.requestDevice({
    requiredFeatures: wanted.filter((feature) => adapter.features.has(feature)),
    requiredLimits: {
      maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxBufferSize: limits.maxBufferSize,
    },
  });
  const fixed = device.features.has('subgroups') && info.subgroupMinSize === info.subgroupMaxSize;
  return {
    device, adapter,
    subgroupSize: fixed ? info.subgroupMinSize : undefined,
    hasF16: device.features.has('shader-f16'),
    run: (run) => runKernel(device, run),
    close: () => device.destroy(),
  };
}

const BUFFER_TYPES = { read: 'read-only-storage', write: 'storage', uniform: 'uniform' } as const;

interface Compiled {
  readonly pipeline: GPUComputePipeline;
  /** Of its only bind group. */
  readonly layout: GPUBindGroupLayout;
}

/** By device, then by accesses and text: what several cases run is compiled once. */
const compiled = new WeakMap<GPUDevice, Map<string, Compiled>>();

/** A kernel's pipeline. Throws with the text where it does not compile. */
export async function compileForTest(device: GPUDevice, kernel: Kernel): Promise<Compiled> {
  const known = compiled.get(device) ?? new Map<string, Compiled>();
  compiled.set(device, known);
  const key = [...kernel.bindings.map(({ access }) => access), kernel.wgsl].join(' ');
  const made = known.get(key) ?? (await compile(device, kernel));
  known.set(key, made);
  recordVariant(kernel);
  return made;
}

async function compile(device: GPUDevice, kernel: Kernel): Promise<Compiled> {
  const module = device.createShaderModule({ code: kernel.wgsl });
  const failures = (await module.getCompilationInfo()).messages.filter(({ type }) => type === 'error');
  if (failures.length > 0)
    throw new Error(
      `${kernel.label}: ${failures.map(({ lineNum, message }) => `line ${lineNum}: ${message}`).join('\n')}\n${kernel.wgsl}`,
    );
  const layout = device.createBindGroupLayout({
    entries: kernel.bindings.map(({ access }, binding) => ({
      binding,
      visibility: GPUShaderStage.COMPUTE,
      buffer: { type: BUFFER_TYPES[access] },
    })),
  });
  const pipeline = await device.createComputePipelineAsync({
    layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module, entryPoint: 'main' },
  });
  return { pipeline, layout };
}

async function runKernel(device: GPUDevice, { kernel, workgroups, buffers }: KernelRun): Promise<Map<string, BufferData>> {
  device.pushErrorScope('validation');
  const { pipeline, layout } = await compileForTest(device, kernel);
  const made = kernel.bindings.map(({ name, access }) => {
    const data = buffers[name] ?? (name === 'sizes' && kernel.sizes ? Uint32Array.from(kernel.sizes) : undefined);
    if (data === undefined) throw new Error(`${kernel.label}: no data for binding ${name}`);
    const size = Math.max(16, Math.ceil(data.byteLength / 16) * 16);
    const usage =
      (access === 'uniform' ? GPUBufferUsage.UNIFORM : GPUBufferUsage.STORAGE) | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
    const buffer = device.createBuffer({ size, usage });
    const padded = new Uint8Array(size);
    padded.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    device.queue.writeBuffer(buffer, 0, padded);
    return { name, access, data, buffer, size };
  });
  const group = device.createBindGroup({ layout, entries: made.map(({ buffer }, binding) => ({ binding, resource: { buffer } })) });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(...workgroups);
  pass.end();
  const written = made.filter(({ access }) => access === 'write').map((entry) => {
    const staging = device.createBuffer({ size: entry.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    encoder.copyBufferToBuffer(entry.buffer, 0, staging, 0, entry.size);
    return { ...entry, staging };
  });
  device.queue.submit([encoder.finish()]);
  const error = await device.popErrorScope();
  if (error !== null) throw new Error(`${kernel.label}: ${error.message}`);
  const results = new Map<string, BufferData>();
  for (const { name, data, staging } of written) {
    await staging.mapAsync(GPUMapMode.READ);
    const bytes = staging.getMappedRange().slice(0, data.byteLength);
    staging.destroy();
    const View = data.constructor as new (buffer: ArrayBuffer) => BufferData;
    results.set(name, new View(bytes));
  }
  for (const { buffer } of made) buffer.destroy();
  return results;
}
