/**
 * Which sequence owns which pages and slots of a program's state. Memory grows as sequences fill; when the last page is taken, the sequence
 * that was used longest ago loses all of its own and prefills again when it goes on. When the last slot is, the oldest snapshot goes first.
 *
 * Pages have counted references. Full ones of the group without a window are in an index by their tokens (`prefix-index.ts`): sequences
 * that begin alike share them, and they stay, when no sequence holds them, until no other page is left (`shared-prefixes.ts`).
 *
 * Pages come by group: a group with a window gives back those that lie before it. Slots come in versions: a submit reads the version at
 * its first position and writes another at its end, so that a sequence can go back to where a submit began. Snapshots hold slots of
 * versions for longer: nobody writes to a slot that anybody holds. Where there are windows and no slots, a sequence keeps the pages of one
 * window besides, so that it can go back to where that ends; they go before any sequence loses its state.
 */
import type { StatePlace } from '../graph/executor.ts';
import { EMPTY_SLOT } from '../graph/state-sizes.ts';
import type { CapacityError } from '../tensor/errors.ts';
import { releaseSnapshot, reservePages, takeSlot } from './memory-claims.ts';
import { countUnused, forgetUnsure } from './number-pool.ts';
import { createPoolParts } from './pool-parts.ts';
import type { PoolParts, StatePoolOptions } from './pool-parts.ts';
import type { SequenceState, StatePool, SubmitSpan } from './sequence-state.ts';
import { findShared, holdShared, isWritable, readShared, sharePages, shareState } from './shared-prefixes.ts';
import { baseOf, canGoOnAt, dropVersions, nextVersion, snapshotOf } from './slot-versions.ts';
import { truncateState } from './truncate-state.ts';
import { dropKeptWindows, holdsWindows, releaseBefore } from './window-pages.ts';

export function createStatePool(options: StatePoolOptions): StatePool {
  return new Pools(createPoolParts(options));
}

class Pools implements StatePool {
  readonly pageTokens: number;
  readonly #parts: PoolParts;
  #clock = 0;
  /** A step failed for want of memory, and none has run since. */
  #wasRefused = false;

  constructor(parts: PoolParts) {
    this.#parts = parts;
    this.pageTokens = parts.pageTokens;
  }

  get most() {
    return this.#parts.pages.map(({ most }) => most);
  }

  get allocated() {
    return this.#parts.pages.map(({ allocated }) => allocated);
  }

  get free() {
    return this.#parts.pages.map(({ free }) => free.length);
  }

  get cached() {
    return this.#parts.pages.map(countUnused);
  }

  get slots() {
    const { slots } = this.#parts;
    return { allocated: Math.max(0, slots.allocated - EMPTY_SLOT - 1), free: slots.free.length, cached: countUnused(slots) };
  }

  get keepsSnapshots() {
    return this.#parts.snapshots.most > 0;
  }

  get hasSlots() {
    return this.#parts.hasSlots;
  }

  open(tokens: readonly number[] = []): SequenceState {
    const { pages, states } = this.#parts;
    const state: SequenceState = {
      tokens,
      pages: pages.map(() => []),
      firstPage: pages.map(() => 0),
      blocks: [],
      versions: [],
      keptLength: 0,
      epoch: 0,
      lastUse: 0,
      claim: undefined,
      isPinned: false,
    };
    states.add(state);
    return state;
  }

  begin(state: SequenceState, { start, end, accepted, settled = accepted }: SubmitSpan): StatePlace {
    const parts = this.#parts;
    if (!parts.states.has(state)) throw new Error('state pool: a closed sequence began a submit');
    state.lastUse = ++this.#clock;
    const base = baseOf(state, Math.min(settled, accepted));
    dropVersions(parts, state, { from: 0, to: base });
    dropVersions(parts, state, { from: base === undefined ? 0 : 1, to: baseOf(state, accepted) });
    const oldest = Math.min(start, base?.length ?? settled);
    for (const group of parts.pages.keys()) {
      releaseBefore(parts, state, group, oldest);
      reservePages(parts, state, group, end);
    }
    parts.snapshots.release(({ owner, tokens }) => owner === state && !holdsWindows(parts, state, tokens.length));
    const write = () => takeSlot(parts, state);
    return { pages: state.pages, slots: parts.hasSlots ? nextVersion(state, { start, end, write }) : undefined };
  }

