/**
 * How many tokens of a long prompt go into one step. A step cannot be aborted and reports nothing while it runs, so on a slow machine it
 * gets fewer; on a fast one as many as reuse weights well. Results do not hang on it: the CPU computes the rows of any step of 32 or more
 * alike; with experts in floats but for rounding, since the step decides how many rows come to one of them.
 */

export interface PrefillPace {
  /**
   * Tokens of the next step, where `left` of the prompt have none yet: all of them, or so many that those after them are no fewer than 32.
   */
  next(left: number): number;
  /** Tells how long a step took. */
  note(rows: number, ms: number): void;
}

export interface PrefillPaceOptions {
  readonly maxRows: number;
  /** The device's own number stands. */
  readonly isFixed: boolean;
}

const MOST_STEP_MS = 500;
/**
 * Also the first step, before the speed is known. Fewer would cost speed, since weights are unpacked once a step, and be computed
 * otherwise.
 */
const FEWEST_ROWS = 32;

export function createPrefillPace({ maxRows, isFixed }: PrefillPaceOptions): PrefillPace {
  let rows = isFixed ? maxRows : Math.min(FEWEST_ROWS, maxRows);
  return {
    next(left) {
      if (isFixed || left <= rows || left >= rows + FEWEST_ROWS || maxRows < 2 * FEWEST_ROWS) return Math.min(rows, left);
      return rows >= 2 * FEWEST_ROWS ? rows - FEWEST_ROWS : left;
    },
    note(done, ms) {
      if (isFixed || done < FEWEST_ROWS) return;
      const wanted = ms > 0 ? (done * MOST_STEP_MS) / ms : maxRows;
      rows = Math.min(maxRows, Math.max(FEWEST_ROWS, Math.floor(wanted / FEWEST_ROWS) * FEWEST_ROWS));
    },
  };
}
