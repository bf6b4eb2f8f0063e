/** Reads what the GPU wrote, through staging buffers that are used again. */
import type { GpuDevice } from '../device/gpu-device.ts';
import { BUFFER_USAGE, MAP_MODE } from '../device/gpu-device.ts';

export interface ReadRange {
  readonly buffer: GPUBuffer;
  /** Where it begins in the buffer; default 0. */
  readonly offset?: number | undefined;
  readonly sizeBytes: number;
}

export interface ReadBack {
  /**
   * Room for the ranges of several runs, which are read together. Waits for the device only where it has to give memory.
   * @param ranges their sizes in bytes, all of them
   * @throws CapacityError where it has none
   */
  open(ranges: readonly number[]): Promise<OpenRead>;
  destroy(): void;
}

/** To be read once, or released. */
export interface OpenRead {
  /** Encodes copies of the next ranges, at most as many as there is room for. */
  copy(encoder: GPUCommandEncoder, ranges: readonly ReadRange[]): void;
  /** To be called after the submit. A copy of each range. Rejects when the device ends. */
  read(): Promise<readonly ArrayBuffer[]>;
  release(): void;
}

const align = (size: number) => Math.ceil(size / 16) * 16;

export function createReadBack(gpu: GpuDevice): ReadBack {
  const free: GPUBuffer[] = [];
  const all = new Set<GPUBuffer>();
  /** The smallest free buffer that is large enough; one that is too small makes room for it. */
  const take = async (size: number): Promise<GPUBuffer> => {
    const fitting = free.filter((buffer) => buffer.size >= size).sort((a, b) => a.size - b.size)[0];
    if (fitting !== undefined) {
      free.splice(free.indexOf(fitting), 1);
      return fitting;
    }
    const usage = BUFFER_USAGE.MAP_READ | BUFFER_USAGE.COPY_DST;
    const buffer = await gpu.guard('Allocating what results are read through', () => gpu.createBuffer({ label: 'read back', size, usage }));
    all.add(buffer);
    return buffer;
  };
  return {
    async open(sizes) {
      const total = sizes.reduce((sum, size) => sum + align(size), 0);
      const staging = await take(total);
      let offset = 0;
      return {
        copy(encoder, ranges) {
          for (const { buffer, offset: from = 0, sizeBytes } of ranges) {
            encoder.copyBufferToBuffer(buffer, from, staging, offset, Math.ceil(sizeBytes / 4) * 4);
            offset += align(sizeBytes);
          }
        },
        async read() {
          await gpu.pending(staging.mapAsync(MAP_MODE.READ, 0, total));
          const mapped = staging.getMappedRange(0, total);
          let at = 0;
          const copies = sizes.map((size) => {
            const copy = mapped.slice(at, at + size);
            at += align(size);
            return copy;
          });
          staging.unmap();
          free.push(staging);
          return copies;
        },
        release: () => void free.push(staging),
      };
    },
    destroy() {
      for (const buffer of all) buffer.destroy();
      all.clear();
      free.length = 0;
    },
  };
}
