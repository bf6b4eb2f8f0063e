/** Turns of one conversation, one after another: each begins with what the one before has left. */

export interface TurnOrder {
  /** Resolves, to what ends the turn, when those before have ended; rejects with the signal's reason, or when the order closes. */
  take(signal?: AbortSignal): Promise<() => void>;
  /** Rejects those who wait and all that come, with `error`. */
  close(error: Error): void;
}

export function createTurnOrder(): TurnOrder {
  let last: Promise<unknown> = Promise.resolve();
  let closedBy: Error | undefined;
  const waiting = new Set<(reason: unknown) => void>();
  return {
    async take(signal) {
      if (closedBy !== undefined) throw closedBy;
      const before = last;
      let end!: () => void;
      const ended = new Promise<void>((resolve) => (end = resolve));
      // Who gives up waiting is passed over, not those before.
      last = Promise.all([before, ended]);
      let fail!: (reason: unknown) => void;
      const abort = () => fail(signal?.reason);
      try {
        await new Promise<unknown>((resolve, reject) => {
          fail = reject;
          waiting.add(fail);
          signal?.addEventListener('abort', abort, { once: true });
          if (signal?.aborted === true) abort();
          before.then(resolve, reject);
        });
        return end;
      } catch (error) {
        end();
        throw error;
      } finally {
        waiting.delete(fail);
        signal?.removeEventListener('abort', abort);
      }
    },
    close(error) {
      closedBy ??= error;
      for (const fail of waiting) fail(error);
    },
  };
}
