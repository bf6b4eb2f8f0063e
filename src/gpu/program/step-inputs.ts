/** What the host writes before a step: tokens, positions, page tables, tiles of attention and the step's sizes. */
import type { SequenceStep } from '../../graph/executor.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import { BUFFER_USAGE, STORAGE_USAGE } from '../device/gpu-flags.ts';
import { attentionTiles } from '../kernels/attention-prefill/attention-tiles.ts';
import type { InputName, StepCounts } from '../plan/kernel-use.ts';

export interface StepInputsOptions {
  readonly gpu: GpuDevice;
  readonly rows: number;
  readonly outRows: number;
  /** Page numbers of a sequence, at most. */
  readonly maxPages: number;
  /** Query rows of a tile of prefill attention. */
  readonly tileRows: number;
}

export interface StepInputs {
  readonly sizeBytes: number;
  readonly buffers: Readonly<Record<InputName, GPUBuffer>>;
  /** Enqueues the writes for a step over `sequences`. */
  write(sequences: readonly SequenceStep[]): StepCounts;
  /** Enqueues the page numbers of the only sequence from index `from` on. */
  writePages(pages: ArrayLike<number>, from: number): void;
  destroy(): void;
}

/** Bytes of a tile: four words. */
const TILE_BYTES = 16;

export function createStepInputs({ gpu, rows, outRows, maxPages, tileRows }: StepInputsOptions): StepInputs {
  const words = (label: string, count: number) => gpu.createBuffer({ label, size: count * 4, usage: STORAGE_USAGE });
  const buffers: Record<InputName, GPUBuffer> = {
    tokens: words('tokens', rows),
    positions: words('positions', rows),
    rowSequence: words('sequences of rows', rows),
    pageTable: words('page tables', rows * maxPages),
    outIndices: words('wanted rows', outRows),
    tiles: gpu.createBuffer({ label: 'attention tiles', size: rows * TILE_BYTES, usage: STORAGE_USAGE }),
    step: gpu.createBuffer({ label: 'step', size: 16, usage: BUFFER_USAGE.UNIFORM | BUFFER_USAGE.COPY_DST }),
  };
  const put = (name: InputName, values: Uint32Array, offset = 0) => {
    if (values.length > 0) gpu.queue.writeBuffer(buffers[name], offset * 4, values as BufferSource);
  };
  return {
    buffers,
    sizeBytes: Object.values(buffers).reduce((sum, { size }) => sum + size, 0),
    write(sequences) {
      const tokens = sequences.flatMap((sequence) => Array.from(sequence.tokens));
      const positions = sequences.flatMap(({ start, tokens: own }) => Array.from(own, (_, i) => start + i));
      const rowSequence = sequences.flatMap(({ tokens: own }, n) => Array.from(own, () => n));
      let first = 0;
      const wanted = sequences.flatMap(({ tokens: own, outputs }) => {
        const indices = outputs.map((at) => first + at);
        first += own.length;
        return indices;
      });
      put('tokens', Uint32Array.from(tokens));
      put('positions', Uint32Array.from(positions));
      put('rowSequence', Uint32Array.from(rowSequence));
      put('outIndices', Uint32Array.from(wanted));
      sequences.forEach(({ pages }, n) => put('pageTable', Uint32Array.from(pages), n * maxPages));
      const isDecode = sequences.every(({ tokens: own }) => own.length === 1);
      const tiles = isDecode ? new Uint32Array(0) : attentionTiles(sequences.map(({ tokens: own, start }) => ({ rows: own.length, start })), tileRows);
      put('tiles', tiles);
      const counts = { rows: tokens.length, outRows: wanted.length, tiles: tiles.length / 4, keys: Math.max(...positions) + 1 };
      put('step', Uint32Array.of(counts.rows, counts.outRows, counts.tiles, sequences.length));
      return counts;
    },
    writePages: (pages, from) => put('pageTable', Uint32Array.from(pages).subarray(from), from),
    destroy() {
      for (const buffer of Object.values(buffers)) buffer.destroy();
    },
  };
}
