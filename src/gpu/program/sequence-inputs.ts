/** What the host writes of a run beside the graph's inputs: sizes of dims, whose rows are whose, page tables, tiles of attention. */
import type { DimSizes } from '../../graph/dims.ts';
import type { SequenceRows, StatePlace } from '../../graph/executor.ts';
import type { Dim } from '../../graph/value.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import { BUFFER_USAGE, STORAGE_USAGE } from '../device/gpu-device.ts';
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
  /** Groups of paged states. */
  readonly groups: number;
  /** Query rows of a tile of prefill attention. */
  readonly tileRows: number;
}

export interface SequenceInputs {
  readonly sizeBytes: number;
  readonly buffers: Readonly<Record<SequenceBuffer, GPUBuffer>>;
  pageTable(group: number): GPUBuffer;
  /** The uniform of a dim; a number's is written when it is first asked for. */
  sizeOf(dim: Dim): GPUBufferBinding;
  /** A uniform that always holds these words; written when it is first asked for. */
  uniformOf(words: readonly number[]): GPUBufferBinding;
  /** Counts of a run. */
  countsOf(sizes: DimSizes, sequences: readonly SequenceRows[]): StepCounts;
  /** Enqueues the writes for a run. */
  write(sizes: DimSizes, sequences: readonly SequenceRows[]): StepCounts;
  /** Enqueues, of sequences of one row each, page numbers from an index on, the same for all groups, and the slots of their next rows. */
  writePlaces(places: readonly StatePlace[], from: readonly number[]): void;
  /** Encodes that further rows of such sequences go on in the slots that the rows before have written. */
  keepSlots(encoder: GPUCommandEncoder, places: readonly StatePlace[]): void;
  destroy(): void;
}

/** Bytes of a tile: four words. */
const TILE_BYTES = 16;
/** Bytes of a sequence's first row, rows, and slots read and written. */
const SLOT_BYTES = 16;
/** A uniform has a multiple of these. */
const UNIFORM_BYTES = 16;
/** Bytes from one uniform to the next in one buffer, as every device takes them, and of that buffer: of a kernel for every product. */
const UNIFORM_STEP = 256;
const CONSTANT_BYTES = 128 * UNIFORM_STEP;

function slotWords(sequences: readonly Pick<SequenceRows, 'rows' | 'slots'>[]): Uint32Array {
  let row = 0;
  return Uint32Array.from(
    sequences.flatMap(({ rows, slots }) => {
      row += rows;
      return [row - rows, rows, slots?.read ?? 0, slots?.write ?? 0];
    }),
  );
}

/** Leading sequences of one row. */
function singlesOf(sequences: readonly Pick<SequenceRows, 'rows'>[]): number {
  const firstMany = sequences.findIndex(({ rows }) => rows !== 1);
  return firstMany < 0 ? sequences.length : firstMany;
}

