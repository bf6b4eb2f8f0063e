/** How many steps of chosen tokens go into one submit: as many as keep the device busy, and few enough that text comes smoothly. */

export interface DecodePace {
  /** Of the next submit. */
  readonly steps: number;
  /** A sequence's first token is asked for: it comes alone, and what the submit takes tells nothing of steps. */
  restart(): void;
  /** So many steps have run; undefined: with rows of prompts among them. Each submit is told of, in order. */
  note(steps: number | undefined, times: SubmitTimes): void;
}

/** On the clock of `performance.now()`. */
export interface SubmitTimes {
  readonly submittedAt: number;
  readonly arrivedAt: number;
}

/** What is read back together should take about this long: 80 updates a second, and as soon cancelled. */
const SUBMIT_MS = 12;

export function createDecodePace(mostSteps: number): DecodePace {
  let steps = 1;
  let lastArrival: number | undefined;
  let isFirst = true;
  return {
    get steps() {
      return steps;
    },
    restart() {
      steps = 1;
      isFirst = true;
    },
    note(count, { submittedAt, arrivedAt }) {
      // What this submit took, the wait for the one before left out, tells how many steps the next may have.
      if (lastArrival !== undefined && !isFirst && count !== undefined) {
        const stepMs = (arrivedAt - Math.max(submittedAt, lastArrival)) / count;
        steps = Math.max(1, Math.min(Math.floor(SUBMIT_MS / Math.max(stepMs, 0.01)), steps * 2, mostSteps));
      }
      lastArrival = arrivedAt;
      if (count !== undefined) isFirst = false;
    },
  };
}
