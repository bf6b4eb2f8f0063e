/** A long generation whose steps never leave the thread would starve timers, signals and sockets: it pauses for them. */

const MOST_BUSY_MS = 10;

/**
 * Lets everything that is due in the event loop run. Where there is `setImmediate` (Node, Deno, Bun), that takes a microsecond or two; a
 * message, which browsers have, takes ten and a channel that is to be collected, a timer a millisecond.
 */
export function yieldToEventLoop(): Promise<void> {
  const { setImmediate } = globalThis as { readonly setImmediate?: (run: () => void) => unknown };
  return new Promise((resolve) => {
    if (setImmediate !== undefined) return void setImmediate(resolve);
    const { port1, port2 } = new MessageChannel();
    const done = () => {
      port1.close();
      resolve();
    };
    port1.addEventListener('message', done, { once: true });
    port1.start();
    port2.postMessage(undefined);
  });
}

/** Undefined while little time has passed since the last pause, else a pause to wait for. */
export function createBreather(): () => Promise<void> | undefined {
  let last = performance.now();
  return () => {
    if (performance.now() - last < MOST_BUSY_MS) return undefined;
    return yieldToEventLoop().then(() => void (last = performance.now()));
  };
}
