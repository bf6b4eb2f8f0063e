/** Finds tables of grammars beside all else that a thread does: a search may take some tenths of a second. */
import type { CancelSignal } from '../tensor/platform.ts';
import type { TableSearch } from '../text/grammars/table-search.ts';
import { createBreather, yieldToEventLoop } from './event-loop.ts';

export interface TableFinder {
  /**
   * Resolves when a search is over. All searches together hold the thread for one slice at a time, 10 ms and a step of
   * `MOST_STEP_WORK`; then the event loop has a turn, and the next who waits a slice. What was found stays when a call is aborted.
   * @throws the signal's reason
   */
  find(search: TableSearch, signal?: CancelSignal): Promise<void>;
}

/** @param breather says when a slice is over, as `createBreather` does */
export function createTableFinder(breather: () => () => Promise<void> | undefined = createBreather): TableFinder {
  let last: Promise<void> = Promise.resolve();
  const slice = async (search: TableSearch) => {
    const breathe = breather();
    while (!search.advance()) {
      const pause = breathe();
      if (pause !== undefined) return pause;
    }
    return yieldToEventLoop();
  };
  return {
    async find(search, signal) {
      while (!search.isOver) {
        signal?.throwIfAborted();
        const own = last.then(() => (search.isOver || signal?.aborted === true ? undefined : slice(search)));
        last = own.catch(() => {});
        await own;
      }
      signal?.throwIfAborted();
    },
  };
}
