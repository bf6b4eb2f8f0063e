/** Chooses and compiles the kernel module: relaxed SIMD where the engine has it and computes with it as the format says. */
import type { KernelBytes } from './thread-host.ts';

/** What the host calls; the threads call the rest. Addresses are byte offsets in the module's memory. */
export interface KernelExports {
  heapBase(): number;
  /** Runs a step on the calling thread in the last worker's place, and on the other workers. Traps where one of them has failed. */
  hostMain(control: number): void;
  relaxedIsExact(): number;
  activationBytes(type: number, cols: number): number;
  matmulScratchBytes(type: number, cols: number): number;
  dequantizeRow(type: number, weight: number, out: number, cols: number): void;
}

export interface KernelModule {
  readonly kind: 'plain' | 'relaxed';
  readonly module: WebAssembly.Module;
}

/** `forcePlain` leaves the relaxed module aside. */
export async function compileKernels(bytes: KernelBytes, forcePlain = false): Promise<KernelModule> {
  if (!forcePlain && bytes.relaxed !== undefined && WebAssembly.validate(bytes.relaxed)) {
    const module = await WebAssembly.compile(bytes.relaxed);
    // Asked of fresh code, as the first step will run it: one engine's baseline compiler got a relaxed instruction wrong.
    if (isExact(module)) return { kind: 'relaxed', module };
  }
  return { kind: 'plain', module: await WebAssembly.compile(bytes.plain) };
}

function isExact(module: WebAssembly.Module): boolean {
  return instantiateKernels(module, createMemory()).relaxedIsExact() !== 0;
}

/** A memory that can grow to all that WebAssembly addresses. */
export function createMemory(): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: 4, maximum: 65536, shared: true });
}

export function instantiateKernels(module: WebAssembly.Module, memory: WebAssembly.Memory): KernelExports {
  const abort = () => {
    throw new Error('the kernel module aborted');
  };
  const instance = new WebAssembly.Instance(module, { env: { memory, abort } });
  return instance.exports as unknown as KernelExports;
}
