/** Counts calls of WebGPU. */
import { vi } from 'vitest';

/** By class, those that a step may take; what is made of a device stays. */
const COUNTED = {
  GPUComputePassEncoder: ['setPipeline', 'setBindGroup', 'dispatchWorkgroups'],
  GPUCommandEncoder: ['beginComputePass', 'copyBufferToBuffer'],
  GPUQueue: ['submit', 'writeBuffer'],
  GPUBuffer: ['mapAsync'],
  GPUDevice: ['createBuffer', 'createBindGroup', 'createCommandEncoder'],
} as const;

/** Calls by name, of `work`. */
export async function callsOf(work: () => Promise<void>): Promise<Record<string, number>> {
  const spies = Object.entries(COUNTED).flatMap(([name, methods]) => {
    const { prototype } = (globalThis as unknown as Record<string, { readonly prototype: Record<string, () => void> }>)[name]!;
    return methods.map((method) => [method, vi.spyOn(prototype, method)] as const);
  });
  await work();
  const counts = spies.map(([method, spy]) => [method, spy.mock.calls.length] as const);
  vi.restoreAllMocks();
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}
