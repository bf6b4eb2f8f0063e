/** Memory through which weights pass on their way to the GPU: buffers that are read into while the GPU empties others. */
import { BUFFER_USAGE, MAP_MODE } from '../device/gpu-device.ts';
import type { GpuDevice } from '../device/gpu-device.ts';

export interface StagingOptions {
  readonly slots: number;
  /** Bytes of one slot; a multiple of 4. */
  readonly slotBytes: number;
}

export interface StagingSlot {
  /** To be copied from once it is unmapped. */
  readonly buffer: GPUBuffer;
  /** Waits until the GPU is done with what the slot held, and gives its memory. Write only: reading it back may be very slow. */
  map(): Promise<Uint8Array>;
}

export interface Staging {
  readonly slots: readonly StagingSlot[];
  /** Nothing may be writing to a slot any more. */
  destroy(): void;
}

/** @throws CapacityError where there is no memory for it; none is then taken */
export async function createStaging(
  gpu: Pick<GpuDevice, 'createBuffer' | 'guard' | 'pending'>,
  { slots, slotBytes }: StagingOptions,
): Promise<Staging> {
  const buffers: GPUBuffer[] = [];
  const destroy = () => buffers.forEach((buffer) => buffer.destroy());
  try {
    await gpu.guard('Allocating memory to load through', () => {
      for (let slot = 0; slot < slots; slot++) {
        buffers.push(
          gpu.createBuffer({
            label: `staging ${slot}`,
            size: slotBytes,
            usage: BUFFER_USAGE.MAP_WRITE | BUFFER_USAGE.COPY_SRC,
            mappedAtCreation: true,
          }),
        );
      }
    });
  } catch (error) {
    destroy();
    throw error;
  }
  return { slots: buffers.map((buffer) => createSlot(gpu, buffer)), destroy };
}

function createSlot(gpu: Pick<GpuDevice, 'pending'>, buffer: GPUBuffer): StagingSlot {
  return {
    buffer,
    async map() {
      if (buffer.mapState === 'unmapped') await gpu.pending(buffer.mapAsync(MAP_MODE.WRITE));
      return new Uint8Array(buffer.getMappedRange());
    },
  };
}
