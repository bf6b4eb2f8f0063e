/** Compiles kernels that a program may need later while nobody waits for it, a few at a time. */
import type { Pipelines } from '../device/pipeline-cache.ts';
import type { Kernel } from '../kernel.ts';

export interface IdleCompiling {
  /** Goes on without a pause until {@link rest}. */
  start(): void;
  /** The program is at work: nothing is begun until it has not been for {@link IDLE_MS}. */
  rest(): void;
  /** Begins no more, and settles when nothing is under way: a device should not be closed below what it compiles. */
  close(): Promise<void>;
}

/** Translating a kernel's text stops the thread for some milliseconds, which a token would wait for. */
const IDLE_MS = 200;
const MOST_UNDER_WAY = 4;

/** A kernel that does not compile is told to who needs it. */
export function createIdleCompiling(pipelines: Pipelines, kernels: readonly Kernel[]): IdleCompiling {
  const underWay = new Set<Promise<unknown>>();
  let next = 0;
  let isOn = false;
  let usedAt = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = () => {
    isOn = false;
    clearTimeout(timer);
    timer = undefined;
  };
  const mayBegin = () => isOn && next < kernels.length && underWay.size < MOST_UNDER_WAY;
  const go = () => {
    while (mayBegin()) {
      const compiling: Promise<unknown> = pipelines.get(kernels[next++] as Kernel).catch(() => {}).finally(() => {
        underWay.delete(compiling);
        go();
      });
      underWay.add(compiling);
    }
  };
  const start = () => {
    isOn = true;
    go();
  };
  const wait = (milliseconds: number) => {
    timer = setTimeout(() => {
      timer = undefined;
      const left = usedAt + IDLE_MS - performance.now();
      if (left > 0) wait(left);
      else start();
    }, milliseconds);
    // Nor does it keep a process alive (browsers' timers are numbers).
    (timer as { unref?: () => void }).unref?.();
  };
  return {
    start,
    rest() {
      usedAt = performance.now();
      isOn = false;
      if (timer === undefined && next < kernels.length) wait(IDLE_MS);
    },
    async close() {
      stop();
      next = kernels.length;
      await Promise.all(underWay);
    },
  };
}
