/**
 * The states of sequences on the GPU: a buffer for each paged state, cut into pages (what lies where in a page: ../attention-shape.ts), one
 * for each slot state, [slot][shape], and the tables of rotary positions as far as any sequence has come. Each grows by doubling: what is
 * there is copied on the GPU.
 */
import type { KvLayout } from '../../graph/executor.ts';
import type { ModelGraphs } from '../../graph/model-graphs.ts';
import type { RopeTable } from '../../graph/ops/rope.ts';
import { rotationsOf } from '../../graph/rotations.ts';
import { slotStates, stateGroups } from '../../graph/state.ts';
import type { StateGroup } from '../../graph/state.ts';
import { mostPages, mostSlots, slotStateBytes } from '../../graph/state-sizes.ts';
import { CapacityError } from '../../tensor/errors.ts';
import { cachedVectorBytes } from '../coded-cache.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import { STORAGE_USAGE } from '../device/gpu-device.ts';

/** Buffers whose units (a page, a slot, a position) are asked for together. */
export interface Arena {
  /** Units that exist. */
  readonly count: number;
  /** Units that there is memory for. */
  readonly capacity: number;
  readonly sizeBytes: number;
  /** @throws CapacityError where kernels could not see `count` units */
  check(count: number): void;
  /** Makes `count` units exist. Returns a growth where buffers are new: what refers to them must be made again. */
  grow(count: number): Growth | undefined;
  buffer(id: string | number): GPUBuffer;
  destroy(): void;
}

