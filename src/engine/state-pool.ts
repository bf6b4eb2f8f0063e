/**
 * Which sequence owns which pages and slots of a program's state. Memory grows as sequences fill; when the last page or slot is taken,
 * the sequence that was used longest ago loses all of its own and prefills again when it goes on.
 *
 * Pages come by group: a group with a window gives back those that lie before it. Slots come in versions: a submit reads the version at
 * its first position and writes another at its end, so that a sequence can go back to where a submit began.
 */
import type { Program, SlotPlace, StatePlace } from '../graph/executor.ts';
import type { StateGroup } from '../graph/state.ts';
import { EMPTY_SLOT } from '../graph/state-sizes.ts';
import { CapacityError } from '../tensor/errors.ts';

/** The state of a sequence after its first `length` tokens, in a slot. */
interface SlotVersion {
  readonly length: number;
  readonly slot: number;
  /** Rows of the submit that wrote it. */
  readonly rows: number;
}

/** The state of one sequence. Made by {@link StatePool.open}. */
export interface SequenceState {
  /** By group: page i holds positions [i * pageTokens, (i + 1) * pageTokens). Those below `firstPage` belong to others by now. */
  readonly pages: readonly number[][];
  /** By group. */
  readonly firstPage: number[];
  /** Ascending by length. */
  readonly versions: SlotVersion[];
  /** Counts how often all of it was taken away: who finds it changed has no state left. */
  epoch: number;
  lastUse: number;
}

/** What a submit is about to do. */
export interface SubmitSpan {
  /** Position of its first row, and the one after its last. */
  readonly start: number;
  readonly end: number;
  /** Tokens that are known to stay: state that only a shorter sequence needs may go. At most `start`. */
  readonly accepted: number;
}

export interface StatePool {
  readonly pageTokens: number;
  /** Pages that exist in the program, in use or free, by group. */
  readonly allocated: readonly number[];
  /** Pages that no sequence holds, by group. */
  readonly free: readonly number[];
  open(): SequenceState;
  /**
   * Where a submit finds and leaves the state, which is marked as the one in use. Its version is there once the submit has run; it is the
   * caller's to {@link StatePool.truncate} where that fails.
   * @throws CapacityError past the last page or slot
   */
  begin(state: SequenceState, span: SubmitSpan): StatePlace;
  /** The greatest length up to `tokens` that every group and every slot can go on from. */
  servable(state: SequenceState, tokens: number): number;
  /** Gives back what lies past `tokens` positions. */
  truncate(state: SequenceState, tokens: number): void;
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
  /** {@link EMPTY_SLOT} among them; 0 for a model without slot states. */
  readonly mostSlots: number;
}

/** Numbers of one kind of memory, of which more are made as they are asked for. */
interface Pool {
  readonly free: number[];
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

export function createStatePool(options: StatePoolOptions): StatePool {
  return new Pools(options);
}

class Pools implements StatePool {
  readonly pageTokens: number;
  readonly #options: StatePoolOptions;
  readonly #pages: readonly Pool[];
  readonly #slots: Pool;
  readonly #states = new Set<SequenceState>();
  #clock = 0;

