import { Worker } from 'node:worker_threads';

const BLOCK_BYTES = 32 * 1024 * 1024;
const DURATION_MS = 250;

/** Waits on shared memory for the start, then copies until time is up and adds up what it copied, in KiB. */
const WORKER = `
  const { parentPort, workerData: { words, blockBytes, durationMs } } = require('node:worker_threads');
  const from = new Uint8Array(blockBytes).fill(1), to = new Uint8Array(blockBytes).fill(2);
  parentPort.postMessage('ready');
  Atomics.wait(words, 0, 0);
  const endMs = performance.now() + durationMs;
  while (performance.now() < endMs) { to.set(from); Atomics.add(words, 1, blockBytes / 1024); }
  parentPort.postMessage('done');
`;

/** Bytes read and written in a second by threads that copy blocks larger than caches: an estimate, within a fifth or so. */
export async function measureCopyBandwidth({
  threads,
  signal,
}: {
  readonly threads: number;
  readonly signal: AbortSignal;
}): Promise<number> {
  const words = new Int32Array(new SharedArrayBuffer(8));
  const workerData = { words, blockBytes: BLOCK_BYTES, durationMs: DURATION_MS };
  const workers = Array.from({ length: Math.min(threads, 16) }, () => new Worker(WORKER, { eval: true, workerData, execArgv: [] }));
  // One listener for all workers: one for each would be taken for a leak.
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort);
  });
  const all = () => Promise.race([Promise.all(workers.map(nextMessage)), aborted]);
  try {
    await all();
    const ended = all();
    const startMs = performance.now();
    Atomics.store(words, 0, 1);
    Atomics.notify(words, 0);
    await ended;
    return Math.round((2 * 1024 * Atomics.load(words, 1) * 1000) / (performance.now() - startMs));
  } finally {
    signal.removeEventListener('abort', onAbort);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

function nextMessage(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.once('message', () => resolve());
    worker.once('error', reject);
  });
}
