import type { CancelSignal } from './platform.ts';

/** Waits for work that cannot be stopped, but no longer than until the signal aborts. */
export function untilAborted<Result>(work: Promise<Result>, signal: CancelSignal | undefined): Promise<Result> {
  if (signal === undefined) return work;
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
