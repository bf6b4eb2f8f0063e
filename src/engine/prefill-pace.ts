/**
 * How many tokens of a long prompt go into one step. A step cannot be aborted and reports nothing while it runs, so on a slow machine it
 * gets fewer; on a fast one as many as reuse weights well. Results do not hang on it: the CPU computes the rows of any step of 32 or more
 * alike; with experts in floats but for rounding, since the step decides how many rows come to one of them.
 */

export interface PrefillPace {
  /**
   * Tokens of the next step, where `left` of the prompt have none yet: all of them, or so many that those after them are no fewer than 32,
   * where the room allows it.
   */
  next(left: number, beside?: StepRoom): number;
  /** Tells how long a step took. */
  note(rows: number, ms: number): void;
}

export interface StepRoom {
  /** Rows that the step has left. */
  readonly room: number;
  /** Answers that go on are in the same step: it is to be short. */
  readonly isBeside: boolean;
}

export interface PrefillPaceOptions {
  readonly maxRows: number;
  /** The device's own number stands, except beside answers. */
  readonly isFixed: boolean;
}

const MOST_STEP_MS = 500;
/** Beside answers that go on a step takes about 100 ms: none of them waits longer for its next token. */
const BESIDE_MS = 100;
/**
 * Also the first step, before the speed is known. Fewer would cost speed, since weights are unpacked once a step, and be computed
 * otherwise.
 */
export const FEWEST_ROWS = 32;

function floorRows(rows: number): number {
  return Math.floor(rows / FEWEST_ROWS) * FEWEST_ROWS;
}

export function createPrefillPace({ maxRows, isFixed }: PrefillPaceOptions): PrefillPace {
  const fewest = Math.min(FEWEST_ROWS, maxRows);
  let rows = isFixed ? maxRows : fewest;
  /** Undefined: not known yet. */
  let beside = isFixed ? undefined : fewest;
  return {
    next(left, { room, isBeside } = { room: Infinity, isBeside: false }) {
      const own = isBeside ? (beside ?? rows) : rows;
      const most = Math.min(own, room);
      if (isFixed || left <= most || left >= most + FEWEST_ROWS || maxRows < 2 * FEWEST_ROWS) return Math.min(most, left);
      if (most >= 2 * FEWEST_ROWS) return most - FEWEST_ROWS;
      return left <= room ? left : most;
    },
    note(done, ms) {
      if (done < FEWEST_ROWS) return;
      const rowsIn = (wantedMs: number) => Math.min(maxRows, Math.max(FEWEST_ROWS, floorRows(ms > 0 ? (done * wantedMs) / ms : maxRows)));
      beside = rowsIn(BESIDE_MS);
      if (!isFixed) rows = rowsIn(MOST_STEP_MS);
    },
  };
}
