/**
 * Which sequence owns which pages and slots of a program's state. Memory grows as sequences fill; when the last page is taken, the sequence
 * that was used longest ago loses all of its own and prefills again when it goes on. When the last slot is, the oldest snapshot goes first.
 *
 * Pages have counted references. Where all of a model's state is in pages without a window, full ones are in an index by their tokens
 * (`prefix-index.ts`): sequences that begin alike share them, and they stay, when no sequence holds them, until no other page is left.
 *
 * Pages come by group: a group with a window gives back those that lie before it. Slots come in versions: a submit reads the version at
 * its first position and writes another at its end, so that a sequence can go back to where a submit began. Snapshots hold slots of
 * versions for longer: nobody writes to a slot that anybody holds. Where there are windows and no slots, a sequence keeps the pages of one
 * window besides, so that it can go back to where that ends; they go before any sequence loses its state.
 */
import type { Program, SlotPlace, StatePlace } from '../graph/executor.ts';
import type { StateGroup } from '../graph/state.ts';
import { EMPTY_SLOT } from '../graph/state-sizes.ts';
import { CapacityError } from '../tensor/errors.ts';
import { compareRanks } from './admission.ts';
import type { Rank } from './admission.ts';
import { drop, fill, fillPages, forgetUnsure, hold } from './number-pool.ts';
import type { NumberPool } from './number-pool.ts';
import { createPrefixIndex } from './prefix-index.ts';
import type { PrefixIndex } from './prefix-index.ts';
import { MemoryHeld } from './sequence-state.ts';
import type { SequenceState, SlotVersion, StatePool, SubmitSpan } from './sequence-state.ts';
import { createSnapshots } from './snapshots.ts';
import type { Snapshot, Snapshots } from './snapshots.ts';

export interface StatePoolOptions {
  readonly program: Pick<Program, 'ensurePages' | 'ensureSlots'>;
  readonly groups: readonly Pick<StateGroup, 'window'>[];
  readonly pageTokens: number;
  /** Pages of the longest sequence, for messages. */
  readonly maxPages: number;
  /** By group. */
  readonly mostPages: readonly number[];
  /** By group: more than these are made only when no cached page is left to take. Default: as `mostPages`. */
  readonly soonPages?: readonly number[] | undefined;
  /** {@link EMPTY_SLOT} and snapshots among them; 0 for a model without slot states. */
  readonly mostSlots: number;
  readonly mostSnapshots: number;
}

/** Negative where the call of `a` goes before that of `b`; what no call runs is last, and equal. */
function compareClaims(a: Rank | undefined, b: Rank | undefined): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  return compareRanks(a, b);
}

function tooMuch(need: string): CapacityError {
  return new CapacityError(`A sequence needs ${need} that this model was loaded with.`);
}

export function createStatePool(options: StatePoolOptions): StatePool {
  return new Pools(options);
}

class Pools implements StatePool {
  readonly pageTokens: number;
  readonly #options: StatePoolOptions;
  readonly #pages: readonly NumberPool[];
  readonly #slots: NumberPool;
  /** Undefined for a model with other state than in pages without a window. */
  readonly #index: PrefixIndex | undefined;
  readonly #snapshots: Snapshots;
  readonly #states = new Set<SequenceState>();
  #clock = 0;
  /** A step failed for want of memory, and none has run since. */
  #wasRefused = false;

