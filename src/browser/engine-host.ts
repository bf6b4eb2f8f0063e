/** The engine's worker, as a page has it. */
import { CapacityError, InputError } from '../tensor/errors.ts';
import type { PlatformUrl } from '../tensor/platform.ts';
import { onceFree } from './cache/web-lock.ts';
import { ENGINE_SHAPE } from './engine-shape.ts';
import type { WorkerEngine } from './engine-shape.ts';
import { createPeer } from './remote/peer.ts';
import type { PeerPort } from './remote/peer.ts';
import type { Remote } from './remote/shape.ts';

export interface EngineHost {
  readonly engine: Remote<WorkerEngine, typeof ENGINE_SHAPE>;
  /** Ends the worker, and all that it holds, within seconds. What still waits rejects with `error` at once. Idempotent. */
  end(error: Error): void;
}

/** The worker's first message: from here on it hears what it is sent. */
export interface EngineReady {
  readonly type: 'ready';
  /** A lock that it holds as long as it lives; undefined where the browser has none. */
  readonly lock: string | undefined;
}

/**
 * @param url of the worker's program, `ingot/browser/worker`. Default: beside this package's code, where vite and webpack find it
 * @throws CapacityError, from what is asked of the engine, where no such worker can be started, and with `lost` where it ends by itself
 */
export function startEngine(url?: string | PlatformUrl): EngineHost {
  const worker = url === undefined ? ownWorker() : workerOf(new URL(url, location.href));
  const { port, open } = createWaitingPort(worker);
  const peer = createPeer(port);
  const watch = new AbortController();
  let isReady = false;
  let isOver = false;
  const end = (error: Error) => {
    if (isOver) return;
    isOver = true;
    watch.abort();
    peer.end(error);
    // Chromium keeps the threads of a worker, and their memory, where they end in the very moment in which it does.
    setTimeout(() => worker.terminate(), THREADS_END_MS);
  };
  worker.onmessage = (event: MessageEvent<unknown>) => {
    if (isReady) return port.onmessage?.(event);
    isReady = true;
    const { lock } = event.data as EngineReady;
    // A worker that the system ends says nothing; its locks are free then.
    if (lock !== undefined) onceFree(lock, watch.signal, () => end(gone('ended by itself, as one does that the system takes away')));
    open();
  };
  worker.onerror = (event) => {
    event.preventDefault?.();
    const { message } = event;
    end(isReady ? gone(`failed${message ? `: ${message}` : ''}`) : notStarted(message));
  };
  return { engine: peer.root<WorkerEngine, typeof ENGINE_SHAPE>(ENGINE_SHAPE), end };
}

/** A worker's program that is still on its way would not hear what it is sent. */
function createWaitingPort(worker: Worker): { readonly port: PeerPort; open(): void } {
  let early: unknown[] | undefined = [];
  return {
    port: {
      postMessage(message) {
        if (early === undefined) worker.postMessage(message);
        // A copy at once, as it would be sent: what no worker can have is refused to who asks.
        else early.push(structuredClone(message));
      },
      onmessage: null,
    },
    open() {
      const waiting = early ?? [];
      early = undefined;
      for (const message of waiting) worker.postMessage(message);
    },
  };
}

/** Written out, so that bundlers see the file. */
function ownWorker(): Worker {
  const here = import.meta.url;
  if (isElsewhere(new URL(here))) return workerOf(new URL('engine-worker.min.js', here));
  return new Worker(new URL('../../dist/browser/engine-worker.min.js', import.meta.url), { type: 'module' });
}

/** A worker's program has to come from the page's own origin: one of another, as a CDN is, is imported by a program that does. */
function workerOf(url: URL): Worker {
  if (!isElsewhere(url)) return new Worker(url, { type: 'module' });
  const program = `import ${JSON.stringify(url.href)};`;
  const own = URL.createObjectURL(new Blob([program], { type: 'text/javascript' }));
  return new Worker(own, { type: 'module' });
}

function isElsewhere(url: URL): boolean {
  return /^https?:$/.test(url.protocol) && url.origin !== location.origin;
}

function gone(how: string): Error {
  return new CapacityError(`The engine's worker ${how}. What it held is gone: load the model again.`, { lost: 'worker' });
}

function notStarted(message: string): Error {
  return new CapacityError(
    `The engine's worker could not be started${message ? `: ${message}` : ''}. A bundler that moves this package's code must move ` +
      '"ingot/browser/worker" too: else copy that file and pass its URL as `worker`. A Content-Security-Policy must allow it (worker-src).',
  );
}

/** What threads that were told to stop take until they are gone, with room for a busy machine. */
const THREADS_END_MS = 1500;

export const disposedError = () => new InputError('The model was disposed of: load it again.');
