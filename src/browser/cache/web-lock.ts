/** Work that one tab does at a time, by the browser's own locks: a tab that is gone holds none. */
import type { LockOptions } from '../../files/hub/blob-place.ts';

const BUSY = Symbol('held by another');

/** Undefined where the browser has none: then nobody is known to be at work. */
function locksHere(): LockManager | undefined {
  return (navigator as { readonly locks?: LockManager | undefined }).locks;
}

/** @throws what `work` does; the signal's reason while it waits */
export async function withWebLock<Result>(name: string, { signal, onWait }: LockOptions, work: () => Promise<Result>): Promise<Result> {
  const locks = locksHere();
  signal?.throwIfAborted();
  if (locks === undefined) return work();
  const tried = await locks.request(name, { ifAvailable: true }, async (lock) => (lock === null ? BUSY : { result: await work() }));
  if (tried !== BUSY) return tried.result;
  onWait?.('another tab is at it: waiting');
  return (await locks.request(name, signal === undefined ? {} : { signal: signal as AbortSignal }, work)) as Result;
}

/** As {@link withWebLock}, where nobody else has it; undefined else. */
export async function ifFree<Result>(name: string, work: () => Promise<Result>): Promise<{ readonly result: Result } | undefined> {
  const locks = locksHere();
  if (locks === undefined) return { result: await work() };
  return locks.request(name, { ifAvailable: true }, async (lock) => (lock === null ? undefined : { result: await work() }));
}

/**
 * Holds a lock of a name of its own as long as this thread lives: it is free once the thread is gone, however that came about.
 * @returns its name; undefined where the browser has no locks
 */
export function holdForLife(kind: string): Promise<string | undefined> {
  const locks = locksHere();
  if (locks === undefined) return Promise.resolve(undefined);
  const name = `${kind} ${crypto.randomUUID()}`;
  return new Promise((resolve) => {
    locks.request(name, () => new Promise<never>(() => resolve(name))).catch(() => resolve(undefined));
  });
}

/** Calls `then` once whoever holds the lock has let it go, unless the signal aborts before. */
export function onceFree(name: string, signal: AbortSignal, then: () => void): void {
  locksHere()
    ?.request(name, { signal }, async () => then())
    .catch(() => {});
}

/** Holds a lock that others may hold too, but nobody alone. Returns what lets it go. */
export function holdShared(name: string): Promise<() => void> {
  const locks = locksHere();
  if (locks === undefined) return Promise.resolve(() => {});
  return new Promise((resolve, reject) => {
    locks.request(name, { mode: 'shared' }, () => new Promise<void>((release) => resolve(release))).catch(reject);
  });
}