  constructor(options: StatePoolOptions) {
    const { program, mostPages, mostSlots, mostSnapshots, pageTokens } = options;
    this.#options = options;
    this.pageTokens = pageTokens;
    this.#pages = mostPages.map((most, group) => ({
      free: [], holders: [], allocated: 0, limit: most, most, sure: 0, soon: Math.min(most, options.soonPages?.[group] ?? most),
      ensure: (count) => program.ensurePages(group, count),
    }));
    this.#slots = {
      free: [], holders: [], allocated: 0, limit: mostSlots, most: mostSlots, sure: 0, soon: mostSlots,
      ensure: (count) => program.ensureSlots(count),
    };
    this.#snapshots = createSnapshots({
      most: mostSlots === 0 ? 0 : mostSnapshots,
      hold: (slot) => hold(this.#slots, slot),
      drop: (slot) => drop(this.#slots, slot),
    });
    const [only] = this.#pages;
    if (only !== undefined && this.#pages.length === 1 && mostSlots === 0 && options.groups[0]?.window === undefined)
      this.#index = createPrefixIndex({ pageTokens, hold: (page) => hold(only, page), drop: (page) => drop(only, page) });
    // The empty slot is nobody's.
    if (mostSlots > 0) {
      program.ensureSlots(EMPTY_SLOT + 1);
      this.#slots.allocated = EMPTY_SLOT + 1;
    }
  }

  get allocated() {
    return this.#pages.map(({ allocated }) => allocated);
  }

  get free() {
    return this.#pages.map(({ free }) => free.length);
  }

  get cached() {
    return this.#pages.map(({ holders }) => this.#index?.count((page) => holders[page] === 1) ?? 0);
  }

  get slots() {
    return { allocated: Math.max(0, this.#slots.allocated - EMPTY_SLOT - 1), free: this.#slots.free.length };
  }

  get keepsSnapshots() {
    return this.#snapshots.most > 0 || this.#keepsWindows;
  }

  get hasSlots() {
    return this.#options.mostSlots > 0;
  }

  get #keepsWindows() {
    return !this.hasSlots && this.#options.groups.some(({ window }) => window !== undefined);
  }

  open(tokens: readonly number[] = []): SequenceState {
    const state: SequenceState = {
      tokens,
      pages: this.#pages.map(() => []),
      firstPage: this.#pages.map(() => 0),
      blocks: [],
      versions: [],
      keptLength: 0,
      epoch: 0,
      lastUse: 0,
      claim: undefined,
      isPinned: false,
    };
    this.#states.add(state);
    return state;
  }

  begin(state: SequenceState, { start, end, accepted, settled = accepted }: SubmitSpan): StatePlace {
    if (!this.#states.has(state)) throw new Error('state pool: a closed sequence began a submit');
    state.lastUse = ++this.#clock;
    const base = this.#baseOf(state, Math.min(settled, accepted));
    this.#dropVersions(state, { from: 0, to: base });
    this.#dropVersions(state, { from: base === undefined ? 0 : 1, to: this.#baseOf(state, accepted) });
    const oldest = Math.min(start, base?.length ?? settled);
    for (const group of this.#pages.keys()) {
      this.#releaseBefore(state, group, oldest);
      this.#reserve(state, group, end);
    }
    this.#snapshots.release(({ owner, tokens }) => owner === state && !this.#holdsWindows(state, tokens.length));
    const slots = this.#options.mostSlots === 0 ? undefined : this.#nextVersion(state, start, end);
    return { pages: state.pages, slots };
  }

  /** The newest version of so many tokens or fewer. */
  #baseOf({ versions }: SequenceState, accepted: number): SlotVersion | undefined {
    return versions.findLast(({ length }) => length <= accepted);
  }

  /** Those of indices from `from` to before `to`. */
  #dropVersions({ versions }: SequenceState, { from, to }: { readonly from: number; readonly to: SlotVersion | undefined }): void {
    if (to === undefined) return;
    for (const { slot } of versions.splice(from, Math.max(0, versions.indexOf(to) - from))) drop(this.#slots, slot);
  }

  #nextVersion(state: SequenceState, start: number, end: number): SlotPlace {
    const last = state.versions.at(-1);
    if ((last?.length ?? 0) !== start)
      throw new Error(`state pool: a submit begins at ${start}, the newest slot is of ${last?.length ?? 0} tokens`);
    const write = this.#takeSlot(state);
    state.versions.push({ length: end, slot: write });
    return { read: last?.slot ?? EMPTY_SLOT, write };
  }

  releaseSnapshot(): boolean {
    return this.#snapshots.releaseOldest(({ slot }) => this.#slots.holders[slot] === 1);
  }

  makeRoom(refusal: CapacityError): boolean {
    const forgot = this.#pages.map((pool) => forgetUnsure(pool, refusal)).includes(true);
    const isFirst = !this.#wasRefused;
    this.#wasRefused = true;
    return (forgot && isFirst) || this.releaseSnapshot();
  }

  confirm({ pages, firstPage, tokens }: SequenceState, start: number): void {
    this.#wasRefused = false;
    const end = Math.ceil(tokens.length / this.pageTokens);
    for (const [group, pool] of this.#pages.entries()) {
      const own = pages[group] as number[];
      // Those of earlier steps have been looked at then.
      const from = Math.max(firstPage[group] as number, Math.floor(start / this.pageTokens));
      for (let at = from; at < end; at++) pool.sure = Math.max(pool.sure, (own[at] as number) + 1);
    }
  }

  #takeSlot(state: SequenceState): number {
    for (;;) {
      let refusal: unknown;
      try {
        if (fill(this.#slots, 1)) break;
      } catch (error) {
        if (!(error instanceof CapacityError)) throw error;
        refusal = error;
      }
      if (this.releaseSnapshot()) continue;
      if (refusal !== undefined) throw refusal;
      const need = 'more sequences at a time than there are slots for';
      if (!this.#reclaim(state, need)) throw tooMuch(need);
    }
    // The lowest: of those that were made last, a device may yet say that it has no memory for them.
    const slot = Math.min(...this.#slots.free);
    this.#slots.free.splice(this.#slots.free.indexOf(slot), 1);
    hold(this.#slots, slot);
    return slot;
  }

  /** Gives back the pages of a group that a row at `position`, and all after it, do not see. */
  #releaseBefore(state: SequenceState, group: number, position: number): void {
    const { window } = this.#options.groups[group] as Pick<StateGroup, 'window'>;
    if (window === undefined) return;
    const first = Math.floor(Math.max(0, position - window) / this.pageTokens);
    const kept = this.#windowPages(group, state.keptLength);
    for (let page = state.firstPage[group] as number; page < first; page++) {
      if (page < kept.from || page >= kept.to) drop(this.#pages[group] as NumberPool, (state.pages[group] as number[])[page] as number);
      state.firstPage[group] = page + 1;
    }
  }

  /** Indices of the pages of a group that a row at position `length` sees before itself; none for a group without a window. */
  #windowPages(group: number, length: number): { readonly from: number; readonly to: number } {
    const { window } = this.#options.groups[group] as Pick<StateGroup, 'window'>;
    if (window === undefined || length === 0) return { from: 0, to: 0 };
    return { from: Math.floor(Math.max(0, length - window) / this.pageTokens), to: Math.ceil(length / this.pageTokens) };
  }

  /** Gives back the pages that a sequence holds for its kept windows alone. */
  #dropWindows(state: SequenceState): void {
    for (const [group, pages] of state.pages.entries()) {
      const { from, to } = this.#windowPages(group, state.keptLength);
      const passed = pages.slice(from, Math.min(to, state.firstPage[group] as number));
      for (const page of passed) drop(this.#pages[group] as NumberPool, page);
    }
    state.keptLength = 0;
  }

  /** Drops the kept windows of the sequence used longest ago; false where none has any. */
  #dropOldestWindows(): boolean {
    let oldest: SequenceState | undefined;
    for (const state of this.#states) if (state.keptLength > 0 && state.lastUse < (oldest?.lastUse ?? Infinity)) oldest = state;
    if (oldest === undefined) return false;
    this.#dropWindows(oldest);
    return true;
  }

  #reserve(state: SequenceState, group: number, tokens: number): void {
    const [pool, pages] = [this.#pages[group] as NumberPool, state.pages[group] as number[]];
    const wanted = Math.ceil(tokens / this.pageTokens) - pages.length;
    if (wanted <= 0) return;
    const need = `more than the ${this.#options.maxPages * this.pageTokens} positions`;
    let isLastTry = false;
    const isUnused = (page: number) => pool.holders[page] === 1;
    while (!fillPages(pool, wanted, Math.min(pool.soon, pool.most))) {
      if (this.#index?.evict(isUnused) === true) continue;
      if (fillPages(pool, wanted, pool.most)) break;
      if (this.#dropOldestWindows() || this.#reclaim(state, need)) continue;
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

  /**
   * Takes the state of the sequence used longest ago that no call runs, else of the call of the last rank behind the one that asks; false
   * where there is none. @throws MemoryHeld where others hold theirs
   */
  #reclaim(asking: SequenceState, need: string): boolean {
    let victim: SequenceState | undefined;
    let isHeld = false;
    for (const state of this.#states) {
      if (state === asking || (state.versions.length === 0 && state.pages.every(({ length }) => length === 0))) continue;
      if (state.isPinned || compareClaims(state.claim, asking.claim) < 0) isHeld = true;
      else if (victim === undefined || (compareClaims(victim.claim, state.claim) || state.lastUse - victim.lastUse) < 0) victim = state;
    }
    if (victim === undefined && isHeld) throw new MemoryHeld(`state pool: ${need} are held by calls that go first`);
    if (victim === undefined) return false;
    this.truncate(victim, 0);
    victim.epoch++;
    return true;
  }

  /** Whether each group with a window still holds what a row at position `length` sees. */
  #holdsWindows({ firstPage }: SequenceState, length: number): boolean {
    return this.#options.groups.every(({ window }, group) => {
      const held = (firstPage[group] as number) * this.pageTokens;
      return window === undefined || held === 0 || length - window >= held;
    });
  }

  servable(state: SequenceState, tokens: number): number {
    const { pages, versions } = state;
    const most = Math.min(tokens, ...pages.map(({ length }) => length * this.pageTokens));
    if (!this.hasSlots && this.#holdsWindows(state, most)) return this.#unshared(state, most);
    if (!this.hasSlots) return state.keptLength <= most ? state.keptLength : 0;
    const version = versions.findLast(({ length }) => length <= most && this.#holdsWindows(state, length))?.length ?? 0;
    // The usual case, once for every step: the newest version.
    return version === most ? version : Math.max(version, this.#snapshotOf(state, most)?.tokens.length ?? 0);
  }

  /** A page that another sequence reads is not written to: who goes back to its middle begins it anew. */
  #unshared({ pages: [pages = []], blocks }: SequenceState, length: number): number {
    const at = Math.floor(length / this.pageTokens);
    const [page, block] = [pages[at], blocks[at]];
    if (block === undefined || page === undefined || length % this.pageTokens === 0) return length;
    const ofIndex = block.page === page && this.#index?.holds(block) === true ? 1 : 0;
    return (this.#pages[0]?.holders[page] ?? 0) > 1 + ofIndex ? at * this.pageTokens : length;
  }

  adopt(state: SequenceState, ids: ArrayLike<number>): number {
    const found = this.#index?.find(ids) ?? [];
    const length = found.length * this.pageTokens;
    if (length <= this.servable(state, state.tokens.length)) return 0;
    for (const { page } of found) hold(this.#pages[0] as NumberPool, page);
    this.truncate(state, 0);
    state.pages[0]?.push(...found.map(({ page }) => page));
    state.blocks.push(...found);
    this.#index?.touch(found);
    return length;
  }

  share({ tokens, blocks, pages }: SequenceState): void {
    const full = Math.floor(tokens.length / this.pageTokens);
    while (this.#index !== undefined && blocks.length < full) {
      const at = blocks.length;
      const own = tokens.slice(at * this.pageTokens, (at + 1) * this.pageTokens);
      blocks.push(this.#index.add(blocks.at(-1), own, pages[0]?.[at] as number));
    }
  }

  /** The snapshot of the longest prefix of a sequence, up to `tokens` of its own, whose pages it still holds. */
  #snapshotOf(state: SequenceState, tokens: number): Snapshot | undefined {
    const serves = (snapshot: Snapshot) => snapshot.owner === state && this.#holdsWindows(state, snapshot.tokens.length);
    return this.#snapshots.nearest(state.tokens.slice(0, tokens), serves);
  }

  keep(state: SequenceState, tokens: number): void {
    if (!this.keepsSnapshots || tokens === 0) return;
    if (this.#keepsWindows) {
      if (tokens === state.keptLength || !this.#holdsWindows(state, tokens)) return;
      this.#dropWindows(state);
      state.keptLength = tokens;
      return;
    }
    const snapshot = this.#snapshotOf(state, tokens);
    const known = snapshot?.tokens.length === tokens ? snapshot : state.versions.find(({ length }) => length === tokens);
    if (known !== undefined) this.#snapshots.take(state, state.tokens.slice(0, tokens), known.slot);
  }

  truncate(state: SequenceState, tokens: number): void {
    if (state.keptLength > tokens) this.#dropWindows(state);
    const goesBack = state.keptLength === tokens && !this.#holdsWindows(state, tokens);
    this.#forgetBlocks(state, tokens);
    for (const [group, pages] of state.pages.entries()) {
      const kept = Math.ceil(tokens / this.pageTokens);
      while (pages.length > kept) {
        const page = pages.pop() as number;
        // Those before the window are not its own any more.
        if (pages.length >= (state.firstPage[group] as number)) drop(this.#pages[group] as NumberPool, page);
      }
      const held = goesBack ? this.#windowPages(group, tokens).from : pages.length;
      state.firstPage[group] = Math.min(state.firstPage[group] as number, held);
    }
    this.#truncateSlots(state, tokens);
  }

  /** Of what lies past `tokens`. The page that they end in is about to be written, and what the index has of it goes. */
  #forgetBlocks({ blocks, pages: [pages = []] }: SequenceState, tokens: number): void {
    const full = Math.floor(tokens / this.pageTokens);
    const cut = blocks[full];
    if (cut !== undefined && tokens % this.pageTokens > 0 && cut.page === pages[full]) this.#index?.remove(cut);
    blocks.length = Math.min(blocks.length, full);
  }

  rest(state: SequenceState, tokens: number): void {
    this.truncate(state, tokens);
    this.#dropVersions(state, { from: 0, to: state.versions.at(-1) });
    this.keep(state, tokens);
  }

  #truncateSlots(state: SequenceState, tokens: number): void {
    const { versions } = state;
    while ((versions.at(-1)?.length ?? 0) > tokens) drop(this.#slots, (versions.pop() as SlotVersion).slot);
    this.#snapshots.release((snapshot) => snapshot.owner === state && snapshot.tokens.length > tokens);
    if ((versions.at(-1)?.length ?? 0) === tokens) return;
    const snapshot = this.#snapshotOf(state, tokens);
    if (snapshot?.tokens.length !== tokens) return;
    hold(this.#slots, snapshot.slot);
    versions.push({ length: tokens, slot: snapshot.slot });
  }

  close(state: SequenceState): void {
    this.truncate(state, 0);
    this.#states.delete(state);
  }
}
