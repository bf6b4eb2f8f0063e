/** How much of a benchmark is done, and how long the rest should take. */

/** Runs of one task: of all engines, warm-ups included. */
export interface PlannedRuns {
  readonly runs: number;
  /** That one of them takes, where that is known. */
  readonly seconds?: number | undefined;
}

export interface RunProgress {
  /** A task begins whose runs stand in the plan; what of them is not to be made is no longer waited for. */
  begin(task: PlannedRuns, toMake: number): void;
  /** So many runs of it will not be made. */
  leave(count: number): void;
  /** One run of it is over. */
  ran(): void;
  /** `task 3 of 12, about 4 min left` */
  text(): string;
}

/** Runs that are over tell how long one takes, pauses included; those of known length stand apart. */
export function createRunProgress(tasks: readonly PlannedRuns[], now: () => number = () => performance.now()): RunProgress {
  const sumOf = (list: readonly PlannedRuns[], of: (task: PlannedRuns) => number) => list.reduce((sum, task) => sum + of(task), 0);
  let runsLeft = sumOf(tasks, ({ runs, seconds }) => (seconds === undefined ? runs : 0));
  let secondsLeft = sumOf(tasks, ({ runs, seconds = 0 }) => runs * seconds);
  let [begun, done, spentMs, fromMs] = [0, 0, 0, now()];
  let known: number | undefined;
  const leave = (count: number) => {
    if (known === undefined) runsLeft = Math.max(0, runsLeft - count);
    else secondsLeft = Math.max(0, secondsLeft - count * known);
  };
  return {
    begin({ runs, seconds }, toMake) {
      begun++;
      known = seconds;
      fromMs = now();
      leave(runs - toMake);
    },
    leave,
    ran() {
      const at = now();
      if (known === undefined) [spentMs, done] = [spentMs + at - fromMs, done + 1];
      fromMs = at;
      leave(1);
    },
    text() {
      const place = `task ${begun} of ${tasks.length}`;
      if (done === 0 && runsLeft > 0) return place;
      return `${place}, about ${duration((runsLeft * spentMs) / Math.max(1, done) / 1000 + secondsLeft)} left`;
    },
  };
}

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
