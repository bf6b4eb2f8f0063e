/** Slots as a whole, over the buffers of all slot states: brought to the host, and brought back. */
import type { ModelGraphs } from '../../graph/model-graphs.ts';
import { slotStates } from '../../graph/state.ts';
import { slotStateBytes } from '../../graph/state-sizes.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import type { OpenRead } from './read-back.ts';
import type { StateMemory } from './state-memory.ts';

/** A buffer of slots, and how much of it is one slot's. */
interface SlotPart {
  readonly buffer: GPUBuffer;
  readonly sizeBytes: number;
}

export interface SlotStore {
  readonly gpu: GpuDevice;
  readonly parts: readonly SlotPart[];
}

export function slotParts({ states }: Pick<ModelGraphs, 'states'>, memory: StateMemory): readonly SlotPart[] {
  return slotStates(states).map((state) => ({ buffer: memory.state(state.index), sizeBytes: slotStateBytes(state) }));
}

/** @param read room for each of the parts */
export async function snapshotSlot({ gpu, parts }: SlotStore, slot: number, read: OpenRead): Promise<Uint8Array> {
  const encoder = gpu.device.createCommandEncoder();
  read.copy(encoder, parts.map(({ buffer, sizeBytes }) => ({ buffer, offset: slot * sizeBytes, sizeBytes })));
  gpu.queue.submit([encoder.finish()]);
  const snapshot = new Uint8Array(parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
  let at = 0;
  for (const bytes of await read.read()) {
    snapshot.set(new Uint8Array(bytes), at);
    at += bytes.byteLength;
  }
  return snapshot;
}

/** @throws Error for bytes of another length than a slot's */
export function restoreSlot({ gpu, parts }: SlotStore, slot: number, snapshot: Uint8Array): void {
  const expected = parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  if (snapshot.length !== expected) throw new Error(`restoreSlot: expected ${expected} bytes, found ${snapshot.length}`);
  let at = 0;
  for (const { buffer, sizeBytes } of parts) {
    gpu.queue.writeBuffer(buffer, slot * sizeBytes, snapshot.slice(at, at + sizeBytes) as BufferSource);
    at += sizeBytes;
  }
}
