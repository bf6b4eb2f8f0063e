/**
 * Which tab writes an answer: it holds a lock of the browser by the turn's id, which goes with the tab, whatever ends that. Pages without
 * TLS have no locks: there a tab takes every answer that it does not write itself for one that has ended.
 */
const START = 'ingot answer ';

/**
 * What this tab writes, by its turn. An answer is shown as ended before it is kept: who goes on with it by then waits for this tab's own
 * lock, which is no other tab's.
 */
const own = new Map<string, Promise<boolean>>();

/** Writes while no other tab may. @returns false where another one writes this answer: then nothing was done */
export async function whileWriting(turn: string, write: () => Promise<void>): Promise<boolean> {
  if (navigator.locks === undefined) {
    await write();
    return true;
  }
  const ask = () =>
    navigator.locks.request(`${START}${turn}`, { ifAvailable: true }, async (lock) => {
      if (lock !== null) await write();
      return lock !== null;
    });
  const before = own.get(turn) ?? Promise.resolve();
  const writing = before.then(ask, ask);
  own.set(turn, writing);
  try {
    return await writing;
  } finally {
    if (own.get(turn) === writing) own.delete(turn);
  }
}

/** Ids of turns that some tab writes now. */
export async function turnsBeingWritten(): Promise<ReadonlySet<string>> {
  const { held = [] } = (await navigator.locks?.query()) ?? {};
  return new Set(held.flatMap(({ name = '' }) => (name.startsWith(START) ? [name.slice(START.length)] : [])));
}

const awaited = new Set<string>();

/** Calls once no tab writes the turn any more; at most one call waits for each turn. */
export function onceUnwritten(turn: string, then: () => void): void {
  if (navigator.locks === undefined || awaited.has(turn)) return;
  awaited.add(turn);
  void navigator.locks.request(`${START}${turn}`, { mode: 'shared' }, () => {
    awaited.delete(turn);
    then();
  });
}
