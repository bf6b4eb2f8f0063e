/** Buffers of the values of a plan: one or two for each slot, sized for the most rows of a step. */
import type { BufferSlot } from '../../graph/plan.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import { STORAGE_USAGE } from '../device/gpu-flags.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import type { GpuPlan } from '../plan/lower.ts';
import { q8CodeBytes, q8StatBytes } from '../q8-layout.ts';

export interface ActivationOptions {
  readonly gpu: GpuDevice;
  readonly plan: GpuPlan;
  /** Most rows of a step, and most of them whose logits are wanted. */
  readonly rows: number;
  readonly outRows: number;
  /** Values with a buffer of their own that several plans share, by id. */
  readonly shared: ReadonlyMap<number, GPUBuffer>;
}

export interface Activations {
  readonly sizeBytes: number;
  bufferOf(value: GpuValue, part: 'floats' | 'codes' | 'stats'): GPUBuffer;
  destroy(): void;
}

interface SlotBuffers {
  readonly floats?: GPUBuffer;
  readonly codes?: GPUBuffer;
  readonly stats?: GPUBuffer;
}

export function createActivations({ gpu, plan, rows, outRows, shared }: ActivationOptions): Activations {
  const made: GPUBuffer[] = [];
  let sizeBytes = 0;
  const take = (label: string, size: number): GPUBuffer => {
    const buffer = gpu.createBuffer({ label, size, usage: STORAGE_USAGE });
    made.push(buffer);
    sizeBytes += buffer.size;
    return buffer;
  };
  const slots = new Map<BufferSlot, SlotBuffers>();
  const used = new Set([...plan.slotOf].filter(([id]) => !shared.has(id)).map(([, slot]) => slot));
  for (const slot of used) {
    const count = slot.outer === 'outRows' ? outRows : rows;
    const label = `activations b${slot.index}`;
    if (slot.dtype === 'f32') slots.set(slot, { floats: take(label, count * slot.width * 4) });
    if (slot.dtype === 'q8' || slot.dtype === 'q8n') slots.set(slot, { codes: take(label, q8CodeBytes(count, slot.width)), stats: take(label, q8StatBytes(count, slot.width)) });
  }
  return {
    sizeBytes,
    bufferOf(value, part) {
      const slot = plan.slotOf.get(value.id);
      const buffer = shared.get(value.id) ?? (slot && slots.get(slot)?.[part]);
      if (buffer === undefined) throw new Error(`gpu program: no ${part} for ${value.label}`);
      return buffer;
    },
    destroy() {
      for (const buffer of made) buffer.destroy();
    },
  };
}
