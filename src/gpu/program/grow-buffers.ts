/** Buffers that grow: larger ones take the place of the others when the device has said that it has the memory, and not before. */
import type { GpuDevice } from '../device/gpu-device.ts';
import { STORAGE_USAGE } from '../device/gpu-device.ts';

export interface WantedBuffer {
  readonly name: string;
  readonly label: string;
  /** Bytes, at least. */
  readonly size: number;
  /** Whether what the smaller one holds is copied. */
  readonly isKept: boolean;
}

export interface GrowOptions {
  readonly gpu: GpuDevice;
  /** For messages: `Allocating the sampler`. */
  readonly doing: string;
  readonly wanted: readonly WantedBuffer[];
}

/** Those that are too small, or not there. */
function tooSmall(buffers: ReadonlyMap<string, GPUBuffer>, wanted: readonly WantedBuffer[]): readonly WantedBuffer[] {
  return wanted.filter(({ name, size }) => (buffers.get(name)?.size ?? 0) < size);
}

/**
 * Makes those that are too small, or not there; waits for the device only where there are such. True: there were.
 * @throws CapacityError where the device has no memory: then all are as they were
 */
export async function growBuffers(buffers: Map<string, GPUBuffer>, { gpu, doing, wanted }: GrowOptions): Promise<boolean> {
  const small = tooSmall(buffers, wanted);
  if (small.length === 0) return false;
  const made = await gpu.guard(doing, () =>
    small.map((of) => ({ of, buffer: gpu.createBuffer({ label: of.label, size: of.size, usage: STORAGE_USAGE }) })));
  const encoder = gpu.device.createCommandEncoder();
  for (const { of: { name, isKept }, buffer } of made) {
    const before = buffers.get(name);
    if (before !== undefined && isKept) encoder.copyBufferToBuffer(before, 0, buffer, 0, before.size);
  }
  gpu.queue.submit([encoder.finish()]);
  for (const { of: { name }, buffer } of made) {
    buffers.get(name)?.destroy();
    buffers.set(name, buffer);
  }
  return true;
}
