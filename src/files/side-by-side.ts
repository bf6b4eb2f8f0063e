import type { CancelSignal } from '../tensor/platform.ts';

/**
 * Runs `count` workers at once; the first failure stops the others, by the signal that each is given, and is thrown once all have ended.
 * Each has a signal of its own: Node warns of one that more than ten listen to.
 * @param signal of the caller: stops them too
 */
export async function sideBySide(
  count: number,
  signal: CancelSignal | undefined,
  worker: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const both = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const own = Array.from({ length: count }, () => new AbortController());
  const onAbort = (): void => {
    for (const each of own) each.abort(both.reason);
  };
  both.addEventListener('abort', onAbort, { once: true });
  if (both.aborted) onAbort();
  const workers = own.map((each) => worker(each.signal));
  try {
    await Promise.all(workers);
  } catch (error) {
    stop.abort(error);
    await Promise.allSettled(workers);
    throw error;
  } finally {
    both.removeEventListener('abort', onAbort);
  }
}
