/** What the state pool is made of: numbers of pages and slots, who holds them, and what is kept beyond the sequences that made it. */
import type { Program } from '../graph/executor.ts';
import type { StateGroup } from '../graph/state.ts';
import { EMPTY_SLOT } from '../graph/state-sizes.ts';
import { cache, createNumberPool, uncache } from './number-pool.ts';
import type { NumberPool } from './number-pool.ts';
import { PrefixIndex } from './prefix-index.ts';
import type { SequenceState } from './sequence-state.ts';
import { createSnapshots } from './snapshots.ts';
import type { KeptState, Snapshots } from './snapshots.ts';
import type { SpareMemory } from './spare-memory.ts';

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
  /** Asked before more of anything is made. Default: it may be. */
  readonly spare?: SpareMemory | undefined;
}

export interface PoolParts {
  readonly pageTokens: number;
  readonly maxPages: number;
  /** By group. */
  readonly windows: readonly (number | undefined)[];
  /** By group. */
  readonly pages: readonly NumberPool[];
  readonly slots: NumberPool;
  readonly hasSlots: boolean;
  /** What full pages of the group without a window are found by; undefined for a model without such a group. */
  readonly index: PrefixIndex | undefined;
  /** That group. */
  readonly whole: number;
  /** There is more to a state than pages of that group: others can go on only where a snapshot was left to them. */
  readonly needsSnapshots: boolean;
  readonly snapshots: Snapshots;
  readonly states: Set<SequenceState>;
}

/** Windows that are left to others, at most: pages go first. */
const SHARED_WINDOWS = 64;

export function createPoolParts({ program, groups, mostSlots, spare, ...options }: StatePoolOptions): PoolParts {
  const windows = groups.map(({ window }) => window);
  const pages = options.mostPages.map((most, group) =>
    createNumberPool({
      most, soon: options.soonPages?.[group], ensure: (count) => program.ensurePages(group, count),
      mayGrow: (more) => spare?.pages(group, more) !== false,
    }),
  );
  const slots = createNumberPool({
    most: mostSlots, ensure: (count) => program.ensureSlots(count), mayGrow: (more) => spare?.slots(more) !== false,
  });
  const hasSlots = mostSlots > 0;
  // The empty slot is nobody's.
  if (hasSlots) {
    program.ensureSlots(EMPTY_SLOT + 1);
    slots.allocated = EMPTY_SLOT + 1;
  }
  const each = (change: (pool: NumberPool, number: number) => void) => ({ slot, windows: held = [] }: KeptState) => {
    if (slot !== undefined) change(slots, slot);
    for (const [group, numbers] of held.entries()) for (const page of numbers) change(pages[group] as NumberPool, page);
  };
  const needsSnapshots = hasSlots || windows.some((window) => window !== undefined);
  const most = hasSlots ? options.mostSnapshots : needsSnapshots ? SHARED_WINDOWS : 0;
  const snapshots = createSnapshots({ most, hold: each(cache), drop: each(uncache) });
  const whole = windows.indexOf(undefined);
  const shared = pages[whole];
  const index = shared && new PrefixIndex({
    pageTokens: options.pageTokens,
    hold: ({ page }) => cache(shared, page),
    drop(block) {
      uncache(shared, block.page);
      snapshots.release(({ owner }) => owner === block);
    },
  });
  const { pageTokens, maxPages } = options;
  return { pageTokens, maxPages, windows, pages, slots, hasSlots, index, whole, needsSnapshots, snapshots, states: new Set() };
}
