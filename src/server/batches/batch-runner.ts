/**
 * Runs the requests of batches, a few at a time. What it knows is in the store: a request without a result is run, again where the process
 * ended meanwhile, and one with a result is not.
 */
import type { BatchItem, BatchStore, PendingItem, SettledBatch } from '../store.ts';

/** What became of a request. */
export interface ItemAnswer {
  readonly status: number;
  readonly requestId: string;
  readonly body: unknown;
}

export interface BatchRunnerOptions {
  readonly store: BatchStore;
  /** Most requests at once. */
  readonly concurrency: number;
  /** @returns undefined for one that has to be run again later: the server is full, or stops */
  readonly run: (item: PendingItem, signal: AbortSignal) => Promise<ItemAnswer | undefined>;
  readonly onError: (error: unknown) => void;
}

export interface BatchRunner {
  /** There may be something new to do. */
  wake(): void;
  /** Begins nothing more, and resolves when what is under way has ended and is kept. */
  stop(): Promise<void>;
}

/** How soon it looks again where it could not go on. */
const AGAIN_MS = 1000;
/** How often it looks for what another server with the same store has begun, or has left. */
const LOOK_MS = 10_000;

function resultLine(item: PendingItem, { status, requestId, body }: ItemAnswer): string {
  const id = `batch_req_${requestId.replace(/^req_/, '')}`;
  return JSON.stringify({ id, custom_id: item.customId, response: { status_code: status, request_id: requestId, body }, error: null });
}

const UNRUN: Readonly<Record<SettledBatch['status'], string>> = {
  completed: 'The request was not run.',
  expired: 'The request did not run within the time of the batch.',
  cancelled: 'The batch was cancelled before the request had run.',
};

function unrunLine({ customId }: BatchItem, status: SettledBatch['status']): string {
  const id = `batch_req_${crypto.randomUUID().replaceAll('-', '')}`;
  return JSON.stringify({ id, custom_id: customId, response: null, error: { code: `batch_${status}`, message: UNRUN[status] } });
}

/** A timer that keeps no process alive where the platform can say so. */
function later(work: () => void, ms: number): ReturnType<typeof setTimeout> {
  const timer = setTimeout(work, ms);
  (timer as { unref?: () => void }).unref?.();
  return timer;
}

export function startBatchRunner({ store, concurrency, run, onError }: BatchRunnerOptions): BatchRunner {
  const running = new Map<string, { readonly batchId: string; readonly controller: AbortController; readonly ended: Promise<void> }>();
  const keyOf = ({ batchId, line }: PendingItem) => `${batchId} ${line}`;
  const stopped = new AbortController();
  let [isLooking, isAsked] = [false, false];
  let next: { readonly timer: ReturnType<typeof setTimeout>; readonly at: number } | undefined;

  /** One that has to be run again later has no answer. */
  const runItem = async (item: PendingItem, signal: AbortSignal): Promise<void> => {
    try {
      const answer = await run(item, signal);
      if (answer === undefined) return;
      const { batchId, line } = item;
      await store.finish({ batchId, line, isError: answer.status >= 300, text: resultLine(item, answer) });
      running.delete(keyOf(item));
      wake();
    } catch (error) {
      onError(error);
    } finally {
      running.delete(keyOf(item));
      lookIn(AGAIN_MS);
    }
  };

  const look = async (): Promise<void> => {
    if (!(await store.acquire())) return;
    for (const batch of await store.settled(Date.now())) {
      for (const { batchId, controller } of running.values()) if (batchId === batch.id) controller.abort();
      await store.settle(batch, (item) => unrunLine(item, batch.status));
    }
    const wanted = concurrency - running.size;
    if (wanted <= 0) return;
    const pending = (await store.pending(concurrency)).filter((item) => !running.has(keyOf(item)));
    if (stopped.signal.aborted) return;
    for (const item of pending.slice(0, wanted)) {
      const controller = new AbortController();
      running.set(keyOf(item), { batchId: item.batchId, controller, ended: runItem(item, controller.signal) });
    }
  };

  function lookIn(ms: number): void {
    const at = performance.now() + ms;
    if (stopped.signal.aborted || (next !== undefined && next.at <= at)) return;
    clearTimeout(next?.timer);
    const timer = later(() => {
      next = undefined;
      wake();
    }, ms);
    next = { timer, at };
  }

  function wake(): void {
    isAsked = true;
    if (isLooking || stopped.signal.aborted) return;
    isLooking = true;
    void (async () => {
      while (isAsked && !stopped.signal.aborted) {
        isAsked = false;
        await look();
      }
    })().catch(onError).finally(() => {
      isLooking = false;
      lookIn(LOOK_MS);
    });
  }

  wake();
  return {
    wake,
    async stop() {
      stopped.abort();
      clearTimeout(next?.timer);
      await Promise.all([...running.values()].map(({ ended }) => ended));
    },
  };
}
