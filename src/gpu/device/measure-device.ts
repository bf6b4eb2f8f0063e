/** What a GPU does at best: the two figures that the speed of decoding is held against. */
import { BUFFER_USAGE } from './gpu-device.ts';
import { kernelHeader, kernelKey, LINEAR_WORKGROUP, linearWorkgroups, MAIN_ARGUMENTS } from '../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../kernel.ts';
import { unrolled } from '../wgsl/expressions.ts';
import type { GpuDevice } from './gpu-device.ts';
import { createPipelines } from './pipeline-cache.ts';

export interface MeasureOptions {
  readonly signal?: AbortSignal | undefined;
}

const INVOCATIONS = 256;
/** Elements of 16 bytes that an invocation copies. */
const COPIES = 4;
/** Each of two buffers: several times the largest caches. A software adapter has the caches of a CPU. */
const COPY_BYTES = 2 ** 28;
const SOFTWARE_COPY_BYTES = 2 ** 25;
const LEAST_BATCH_MS = 20;
const BATCHES = 5;

function copyKernel(): Kernel {
  const bindings: readonly Binding[] = [
    { name: 'input', access: 'read', type: 'array<vec4<u32>>' },
    { name: 'output', access: 'write', type: 'array<vec4<u32>>' },
  ];
  const wgsl = `${kernelHeader(bindings, {})}
@compute @workgroup_size(${INVOCATIONS})
fn main(${MAIN_ARGUMENTS}) {
  let first = ${LINEAR_WORKGROUP} * ${INVOCATIONS * COPIES}u + lane;
  if (first >= arrayLength(&input)) { return; }
${unrolled(COPIES, (i) => `  let v${i} = input[first + ${i * INVOCATIONS}u];`)}
${unrolled(COPIES, (i) => `  output[first + ${i * INVOCATIONS}u] = v${i};`)}
}
`;
  return {
    key: kernelKey('measure-copy', { INVOCATIONS, COPIES }),
    label: 'copy',
    wgsl,
    bindings,
    workgroupSize: INVOCATIONS,
    needs: {},
  };
}

/** Bytes read plus bytes written in a second by a kernel that copies; the best of several batches. */
export async function measureCopyBandwidth(gpu: GpuDevice, { signal }: MeasureOptions = {}): Promise<number> {
  const wanted = gpu.info.isSoftware ? SOFTWARE_COPY_BYTES : COPY_BYTES;
  const tileBytes = 16 * INVOCATIONS * COPIES;
  const size = Math.floor(Math.min(wanted, gpu.limits.bindingBytes, gpu.limits.bufferBytes) / tileBytes) * tileBytes;
  const seconds = await measureKernel(gpu, {
    kernel: copyKernel(),
    sizes: [size, size],
    workgroups: linearWorkgroups(size / tileBytes),
    signal,
  });
  return (2 * size) / seconds.each;
}

export interface DispatchCost {
  /** From one dispatch to the next that needs its result, encoding included, when many go in one submit. */
  readonly microseconds: number;
  /** Of that, the time JavaScript takes to encode it. */
  readonly encodeMicroseconds: number;
}

function dependentKernel(): Kernel {
  const bindings: readonly Binding[] = [{ name: 'count', access: 'write', type: 'array<u32>' }];
  const wgsl = `${kernelHeader(bindings, {})}
@compute @workgroup_size(1)
fn main() {
  count[0] = count[0] + 1u;
}
`;
  return {
    key: kernelKey('measure-dispatch', {}),
    label: 'dependent dispatch',
    wgsl,
    bindings,
    workgroupSize: 1,
    needs: {},
  };
}

export async function measureDispatch(gpu: GpuDevice, { signal }: MeasureOptions = {}): Promise<DispatchCost> {
  const seconds = await measureKernel(gpu, { kernel: dependentKernel(), sizes: [16], workgroups: [1, 1, 1], signal });
  return { microseconds: seconds.each * 1e6, encodeMicroseconds: seconds.encode * 1e6 };
}

interface KernelMeasure extends MeasureOptions {
  readonly kernel: Kernel;
  /** Bytes of the buffers, in the order of the bindings. */
  readonly sizes: readonly number[];
  readonly workgroups: Workgroups;
}

/** Seconds of one dispatch among many, each waiting for the one before, and of its encoding. */
async function measureKernel(
  gpu: GpuDevice,
  { kernel, sizes, workgroups, signal }: KernelMeasure,
): Promise<{ readonly each: number; readonly encode: number }> {
  const { device, queue } = gpu;
  const { pipeline, layout } = await createPipelines(gpu).get(kernel);
  const buffers: GPUBuffer[] = [];
  try {
    await gpu.guard('measuring', () => {
      for (const size of sizes) buffers.push(gpu.createBuffer({ label: kernel.label, size, usage: BUFFER_USAGE.STORAGE }));
    });
    const group = device.createBindGroup({ layout, entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })) });
    const batch = async (dispatches: number) => {
      signal?.throwIfAborted();
      const startMs = performance.now();
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      for (let i = 0; i < dispatches; i++) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(...workgroups);
      }
      pass.end();
      const commands = encoder.finish();
      const encodedMs = performance.now();
      queue.submit([commands]);
      await gpu.pending(queue.onSubmittedWorkDone());
      return { each: (performance.now() - startMs) / 1000 / dispatches, encode: (encodedMs - startMs) / 1000 / dispatches };
    };
    let dispatches = 4;
    let best = await batch(dispatches);
    while (best.each * dispatches * 1000 < LEAST_BATCH_MS && dispatches < 1e5) best = await batch((dispatches *= 2));
    for (let i = 0; i < BATCHES; i++) {
      const next = await batch(dispatches);
      if (next.each < best.each) best = next;
    }
    return best;
  } finally {
    for (const buffer of buffers) buffer.destroy();
  }
}
