/** What the host writes of a run beside the graph's inputs: sizes of dims, whose rows are whose, page tables, tiles of attention. */
import type { DimSizes } from '../../graph/dims.ts';
import type { SequenceRows, StatePlace } from '../../graph/executor.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import { STORAGE_USAGE } from '../device/gpu-device.ts';
import { attentionTiles } from '../kernels/attention-prefill/attention-tiles.ts';
import type { SequenceBuffer, StepCounts } from '../plan/kernel-use.ts';
import { Uniforms } from './uniforms.ts';

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

/** Bytes of a tile: four words. */
const TILE_BYTES = 16;
/** Bytes of a sequence's first row, rows, and slots read and written. */
const SLOT_BYTES = 16;

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

function countsOf(sizes: DimSizes, sequences: readonly SequenceRows[], tiles: Uint32Array): StepCounts {
  const singles = singlesOf(sequences);
  const keys = sequences.slice(0, singles || undefined).map(({ start, rows }) => start + rows);
  return { sizes, tiles: tiles.length / 4, singles, keys: Math.max(0, ...keys) };
}

export class SequenceInputs {
  readonly sizeBytes: number;
  readonly buffers: Readonly<Record<SequenceBuffer, GPUBuffer>>;
  readonly uniforms: Uniforms;
  readonly #gpu: GpuDevice;
  readonly #maxPages: number;
  readonly #tileRows: number;
  /** By group. */
  readonly #pageTables: readonly GPUBuffer[];
  readonly #keptSlots: GPUBuffer;

  constructor({ gpu, sizes, rows, maxPages, groups, tileRows }: SequenceInputsOptions) {
    const storage = (label: string, size: number) => gpu.createBuffer({ label, size: Math.max(16, size), usage: STORAGE_USAGE });
    this.buffers = {
      rowSequence: storage('sequences of rows', rows * 4),
      tiles: storage('attention tiles', rows * TILE_BYTES),
      slots: storage('slots of sequences', rows * SLOT_BYTES),
      memory: storage('memories of sequences', rows * 4),
    };
    this.#pageTables = Array.from({ length: groups }, (_, group) => storage(`page tables of group ${group}`, rows * maxPages * 4));
    this.#keptSlots = storage('slots of further rows', rows * SLOT_BYTES);
    this.uniforms = new Uniforms(gpu, Object.keys(sizes));
    this.#gpu = gpu;
    this.#maxPages = maxPages;
    this.#tileRows = tileRows;
    this.sizeBytes = this.#storage().reduce((sum, { size }) => sum + size, this.uniforms.sizeBytes);
  }

  pageTable(group: number): GPUBuffer {
    const buffer = this.#pageTables[group];
    if (buffer === undefined) throw new Error(`gpu program: no page table of group ${group}`);
    return buffer;
  }

  /** Counts of a run. */
  countsOf(sizes: DimSizes, sequences: readonly SequenceRows[]): StepCounts {
    return countsOf(sizes, sequences, this.#tilesOf(sequences));
  }

  /** Enqueues the writes for a run. */
  write(sizes: DimSizes, sequences: readonly SequenceRows[]): StepCounts {
    this.uniforms.write(sizes);
    const { rowSequence, slots: slotsBuffer, memory: memories, tiles: tilesBuffer } = this.buffers;
    this.#put(rowSequence, Uint32Array.from(sequences.flatMap(({ rows }, n) => Array.from({ length: rows }, () => n))));
    this.#pageTables.forEach((buffer, group) =>
      sequences.forEach(({ pages }, n) => this.#put(buffer, Uint32Array.from(pages[group] ?? []), n * this.#maxPages)),
    );
    if (sequences.some(({ slots }) => slots !== undefined)) this.#put(slotsBuffer, slotWords(sequences));
    if (sequences.some(({ memory }) => memory !== undefined))
      this.#put(memories, Uint32Array.from(sequences, ({ memory }) => memory ?? 0));
    const tiles = this.#tilesOf(sequences);
    this.#put(tilesBuffer, tiles);
    return countsOf(sizes, sequences, tiles);
  }

  /** Enqueues, of sequences of one row each, page numbers from an index on, the same for all groups, and the slots of their next rows. */
  writePlaces(places: readonly StatePlace[], from: readonly number[]): void {
    for (const [n, { pages }] of places.entries()) {
      const first = from[n] as number;
      this.#pageTables.forEach((buffer, group) => {
        const own = pages[group] ?? [];
        if (own.length > first) this.#put(buffer, Uint32Array.from(own).subarray(first), n * this.#maxPages + first);
      });
    }
    if (places.some(({ slots }) => slots !== undefined))
      this.#put(this.buffers.slots, slotWords(places.map((place) => ({ ...place, rows: 1 }))));
  }

  /** Encodes that further rows of such sequences go on in the slots that the rows before have written. */
  keepSlots(encoder: GPUCommandEncoder, places: readonly StatePlace[]): void {
    const kept = places.map(({ slots }) => ({ rows: 1, slots: slots && { read: slots.write, write: slots.write } }));
    this.#put(this.#keptSlots, slotWords(kept));
    encoder.copyBufferToBuffer(this.#keptSlots, 0, this.buffers.slots, 0, places.length * SLOT_BYTES);
  }

  destroy(): void {
    for (const buffer of this.#storage()) buffer.destroy();
    this.uniforms.destroy();
  }

  #storage(): readonly GPUBuffer[] {
    return [...Object.values(this.buffers), ...this.#pageTables, this.#keptSlots];
  }

  /** @param offset in words */
  #put(buffer: GPUBuffer, values: Uint32Array, offset = 0): void {
    if (values.length > 0) this.#gpu.queue.writeBuffer(buffer, offset * 4, values as BufferSource);
  }

  #tilesOf(sequences: readonly SequenceRows[]): Uint32Array {
    return attentionTiles(sequences, this.#tileRows, singlesOf(sequences));
  }
}
