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
  /** Room for the ranges of several runs, which are read together. @param ranges their sizes in bytes, all of them */
  open(ranges: readonly number[]): OpenRead;
  destroy(): void;
}

export interface OpenRead extends PendingRead {
  /** Encodes copies of the next ranges, at most as many as there is room for. */
  copy(encoder: GPUCommandEncoder, ranges: readonly ReadRange[]): void;
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
  const open: ReadBack['open'] = (sizes) => {
    const total = sizes.reduce((sum, size) => sum + align(size), 0);
    const staging = take(total);
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
    };
  };
  return {
    open,
    copy(encoder, ranges) {
      const read = open(ranges.map(({ sizeBytes }) => sizeBytes));
      read.copy(encoder, ranges);
      return read;
    },
    destroy() {
      for (const buffer of all) buffer.destroy();
      all.clear();
      free.length = 0;
    },
  };
}