export interface StateMemory {
  /** Pages, by group. */
  readonly groups: readonly Arena[];
  readonly slots: Arena;
  /** Rotary tables, by position. */
  readonly tables: Arena;
  /** The buffer of a state. */
  state(index: number): GPUBuffer;
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

/** Slots of a recurrence take tens of MB each: twice as many as are used would be more memory than a user asked for. */
const SPARE_SLOT_BYTES = 128e6;

/** (cos, sin) of position * frequency, rows `from` to `to`, computed in float64. */
function ropeRows({ frequencies, magnitude = 1 }: RopeTable, from: number, to: number): Float32Array {
  const half = frequencies.length;
  const rows = new Float32Array((to - from) * half * 2);
  for (let position = from; position < to; position++) {
    for (let i = 0; i < half; i++) {
      const angle = position * (frequencies[i] as number);
      const at = ((position - from) * half + i) * 2;
      rows[at] = magnitude * Math.cos(angle);
      rows[at + 1] = magnitude * Math.sin(angle);
    }
  }
  return rows;
}

function ropeTablesOf({ graphs }: ModelGraphs): readonly RopeTable[] {
  const tables = [...graphs.values()].flatMap(rotationsOf).map(({ table }) => [table.id, table] as const);
  return [...new Map(tables).values()];
}

/** One buffer of an arena. */
interface ArenaPart {
  readonly id: string | number;
  readonly label: string;
  /** Bytes of one unit of it. */
  readonly unitBytes: number;
  /** What new units [from, to) hold; zeros where it is absent. */
  readonly contents?: (from: number, to: number) => Float32Array;
}

interface ArenaOptions {
  readonly gpu: GpuDevice;
  readonly parts: readonly ArenaPart[];
  /** Units that are made room for at first, and at most. */
  readonly first: number;
  readonly most: number;
  /** Bytes that are made room for beyond what is asked for, at most. Default: any. */
  readonly spareBytes?: number;
  /** Says of `count` units that are too many what they are, and what to do where only `fits` fit. */
  readonly refusal: (count: number, fits: number, bytes: number) => string;
}

interface ArenaBuffers {
  readonly buffers: ReadonlyMap<string | number, GPUBuffer>;
  readonly capacity: number;
}

function destroyBuffers({ buffers }: ArenaBuffers): void {
  for (const buffer of buffers.values()) buffer.destroy();
}

/** Larger buffers with the same contents. */
function enlarge({ gpu, parts }: ArenaOptions, before: ArenaBuffers, capacity: number): ArenaBuffers {
  const encoder = gpu.device.createCommandEncoder();
  const buffers = new Map(parts.map(({ id, label, unitBytes, contents }) => {
    const buffer = gpu.createBuffer({ label, size: Math.max(16, capacity * unitBytes), usage: STORAGE_USAGE });
    const old = before.buffers.get(id);
    if (old !== undefined) encoder.copyBufferToBuffer(old, 0, buffer, 0, old.size);
    if (contents !== undefined) {
      gpu.queue.writeBuffer(buffer, before.capacity * unitBytes, contents(before.capacity, capacity) as BufferSource);
    }
    return [id, buffer] as const;
  }));
  gpu.queue.submit([encoder.finish()]);
  return { buffers, capacity };
}

function createArena(options: ArenaOptions): Arena {
  const { gpu, parts, first, most, spareBytes = Infinity, refusal } = options;
  const spare = Math.floor(spareBytes / Math.max(1, parts.reduce((sum, part) => sum + part.unitBytes, 0)));
  const unitBytes = Math.max(...parts.map((part) => part.unitBytes), 1);
  let held: ArenaBuffers = { buffers: new Map(), capacity: 0 };
  let units = 0;
  const grow = (count: number): Growth => {
    const before = { held, units };
    held = enlarge(options, held, Math.max(count, Math.min(most, count + spare, Math.max(held.capacity * 2, first))));
    units = count;
    return {
      keep: () => destroyBuffers(before.held),
      undo() {
        destroyBuffers(held);
        ({ held, units } = before);
      },
    };
  };
  return {
    get count() {
      return units;
    },
    get capacity() {
      return held.capacity;
    },
    get sizeBytes() {
      return [...held.buffers.values()].reduce((sum, { size }) => sum + size, 0);
    },
    check(count) {
      const fits = Math.floor(gpu.limits.bindingBytes / unitBytes);
      if (count > fits) throw new CapacityError(refusal(count, fits, unitBytes * count));
    },
    grow(count) {
      if (count > held.capacity) return grow(count);
      units = Math.max(units, count);
      return undefined;
    },
    buffer(id) {
      const buffer = held.buffers.get(id);
      if (buffer === undefined) throw new Error(`gpu program: no buffer of ${id} yet`);
      return buffer;
    },
    destroy() {
      destroyBuffers(held);
      held = { buffers: new Map(), capacity: 0 };
    },
  };
}

export interface StateMemoryOptions {
  readonly gpu: GpuDevice;
  readonly model: ModelGraphs;
  readonly kv: KvLayout;
  /** Most rows of a step. */
  readonly rows: number;
  /** As a request's. */
  readonly snapshots: number;
}

function createGroup({ gpu, kv }: StateMemoryOptions, { states }: StateGroup, most: number): Arena {
  const { type, valueType = type, pageTokens } = kv;
  return createArena({
    gpu, most,
    first: Math.ceil(FIRST_TOKENS / pageTokens),
    parts: states.map(({ index, heads, keyDim, valueDim }) => ({
      id: index,
      label: `keys and values of layer ${index}`,
      unitBytes: heads * pageTokens * (cachedVectorBytes(type, keyDim) + cachedVectorBytes(valueType, valueDim)),
    })),
    refusal: (count, fits, bytes) =>
      `Keys and values of ${count * pageTokens} tokens take ${bytes} bytes a layer; ${gpu.name} takes ${gpu.limits.bindingBytes} ` +
      `at once. Use a context of at most ${fits * pageTokens} tokens.`,
  });
}

export function createStateMemory(options: StateMemoryOptions): StateMemory {
  const { gpu, model, kv, rows, snapshots } = options;
  const most = mostPages(model, kv, rows);
  const groups = stateGroups(model.states).map((group, i) => createGroup(options, group, most[i] as number));
  const tooLarge = (what: string) => (count: number, fits: number, bytes: number) =>
    `${what} of ${count} take ${bytes} bytes; ${gpu.name} takes ${gpu.limits.bindingBytes} at once, which is enough for ${fits}.`;
  const slots = createArena({
    gpu,
    parts: slotStates(model.states).map((state) => ({
      id: state.index,
      label: `state ${state.index} of sequences`,
      unitBytes: slotStateBytes(state),
    })),
    first: 2,
    spareBytes: SPARE_SLOT_BYTES,
    most: mostSlots(model, snapshots, kv),
    refusal: tooLarge('States of sequences, of a layer,'),
  });
  const tables = createArena({
    gpu,
    parts: ropeTablesOf(model).map((table) => ({
      id: table.id,
      label: `rotary positions ${table.id}`,
      unitBytes: table.frequencies.length * 8,
      contents: (from, to) => ropeRows(table, from, to),
    })),
    first: FIRST_TOKENS,
    most: kv.maxPages * kv.pageTokens,
    refusal: tooLarge('Rotary tables'),
  });
  const arenas = [...groups, slots, tables];
  return {
    groups, slots, tables,
    state(index) {
      const state = model.states[index];
      return (state?.kind === 'paged' ? (groups[state.group] as Arena) : slots).buffer(index);
    },
    destroy: () => arenas.forEach((arena) => arena.destroy()),
  };
}
