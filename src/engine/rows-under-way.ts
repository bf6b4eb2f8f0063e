/** Rows of one sequence that are staged or under way, the oldest first: while there are any, nobody takes its memory. */
import type { SequenceState } from './sequence-state.ts';

/** The rows of one submit, by where they end. */
export interface RowsEnd {
  readonly end: number;
}

export class RowsUnderWay {
  readonly #state: SequenceState;
  readonly #ends: RowsEnd[] = [];

  constructor(state: SequenceState) {
    this.#state = state;
  }

  /** Where the newest end. */
  get end(): number | undefined {
    return this.#ends.at(-1)?.end;
  }

  add(end: number): RowsEnd {
    const own = { end };
    this.#ends.push(own);
    this.#state.isPinned = true;
    return own;
  }

  /** They have run. False: they are not the oldest, or no longer here. */
  finish(own: RowsEnd): boolean {
    if (this.#ends[0] !== own) return false;
    this.#ends.shift();
    this.#state.isPinned = this.#ends.length > 0;
    return true;
  }

  /** They will not run, nor those behind them. False: they are no longer here. */
  withdraw(own: RowsEnd): boolean {
    const at = this.#ends.indexOf(own);
    if (at < 0) return false;
    this.#ends.length = at;
    this.#state.isPinned = at > 0;
    return true;
  }

  /** None of them will. False: there are none. */
  clear(): boolean {
    const first = this.#ends[0];
    return first !== undefined && this.withdraw(first);
  }
}
