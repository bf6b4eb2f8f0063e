/** When a GPU has nothing to do, whichever of its programs it works for: for work that nobody waits for. */
export interface IdleGate {
  /** A program of the GPU begins to be loaded, which counts as work until {@link GpuUse.loaded}. */
  enter(): GpuUse;
}

/** One program of a GPU, from the beginning of its loading to its end. */
export interface GpuUse {
  /** The program is loaded. @param untilDone resolves when the device has done what the program gave it, however long that takes */
  loaded(untilDone: () => Promise<unknown>): void;
  /** The program is at work. */
  work(): void;
  /**
   * Calls `task` once this program has worked, no program of the GPU has for {@link IDLE_MS}, and no task of another one runs. `mayGoOn`
   * resolves when all of them rest again.
   * @throws what the task does; Error, from `mayGoOn` too, where this program ends
   */
  whenIdle<Result>(task: (mayGoOn: () => Promise<void>) => Promise<Result>): Promise<Result>;
  /** The program ends, or its loading failed. Idempotent. */
  leave(): void;
}

/** Longer than a chunk of a prompt, or a pause between the answers of one conversation by a program. */
export const IDLE_MS = 2000;

interface Inside {
  /** Undefined: it is being loaded. */
  untilDone?: () => Promise<unknown>;
  hasWorked: boolean;
  /** Resolves when it leaves. */
  readonly left: Promise<void>;
}

export function createIdleGate(idleMs = IDLE_MS): IdleGate {
  return new Gate(idleMs);
}

class Gate implements IdleGate {
  readonly #idleMs: number;
  readonly #inside = new Set<Inside>();
  readonly #sleeping = new Set<() => void>();
  #usedAt = -Infinity;
  /** Whose task runs. */
  #busy: Inside | undefined;

  constructor(idleMs: number) {
    this.#idleMs = idleMs;
  }

  enter(): GpuUse {
    let leave = () => {};
    const own: Inside = { hasWorked: false, left: new Promise((resolve) => (leave = resolve)) };
    this.#inside.add(own);
    return {
      loaded: (untilDone) => {
        own.untilDone = untilDone;
        this.#usedAt = performance.now();
        this.#wakeAll();
      },
      work: () => {
        this.#usedAt = performance.now();
        if (own.hasWorked) return;
        own.hasWorked = true;
        this.#wakeAll();
      },
      whenIdle: async (task) => {
        try {
          await this.#untilIdle(own);
          return await task(() => this.#untilIdle(own));
        } finally {
          if (this.#busy === own) this.#busy = undefined;
          this.#wakeAll();
        }
      },
      leave: () => {
        this.#inside.delete(own);
        leave();
        this.#wakeAll();
      },
    };
  }

  async #untilIdle(own: Inside): Promise<void> {
    for (;;) {
      if (!this.#inside.has(own)) throw new Error('The program was disposed of');
      const left = this.#millisecondsLeft(own);
      if (left > 0) {
        await this.#sleep(left);
        continue;
      }
      this.#busy = own;
      // A submit may take longer than programs rest; a program that ends waits for none of another's.
      await Promise.race([this.#allDone(), own.left]);
      if (this.#inside.has(own) && this.#millisecondsLeft(own) <= 0) return;
    }
  }

  /** That a device was lost is told to who uses it. */
  #allDone(): Promise<unknown> {
    return Promise.allSettled([...this.#inside].map(async ({ untilDone }) => untilDone?.()));
  }

  /** Infinity: until something happens that wakes all. */
  #millisecondsLeft(own: Inside): number {
    const isOthers = this.#busy !== undefined && this.#busy !== own;
    if (!own.hasWorked || isOthers || [...this.#inside].some(({ untilDone }) => untilDone === undefined)) return Infinity;
    return this.#usedAt + this.#idleMs - performance.now();
  }

  #sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#sleeping.delete(wake);
        resolve();
      };
      const timer = milliseconds === Infinity ? undefined : setTimeout(wake, milliseconds);
      // Nor does it keep a process alive (browsers' timers are numbers).
      (timer as { unref?: () => void } | undefined)?.unref?.();
      this.#sleeping.add(wake);
    });
  }

  #wakeAll(): void {
    for (const wake of this.#sleeping) wake();
  }
}
