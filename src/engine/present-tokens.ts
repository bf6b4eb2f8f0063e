/** The tokens of one sequence whose state is there, and that state. */
import type { SequenceState, StatePool } from './sequence-state.ts';

export class PresentTokens {
  readonly state: SequenceState;
  readonly #pool: StatePool;
  readonly #ids: number[] = [];
  #epoch: number;

  constructor(pool: StatePool) {
    this.#pool = pool;
    this.state = pool.open(this.#ids);
    this.#epoch = this.state.epoch;
  }

  /** How many there were at the last {@link PresentTokens.refresh}, and have come since. */
  get length(): number {
    return this.#ids.length;
  }

  /** Drops those whose memory others have by now. @returns how many are left */
  refresh(): number {
    if (this.#epoch !== this.state.epoch) this.#ids.length = 0;
    this.#epoch = this.state.epoch;
    // A device that ran ahead has slots past the tokens that were taken, and none in the middle of a submit.
    this.#ids.length = this.#pool.servable(this.state, this.#ids.length);
    return this.#ids.length;
  }

  /** Where a submit begins; whatever lies past that is given back. */
  settle(): number {
    const length = this.refresh();
    this.#pool.truncate(this.state, length);
    return length;
  }

  /** How many of the ids they begin with. */
  agreeing(ids: ArrayLike<number>): number {
    let common = 0;
    while (common < this.#ids.length && common < ids.length && this.#ids[common] === ids[common]) common++;
    return common;
  }

  /** Keeps the first ones, at most so many. */
  cut(most: number): void {
    this.#ids.length = Math.min(this.#ids.length, most);
  }

  /** The state of ids[from .. to) has come. */
  add(ids: ArrayLike<number>, from: number, to: number): void {
    for (let i = from; i < to; i++) this.#ids.push(ids[i] as number);
  }
}