  releaseSnapshot(): boolean {
    return releaseSnapshot(this.#parts);
  }

  makeRoom(refusal: CapacityError): boolean {
    const forgot = this.#parts.pages.map((pool) => forgetUnsure(pool, refusal)).includes(true);
    const isFirst = !this.#wasRefused;
    this.#wasRefused = true;
    return (forgot && isFirst) || this.releaseSnapshot();
  }

  confirm({ pages, firstPage, tokens }: SequenceState, start: number): void {
    this.#wasRefused = false;
    const end = Math.ceil(tokens.length / this.pageTokens);
    for (const [group, pool] of this.#parts.pages.entries()) {
      const own = pages[group] as number[];
      // Those of earlier steps have been looked at then.
      const from = Math.max(firstPage[group] as number, Math.floor(start / this.pageTokens));
      for (let at = from; at < end; at++) pool.sure = Math.max(pool.sure, (own[at] as number) + 1);
    }
  }

  servable(state: SequenceState, tokens: number): number {
    const parts = this.#parts;
    const { pages, versions, keptLength } = state;
    const most = Math.min(tokens, ...pages.map(({ length }) => length * this.pageTokens));
    if (parts.hasSlots) {
      const version = versions.findLast(({ length }) => length <= most && canGoOnAt(parts, state, length))?.length ?? 0;
      // The usual case, once for every step: the newest version.
      return version === most ? version : Math.max(version, snapshotOf(parts, state, most)?.tokens.length ?? 0);
    }
    // Who goes back to the middle of a page that another sequence reads begins it anew.
    const length = isWritable(parts, state, most) ? most : Math.floor(most / this.pageTokens) * this.pageTokens;
    if (holdsWindows(parts, state, length)) return length;
    return keptLength <= most && isWritable(parts, state, keptLength) ? keptLength : 0;
  }

  adopt(state: SequenceState, ids: ArrayLike<number>): number {
    const parts = this.#parts;
    const found = findShared(parts, ids);
    const length = found.blocks.length * this.pageTokens;
    if (length <= this.servable(state, state.tokens.length)) return 0;
    holdShared(parts, found);
    this.truncate(state, 0);
    readShared(parts, state, found);
    parts.index?.touch(found.blocks);
    if (found.snapshot !== undefined) parts.snapshots.touch(found.snapshot);
    return length;
  }

  parting(ids: ArrayLike<number>): number {
    return this.#parts.index?.parting(ids) ?? 0;
  }

  known(ids: ArrayLike<number>): number {
    return (this.#parts.index?.find(ids).length ?? 0) * this.pageTokens;
  }

  get sharesSnapshots() {
    return this.#parts.index !== undefined && this.keepsSnapshots;
  }

  share(state: SequenceState): void {
    sharePages(this.#parts, state);
  }

  shareSnapshot(state: SequenceState, tokens: number): void {
    shareState(this.#parts, state, tokens);
  }

  keep(state: SequenceState, tokens: number): void {
    const parts = this.#parts;
    if (!this.keepsSnapshots || tokens === 0) return;
    if (!parts.hasSlots) {
      if (tokens === state.keptLength || !holdsWindows(parts, state, tokens)) return;
      dropKeptWindows(parts, state);
      state.keptLength = tokens;
      return;
    }
    const snapshot = snapshotOf(parts, state, tokens);
    const slot = (snapshot?.tokens.length === tokens ? snapshot : state.versions.find(({ length }) => length === tokens))?.slot;
    if (slot !== undefined) parts.snapshots.take(state, state.tokens.slice(0, tokens), { slot });
  }

  truncate(state: SequenceState, tokens: number): void {
    truncateState(this.#parts, state, tokens);
  }

  rest(state: SequenceState, tokens: number): void {
    this.truncate(state, tokens);
    dropVersions(this.#parts, state, { from: 0, to: state.versions.at(-1) });
    this.keep(state, tokens);
  }

  close(state: SequenceState): void {
    this.truncate(state, 0);
    this.#parts.states.delete(state);
  }
}
