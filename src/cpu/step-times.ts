/**
 * Which steps the host's own thread takes part in. A short step (a token of a small model) spends more on the message that ends it,
 * and on waking one thread more than there are cores, than the host would lose by computing; a long one would keep the host from
 * everything else.
 */

/** A step that takes longer than this, in milliseconds, leaves the host's thread alone: people notice pauses of some ten of them. */
const SHORT_STEP_MS = 3;
/** The share of the newest time in what a step is reckoned to take. */
const NEWEST = 0.25;

export interface StepTimes {
  /** Whether a step of a program, over so many rows at most, took less than a short step lately. False for one that never ran. */
  isShort(program: number, rows: number): boolean;
  /** Notes what a step took, in milliseconds, whoever ran it. */
  add(program: number, rows: number, ms: number): void;
}

/** Steps of one program are told apart by their rows, to a factor of two. */
export function createStepTimes(): StepTimes {
  const times = new Map<number, number>();
  const keyOf = (program: number, rows: number) => program * 64 + (32 - Math.clz32(rows));
  return {
    isShort: (program, rows) => (times.get(keyOf(program, rows)) ?? Infinity) < SHORT_STEP_MS,
    add(program, rows, ms) {
      const key = keyOf(program, rows);
      const before = times.get(key) ?? ms;
      times.set(key, before + (ms - before) * NEWEST);
    },
  };
}
