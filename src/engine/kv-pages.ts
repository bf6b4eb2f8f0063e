/**
 * Which sequence owns which pages of a program's key and value memory. Memory grows page by page as sequences fill;
 * when the last page is taken, the sequence that was used longest ago loses its own and prefills again when it goes on.
 */
import type { Program } from '../graph/executor.ts';
import { CapacityError } from '../tensor/errors.ts';

/** The pages of one sequence. Made by {@link KvPages.open}. */
export interface PageTable {
  /** Page i holds positions [i * pageTokens, (i + 1) * pageTokens). */
  readonly pages: number[];
  /** Counts how often the pages were taken away: who finds it changed has no state left. */
  epoch: number;
  lastUse: number;
}

export interface KvPages {
  readonly pageTokens: number;
  /** Pages that exist in the program, in use or free. */
  readonly allocated: number;
  readonly free: number;
  open(): PageTable;
  /** Makes the table hold `tokens` positions and marks it as the one in use. @throws CapacityError past the last page. */
  reserve(table: PageTable, tokens: number): void;
  /** Gives back the pages past `tokens` positions. */
  truncate(table: PageTable, tokens: number): void;
  close(table: PageTable): void;
}

export interface KvPagesOptions {
  readonly program: Pick<Program, 'ensureKvPages'>;
  readonly pageTokens: number;
  readonly maxPages: number;
}

export function createKvPages({ program, pageTokens, maxPages }: KvPagesOptions): KvPages {
  const free: number[] = [];
  const tables = new Set<PageTable>();
  let allocated = 0;
  let clock = 0;

  const truncate = (table: PageTable, tokens: number): void => {
    const kept = Math.ceil(tokens / pageTokens);
    while (table.pages.length > kept) free.push(table.pages.pop() as number);
  };

  /** Takes the pages of the sequence used longest ago. */
  const reclaim = (except: PageTable): void => {
    let victim: PageTable | undefined;
    for (const table of tables) {
      if (table === except || table.pages.length === 0) continue;
      if (victim === undefined || table.lastUse < victim.lastUse) victim = table;
    }
    if (victim === undefined) {
      throw new CapacityError(`A sequence needs more than the ${maxPages * pageTokens} positions that this model was loaded with.`);
    }
    truncate(victim, 0);
    victim.epoch++;
  };

  const grow = (wanted: number, table: PageTable): void => {
    const count = Math.min(maxPages, allocated + wanted - free.length);
    if (count > allocated) {
      program.ensureKvPages(count);
      for (let page = count - 1; page >= allocated; page--) free.push(page);
      allocated = count;
    }
    while (free.length < wanted) reclaim(table);
  };

  return {
    pageTokens,
    get allocated() {
      return allocated;
    },
    get free() {
      return free.length;
    },
    open() {
      const table: PageTable = { pages: [], epoch: 0, lastUse: 0 };
      tables.add(table);
      return table;
    },
    reserve(table, tokens) {
      if (!tables.has(table)) throw new Error('kv pages: reserve on a closed table');
      table.lastUse = ++clock;
      const wanted = Math.ceil(tokens / pageTokens) - table.pages.length;
      if (wanted <= 0) return;
      if (wanted > free.length) grow(wanted, table);
      for (let i = 0; i < wanted; i++) table.pages.push(free.pop() as number);
    },
    truncate,
    close(table) {
      truncate(table, 0);
      tables.delete(table);
    },
  };
}