  constructor(options: StatePoolOptions) {
    const { program, mostPages, mostSlots, pageTokens } = options;
    this.#options = options;
    this.pageTokens = pageTokens;
    this.#pages = mostPages.map((most, group) => ({
      free: [], allocated: 0, most, ensure: (count) => program.ensurePages(group, count),
    }));
    this.#slots = { free: [], allocated: 0, most: mostSlots, ensure: (count) => program.ensureSlots(count) };
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

  open(): SequenceState {
    const state: SequenceState = {
      pages: this.#pages.map(() => []),
      firstPage: this.#pages.map(() => 0),
      versions: [],
      epoch: 0,
      lastUse: 0,
    };
    this.#states.add(state);
    return state;
  }

  begin(state: SequenceState, { start, end, accepted }: SubmitSpan): StatePlace {
    if (!this.#states.has(state)) throw new Error('state pool: a closed sequence began a submit');
    state.lastUse = ++this.#clock;
    this.#dropVersions(state, accepted);
    const oldest = Math.min(start, this.#baseOf(state, accepted)?.length ?? accepted);
    for (const group of this.#pages.keys()) {
      this.#releaseBefore(state, group, oldest);
      this.#reserve(state, group, end);
    }
    const slots = this.#options.mostSlots === 0 ? undefined : this.#nextVersion(state, start, end);
    return { pages: state.pages, slots };
  }

  /** The newest version that is known to stay. */
  #baseOf({ versions }: SequenceState, accepted: number): SlotVersion | undefined {
    return versions.findLast(({ length }) => length <= accepted);
  }

  /** Frees the versions before the newest that stays, but for the last that several rows at once have made: the end of a prompt, often. */
  #dropVersions(state: SequenceState, accepted: number): void {
    const base = this.#baseOf(state, accepted);
    if (base === undefined) return;
    const before = state.versions.filter(({ length }) => length < base.length);
    const kept = base.rows > 1 ? undefined : before.findLast(({ rows }) => rows > 1);
    for (const version of before) {
      if (version === kept) continue;
      this.#slots.free.push(version.slot);
      state.versions.splice(state.versions.indexOf(version), 1);
    }
  }

  #nextVersion(state: SequenceState, start: number, end: number): SlotPlace {
    const last = state.versions.at(-1);
    if ((last?.length ?? 0) !== start)
      throw new Error(`state pool: a submit begins at ${start}, the newest slot is of ${last?.length ?? 0} tokens`);
    while (!fill(this.#slots, 1)) this.#reclaim(state, 'more sequences at a time than there are slots for');
    const write = this.#slots.free.pop() as number;
    state.versions.push({ length: end, slot: write, rows: end - start });
    return { read: last?.slot ?? EMPTY_SLOT, write };
  }

  /** Gives back the pages of a group that a row at `position`, and all after it, do not see. */
  #releaseBefore(state: SequenceState, group: number, position: number): void {
    const { window } = this.#options.groups[group] as Pick<StateGroup, 'window'>;
    if (window === undefined) return;
    const first = Math.floor(Math.max(0, position - window) / this.pageTokens);
    for (let page = state.firstPage[group] as number; page < first; page++) {
      this.#pages[group]?.free.push((state.pages[group] as number[])[page] as number);
      state.firstPage[group] = page + 1;
    }
  }

  #reserve(state: SequenceState, group: number, tokens: number): void {
    const [pool, pages] = [this.#pages[group] as Pool, state.pages[group] as number[]];
    const wanted = Math.ceil(tokens / this.pageTokens) - pages.length;
    if (wanted <= 0) return;
    const { maxPages } = this.#options;
    while (!fill(pool, wanted)) this.#reclaim(state, `more than the ${maxPages * this.pageTokens} positions`);
    for (let i = 0; i < wanted; i++) pages.push(pool.free.pop() as number);
  }

  /** Takes the state of the sequence used longest ago. */
  #reclaim(except: SequenceState, need: string): void {
    let victim: SequenceState | undefined;
    for (const state of this.#states) {
      if (state === except || (state.versions.length === 0 && state.pages.every(({ length }) => length === 0))) continue;
      if (victim === undefined || state.lastUse < victim.lastUse) victim = state;
    }
    if (victim === undefined) throw new CapacityError(`A sequence needs ${need} that this model was loaded with.`);
    this.truncate(victim, 0);
    victim.epoch++;
  }

  servable({ pages, firstPage, versions }: SequenceState, tokens: number): number {
    const windowed = (length: number) =>
      this.#options.groups.every(({ window }, group) => {
        const held = (firstPage[group] as number) * this.pageTokens;
        return window === undefined || held === 0 || length - window >= held;
      });
    const most = Math.min(tokens, ...pages.map(({ length }) => length * this.pageTokens));
    if (this.#options.mostSlots === 0) return windowed(most) ? most : 0;
    return versions.findLast(({ length }) => length <= most && windowed(length))?.length ?? 0;
  }

  truncate(state: SequenceState, tokens: number): void {
    for (const [group, pages] of state.pages.entries()) {
      const kept = Math.ceil(tokens / this.pageTokens);
      while (pages.length > kept) {
        const page = pages.pop() as number;
        // Those before the window are not its own any more.
        if (pages.length >= (state.firstPage[group] as number)) this.#pages[group]?.free.push(page);
      }
      state.firstPage[group] = Math.min(state.firstPage[group] as number, pages.length);
    }
    while ((state.versions.at(-1)?.length ?? 0) > tokens) this.#slots.free.push((state.versions.pop() as SlotVersion).slot);
  }

  close(state: SequenceState): void {
    this.truncate(state, 0);
    this.#states.delete(state);
  }
}
