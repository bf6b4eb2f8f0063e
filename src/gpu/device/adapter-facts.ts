/** What is known of a GPU before a device is opened: plain data, so that a profile can be chosen from it, printed and tested. */
import { MATRIX_FEATURE } from '../wgsl/subgroup-matrix.ts';
import type { MatrixConfig } from '../wgsl/subgroup-matrix.ts';

export interface AdapterFacts {
  /** As WebGPU gives them; any may be empty. Dawn's `device` is the marketing name (`Apple M4 Pro`); browsers hide it. */
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  /** A CPU in the guise of a GPU: SwiftShader, llvmpipe, WARP, Dawn's null backend. */
  readonly isSoftware: boolean;
  readonly features: readonly string[];
  /** Smallest and largest number of lanes of a subgroup that the adapter admits to. */
  readonly subgroupSizes: readonly [smallest: number, largest: number] | undefined;
  readonly limits: GpuLimits;
  /** Sizes and types of subgroup matrices; none without the feature. */
  readonly matrixConfigs: readonly MatrixConfig[];
}

/** The limits that kernels and buffers meet. */
export interface GpuLimits {
  readonly bufferBytes: number;
  readonly bindingBytes: number;
  /** Storage buffers of one kernel. */
  readonly storageBuffers: number;
  /** Invocations of a workgroup. */
  readonly invocations: number;
  readonly workgroupBytes: number;
}

/** A `GPUAdapter`, as far as it is read. Browsers that have WebGPU for longer lack the newer parts. */
export interface AdapterParts {
  readonly info: {
    readonly vendor: string;
    readonly architecture: string;
    readonly device: string;
    readonly description: string;
    readonly subgroupMinSize?: number;
    readonly subgroupMaxSize?: number;
    readonly isFallbackAdapter?: boolean;
    readonly subgroupMatrixConfigs?: Iterable<MatrixConfigParts>;
  };
  readonly features: Iterable<string>;
  readonly limits: LimitParts;
}

/** A configuration of subgroup matrices, as the draft has it. */
export interface MatrixConfigParts {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** `GPUSupportedLimits`, as far as they are read. */
export interface LimitParts {
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
  readonly maxStorageBuffersPerShaderStage: number;
  readonly maxComputeInvocationsPerWorkgroup: number;
  readonly maxComputeWorkgroupSizeX: number;
  readonly maxComputeWorkgroupStorageSize: number;
}

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|null-backend|microsoft basic render|software/i;

export function adapterFacts({ info, features, limits }: AdapterParts): AdapterFacts {
  const { vendor, architecture, device, description, subgroupMinSize = 0, subgroupMaxSize = 0, isFallbackAdapter = false } = info;
  const { subgroupMatrixConfigs = [] } = info;
  const names = [...features].map(String).sort();
  return {
    vendor, architecture, device, description,
    isSoftware: isFallbackAdapter || SOFTWARE.test(`${architecture} ${device} ${description}`),
    features: names,
    subgroupSizes: names.includes('subgroups') && subgroupMinSize > 0 ? [subgroupMinSize, subgroupMaxSize] : undefined,
    limits: gpuLimits(limits),
    matrixConfigs: names.includes(MATRIX_FEATURE) ? [...subgroupMatrixConfigs].flatMap(matrixConfig) : [],
  };
}

/** Those of floats. */
function matrixConfig({ componentType: input, resultComponentType: sum, M: m, N: n, K: k }: MatrixConfigParts): readonly MatrixConfig[] {
  const isFloat = (type: string): type is 'f16' | 'f32' => type === 'f16' || type === 'f32';
  return isFloat(input) && isFloat(sum) ? [{ m, n, k, input, sum }] : [];
}

export function gpuLimits(limits: LimitParts): GpuLimits {
  return {
    bufferBytes: limits.maxBufferSize,
    bindingBytes: limits.maxStorageBufferBindingSize,
    storageBuffers: limits.maxStorageBuffersPerShaderStage,
    invocations: Math.min(limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX),
    workgroupBytes: limits.maxComputeWorkgroupStorageSize,
  };
}

/**
 * Lanes of every subgroup of a kernel, where that is certain. The range an adapter admits to may be wider than the hardware: Dawn's
 * says 4 to 64 for Metal and 32 to 128 for any GPU on D3D12, though Apple's and NVIDIA's GPUs have 32 lanes and nothing else.
 * Others may pick a size for each kernel.
 */
export function fixedSubgroupSize({ vendor, subgroupSizes }: Pick<AdapterFacts, 'vendor' | 'subgroupSizes'>): number | undefined {
  if (subgroupSizes === undefined) return undefined;
  const [smallest, largest] = subgroupSizes;
  if (smallest === largest) return smallest;
  return (vendor === 'apple' || vendor === 'nvidia') && smallest <= 32 && largest >= 32 ? 32 : undefined;
}

/** For banners: `NVIDIA H100 80GB HBM3`, `apple metal-3` where a browser hides the name. */
export function adapterName({
  vendor,
  architecture,
  device,
  description,
}: Pick<AdapterFacts, 'vendor' | 'architecture' | 'device' | 'description'>): string {
  if (/swiftshader/i.test(`${architecture} ${device}`)) return 'SwiftShader';
  return device || [vendor, architecture].filter((part) => part !== '').join(' ') || description || 'a GPU without a name';
}
