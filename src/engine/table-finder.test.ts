import { describe, expect, it } from 'vitest';
import type { TableSearch } from '../text/grammars/table-search.ts';
import { yieldToEventLoop } from './event-loop.ts';
import { createTableFinder } from './table-finder.ts';

/** Takes so many steps; notes each. */
function searchOf(steps: number, name: string, log: string[]): TableSearch {
  let done = 0;
  return {
    advance() {
      log.push(name);
      return ++done >= steps;
    },
    get isOver() {
      return done >= steps;
    },
    found: () => 'states',
    work: 0,
  };
}

/** A slice is over after so many steps; each time that is noted, and so is the turn of the event loop. */
function slicesOf(steps: number, log: string[]) {
  return () => {
    let left = steps;
    return () => (--left > 0 ? undefined : yieldToEventLoop().then(() => void log.push('turn')));
  };
}

describe('searches for tables', () => {
  it('go on in slices, the event loop having a turn between two', async () => {
    const log: string[] = [];
    await createTableFinder(slicesOf(3, log)).find(searchOf(8, 'a', log));
    expect(log.join(' ')).toBe('a a a turn a a a turn a a');
  });

  it('take slices in turns, so that several hold the thread no longer than one', async () => {
    const log: string[] = [];
    const finder = createTableFinder(slicesOf(2, log));
    await Promise.all([finder.find(searchOf(4, 'a', log)), finder.find(searchOf(3, 'b', log))]);
    expect(log.join(' ')).toBe('a a turn b b turn a a b');
  });

  it('end with the call that is aborted, and go on where they were for the next one', async () => {
    const log: string[] = [];
    const finder = createTableFinder(slicesOf(2, log));
    const search = searchOf(6, 'a', log);
    const stop = new AbortController();
    const first = finder.find(search, stop.signal);
    setImmediate(() => stop.abort(new Error('enough')));
    await expect(first).rejects.toThrow('enough');
    const steps = () => log.filter((each) => each === 'a').length;
    expect(steps()).toBeLessThan(6);
    await finder.find(search);
    expect(steps()).toBe(6);
    await expect(finder.find(search, AbortSignal.abort(new Error('late')))).rejects.toThrow('late');
  });

  it('are shared by calls that wait for the same one', async () => {
    const log: string[] = [];
    const finder = createTableFinder(slicesOf(2, log));
    const search = searchOf(5, 'a', log);
    await Promise.all([finder.find(search), finder.find(search), finder.find(search)]);
    expect(log.filter((each) => each === 'a')).toHaveLength(5);
  });

  it('leave others alone where one fails', async () => {
    const log: string[] = [];
    const finder = createTableFinder(slicesOf(2, log));
    const broken: TableSearch = { ...searchOf(1, 'b', log), isOver: false, advance: () => { throw new Error('broken'); } };
    const [first, second] = await Promise.allSettled([finder.find(broken), finder.find(searchOf(3, 'a', log))]);
    expect([first.status, second.status]).toEqual(['rejected', 'fulfilled']);
  });
});
