/** Compiles kernels that a program may need later: a few at a time while nobody waits for it, else one now and then. */
import type { Pipelines } from '../device/pipeline-cache.ts';
import type { Kernel } from '../kernel.ts';

/** Translating a kernel's text stops the thread for some milliseconds, which a token would wait for. */
const IDLE_MS = 200;
const MOST_UNDER_WAY = 4;
/**
 * From a program's first work to the first kernel that is begun beside work, which leaves the first answer alone. A program that is always
 * at work gets all kernels so: who needs one that is not there waits for it, and with it all that run beside, some 0.3 s on an H200.
 */
const FIRST_MS = 1000;

/** A kernel that does not compile is told to who needs it. */
export class IdleCompiling {
  readonly #pipelines: Pipelines;
  readonly #kernels: Kernel[];
  readonly #underWay = new Set<Promise<unknown>>();
  #next = 0;
  #isOn = false;
  #isWanted = false;
  #isClosed = false;
  #usedAt = 0;
  #firstUsedAt = Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(pipelines: Pipelines, first: readonly Kernel[]) {
    this.#pipelines = pipelines;
    this.#kernels = [...first];
  }

  /** Kernels that are wanted after the others: forms of what runs without them. */
  add(more: readonly Kernel[]): void {
    if (this.#isClosed) return;
    this.#kernels.push(...more);
    this.#go();
    if (!this.#isOn) this.#wait(IDLE_MS);
  }

  /** Goes on without a pause until {@link rest}. */
  start(): void {
    this.#isOn = true;
    this.#go();
  }

  /** The program is at work: until it has not been for {@link IDLE_MS}, kernels are begun one at a time, after {@link FIRST_MS}. */
  rest(): void {
    this.#usedAt = performance.now();
    this.#firstUsedAt = Math.min(this.#firstUsedAt, this.#usedAt);
    this.#isOn = false;
    this.#wait(IDLE_MS);
  }

  /** Goes on whatever the program does, and resolves when all kernels are there, or the compiling is closed. */
  async finish(): Promise<void> {
    this.#isWanted = true;
    this.#go();
    while (this.#underWay.size > 0) await Promise.race(this.#underWay);
  }

  /** Begins no more, and settles when nothing is under way: a device should not be closed below what it compiles. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#isOn = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#next = this.#kernels.length;
    await Promise.all(this.#underWay);
  }

  get #areLeft(): boolean {
    return this.#next < this.#kernels.length;
  }

  #go(): void {
    while ((this.#isOn || this.#isWanted) && this.#areLeft && this.#underWay.size < MOST_UNDER_WAY) this.#begin();
  }

  #begin(): void {
    const kernel = this.#kernels[this.#next++] as Kernel;
    const compiling: Promise<unknown> = this.#pipelines.get(kernel).catch(() => {}).finally(() => {
      this.#underWay.delete(compiling);
      this.#go();
    });
    this.#underWay.add(compiling);
  }

  /** Looks again by then whether the program is at work, where nobody does yet. */
  #wait(milliseconds: number): void {
    if (this.#timer !== undefined || !this.#areLeft) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const now = performance.now();
      const left = this.#usedAt + IDLE_MS - now;
      if (left <= 0) return this.start();
      if (now - this.#firstUsedAt >= FIRST_MS && this.#areLeft && this.#underWay.size === 0) this.#begin();
      this.#wait(left);
    }, milliseconds);
    // Nor does it keep a process alive (browsers' timers are numbers).
    (this.#timer as { unref?: () => void }).unref?.();
  }
}
