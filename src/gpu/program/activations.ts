/** Buffers of the values of a plan: one for each slot, sized for the most rows of a step. */
import type { DimSizes } from '../../graph/dims.ts';
import type { BufferSlot } from '../../graph/plan.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import { STORAGE_USAGE } from '../device/gpu-device.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import type { GpuPlan } from '../plan/lower.ts';
import { BINDING_ALIGNMENT } from '../packed-layout.ts';
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
  /** Of an f32 or i32 value, from its start on. */
  bufferOf(value: GpuValue): GPUBuffer;
  /** Floats of f32 values, and whole numbers of i32 ones, are `floats`. */
  bindingOf(value: GpuValue, part: ValuePart): GPUBufferBinding;
  /** Whether the plan has a place for a value: one that nothing reads has none. */
  has(value: GpuValue): boolean;
  destroy(): void;
}

export type ValuePart = 'floats' | 'codes' | 'stats';

type SlotParts = Partial<Readonly<Record<ValuePart, GPUBufferBinding>>>;

/** Codes and their statistics in one buffer, since a kernel binds both or none and Dawn tracks every buffer of a dispatch. */
function q8Parts(rows: number, width: number, take: (size: number) => GPUBuffer): SlotParts {
  const [codes, stats] = [q8CodeBytes(rows, width), q8StatBytes(rows, width)];
  const offset = Math.ceil(codes / BINDING_ALIGNMENT) * BINDING_ALIGNMENT;
  const buffer = take(offset + stats);
  return { codes: { buffer, offset: 0, size: codes }, stats: { buffer, offset, size: stats } };
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
  const slots = new Map<BufferSlot, SlotParts>();
  const used = new Set([...plan.slotOf].filter(([id]) => !shared.has(id)).map(([, slot]) => slot));
  for (const slot of used) {
    const count = typeof slot.outer === 'number' ? slot.outer : (sizes[slot.outer] as number);
    const takeOwn = (size: number) => take(`activations b${slot.index}`, size);
    if (slot.dtype === 'f32' || slot.dtype === 'i32') slots.set(slot, { floats: { buffer: takeOwn(count * slot.width * 4) } });
    if (slot.dtype === 'q8' || slot.dtype === 'q8n') slots.set(slot, q8Parts(count, slot.width, takeOwn));
  }
  const bindingOf = (value: GpuValue, part: ValuePart): GPUBufferBinding => {
    const slot = plan.slotOf.get(value.id);
    const own = shared.get(value.id);
    const binding = own === undefined ? slot && slots.get(slot)?.[part] : { buffer: own };
    if (binding === undefined) throw new Error(`gpu program: no ${part} for ${value.label}`);
    return binding;
  };
  return {
    sizeBytes,
    bindingOf,
    bufferOf: (value) => bindingOf(value, 'floats').buffer,
    has: (value) => shared.has(value.id) || plan.slotOf.has(value.id),
    destroy() {
      for (const buffer of made) buffer.destroy();
    },
  };
}
