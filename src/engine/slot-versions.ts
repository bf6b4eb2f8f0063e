/**
 * Slots of one sequence: a submit reads the version at its first position and writes another at its end, so that the sequence can go back
 * to where a submit began. Nobody writes to a slot that anybody holds.
 */
import type { SlotPlace } from '../graph/executor.ts';
import { EMPTY_SLOT } from '../graph/state-sizes.ts';
import { drop, hold } from './number-pool.ts';
import { holdsWindows } from './window-pages.ts';
import { isWritable } from './shared-prefixes.ts';
import type { PoolParts } from './pool-parts.ts';
import type { SequenceState, SlotVersion } from './sequence-state.ts';
import type { Snapshot } from './snapshots.ts';

/** The newest version of so many tokens or fewer. */
export function baseOf({ versions }: SequenceState, accepted: number): SlotVersion | undefined {
  return versions.findLast(({ length }) => length <= accepted);
}

/** Those of indices from `from` to before `to`. */
export function dropVersions(
  { slots }: PoolParts,
  { versions }: SequenceState,
  { from, to }: { readonly from: number; readonly to: SlotVersion | undefined },
): void {
  if (to === undefined) return;
  for (const { slot } of versions.splice(from, Math.max(0, versions.indexOf(to) - from))) drop(slots, slot);
}

export interface VersionSpan {
  readonly start: number;
  readonly end: number;
  /** Gives a free slot, which the sequence holds then. */
  readonly write: () => number;
}

/** Where a submit of positions [start, end) finds and leaves the state. */
export function nextVersion(state: SequenceState, { start, end, write }: VersionSpan): SlotPlace {
  const last = state.versions.at(-1);
  if ((last?.length ?? 0) !== start)
    throw new Error(`state pool: a submit begins at ${start}, the newest slot is of ${last?.length ?? 0} tokens`);
  const slot = write();
  state.versions.push({ length: end, slot });
  return { read: last?.slot ?? EMPTY_SLOT, write: slot };
}

/** A sequence's own snapshot of its longest prefix, up to `tokens` of its own, whose pages it still holds. */
export function snapshotOf(parts: PoolParts, state: SequenceState, tokens: number): Snapshot | undefined {
  const serves = ({ owner, tokens: { length } }: Snapshot) => owner === state && canGoOnAt(parts, state, length);
  return parts.snapshots.nearest(state.tokens.slice(0, tokens), serves);
}

/** Whether its pages let a sequence that has the slot states after `length` tokens go on from there. */
export function canGoOnAt(parts: PoolParts, state: SequenceState, length: number): boolean {
  return holdsWindows(parts, state, length) && isWritable(parts, state, length);
}

/** Gives back versions and snapshots past `tokens`, and goes back to the snapshot of that length where there is no version. */
export function truncateSlots(parts: PoolParts, state: SequenceState, tokens: number): void {
  const { versions } = state;
  while ((versions.at(-1)?.length ?? 0) > tokens) drop(parts.slots, (versions.pop() as SlotVersion).slot);
  parts.snapshots.release((snapshot) => snapshot.owner === state && snapshot.tokens.length > tokens);
  if ((versions.at(-1)?.length ?? 0) === tokens) return;
  const snapshot = snapshotOf(parts, state, tokens);
  if (snapshot?.tokens.length !== tokens || snapshot.slot === undefined) return;
  hold(parts.slots, snapshot.slot);
  versions.push({ length: tokens, slot: snapshot.slot });
}
