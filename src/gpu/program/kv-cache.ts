/**
 * Keys and values on the GPU, one buffer for each attention state, [page][keys, values][kvHead][pageTokens][headStride], and the tables of
 * rotary positions as far as there are pages. Both grow by doubling: what is there is copied on the GPU.
 */
import type { KvLayout } from '../../graph/executor.ts';
import type { Graph } from '../../graph/graph.ts';
import type { RopeTable } from '../../graph/op.ts';
import { CapacityError } from '../../tensor/errors.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import { STORAGE_USAGE } from '../device/gpu-flags.ts';

export interface KvCache {
  /** Pages that exist. */
  readonly pages: number;
  readonly sizeBytes: number;
  /** Bytes of the rotary tables. */
  readonly tableBytes: number;
  /** @throws CapacityError where kernels could not see `count` pages */
  check(count: number): void;
  /** Makes `count` pages exist. Returns true where buffers are new, so that what refers to them must be made again. */
  grow(count: number): boolean;
  state(index: number): GPUBuffer;
  table(id: string): GPUBuffer;
  destroy(): void;
}

/** Tokens that there is room for from the start. */
const FIRST_TOKENS = 1024;

/** Values from one head's vector to the next: 16 bytes hold 8 or 4. */
export function headStrideOf(headDim: number, type: KvLayout['type']): number {
  const unit = type === 'f16' ? 8 : 4;
  return Math.ceil(headDim / unit) * unit;
}

function statePageBytes(graph: Graph, { type, pageTokens }: KvLayout): number[] {
  return graph.states.map(({ kvHeads, headDim }) => 2 * kvHeads * pageTokens * headStrideOf(headDim, type) * (type === 'f16' ? 2 : 4));
}

/** Bytes of keys and values for one position of a sequence, over all states. */
export function kvTokenBytes(graph: Graph, kv: KvLayout): number {
  return statePageBytes(graph, kv).reduce((sum, bytes) => sum + bytes, 0) / kv.pageTokens;
}

/** (cos, sin) of position * frequency, rows `from` to `to`, computed in float64. */
export function ropeRows({ frequencies }: RopeTable, from: number, to: number): Float32Array {
  const half = frequencies.length;
  const rows = new Float32Array((to - from) * half * 2);
  for (let position = from; position < to; position++) {
    for (let i = 0; i < half; i++) {
      const angle = position * (frequencies[i] as number);
      const at = ((position - from) * half + i) * 2;
      rows[at] = Math.cos(angle);
      rows[at + 1] = Math.sin(angle);
    }
  }
  return rows;
}

export function ropeTablesOf(graph: Graph): readonly RopeTable[] {
  const tables = graph.nodes.flatMap(({ op }) => (op.kind === 'rope' ? [op.table] : []));
  return [...new Map(tables.map((table) => [table.id, table])).values()];
}

export interface KvCacheOptions {
  readonly gpu: GpuDevice;
  readonly graph: Graph;
  readonly kv: KvLayout;
}

export function createKvCache({ gpu, graph, kv }: KvCacheOptions): KvCache {
  const pageBytes = statePageBytes(graph, kv);
  const ropeTables = ropeTablesOf(graph);
  let states: GPUBuffer[] = [];
  let tables = new Map<string, GPUBuffer>();
  let pages = 0;
  let capacity = 0;

  /** A larger buffer with the same contents; the old one goes once the copy is through. */
  const enlarged = (label: string, size: number, old: GPUBuffer | undefined, encoder: GPUCommandEncoder) => {
    const buffer = gpu.createBuffer({ label, size, usage: STORAGE_USAGE });
    if (old !== undefined) encoder.copyBufferToBuffer(old, 0, buffer, 0, old.size);
    return buffer;
  };
  const check = (count: number) => {
    const largest = Math.max(...pageBytes, 0) * count;
    if (largest <= gpu.limits.bindingBytes) return;
    const fits = Math.floor(gpu.limits.bindingBytes / Math.max(...pageBytes)) * kv.pageTokens;
    throw new CapacityError(`Keys and values of ${count * kv.pageTokens} tokens take ${largest} bytes a layer; ${gpu.name} takes ${gpu.limits.bindingBytes} at once. Use a context of at most ${fits} tokens.`);
  };
  const reallocate = (count: number) => {
    const encoder = gpu.device.createCommandEncoder();
    const old = [...states, ...tables.values()];
    const before = capacity;
    states = pageBytes.map((bytes, i) => enlarged(`keys and values of layer ${i}`, count * bytes, states[i], encoder));
    tables = new Map(ropeTables.map((table) => {
      const rowBytes = table.frequencies.length * 8;
      const buffer = enlarged(`rotary positions ${table.id}`, count * kv.pageTokens * rowBytes, tables.get(table.id), encoder);
      gpu.queue.writeBuffer(buffer, before * kv.pageTokens * rowBytes, ropeRows(table, before * kv.pageTokens, count * kv.pageTokens) as BufferSource);
      return [table.id, buffer];
    }));
    gpu.queue.submit([encoder.finish()]);
    for (const buffer of old) buffer.destroy();
    capacity = count;
  };

  return {
    get pages() {
      return pages;
    },
    get sizeBytes() {
      return states.reduce((sum, { size }) => sum + size, 0);
    },
    get tableBytes() {
      return [...tables.values()].reduce((sum, { size }) => sum + size, 0);
    },
    check,
    grow(count) {
      if (count <= pages) return false;
      pages = count;
      if (count <= capacity) return false;
      const first = Math.ceil(FIRST_TOKENS / kv.pageTokens);
      reallocate(Math.max(count, Math.min(kv.maxPages, Math.max(capacity * 2, first))));
      return true;
    },
    state(index) {
      const buffer = states[index];
      if (buffer === undefined) throw new Error(`gpu program: no pages for state ${index} yet`);
      return buffer;
    },
    table(id) {
      const buffer = tables.get(id);
      if (buffer === undefined) throw new Error(`gpu program: no rotary table ${id} yet`);
      return buffer;
    },
    destroy() {
      for (const buffer of [...states, ...tables.values()]) buffer.destroy();
      states = [];
      tables.clear();
    },
  };
}
