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
  /** Encodes copies of the ranges; the result is there once what was submitted has run. */
  copy(encoder: GPUCommandEncoder, ranges: readonly ReadRange[]): PendingRead;
  destroy(): void;
}

export interface PendingRead {
  /** To be called once, after the submit. A copy of each range. Rejects when the device ends. */
  read(): Promise<readonly ArrayBuffer[]>;
}

const align = (size: number) => Math.ceil(size / 16) * 16;

export function createReadBack(gpu: GpuDevice): ReadBack {
  const free: GPUBuffer[] = [];
  const all = new Set<GPUBuffer>();
  /** The smallest free buffer that is large enough; one that is too small makes room for it. */
  const take = (size: number): GPUBuffer => {
    const fitting = free.filter((buffer) => buffer.size >= size).sort((a, b) => a.size - b.size)[0];
    if (fitting !== undefined) {
      free.splice(free.indexOf(fitting), 1);
      return fitting;
    }
    const buffer = gpu.createBuffer({ label: 'read back', size, usage: BUFFER_USAGE.MAP_READ | BUFFER_USAGE.COPY_DST });
    all.add(buffer);
    return buffer;
  };
  return {
    copy(encoder, ranges) {
      const total = ranges.reduce((sum, { sizeBytes }) => sum + align(sizeBytes), 0);
      const staging = take(total);
      let offset = 0;
      for (const { buffer, offset: from = 0, sizeBytes } of ranges) {
        encoder.copyBufferToBuffer(buffer, from, staging, offset, Math.ceil(sizeBytes / 4) * 4);
        offset += align(sizeBytes);
      }
      return {
        async read() {
          await gpu.pending(staging.mapAsync(MAP_MODE.READ, 0, align(total)));
          let at = 0;
          const copies = ranges.map(({ sizeBytes }) => {
            const copy = staging.getMappedRange(at, align(sizeBytes)).slice(0, sizeBytes);
            at += align(sizeBytes);
            return copy;
          });
          staging.unmap();
          free.push(staging);
          return copies;
        },
      };
    },
    destroy() {
      for (const buffer of all) buffer.destroy();
      all.clear();
      free.length = 0;
    },
  };
}
