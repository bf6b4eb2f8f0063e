/** What the CPU executor asks of a platform: workers. `node/` and `browser/` have a host each; another may be written. */

/** A running worker. */
export interface ThreadHandle {
  /** Whether this worker keeps the process alive, where there is such a thing. */
  keepAlive(wanted: boolean): void;
  terminate(): Promise<void>;
}

export interface ThreadEvents {
  readonly onMessage: (message: unknown) => void;
  /** The worker failed outside of what its source catches, or ended by itself. */
  readonly onFailure: (error: Error) => void;
}

/** Starts workers: `node:worker_threads` in Node, `Worker` in a browser. */
export interface ThreadHost {
  /**
   * Runs `source`, the body of a function of (data, post), in a new worker: `data` as given (by structured clone; it holds a
   * WebAssembly module and a shared memory), `post` sends a message back.
   */
  spawn(source: string, data: object, events: ThreadEvents): ThreadHandle;
  /** Asks the engine to give back memory that nothing refers to any more, where it can be asked. */
  reclaim?(): Promise<void>;
}
