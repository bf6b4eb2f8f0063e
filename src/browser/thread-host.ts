/** Compute threads on a browser's `Worker`. */
import type { ThreadHost } from '../cpu/thread-host.ts';
import { CapacityError } from '../tensor/errors.ts';

/**
 * A host for `createCpuExecutor`, in a page or in a worker. Its workers are made from a `blob:` URL, so that no bundler needs to know of
 * them; a Content-Security-Policy must allow that (`worker-src blob:`), and WebAssembly (`script-src 'wasm-unsafe-eval'`).
 * @throws CapacityError where threads cannot share memory, which a browser allows on cross-origin isolated pages only
 */
export function createThreadHost(): ThreadHost {
  if (!globalThis.crossOriginIsolated) {
    throw new CapacityError(
      'The CPU device shares memory between threads, which a browser allows on cross-origin isolated pages only. ' +
        'Serve the page with the headers "Cross-Origin-Opener-Policy: same-origin" ' +
        'and "Cross-Origin-Embedder-Policy: require-corp" (over https or from localhost).',
    );
  }
  return { spawn: spawnWorker, turn };
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

/** The first message is the data. */
const program = (source: string) => `const post = (message) => self.postMessage(message); self.onmessage = ({ data }) => { ${source} };`;

const spawnWorker: ThreadHost['spawn'] = (source, data, { onMessage, onFailure }) => {
  const url = URL.createObjectURL(new Blob([program(source)], { type: 'text/javascript' }));
  const worker = new Worker(url);
  worker.onmessage = (event) => onMessage(event.data);
  worker.onmessageerror = () => onFailure(new Error('A compute thread sent a message that could not be read'));
  // A worker that a policy forbids fails with an event that has no message.
  worker.onerror = (event) =>
    onFailure(
      new Error(event.message || 'A compute thread could not be started: does the Content-Security-Policy allow worker-src blob: ?'),
    );
  worker.postMessage(data);
  return {
    // A page lives as long as it is open.
    keepAlive() {},
    async terminate() {
      worker.terminate();
      URL.revokeObjectURL(url);
    },
  };
};
