/**
 * A kernel at work in a plan: which buffers it binds, how many workgroups it takes, what that costs. Plain data until a program binds
 * it.
 */
import type { DimSizes } from '../../graph/dims.ts';
import type { Dim } from '../../graph/value.ts';
import type { DeviceProfile } from '../profile/device-profile.ts';
import type { Kernel, Workgroups } from '../kernel.ts';
import type { PlaneName } from '../packed-layout.ts';
import type { GpuValue } from './gpu-value.ts';

/**
 * What the host writes of a step's sequences: whose rows are whose, tiles of attention, (first row, rows, slot read, slot written), and
 * positions of their memories.
 */
export type SequenceBuffer = 'rowSequence' | 'tiles' | 'slots' | 'memory';

export type BufferRef =
  | { readonly kind: 'value'; readonly value: GpuValue; readonly part: 'floats' | 'codes' | 'stats' }
  | { readonly kind: 'plane'; readonly matrix: string; readonly plane: PlaneName }
  | { readonly kind: 'vector'; readonly key: string }
  /** A state of sequences: pages, or slots. */
  | { readonly kind: 'state'; readonly state: number }
  | { readonly kind: 'rope'; readonly table: string }
  | { readonly kind: 'sequences'; readonly name: SequenceBuffer }
  /** Page tables of a group of states. */
  | { readonly kind: 'pageTable'; readonly group: number }
  /** The uniform that holds the size of a dim. */
  | { readonly kind: 'size'; readonly dim: Dim }
  /** The uniform that holds a kernel's own sizes. */
  | { readonly kind: 'sizes'; readonly words: readonly number[] }
  /** Partial results of split attention, and of products; what the delta rule in chunks leaves for itself. */
  | { readonly kind: 'partials' }
  /** x of a product, or keys and values of attention without a state, as halves. */
  | { readonly kind: 'halves' };

/** Sizes of the step that a dispatch belongs to. */
export interface StepCounts {
  /** By dim. */
  readonly sizes: DimSizes;
  /** Tiles of prefill attention. */
  readonly tiles: number;
  /** Leading rows, each the only one of its sequence, that are in no tile; absent: all where there are no tiles, none where there are. */
  readonly singles?: number | undefined;
  /** Most keys that a row attends to: one of the leading rows, where there are any. */
  readonly keys: number;
}

/** What a dispatch's number of workgroups depends on: steps that differ in keys alone take the same. */
export type GridCounts = Pick<StepCounts, 'sizes' | 'tiles' | 'singles'>;

/** What a dispatch has to move and compute, from the shapes: each byte of input and output once. */
export interface StepCost {
  readonly bytes: number;
  readonly multiplyAdds: number;
}

export interface KernelUse {
  readonly kernel: Kernel;
  /** By binding name. */
  readonly buffers: Readonly<Record<string, BufferRef>>;
  workgroups(counts: GridCounts): Workgroups;
  /** Most bytes of the buffer of partial results that it writes; absent: what its op says apart. */
  readonly partialBytes?: number;
  /** Bytes of what it leaves as halves for the next kernel, at most. */
  halvesBytes?(counts: GridCounts): number;
  cost(counts: StepCounts): StepCost;
}

/**
 * Kernels of a product by the number of its rows: exactly one, up to a few (which share each load of a weight), or many. The other steps
 * know only one row and more.
 */
export type RowClass = 'one' | 2 | 4 | 8 | 'many';

export const ROW_CLASSES: readonly RowClass[] = ['one', 2, 4, 8, 'many'];

export function rowClassOf(rows: number): RowClass {
  if (rows === 1) return 'one';
  return ROW_CLASSES.find((size) => typeof size === 'number' && rows <= size) ?? 'many';
}

/**
 * How a step's keys are attended to. `whole`: every row is the only one of its sequence, a workgroup takes all keys of a head. `split`:
 * the same with keys divided over workgroups. `grouped`, `groupedSplit`: the same for many such rows, with a workgroup for all heads of a
 * group, which so reads their keys once; on devices with subgroups. `tiles`: several rows of a sequence. `splitTiles`: few such rows, on
 * matrix units, with keys divided over workgroups; where there is no form for that, as `tiles`. `wholeAndTiles`, `splitAndTiles`: leading
 * rows that are alone in their sequences one way, the rest of the step the other.
 */
export type AttentionMode = SingleMode | 'tiles' | 'splitTiles' | 'wholeAndTiles' | 'splitAndTiles';

/** Of rows that are alone in their sequences. */
export type SingleMode = 'whole' | 'split' | 'grouped' | 'groupedSplit';

const SINGLE_MODES: readonly AttentionMode[] = ['whole', 'split', 'grouped', 'groupedSplit'];

/** Whether a step has several rows of a sequence. */
export function hasTiles(mode: AttentionMode): mode is Exclude<AttentionMode, SingleMode> {
  return !SINGLE_MODES.includes(mode);
}

/** The ways in which rows of a device's steps may come. */
export function attentionModes(
  { subgroupMatrix, subgroupSize }: Pick<DeviceProfile, 'subgroupMatrix' | 'subgroupSize'>,
): readonly AttentionMode[] {
  return [
    'tiles', 'whole', 'split', 'wholeAndTiles', 'splitAndTiles',
    ...(subgroupSize === undefined ? [] : (['grouped', 'groupedSplit'] as const)),
    ...(subgroupMatrix === undefined ? [] : (['splitTiles'] as const)),
  ];
}

/** How a step comes. */
export interface StepMode {
  /** By dim; undefined where there are none, and what works on them is left out. */
  readonly rows: Readonly<Record<string, RowClass | undefined>>;
  readonly attention: AttentionMode;
}

export function modeOf({ sizes }: Pick<StepCounts, 'sizes'>, attention: AttentionMode): StepMode {
  return {
    rows: Object.fromEntries(Object.entries(sizes).map(([dim, size]) => [dim, size === 0 ? undefined : rowClassOf(size)])),
    attention,
  };
}
