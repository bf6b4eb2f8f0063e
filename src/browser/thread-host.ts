/** Compute threads on a browser's `Worker`. */
import type { ThreadHost } from '../cpu/thread-host.ts';

export interface ThreadHostOptions {
  /** False: no workers, so that the calling thread (a worker's, since it computes for long) runs every step. Default: as the page may. */
  readonly mayShare?: boolean | undefined;
}

/**
 * A host for `createCpuExecutor`, in a page or in a worker. On a cross-origin isolated page it has workers, made from a `blob:` URL, so
 * that no bundler needs to know of them; a Content-Security-Policy must allow that (`worker-src blob:`), and WebAssembly
 * (`script-src 'wasm-unsafe-eval'`). Elsewhere threads cannot share memory, and it is for one thread.
 */
export function createThreadHost({ mayShare = globalThis.crossOriginIsolated }: ThreadHostOptions = {}): ThreadHost {
  return mayShare ? { spawn: spawnWorker, turn } : { turn };
}

/** A message to oneself: timers of 0 ms wait 4 after a few. */
const turn: ThreadHost['turn'] = () => {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
};

const ENDED = 'ingot: a compute thread has ended';

/** The first message is the data. A thread that has left its source ends itself, and says so. */
const program = (source: string) =>
  `const post = (message) => self.postMessage(message);
  self.onmessage = ({ data }) => { (() => { ${source} })(); post(${JSON.stringify(ENDED)}); self.close(); };`;

/** How long a thread that was told to stop may take for that, in milliseconds. */
const PATIENCE_MS = 1000;

const spawnWorker: NonNullable<ThreadHost['spawn']> = (source, data, { onMessage, onFailure }) => {
  const url = URL.createObjectURL(new Blob([program(source)], { type: 'text/javascript' }));
  const worker = new Worker(url);
  let announce: () => void = () => {};
  const ended = new Promise<void>((resolve) => (announce = resolve));
  worker.onmessage = (event) => (event.data === ENDED ? announce() : onMessage(event.data));
  worker.onmessageerror = () => onFailure(new Error('A compute thread sent a message that could not be read'));
  // A worker that a policy forbids fails with an event that has no message.
  worker.onerror = (event) => {
    announce();
    onFailure(
      new Error(event.message || 'A compute thread could not be started: does the Content-Security-Policy allow worker-src blob: ?'),
    );
  };
  worker.postMessage(data);
  return {
    // A page lives as long as it is open.
    keepAlive() {},
    async terminate() {
      // Chromium keeps a thread, and with it the model's memory, of a worker that is ended while its parent ends too: it ends by itself.
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
      worker.terminate();
      URL.revokeObjectURL(url);
    },
  };
};
