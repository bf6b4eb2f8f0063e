/** What the host writes of a run beside the graph's inputs: sizes of dims, whose rows are whose, page tables, tiles of attention. */
import type { DimSizes } from '../../graph/dims.ts';
import type { SequenceRows } from '../../graph/executor.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import { BUFFER_USAGE, STORAGE_USAGE } from '../device/gpu-flags.ts';
import { attentionTiles } from '../kernels/attention-prefill/attention-tiles.ts';
import type { SequenceBuffer, StepCounts } from '../plan/kernel-use.ts';

export interface SequenceInputsOptions {
  readonly gpu: GpuDevice;
  /** Most of every dim. */
  readonly sizes: DimSizes;
  /** Rows of all sequences, at most; 0 for a graph without states. */
  readonly rows: number;
  /** Page numbers of a sequence, at most. */
  readonly maxPages: number;
  /** Query rows of a tile of prefill attention. */
  readonly tileRows: number;
}

export interface SequenceInputs {
  readonly sizeBytes: number;
  readonly buffers: Readonly<Record<SequenceBuffer, GPUBuffer>>;
  /** The uniform of a dim. */
  sizeOf(dim: string): GPUBuffer;
  /** Enqueues the writes for a run. */
  write(sizes: DimSizes, sequences: readonly SequenceRows[]): StepCounts;
  /** Enqueues the page numbers of the only sequence from index `from` on. */
  writePages(pages: ArrayLike<number>, from: number): void;
  destroy(): void;
}

/** Bytes of a tile: four words. */
const TILE_BYTES = 16;
const UNIFORM_BYTES = 16;

export function createSequenceInputs({ gpu, sizes, rows, maxPages, tileRows }: SequenceInputsOptions): SequenceInputs {
  const storage = (label: string, size: number) => gpu.createBuffer({ label, size: Math.max(16, size), usage: STORAGE_USAGE });
  const buffers: Record<SequenceBuffer, GPUBuffer> = {
    rowSequence: storage('sequences of rows', rows * 4),
    pageTable: storage('page tables', rows * maxPages * 4),
    tiles: storage('attention tiles', rows * TILE_BYTES),
  };
  const uniform = BUFFER_USAGE.UNIFORM | BUFFER_USAGE.COPY_DST;
  const uniforms = new Map(
    Object.keys(sizes).map((dim) => [dim, gpu.createBuffer({ label: `size of ${dim}`, size: UNIFORM_BYTES, usage: uniform })]),
  );
  const all = [...Object.values(buffers), ...uniforms.values()];
  const put = (buffer: GPUBuffer, values: Uint32Array, offset = 0) => {
    if (values.length > 0) gpu.queue.writeBuffer(buffer, offset * 4, values as BufferSource);
  };
  return {
    buffers,
    sizeBytes: all.reduce((sum, { size }) => sum + size, 0),
    sizeOf(dim) {
      const buffer = uniforms.get(dim);
      if (buffer === undefined) throw new Error(`gpu program: no size of dim ${dim}`);
      return buffer;
    },
    write(own, sequences) {
      for (const [dim, buffer] of uniforms) put(buffer, Uint32Array.of(own[dim] as number));
      put(buffers.rowSequence, Uint32Array.from(sequences.flatMap((sequence, n) => Array.from({ length: sequence.rows }, () => n))));
      sequences.forEach(({ pages }, n) => put(buffers.pageTable, Uint32Array.from(pages), n * maxPages));
      const isDecode = sequences.every((sequence) => sequence.rows === 1);
      const tiles = isDecode ? new Uint32Array(0) : attentionTiles(sequences, tileRows);
      put(buffers.tiles, tiles);
      return { sizes: own, tiles: tiles.length / 4, keys: Math.max(0, ...sequences.map(({ start, rows: count }) => start + count)) };
    },
    writePages: (pages, from) => put(buffers.pageTable, Uint32Array.from(pages).subarray(from), from),
    destroy() {
      for (const buffer of all) buffer.destroy();
    },
  };
}
