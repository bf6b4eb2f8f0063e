/**
 * How many steps of chosen tokens go into one submit: as many as keep the device busy, and few enough that text comes smoothly. Where what
 * readers do with their pieces takes longer than the device (a server's streams), more steps come as often, and bring more tokens.
 */

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
  /** Milliseconds that the host had nothing to do but wait for it. */
  readonly waitedMs: number;
  /** Milliseconds from an arrival to the next submit: what readers, and staging their rows, take of the host, for any number of steps. */
  readonly readersMs: number;
}

/** What is read back together should take about this long: 80 updates a second, and as soon cancelled. */
const SUBMIT_MS = 12;
/** Of what a submit takes: a host that waits for less was busy all the time. */
const WAIT_SHARE = 1 / 8;

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
    note(count, { submittedAt, arrivedAt, waitedMs, readersMs }) {
      // What this submit took, the wait for the one before left out, tells how many steps the next may have.
      if (lastArrival !== undefined && !isFirst && count !== undefined) {
        const takenMs = arrivedAt - Math.max(submittedAt, lastArrival);
        // Then the device has waited for readers, and the time says nothing of its steps: one more is free.
        const isOfReaders = waitedMs < takenMs * WAIT_SHARE && readersMs > takenMs / 2;
        const fitting = Math.floor((Math.max(SUBMIT_MS, readersMs) * count) / Math.max(takenMs, 0.01));
        const next = isOfReaders ? Math.max(steps, count + 1) : Math.min(fitting, steps * 2);
        steps = Math.max(1, Math.min(next, mostSteps));
      }
      lastArrival = arrivedAt;
      if (count !== undefined) isFirst = false;
    },
  };
}
