/** Kernels compiled for one device, each once. Compiling goes on in the background, many at a time. */
import { CapacityError } from '../../tensor/errors.ts';
import { beyondLimits } from '../kernel.ts';
import type { Binding, Kernel } from '../kernel.ts';
import { MATRIX_FEATURE } from '../wgsl/subgroup-matrix.ts';
import type { GpuDevice } from './gpu-device.ts';

export interface Pipeline {
  readonly kernel: Kernel;
  readonly pipeline: GPUComputePipeline;
  /** Of group 0; kernels whose bindings have the same accesses share one. */
  readonly layout: GPUBindGroupLayout;
}

export interface Pipelines {
  /**
   * The kernel's pipeline; the same one for equal keys.
   * @throws CapacityError for a kernel that the device cannot run; Error where it does not compile, or where a key stands for two texts
   */
  get(kernel: Kernel): Promise<Pipeline>;
  /** What {@link get} gave, where that is done; undefined: it is not, or nobody asked. */
  ready(kernel: Kernel): Pipeline | undefined;
  /** How many are done. */
  readonly readyCount: number;
}

const BUFFER_TYPES = { read: 'read-only-storage', write: 'storage', uniform: 'uniform' } as const;
const VISIBLE_TO_COMPUTE = 4;

export function createPipelines(gpu: GpuDevice): Pipelines {
  const entries = new Map<string, { readonly wgsl: string; readonly pipeline: Promise<Pipeline> }>();
  const compiled = new Map<string, Pipeline>();
  const layouts = new Map<string, GPUBindGroupLayout>();

  const layoutOf = (bindings: readonly Binding[]): GPUBindGroupLayout => {
    const accesses = bindings.map(({ access }) => access).join(' ');
    const present = layouts.get(accesses);
    if (present !== undefined) return present;
    const layout = gpu.device.createBindGroupLayout({
      entries: bindings.map(({ access }, binding) => ({ binding, visibility: VISIBLE_TO_COMPUTE, buffer: { type: BUFFER_TYPES[access] } })),
    });
    layouts.set(accesses, layout);
    return layout;
  };

  const compile = async (kernel: Kernel): Promise<Pipeline> => {
    gpu.throwIfLost();
    checkKernel(kernel, gpu);
    const layout = layoutOf(kernel.bindings);
    const pipeline = { kernel, pipeline: await compileKernel(kernel, { gpu, layout }), layout };
    compiled.set(kernel.key, pipeline);
    return pipeline;
  };

  return {
    get(kernel) {
      const present = entries.get(kernel.key);
      if (present !== undefined) {
        if (present.wgsl === kernel.wgsl) return present.pipeline;
        return Promise.reject(
          new Error(`Two different texts have the key ${kernel.key}: something that the text depends on is missing in its variant.`),
        );
      }
      const pipeline = compile(kernel);
      entries.set(kernel.key, { wgsl: kernel.wgsl, pipeline });
      return pipeline;
    },
    ready: ({ key }) => compiled.get(key),
    get readyCount() {
      return compiled.size;
    },
  };
}

/** What the kernel wants and the device lacks, in words. */
export function kernelProblems(
  kernel: Kernel,
  { limits, features, subgroupSize }: Pick<GpuDevice, 'limits' | 'features' | 'subgroupSize'>,
): readonly string[] {
  const { needs } = kernel;
  const problems: string[] = [];
  if (needs.f16 && !features.has('shader-f16')) problems.push('it computes in f16, and the device has no shader-f16');
  if (needs.subgroupMatrix && !features.has(MATRIX_FEATURE)) problems.push('it takes matrix units, and the device has none');
  if (needs.subgroupSize !== undefined && needs.subgroupSize !== subgroupSize) {
    const found = subgroupSize !== undefined ? `${subgroupSize}` : features.has('subgroups') ? 'a number that varies' : 'no subgroups';
    problems.push(`it was written for subgroups of ${needs.subgroupSize}, and the device has ${found}`);
  }
  return [...problems, ...beyondLimits(kernel, limits).map((problem) => `it ${problem}`)];
}

function checkKernel(kernel: Kernel, gpu: GpuDevice): void {
  const problems = kernelProblems(kernel, gpu);
  if (problems.length > 0) throw new CapacityError(`${gpu.name} cannot run the kernel ${kernel.label}: ${problems.join('; ')}.`);
}

interface CompileOptions {
  readonly gpu: GpuDevice;
  readonly layout: GPUBindGroupLayout;
}

async function compileKernel(kernel: Kernel, { gpu, layout }: CompileOptions): Promise<GPUComputePipeline> {
  const { device } = gpu;
  let module: GPUShaderModule | undefined;
  try {
    const pipeline = await gpu.guard(`The kernel ${kernel.label}`, () => {
      module = device.createShaderModule({ label: kernel.label, code: kernel.wgsl });
      const compiling = device.createComputePipelineAsync({
        label: kernel.label,
        layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: 'main' },
      });
      compiling.catch(() => {});
      return { compiling };
    });
    return await gpu.pending(pipeline.compiling);
  } catch (cause) {
    gpu.throwIfLost();
    if (cause instanceof CapacityError) throw cause;
    const lines = module === undefined ? [] : errorLines(kernel, await gpu.pending(module.getCompilationInfo()));
    throw new Error(`The kernel ${kernel.label} does not compile:\n${lines.length > 0 ? lines.join('\n') : (cause as Error).message}`, {
      cause,
    });
  }
}

function errorLines({ wgsl }: Kernel, { messages }: GPUCompilationInfo): readonly string[] {
  const lines = wgsl.split('\n');
  return messages
    .filter(({ type }) => type === 'error')
    .map(({ lineNum, message }) => `line ${lineNum}: ${message}\n  ${lines[lineNum - 1] ?? ''}`);
}
