/**
 * Keys and values on the GPU, one buffer for each attention state, [page][keys, values][kvHead][pageTokens][headStride], and the tables of
 * rotary positions as far as there are pages. Both grow by doubling: what is there is copied on the GPU.
 */
import type { KvLayout } from '../../graph/executor.ts';
import type { ModelGraphs } from '../../graph/model-graphs.ts';
import type { RopeTable } from '../../graph/ops/rope.ts';
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
  /** Makes `count` pages exist. Returns a growth where buffers are new: what refers to them must be made again. */
  grow(count: number): Growth | undefined;
  state(index: number): GPUBuffer;
  table(id: string): GPUBuffer;
  destroy(): void;
}

/** New buffers whose memory the device may yet refuse. One of both is to be called. */
export interface Growth {
  /** Frees the buffers before. */
  keep(): void;
  /** Goes back to the buffers before, which hold what they held. */
  undo(): void;
}

/** Tokens that there is room for from the start. */
const FIRST_TOKENS = 1024;

/** Values from one head's vector to the next: 16 bytes hold 8 or 4. */
function headStrideOf(headDim: number, type: KvLayout['type']): number {
  const unit = type === 'f16' ? 8 : 4;
  return Math.ceil(headDim / unit) * unit;
}

function statePageBytes({ states }: ModelGraphs, { type, pageTokens }: KvLayout): number[] {
  return states.map(
    ({ heads, keyDim, valueDim }) =>
      heads * pageTokens * (headStrideOf(keyDim, type) + headStrideOf(valueDim, type)) * (type === 'f16' ? 2 : 4),
  );
}

/** (cos, sin) of position * frequency, rows `from` to `to`, computed in float64. */
function ropeRows({ frequencies }: RopeTable, from: number, to: number): Float32Array {
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

function ropeTablesOf({ graphs }: ModelGraphs): readonly RopeTable[] {
  const tables = [...graphs.values()].flatMap(({ nodes }) => nodes).flatMap(({ op }) => (op.kind === 'rope' ? [op.table] : []));
  return [...new Map(tables.map((table) => [table.id, table])).values()];
}

export interface KvCacheOptions {
  readonly gpu: GpuDevice;
  readonly model: ModelGraphs;
  readonly kv: KvLayout;
}

/** Buffers of one size. */
interface KvBuffers {
  readonly states: readonly GPUBuffer[];
  readonly tables: ReadonlyMap<string, GPUBuffer>;
  /** Pages that they have room for. */
  readonly capacity: number;
}

const NONE: KvBuffers = { states: [], tables: new Map(), capacity: 0 };

function destroyBuffers({ states, tables }: KvBuffers): void {
  for (const buffer of [...states, ...tables.values()]) buffer.destroy();
}

/** Larger buffers with the same contents. */
function enlarge({ gpu, model, kv }: KvCacheOptions, before: KvBuffers, capacity: number): KvBuffers {
  const encoder = gpu.device.createCommandEncoder();
  const enlarged = (label: string, size: number, old: GPUBuffer | undefined) => {
    const buffer = gpu.createBuffer({ label, size, usage: STORAGE_USAGE });
    if (old !== undefined) encoder.copyBufferToBuffer(old, 0, buffer, 0, old.size);
    return buffer;
  };
  const states = statePageBytes(model, kv).map((bytes, i) => enlarged(`keys and values of layer ${i}`, capacity * bytes, before.states[i]));
  const [from, to] = [before.capacity * kv.pageTokens, capacity * kv.pageTokens];
  const tables = new Map(ropeTablesOf(model).map((table) => {
    const rowBytes = table.frequencies.length * 8;
    const buffer = enlarged(`rotary positions ${table.id}`, to * rowBytes, before.tables.get(table.id));
    gpu.queue.writeBuffer(buffer, from * rowBytes, ropeRows(table, from, to) as BufferSource);
    return [table.id, buffer] as const;
  }));
  gpu.queue.submit([encoder.finish()]);
  return { states, tables, capacity };
}

/** @throws CapacityError where a kernel cannot bind one layer's `count` pages */
function checkBinding({ gpu, model, kv }: KvCacheOptions, count: number): void {
  const pageBytes = Math.max(...statePageBytes(model, kv), 1);
  if (pageBytes * count <= gpu.limits.bindingBytes) return;
  const fits = Math.floor(gpu.limits.bindingBytes / pageBytes) * kv.pageTokens;
  throw new CapacityError(
    `Keys and values of ${count * kv.pageTokens} tokens take ${pageBytes * count} bytes a layer; ${gpu.name} takes ${gpu.limits.bindingBytes} at once. Use a context of at most ${fits} tokens.`,
  );
}

export function createKvCache(options: KvCacheOptions): KvCache {
  const { kv } = options;
  let buffers = NONE;
  let pages = 0;
  const grow = (count: number): Growth => {
    const before = { buffers, pages };
    const first = Math.ceil(FIRST_TOKENS / kv.pageTokens);
    buffers = enlarge(options, buffers, Math.max(count, Math.min(kv.maxPages, Math.max(buffers.capacity * 2, first))));
    pages = count;
    return {
      keep: () => destroyBuffers(before.buffers),
      undo() {
        destroyBuffers(buffers);
        ({ buffers, pages } = before);
      },
    };
  };
  const sizeOf = (all: Iterable<GPUBuffer>) => [...all].reduce((sum, { size }) => sum + size, 0);
  return {
    get pages() {
      return pages;
    },
    get sizeBytes() {
      return sizeOf(buffers.states);
    },
    get tableBytes() {
      return sizeOf(buffers.tables.values());
    },
    check: (count) => checkBinding(options, count),
    grow(count) {
      if (count > buffers.capacity) return grow(count);
      pages = Math.max(pages, count);
      return undefined;
    },
    state(index) {
      const buffer = buffers.states[index];
      if (buffer === undefined) throw new Error(`gpu program: no pages for state ${index} yet`);
      return buffer;
    },
    table(id) {
      const buffer = buffers.tables.get(id);
      if (buffer === undefined) throw new Error(`gpu program: no rotary table ${id} yet`);
      return buffer;
    },
    destroy() {
      destroyBuffers(buffers);
      buffers = NONE;
    },
  };
}
