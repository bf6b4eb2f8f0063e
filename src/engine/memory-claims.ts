/** Pages and slots for who asks, and what goes for them where there are no more: what is cached first, then what other sequences hold. */
import { CapacityError } from '../tensor/errors.ts';
import { compareRanks } from './admission.ts';
import type { Rank } from './admission.ts';
import { fill, fillPages, hold, isUnused } from './number-pool.ts';
import type { NumberPool } from './number-pool.ts';
import type { PoolParts } from './pool-parts.ts';
import { MemoryHeld } from './sequence-state.ts';
import type { SequenceState } from './sequence-state.ts';
import { truncateState } from './truncate-state.ts';
import { dropOldestWindows } from './window-pages.ts';

/** Negative where the call of `a` goes before that of `b`; what no call runs is last, and equal. */
function compareClaims(a: Rank | undefined, b: Rank | undefined): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  return compareRanks(a, b);
}

function tooMuch(need: string): CapacityError {
  return new CapacityError(`A sequence needs ${need} that this model was loaded with.`);
}

/** Gives back the slot of the oldest snapshot whose slot no sequence holds; false where there is none. */
export function releaseSnapshot({ snapshots, slots }: PoolParts): boolean {
  return snapshots.releaseOldest(({ slot }) => slot !== undefined && isUnused(slots, slot));
}

/** Gives back pages of a group that are only cached, the oldest; false where there are none. */
function releaseCached({ index, whole, pages, snapshots }: PoolParts, group: number): boolean {
  const isFree = (page: number) => isUnused(pages[group] as NumberPool, page);
  if (group === whole) return index?.evict(isFree) === true;
  return snapshots.releaseOldest(({ windows }) => windows?.[group]?.some(isFree) === true);
}

/** Gives a sequence the pages of a group for so many tokens. @throws as `StatePool.begin` */
export function reservePages(parts: PoolParts, state: SequenceState, group: number, tokens: number): void {
  const [pool, pages] = [parts.pages[group] as NumberPool, state.pages[group] as number[]];
  const wanted = Math.ceil(tokens / parts.pageTokens) - pages.length;
  if (wanted <= 0) return;
  const need = `more than the ${parts.maxPages * parts.pageTokens} positions`;
  let isLastTry = false;
  while (!fillPages(pool, wanted, Math.min(pool.soon, pool.most))) {
    if (releaseCached(parts, group)) continue;
    if (fillPages(pool, wanted, pool.most)) break;
    if (dropOldestWindows(parts) || reclaim(parts, state, need)) continue;
    if (isLastTry || pool.most === pool.limit) throw pool.refusal ?? tooMuch(need);
    // Nothing else is left: the device may have memory again.
    isLastTry = true;
    pool.most = pool.limit;
  }
  for (let i = 0; i < wanted; i++) {
    const page = pool.free.pop() as number;
    hold(pool, page);
    pages.push(page);
  }
}

/** A slot that nobody has, for a sequence. @throws as `StatePool.begin` */
export function takeSlot(parts: PoolParts, state: SequenceState): number {
  const { slots } = parts;
  for (;;) {
    let refusal: unknown;
    try {
      if (fill(slots, 1)) break;
    } catch (error) {
      if (!(error instanceof CapacityError)) throw error;
      refusal = error;
    }
    if (releaseSnapshot(parts)) continue;
    if (refusal !== undefined) throw refusal;
    const need = 'more sequences at a time than there are slots for';
    if (!reclaim(parts, state, need)) throw slots.refusal ?? tooMuch(need);
  }
  // The lowest: of those that were made last, a device may yet say that it has no memory for them.
  const slot = Math.min(...slots.free);
  slots.free.splice(slots.free.indexOf(slot), 1);
  hold(slots, slot);
  return slot;
}

/**
 * Takes the state of the sequence used longest ago that no call runs, else of the call of the last rank behind the one that asks; false
 * where there is none. @throws MemoryHeld where others hold theirs
 */
function reclaim(parts: PoolParts, asking: SequenceState, need: string): boolean {
  let victim: SequenceState | undefined;
  let isHeld = false;
  for (const state of parts.states) {
    if (state === asking || (state.versions.length === 0 && state.pages.every(({ length }) => length === 0))) continue;
    if (state.isPinned || compareClaims(state.claim, asking.claim) < 0) isHeld = true;
    else if (victim === undefined || (compareClaims(victim.claim, state.claim) || state.lastUse - victim.lastUse) < 0) victim = state;
  }
  if (victim === undefined && isHeld) throw new MemoryHeld(`state pool: ${need} are held by calls that go first`);
  if (victim === undefined) return false;
  truncateState(parts, victim, 0);
  victim.epoch++;
  return true;
}
