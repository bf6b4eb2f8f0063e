/** Compiles kernels that a program may need later: a few at a time while nobody waits for it, else one now and then. */
import type { Pipelines } from '../device/pipeline-cache.ts';
import type { Kernel } from '../kernel.ts';

export interface IdleCompiling {
  /** Kernels that are wanted after the others: forms of what runs without them. */
  add(kernels: readonly Kernel[]): void;
  /** Goes on without a pause until {@link rest}. */
  start(): void;
  /** The program is at work: until it has not been for {@link IDLE_MS}, kernels are begun one at a time, after {@link FIRST_MS}. */
  rest(): void;
  /** Goes on whatever the program does, and resolves when all kernels are there, or the compiling is closed. */
  finish(): Promise<void>;
  /** Begins no more, and settles when nothing is under way: a device should not be closed below what it compiles. */
  close(): Promise<void>;
}

/** Translating a kernel's text stops the thread for some milliseconds, which a token would wait for. */
const IDLE_MS = 200;
const MOST_UNDER_WAY = 4;
/**
 * From a program's first work to the first kernel that is begun beside work, which leaves the first answer alone. A program that is always
 * at work gets all kernels so: who needs one that is not there waits for it, and with it all that run beside, some 0.3 s on an H200.
 */
const FIRST_MS = 1000;

/** A kernel that does not compile is told to who needs it. */
export function createIdleCompiling(pipelines: Pipelines, first: readonly Kernel[]): IdleCompiling {
  const kernels = [...first];
  const underWay = new Set<Promise<unknown>>();
  let next = 0;
  let isOn = false;
  let isWanted = false;
  let isClosed = false;
  let usedAt = 0;
  let firstUsedAt = Infinity;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = () => {
    isOn = false;
    clearTimeout(timer);
    timer = undefined;
  };
  const mayBegin = () => (isOn || isWanted) && next < kernels.length && underWay.size < MOST_UNDER_WAY;
  const begin = () => {
    const compiling: Promise<unknown> = pipelines.get(kernels[next++] as Kernel).catch(() => {}).finally(() => {
      underWay.delete(compiling);
      go();
    });
    underWay.add(compiling);
  };
  const go = () => {
    while (mayBegin()) begin();
  };
  const start = () => {
    isOn = true;
    go();
  };
  const wait = (milliseconds: number) => {
    timer = setTimeout(() => {
      timer = undefined;
      const now = performance.now();
      const left = usedAt + IDLE_MS - now;
      if (left <= 0) return start();
      if (now - firstUsedAt >= FIRST_MS && next < kernels.length && underWay.size === 0) begin();
      if (next < kernels.length) wait(left);
    }, milliseconds);
    // Nor does it keep a process alive (browsers' timers are numbers).
    (timer as { unref?: () => void }).unref?.();
  };
  return {
    add(more) {
      if (isClosed) return;
      kernels.push(...more);
      go();
      if (timer === undefined && !isOn && next < kernels.length) wait(IDLE_MS);
    },
    start,
    rest() {
      usedAt = performance.now();
      firstUsedAt = Math.min(firstUsedAt, usedAt);
      isOn = false;
      if (timer === undefined && next < kernels.length) wait(IDLE_MS);
    },
    async finish() {
      isWanted = true;
      go();
      while (underWay.size > 0) await Promise.race(underWay);
    },
    async close() {
      isClosed = true;
      stop();
      next = kernels.length;
      await Promise.all(underWay);
    },
  };
}
