/** What `doctor` finds out, as data. Every feature is tried, not looked up. */
import { arch, availableParallelism, cpus, freemem, platform, release } from 'node:os';
import { checkKernels, matmulCases } from '../cpu/kernel-check.ts';
import { compileKernels } from '../cpu/kernel-module.ts';
import type { DeviceKind } from '../graph/executor.ts';
import { listAdapters } from '../node/gpu-adapter.ts';
import { defaultMemoryBudget, machineMemory } from '../node/memory-budget.ts';
import { readKernelModules } from '../node/wasm-modules.ts';
import { measureCopyBandwidth } from '../bench/copy-bandwidth.ts';
import { gpuPart } from './doctor-gpu.ts';
import { messageOf } from './exit-codes.ts';
import { packageVersion } from '../node/package-root.ts';

export type DoctorReport = Awaited<ReturnType<typeof doctorReport>>;

export async function doctorReport(signal: AbortSignal) {
  const cpu = await cpuPart(signal);
  const gpu = await gpuPart('hardware', signal);
  const software = await gpuPart('software', signal);
  const cpuProblem = cpu.problem ?? cpu.differences?.[0];
  const devices: { readonly device: DeviceKind; readonly isUsable: boolean; readonly reason: string }[] = [
    { device: 'gpu', isUsable: gpu.problem === undefined, reason: gpu.problem ?? `${gpu.name}, profile ${gpu.profile}` },
    {
      device: 'software',
      isUsable: software.problem === undefined,
      reason: software.problem ?? `${software.name}, for tests; only by --device software`,
    },
    {
      device: 'cpu',
      isUsable: cpuProblem === undefined,
      reason: cpuProblem ?? `${cpu.kernels} kernels on ${cpu.threads} threads, models up to 4 GiB`,
    },
    { device: 'reference', isUsable: true, reason: 'plain and slow, to compare with; only by --device reference' },
  ];
  const gpus = await gpuNames();
  return { system: systemPart(), cpu, gpu, gpus, software, devices, auto: automatic({ gpu: gpu.problem, cpu: cpuProblem }) };
}

/** What `--device gpu:N` may name. */
async function gpuNames() {
  const gpus = await listAdapters('hardware');
  return gpus.map(({ name, problem }, index) => ({ device: `gpu:${index}`, name, isUsable: problem === undefined, problem }));
}

/** What `--device auto` takes, given what is wrong with each; the devices themselves say what that is. */
function automatic(problem: { readonly gpu: string | undefined; readonly cpu: string | undefined }): {
  readonly device: DeviceKind | null;
  readonly reason: string;
} {
  if (problem.gpu === undefined) return { device: 'gpu', reason: 'there is a GPU, and it can be used.' };
  if (problem.cpu === undefined) return { device: 'cpu', reason: 'no GPU can be used, and the CPU passed its checks.' };
  return { device: null, reason: 'neither a GPU nor the CPU can be used.' };
}

function systemPart() {
  const all = cpus();
  return {
    ingot: packageVersion(),
    node: process.versions.node,
    platform: `${platform()} ${release()}`,
    arch: arch(),
    processor: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    usableCores: availableParallelism(),
    memoryBytes: machineMemory(),
    memoryBudget: defaultMemoryBudget(undefined),
    freeMemoryBytes: freemem(),
  };
}

interface CpuPart {
  readonly threads: number;
  readonly hasSimd: boolean;
  readonly hasRelaxedSimd: boolean;
  readonly hasThreads: boolean;
  readonly kernels: 'SIMD' | 'relaxed SIMD' | null;
  readonly comparisons: number;
  /** What the kernels computed otherwise than scalar code; null where they could not run. */
  readonly differences: readonly string[] | null;
  readonly copyBytesPerSecond: number | null;
  readonly problem: string | undefined;
}

async function cpuPart(signal: AbortSignal): Promise<CpuPart> {
  const threads = availableParallelism();
  const unknown = {
    threads,
    hasSimd: false,
    hasRelaxedSimd: false,
    hasThreads: false,
    kernels: null,
    comparisons: 0,
    differences: null,
    copyBytesPerSecond: null,
  };
  try {
    const bytes = await readKernelModules();
    const hasSimd = WebAssembly.validate(bytes.plain);
    const hasRelaxedSimd = bytes.relaxed !== undefined && WebAssembly.validate(bytes.relaxed);
    if (!hasSimd) return { ...unknown, problem: 'this engine has no WebAssembly SIMD on shared memory' };
    const { kind, module } = await compileKernels(bytes);
    signal.throwIfAborted();
    const differences = checkKernels(module, { hotCalls: 1 });
    const copyBytesPerSecond = await measureCopyBandwidth({ threads, signal });
    const kernels = kind === 'relaxed' ? 'relaxed SIMD' : 'SIMD';
    return {
      threads,
      hasSimd,
      hasRelaxedSimd,
      hasThreads: true,
      kernels,
      comparisons: 2 * matmulCases().length,
      differences,
      copyBytesPerSecond,
      problem: undefined,
    };
  } catch (error) {
    signal.throwIfAborted();
    return { ...unknown, problem: messageOf(error) };
  }
}
