/** What becomes of models, for those who wait for a change of it. */
import type { CancelSignal } from '../../tensor/platform.ts';

export interface Changes {
  /** Something is otherwise now. */
  tell(): void;
  /** Resolves at the next change. @throws the signal's reason */
  next(signal: CancelSignal): Promise<void>;
}

/** What comes first: the promise's result, or the signal's reason. */
export async function unlessAborted<Result>(promise: Promise<Result>, signal: CancelSignal): Promise<Result> {
  signal.throwIfAborted();
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  promise.catch(() => {});
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort as () => void);
  }
}

export function createChanges(): Changes {
  let waiting: (() => void)[] = [];
  return {
    tell() {
      for (const resume of waiting.splice(0)) resume();
    },
    next: (signal) => unlessAborted(new Promise<void>((resolve) => void waiting.push(resolve)), signal),
  };
}

/** Gives turns in the order in which they were asked for. */
export function createTurns(): <Result>(signal: CancelSignal, work: () => Promise<Result>) => Promise<Result> {
  let last: Promise<void> = Promise.resolve();
  return async (signal, work) => {
    const before = last;
    let done = (): void => {};
    const own = new Promise<void>((resolve) => (done = resolve));
    last = before.then(() => own);
    try {
      await unlessAborted(before, signal);
      return await work();
    } finally {
      done();
    }
  };
}
