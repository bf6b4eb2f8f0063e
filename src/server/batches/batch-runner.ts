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

const keyOf = ({ batchId, line }: PendingItem) => `${batchId} ${line}`;

interface RunningItem {
  readonly batchId: string;
  readonly controller: AbortController;
  readonly ended: Promise<void>;
}

/** Is at work from its beginning. */
export class BatchRunner {
  readonly #options: BatchRunnerOptions;
  readonly #running = new Map<string, RunningItem>();
  #isStopped = false;
  #isLooking = false;
  #isAsked = false;
  #next: { readonly timer: ReturnType<typeof setTimeout>; readonly at: number } | undefined;

  constructor(options: BatchRunnerOptions) {
    this.#options = options;
    this.wake();
  }

  /** There may be something new to do. */
  wake(): void {
    this.#isAsked = true;
    if (this.#isLooking || this.#isStopped) return;
    this.#isLooking = true;
    void this.#lookWhileAsked().catch(this.#options.onError).finally(() => {
      this.#isLooking = false;
      this.#lookIn(LOOK_MS);
    });
  }

  /** Begins nothing more, and resolves when what is under way has ended and is kept. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#next?.timer);
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }

  async #lookWhileAsked(): Promise<void> {
    while (this.#isAsked && !this.#isStopped) {
      this.#isAsked = false;
      await this.#look();
    }
  }

  async #look(): Promise<void> {
    const { store, concurrency } = this.#options;
    const running = this.#running;
    if (!(await store.acquire())) return;
    for (const batch of await store.settled(Date.now())) {
      for (const { batchId, controller } of running.values()) if (batchId === batch.id) controller.abort();
      await store.settle(batch, (item) => unrunLine(item, batch.status));
    }
    const wanted = concurrency - running.size;
    if (wanted <= 0) return;
    const pending = (await store.pending(concurrency)).filter((item) => !running.has(keyOf(item)));
    if (this.#isStopped) return;
    for (const item of pending.slice(0, wanted)) {
      const controller = new AbortController();
      running.set(keyOf(item), { batchId: item.batchId, controller, ended: this.#run(item, controller.signal) });
    }
  }

  /** One that has to be run again later has no answer. */
  async #run(item: PendingItem, signal: AbortSignal): Promise<void> {
    const { store, run, onError } = this.#options;
    try {
      const answer = await run(item, signal);
      if (answer === undefined) return;
      const { batchId, line } = item;
      await store.finish({ batchId, line, isError: answer.status >= 300, text: resultLine(item, answer) });
      this.#running.delete(keyOf(item));
      this.wake();
    } catch (error) {
      onError(error);
    } finally {
      this.#running.delete(keyOf(item));
      this.#lookIn(AGAIN_MS);
    }
  }

  #lookIn(ms: number): void {
    const at = performance.now() + ms;
    if (this.#isStopped || (this.#next !== undefined && this.#next.at <= at)) return;
    clearTimeout(this.#next?.timer);
    const timer = later(() => {
      this.#next = undefined;
      this.wake();
    }, ms);
    this.#next = { timer, at };
  }
}
