/** A sequence's tokens, and which pages and slots of the program hold their state. */
import type { StepResult } from '../graph/decoder-steps.ts';
import { CapacityError, InputError } from '../tensor/errors.ts';
import type { Rank } from './admission.ts';
import type { ModelCore } from './model-core.ts';
import { PresentTokens } from './present-tokens.ts';
import { RowsUnderWay } from './rows-under-way.ts';
import type { StatePool } from './sequence-state.ts';
import type { ExtendOptions, Sequence, SequenceOptions, StagedRows, StageOptions } from './sequence.ts';

export function openSequence(core: ModelCore, { isPrivate = false }: SequenceOptions = {}): Sequence {
  return new OpenSequence(core, isPrivate);
}

class OpenSequence implements Sequence {
  readonly #core: ModelCore;
  readonly #isPrivate: boolean;
  readonly #present: PresentTokens;
  readonly #underWay: RowsUnderWay;
  #isClosed = false;
  #offered: readonly number[] = [];

  constructor(core: ModelCore, isPrivate: boolean) {
    this.#core = core;
    this.#isPrivate = isPrivate;
    this.#present = new PresentTokens(core.state);
    this.#underWay = new RowsUnderWay(this.#present.state);
  }

  get #pool(): StatePool {
    return this.#core.state;
  }

  get length(): number {
    return this.#present.refresh();
  }

  get staged(): number {
    const length = this.#present.refresh();
    return this.#underWay.end ?? length;
  }

  keepPrefix(ids: ArrayLike<number>): number {
    const present = this.#present;
    present.refresh();
    present.cut(present.agreeing(ids));
    present.settle();
    const adopted = this.#isPrivate ? 0 : this.#pool.adopt(present.state, ids);
    if (adopted > 0) {
      present.cut(0);
      present.add(ids, 0, adopted);
    }
    return present.length;
  }

  parting(ids: ArrayLike<number>): number | undefined {
    const length = this.#present.refresh();
    const own = this.#present.agreeing(ids);
    const isOther = own < length && own < ids.length;
    const known = this.#isPrivate ? 0 : this.#pool.known(ids);
    const others = this.#isPrivate ? 0 : this.#pool.parting(ids);
    const most = Math.max(isOther ? own : 0, others);
    // What goes on as the ids do, and ends before them, is no break.
    return most === 0 || most < Math.max(known, isOther ? 0 : own) ? undefined : most;
  }

  offer(ids: ArrayLike<number>, lengths: readonly number[]): readonly number[] {
    const { pageTokens, sharesSnapshots } = this.#pool;
    if (this.#isPrivate || !sharesSnapshots) return [];
    const whole = [...lengths, this.#pool.known(ids)].map((length) => Math.floor(Math.min(length, ids.length) / pageTokens) * pageTokens);
    this.#offered = [...new Set(whole)].filter((length) => length > this.#present.length).sort((a, b) => a - b);
    return this.#offered;
  }

  keep(tokens: number): void {
    const length = this.#present.refresh();
    if (this.#isClosed || tokens > length) return;
    if (this.#offered.includes(tokens)) this.#pool.shareSnapshot(this.#present.state, tokens);
    else this.#pool.keep(this.#present.state, tokens);
  }

  rest(tokens: number): void {
    if (this.#isClosed || !this.#pool.hasSlots) return;
    this.#present.refresh();
    this.#present.cut(tokens);
    const length = this.#present.refresh();
    this.#pool.rest(this.#present.state, length);
  }

  claim(rank: Rank | undefined): void {
    this.#present.state.claim = rank;
  }

  stage(ids: ArrayLike<number>, { end, outputs, settled }: StageOptions): StagedRows {
    if (this.#isClosed) throw new InputError('The state of this sequence was freed while it ran: its chat was disposed.');
    const start = this.#underWay.end ?? this.#present.settle();
    const { state } = this.#present;
    const { epoch } = state;
    const own = this.#underWay.add(end);
    const withdraw = () => {
      if (this.#underWay.withdraw(own) && !this.#isClosed && state.epoch === epoch) this.#pool.truncate(state, start);
    };
    try {
      // What the reader has not taken may yet be taken back.
      const place = this.#pool.begin(state, { start, end, accepted: Math.min(this.#present.length, ids.length), settled });
      const known = Math.min(end, ids.length);
      const tokens = Int32Array.from({ length: Math.max(0, known - start) }, (_, i) => ids[start + i] as number);
      return {
        step: { tokens, start, ...place, outputs: outputs.map((position) => position - start) },
        commit: (all, count = end - start) => {
          if (this.#underWay.finish(own)) this.#confirm(all, start, start + count);
        },
        withdraw,
      };
    } catch (error) {
      withdraw();
      throw error;
    }
  }

  /** Rows of all[start .. end) have run. */
  #confirm(all: ArrayLike<number>, start: number, end: number): void {
    if (this.#isClosed) return;
    this.#present.add(all, start, end);
    this.#pool.confirm(this.#present.state, start);
    if (!this.#isPrivate) this.#pool.share(this.#present.state);
  }

  async extend(ids: ArrayLike<number>, { taps, signal, ...options }: ExtendOptions): Promise<StepResult> {
    const rows = this.stage(ids, options);
    try {
      const result = await this.#core.run({ sequences: [rows.step], signal, ...(taps === undefined ? {} : { taps }) });
      rows.commit(ids);
      return result;
    } catch (error) {
      rows.withdraw();
      if (!makesRoom(this.#pool, error)) throw error;
    }
    return this.extend(ids, { taps, signal, ...options });
  }

  abandon(): void {
    if (this.#underWay.clear() && !this.#isClosed) this.#present.settle();
  }

  close(): void {
    this.#isClosed = true;
    this.#pool.close(this.#present.state);
  }
}

/** Whether memory that a device refused after a submit was begun may be had by going without a snapshot, which is then gone. */
function makesRoom(pool: StatePool, error: unknown): boolean {
  return error instanceof CapacityError && pool.makeRoom(error);
}
