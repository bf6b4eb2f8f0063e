/** Compute threads on `node:worker_threads`. */
import { Worker } from 'node:worker_threads';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { ThreadHandle, WorkerHost } from '../cpu/thread-host.ts';

const PRELUDE = `
  const { parentPort, workerData: data } = require('node:worker_threads');
  const post = (message) => parentPort.postMessage(message);
`;

export function createThreadHost(): WorkerHost {
  return {
    spawn(source, data, events): ThreadHandle {
      const worker = new Worker(PRELUDE + source, { eval: true, workerData: data, execArgv: [], stdin: false });
      let isTerminated = false;
      worker.on('message', events.onMessage);
      worker.on('error', events.onFailure);
      worker.on('exit', (code) => {
        if (!isTerminated) events.onFailure(new Error(`A compute thread ended by itself with code ${code}`));
      });
      return {
        keepAlive: (wanted) => void (wanted ? worker.ref() : worker.unref()),
        async terminate() {
          isTerminated = true;
          await worker.terminate();
        },
      };
    },
    turn: () => new Promise((resolve) => setImmediate(resolve)),
    reclaim: collectGarbage,
  };
}

/** V8 frees shared memory only when it collects, and nothing else makes it hurry: without this a disposed model stays resident. */
async function collectGarbage(): Promise<void> {
  const collect = collector();
  if (collect === undefined) return;
  // A turn later nothing on the stack, and no worker that is going away, holds the memory; the second collection waits for
  // the sweeper of the first, which frees buffers beside the program.
  for (let turn = 0; turn < 2; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    collect();
  }
}

/** Bun has another engine than V8, and a collector by a name of its own; elsewhere without one, memory goes when it goes. */
function collector(): (() => void) | undefined {
  const { Bun } = globalThis as { readonly Bun?: { gc(now: boolean): void } };
  if (Bun !== undefined) return () => Bun.gc(true);
  try {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('typeof gc === "function" ? gc : undefined') as (() => void) | undefined;
    setFlagsFromString('--no-expose-gc');
    return collect;
  } catch {
    return undefined;
  }
}
