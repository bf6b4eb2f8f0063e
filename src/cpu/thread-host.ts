/** What the CPU executor asks of a platform: workers and the kernels as bytes. `node/` and `browser/` give both; others may. */

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

/** Starts workers: `node:worker_threads` in Node, `Worker` in a browser. One without `spawn` has none, and runs one thread: its own. */
export interface ThreadHost {
  /**
   * Runs `source`, the body of a function of (data, post), in a new worker: `data` as given (by structured clone; it holds a
   * WebAssembly module and a shared memory), `post` sends a message back.
   */
  spawn?(source: string, data: object, events: ThreadEvents): ThreadHandle;
  /**
   * Lets what waits for this thread (timers, requests) have its turn. Where it is given, the thread that calls the executor computes
   * along in short steps, and has such a turn behind each. A host without `spawn` has it: there every step is the caller's.
   */
  turn?(): Promise<void>;
  /** Asks the engine to give back memory that nothing refers to any more, where it can be asked. */
  reclaim?(): Promise<void>;
}

/** A host that has workers. */
export type WorkerHost = ThreadHost & Required<Pick<ThreadHost, 'spawn'>>;

/** The two builds of the kernel module as bytes; they have the same exports. */
export interface KernelBytes {
  /** For every engine with WebAssembly SIMD and threads: `ingot/wasm/cpu.wasm`. */
  readonly plain: ArrayBuffer | Uint8Array<ArrayBuffer>;
  /** Taken in its place where the engine has relaxed SIMD: `ingot/wasm/cpu-relaxed.wasm`. */
  readonly relaxed?: ArrayBuffer | Uint8Array<ArrayBuffer> | undefined;
}