export function createSequenceInputs({ gpu, sizes, rows, maxPages, groups, tileRows }: SequenceInputsOptions): SequenceInputs {
  const storage = (label: string, size: number) => gpu.createBuffer({ label, size: Math.max(16, size), usage: STORAGE_USAGE });
  const buffers: Record<SequenceBuffer, GPUBuffer> = {
    rowSequence: storage('sequences of rows', rows * 4),
    tiles: storage('attention tiles', rows * TILE_BYTES),
    slots: storage('slots of sequences', rows * SLOT_BYTES),
    memory: storage('memories of sequences', rows * 4),
  };
  const pageTables = Array.from({ length: groups }, (_, group) => storage(`page tables of group ${group}`, rows * maxPages * 4));
  const keptSlots = storage('slots of further rows', rows * SLOT_BYTES);
  const uniform = BUFFER_USAGE.UNIFORM | BUFFER_USAGE.COPY_DST;
  const uniforms = new Map(
    Object.keys(sizes).map((dim) => [dim, gpu.createBuffer({ label: `size of ${dim}`, size: UNIFORM_BYTES, usage: uniform })]),
  );
  const all = [...Object.values(buffers), ...pageTables, keptSlots, ...uniforms.values()];
  const put = (buffer: GPUBuffer, values: Uint32Array, offset = 0) => {
    if (values.length > 0) gpu.queue.writeBuffer(buffer, offset * 4, values as BufferSource);
  };
  /** By their words: of values that always have so many rows, and of kernels' own sizes. */
  const constants = new Map<string, GPUBufferBinding>();
  // There before any is asked for: then nobody waits for what the device says to a new buffer.
  let pool = gpu.createBuffer({ label: 'constant sizes', size: CONSTANT_BYTES, usage: uniform });
  all.push(pool);
  let used = 0;
  const uniformOf = (words: readonly number[]): GPUBufferBinding => {
    const present = constants.get(words.join(' '));
    if (present !== undefined) return present;
    const size = Math.ceil((words.length * 4) / UNIFORM_BYTES) * UNIFORM_BYTES;
    if (used + size > pool.size) {
      all.push((pool = gpu.createBuffer({ label: 'more constant sizes', size: CONSTANT_BYTES, usage: uniform })));
      used = 0;
    }
    put(pool, Uint32Array.from(words), used / 4);
    const binding = { buffer: pool, offset: used, size };
    used += Math.ceil(size / UNIFORM_STEP) * UNIFORM_STEP;
    constants.set(words.join(' '), binding);
    return binding;
  };
  const tilesOf = (sequences: readonly SequenceRows[]) => attentionTiles(sequences, tileRows, singlesOf(sequences));
  const counted = (own: DimSizes, sequences: readonly SequenceRows[], tiles: Uint32Array): StepCounts => {
    const singles = singlesOf(sequences);
    const keys = sequences.slice(0, singles || undefined).map(({ start, rows: count }) => start + count);
    return { sizes: own, tiles: tiles.length / 4, singles, keys: Math.max(0, ...keys) };
  };
  return {
    buffers,
    pageTable(group) {
      const buffer = pageTables[group];
      if (buffer === undefined) throw new Error(`gpu program: no page table of group ${group}`);
      return buffer;
    },
    sizeBytes: all.reduce((sum, { size }) => sum + size, 0),
    sizeOf(dim) {
      if (typeof dim === 'number') return uniformOf([dim]);
      const buffer = uniforms.get(dim);
      if (buffer === undefined) throw new Error(`gpu program: no size of dim ${dim}`);
      return { buffer };
    },
    uniformOf,
    countsOf: (own, sequences) => counted(own, sequences, tilesOf(sequences)),
    write(own, sequences) {
      for (const [dim, buffer] of uniforms) put(buffer, Uint32Array.of(own[dim] as number));
      put(buffers.rowSequence, Uint32Array.from(sequences.flatMap((sequence, n) => Array.from({ length: sequence.rows }, () => n))));
      pageTables.forEach((buffer, group) =>
        sequences.forEach(({ pages }, n) => put(buffer, Uint32Array.from(pages[group] ?? []), n * maxPages)),
      );
      if (sequences.some(({ slots }) => slots !== undefined)) put(buffers.slots, slotWords(sequences));
      if (sequences.some(({ memory }) => memory !== undefined))
        put(buffers.memory, Uint32Array.from(sequences, ({ memory }) => memory ?? 0));
      const tiles = tilesOf(sequences);
      put(buffers.tiles, tiles);
      return counted(own, sequences, tiles);
    },
    writePlaces(places, from) {
      for (const [n, { pages }] of places.entries()) {
        const first = from[n] as number;
        pageTables.forEach((buffer, group) => {
          const own = pages[group] ?? [];
          if (own.length > first) put(buffer, Uint32Array.from(own).subarray(first), n * maxPages + first);
        });
      }
      if (places.some(({ slots }) => slots !== undefined)) put(buffers.slots, slotWords(places.map((place) => ({ ...place, rows: 1 }))));
    },
    keepSlots(encoder, places) {
      put(keptSlots, slotWords(places.map(({ slots }) => ({ rows: 1, slots: slots && { read: slots.write, write: slots.write } }))));
      encoder.copyBufferToBuffer(keptSlots, 0, buffers.slots, 0, places.length * SLOT_BYTES);
    },
    destroy() {
      for (const buffer of all) buffer.destroy();
    },
  };
}
