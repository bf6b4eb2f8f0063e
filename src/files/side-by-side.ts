import type { CancelSignal } from '../tensor/platform.ts';

/**
 * Runs `count` workers at once; the first failure stops the others, by the signal that they are given, and is thrown once all have ended.
 * @param signal of the caller: stops them too
 */
export async function sideBySide(
  count: number,
  signal: CancelSignal | undefined,
  worker: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const both = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const workers = Array.from({ length: count }, () => worker(both));
  try {
    await Promise.all(workers);
  } catch (error) {
    stop.abort(error);
    await Promise.allSettled(workers);
    throw error;
  }
}
