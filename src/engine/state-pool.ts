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
import { createPrefixIndex } from './prefix-index.ts';
import type { Block, PrefixIndex } from './prefix-index.ts';
import { createSnapshots } from './snapshots.ts';
import type { Snapshot, Snapshots } from './snapshots.ts';

/** The state of a sequence after its first `length` tokens, in a slot. */
interface SlotVersion {
  readonly length: number;
  readonly slot: number;
}

/** The state of one sequence. Made by {@link StatePool.open}. */
export interface SequenceState {
  /** Those whose state it is, as they are now: the list of who opened it. */
  readonly tokens: readonly number[];
  /** By group: page i holds positions [i * pageTokens, (i + 1) * pageTokens). Those below `firstPage` belong to others by now. */
  readonly pages: readonly number[][];
  /** By group. */
  readonly firstPage: number[];
  /** What the index knows of its pages: the block of each full page, which may have another page of the same tokens. */
  readonly blocks: Block[];
  /** Ascending by length. */
  readonly versions: SlotVersion[];
  /** A length whose windows stay, though pages behind them went; 0: none. Of models without slots. */
  keptLength: number;
  /** Counts how often all of it was taken away: who finds it changed has no state left. */
  epoch: number;
  lastUse: number;
  /** Of the call that runs it: only calls that go before may take its state. Undefined: none runs it, and anybody may. */
  claim: Rank | undefined;
  /** A step that is being put together, or runs, holds its pages: nobody may take them. */
  isPinned: boolean;
}

/** The memory that a submit needs is held by calls that go first: it has to wait. */
export class MemoryHeld extends Error {}

/** What a submit is about to do. */
export interface SubmitSpan {
  /** Position of its first row, and the one after its last. */
  readonly start: number;
  readonly end: number;
  /** Tokens that the reader has taken, at most `start`: of those states that only a shorter sequence needs, the newest are kept. */
  readonly accepted: number;
  /** Tokens that are known to stay. At most, and by default, `accepted`; state that only a shorter sequence needs goes. */
  readonly settled?: number | undefined;
}

export interface StatePool {
  readonly pageTokens: number;
  /** Pages that exist in the program, in use or free, by group. */
  readonly allocated: readonly number[];
  /** Pages that nobody holds, by group. */
  readonly free: readonly number[];
  /** Pages that only the index holds, by group: whoever needs one may have it. */
  readonly cached: readonly number[];
  /** {@link EMPTY_SLOT} is neither allocated nor free. */
  readonly slots: { readonly allocated: number; readonly free: number };
  /** Whether anything is kept beyond what sequences go on from: snapshots of slots, or a window. */
  readonly keepsSnapshots: boolean;
  readonly hasSlots: boolean;
  /** @param tokens those of the sequence, which are what its snapshots are found by; default none, for one that keeps none */
  open(tokens?: readonly number[]): SequenceState;
  /**
   * Where a submit finds and leaves the state, which is marked as the one in use. Its version is there once the submit has run; it is the
   * caller's to {@link StatePool.truncate} where that fails.
   * @throws CapacityError past the last page or slot, MemoryHeld where calls that go first hold the last ones
   */
  begin(state: SequenceState, span: SubmitSpan): StatePlace;
  /**
   * Gives a sequence the pages of what `ids` begin with, where the index has more of them than the sequence.
   * @returns how many tokens those are; 0 where the sequence stays as it is
   */
  adopt(state: SequenceState, ids: ArrayLike<number>): number;
  /** Puts pages that have become full into the index: those of all tokens whose state is there. */
  share(state: SequenceState): void;
  /** The greatest length up to `tokens` that every group, and a version or a snapshot, can go on from. */
  servable(state: SequenceState, tokens: number): number;
  /**
   * Makes the state after the first `tokens` tokens the newest snapshot, where a version or a snapshot is of exactly those; it stays as
   * long as the pages before it do, and others need no slot more. Without slots, keeps the windows at that length in place of those kept
   * before, as far as they are still there.
   */
  keep(state: SequenceState, tokens: number): void;
  /** Gives back the slot of the oldest snapshot whose slot nobody else holds, for who has no memory for another; false: there is none. */
  releaseSnapshot(): boolean;
  /** Gives back what lies past `tokens` positions, and goes back to the snapshot of that length where there is no version. */
  truncate(state: SequenceState, tokens: number): void;
  /** Between turns: {@link StatePool.truncate} and {@link StatePool.keep}, and gives back the versions before that. */
  rest(state: SequenceState, tokens: number): void;
  close(state: SequenceState): void;
}

export interface StatePoolOptions {
  readonly program: Pick<Program, 'ensurePages' | 'ensureSlots'>;
  readonly groups: readonly Pick<StateGroup, 'window'>[];
  readonly pageTokens: number;
  /** Pages of the longest sequence, for messages. */
  readonly maxPages: number;
  /** By group. */
  readonly mostPages: readonly number[];
  /** {@link EMPTY_SLOT} and snapshots among them; 0 for a model without slot states. */
  readonly mostSlots: number;
  readonly mostSnapshots: number;
}

