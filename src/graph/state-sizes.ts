/** How much memory a model's states take: the only place that reckons it, for engine and executors alike. */
import type { KvLayout } from './executor.ts';
import { kvVectorBytes } from './kv-types.ts';
import { slotStates, stateGroups } from './state.ts';
import type { PagedShape, SlotState, State, StateGroup } from './state.ts';
import { elementsOf } from '../tensor/tensor-type.ts';

interface WithStates {
  readonly states: readonly State[];
}

/** Conversations whose windows and slots there is room for at a time, at least; one more takes the room of the one used longest ago. */
const WINDOWED_SEQUENCES = 4;
/** Positions that a device may be ahead of its reader, at most: what they wrote over could not be gone back to. */
const RUN_AHEAD = 64;
/** Versions of a slot that one sequence needs: read, written, two submits under way, and where a stop text may have begun. */
export const SLOT_VERSIONS = 5;
/** The slot that is never written: zeros, which sequences begin with. */
export const EMPTY_SLOT = 0;

/** Bytes of one page of a group: its states' keys and values of `pageTokens` positions. */
export function groupPageBytes({ states }: StateGroup, { type, valueType = type, pageTokens }: Omit<KvLayout, 'maxPages'>): number {
  const bytesOf = ({ heads, keyDim, valueDim }: PagedShape) => heads * (kvVectorBytes(type, keyDim) + kvVectorBytes(valueType, valueDim));
  return states.reduce((sum, state) => sum + bytesOf(state), 0) * pageTokens;
}

/** Pages that a sequence may hold of a group at a time, when steps have up to `rows` rows. */
export function pagesOfSequence({ window }: StateGroup, { pageTokens, maxPages }: Omit<KvLayout, 'type'>, rows: number): number {
  if (window === undefined) return maxPages;
  // Neither end needs to be where a page begins, and a page more lets a few tokens be taken back.
  return Math.min(maxPages, Math.ceil((window + Math.max(rows, RUN_AHEAD)) / pageTokens) + 2);
}

/** Most pages that the engine asks for, by group. */
export function mostPages({ states }: WithStates, kv: KvLayout, rows: number): readonly number[] {
  return stateGroups(states).map((group) => {
    const { maxPages, sequences = 1 } = kv;
    const own = pagesOfSequence(group, kv, rows);
    if (group.window === undefined) return own * sequences;
    return Math.min(maxPages * sequences, own * Math.max(WINDOWED_SEQUENCES, sequences));
  });
}

/** Bytes of all that the engine asks for, where it asks for as much of everything as it may, snapshots excepted. */
export function stateBytes(model: WithStates, kv: KvLayout, rows: number): number {
  const pages = mostPages(model, kv, rows);
  const ofPages = stateGroups(model.states).reduce((sum, group, i) => sum + (pages[i] as number) * groupPageBytes(group, kv), 0);
  return ofPages + mostSlots(model, 0, kv) * slotBytes(model);
}

/** How many of the longest sequences `bytes` hold the states of, at most `most`; 0 where they do not hold one's. */
export function sequencesIn(bytes: number, { model, kv, rows, most }: {
  readonly model: WithStates;
  readonly kv: Omit<KvLayout, 'sequences'>;
  readonly rows: number;
  readonly most: number;
}): number {
  let sequences = 0;
  while (sequences < most && stateBytes(model, { ...kv, sequences: sequences + 1 }, rows) <= bytes) sequences++;
  return sequences;
}

/** Bytes of one state in a slot. */
export function slotStateBytes({ shape }: Pick<SlotState, 'shape'>): number {
  return 4 * elementsOf(shape);
}

/** Bytes of a slot: all slot states of one sequence. */
export function slotBytes({ states }: WithStates): number {
  return slotStates(states).reduce((sum, state) => sum + slotStateBytes(state), 0);
}

/** Snapshots of slots that so many bytes hold; none for a model without slot states. */
export function mostSnapshots(model: WithStates, snapshotBytes: number): number {
  return slotStates(model.states).length === 0 ? 0 : Math.floor(snapshotBytes / slotBytes(model));
}

/**
 * Most slots that the engine asks for, {@link EMPTY_SLOT} and so many snapshots among them; none for a model without slot states. It can do
 * with fewer by the number of snapshots.
 */
export function mostSlots(model: WithStates, snapshots: number, { sequences = 1 }: Pick<KvLayout, 'sequences'> = {}): number {
  if (slotStates(model.states).length === 0) return 0;
  return 1 + SLOT_VERSIONS * Math.max(WINDOWED_SEQUENCES, sequences) + snapshots;
}
