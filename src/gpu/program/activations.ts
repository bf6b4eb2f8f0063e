/** Buffers of the values of a plan: one or two for each slot, sized for the most rows of a step. */
import type { DimSizes } from '../../graph/dims.ts';
import type { BufferSlot } from '../../graph/plan.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import { STORAGE_USAGE } from '../device/gpu-device.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import type { GpuPlan } from '../plan/lower.ts';
import { q8CodeBytes, q8StatBytes } from '../q8-layout.ts';

export interface ActivationOptions {
  readonly gpu: GpuDevice;
  readonly plan: GpuPlan;
  /** Most of every dim. */
  readonly sizes: DimSizes;
  /** Values with a buffer of their own that several plans share, by id. */
  readonly shared: ReadonlyMap<number, GPUBuffer>;
}

export interface Activations {
  readonly sizeBytes: number;
  /** Floats of f32 values, and whole numbers of i32 ones, are `floats`. */
  bufferOf(value: GpuValue, part: 'floats' | 'codes' | 'stats'): GPUBuffer;
  /** Whether the plan has a place for a value: one that nothing reads has none. */
  has(value: GpuValue): boolean;
  destroy(): void;
}

interface SlotBuffers {
  readonly floats?: GPUBuffer;
  readonly codes?: GPUBuffer;
  readonly stats?: GPUBuffer;
}

export function createActivations({ gpu, plan, sizes, shared }: ActivationOptions): Activations {
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
    const count = typeof slot.outer === 'number' ? slot.outer : (sizes[slot.outer] as number);
    const label = `activations b${slot.index}`;
    if (slot.dtype === 'f32' || slot.dtype === 'i32') slots.set(slot, { floats: take(label, count * slot.width * 4) });
    if (slot.dtype === 'q8' || slot.dtype === 'q8n')
      slots.set(slot, { codes: take(label, q8CodeBytes(count, slot.width)), stats: take(label, q8StatBytes(count, slot.width)) });
  }
  return {
    sizeBytes,
    bufferOf(value, part) {
      const slot = plan.slotOf.get(value.id);
      const buffer = shared.get(value.id) ?? (slot && slots.get(slot)?.[part]);
      if (buffer === undefined) throw new Error(`gpu program: no ${part} for ${value.label}`);
      return buffer;
    },
    has: (value) => shared.has(value.id) || plan.slotOf.has(value.id),
    destroy() {
      for (const buffer of made) buffer.destroy();
    },
  };
}