/** Numbers of one kind of memory, of which more are made as they are asked for. */
interface Pool {
  readonly free: number[];
  /** By number: how many hold it. */
  readonly holders: number[];
  allocated: number;
  readonly most: number;
  readonly ensure: (count: number) => void;
}

/** Makes numbers free as far as there may be any; false where that is fewer than `wanted`. */
function fill(pool: Pool, wanted: number): boolean {
  const count = Math.min(pool.most, pool.allocated + wanted - pool.free.length);
  if (count > pool.allocated) {
    pool.ensure(count);
    for (let number = count - 1; number >= pool.allocated; number--) pool.free.push(number);
    pool.allocated = count;
  }
  return pool.free.length >= wanted;
}

function hold({ holders }: Pool, number: number): void {
  holders[number] = (holders[number] ?? 0) + 1;
}

function drop({ holders, free }: Pool, number: number): void {
  holders[number] = (holders[number] as number) - 1;
  if (holders[number] === 0) free.push(number);
}

/** Negative where the call of `a` goes before that of `b`; what no call runs is last, and equal. */
function compareClaims(a: Rank | undefined, b: Rank | undefined): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  return compareRanks(a, b);
}

export function createStatePool(options: StatePoolOptions): StatePool {
  return new Pools(options);
}

class Pools implements StatePool {
  readonly pageTokens: number;
  readonly #options: StatePoolOptions;
  readonly #pages: readonly Pool[];
  readonly #slots: Pool;
  /** Undefined for a model with other state than in pages without a window. */
  readonly #index: PrefixIndex | undefined;
  readonly #snapshots: Snapshots;
  readonly #states = new Set<SequenceState>();
  #clock = 0;

  constructor(options: StatePoolOptions) {
    const { program, mostPages, mostSlots, mostSnapshots, pageTokens } = options;
    this.#options = options;
    this.pageTokens = pageTokens;
    this.#pages = mostPages.map((most, group) => ({
      free: [], holders: [], allocated: 0, most, ensure: (count) => program.ensurePages(group, count),
    }));
    this.#slots = { free: [], holders: [], allocated: 0, most: mostSlots, ensure: (count) => program.ensureSlots(count) };
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
      this.#reclaim(state, 'more sequences at a time than there are slots for');
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
      if (page < kept.from || page >= kept.to) drop(this.#pages[group] as Pool, (state.pages[group] as number[])[page] as number);
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
      for (const page of passed) drop(this.#pages[group] as Pool, page);
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
    const [pool, pages] = [this.#pages[group] as Pool, state.pages[group] as number[]];
    const wanted = Math.ceil(tokens / this.pageTokens) - pages.length;
    if (wanted <= 0) return;
    const { maxPages } = this.#options;
    const isUnused = (page: number) => pool.holders[page] === 1;
    while (!this.#fillPages(pool, wanted))
      if (this.#index?.evict(isUnused) !== true && !this.#dropOldestWindows())
        this.#reclaim(state, `more than the ${maxPages * this.pageTokens} positions`);
    for (let i = 0; i < wanted; i++) {
      const page = pool.free.pop() as number;
      hold(pool, page);
      pages.push(page);
    }
  }

  /** As {@link fill}. A device that has no memory for another page has those that it has, if it has any. */
  #fillPages(pool: Pool, wanted: number): boolean {
    try {
      return fill(pool, wanted);
    } catch (error) {
      if (!(error instanceof CapacityError) || this.#index?.evict((page) => pool.holders[page] === 1) !== true) throw error;
      return false;
    }
  }

  /** Takes the state of the sequence used longest ago that no call runs, else of the call of the last rank behind the one that asks. */
  #reclaim(asking: SequenceState, need: string): void {
    let victim: SequenceState | undefined;
    let isHeld = false;
    for (const state of this.#states) {
      if (state === asking || (state.versions.length === 0 && state.pages.every(({ length }) => length === 0))) continue;
      if (state.isPinned || compareClaims(state.claim, asking.claim) < 0) isHeld = true;
      else if (victim === undefined || (compareClaims(victim.claim, state.claim) || state.lastUse - victim.lastUse) < 0) victim = state;
    }
    if (victim === undefined && isHeld) throw new MemoryHeld(`state pool: ${need} are held by calls that go first`);
    if (victim === undefined) throw new CapacityError(`A sequence needs ${need} that this model was loaded with.`);
    this.truncate(victim, 0);
    victim.epoch++;
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
    for (const { page } of found) hold(this.#pages[0] as Pool, page);
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
        if (pages.length >= (state.firstPage[group] as number)) drop(this.#pages[group] as Pool, page);
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
