/** One sequence's tokens and their state in the program's pages and slots. */
import type { SequenceStep, StepResult } from '../graph/decoder-steps.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import type { Rank } from './admission.ts';

export interface Sequence {
  /** Tokens whose state is there now; fewer than before when its memory was given to others meanwhile. */
  readonly length: number;
  /** Tokens whose state is there when all staged rows have run: where the next ones begin. */
  readonly staged: number;
  /**
   * Drops all state that does not belong to a prefix of `ids`, and takes that of other sequences where they have more; returns how many
   * of them have theirs. That may be fewer than agree: keys before a window are gone, and slots are kept of a few lengths only.
   */
  keepPrefix(ids: ArrayLike<number>): number;
  /**
   * Asked before {@link keepPrefix}: how many of `ids` agree with the longest tokens whose state is there, of this sequence or of others,
   * where these go on in another way; undefined where none do.
   */
  parting(ids: ArrayLike<number>): number | undefined;
  /**
   * Says, before the rows after {@link keepPrefix}, which lengths of `ids` others are likely to begin with: {@link keep} leaves the state
   * there to them. To those, to a page, comes the length that others began with and this one could not go on from.
   * @returns the lengths at which steps have to end for it, ascending; none for a model whose full pages are enough
   */
  offer(ids: ArrayLike<number>, lengths: readonly number[]): readonly number[];
  /**
   * Keeps the state after the first `tokens` tokens to come back to, where it is at hand: a snapshot, or where it was offered one that is
   * everybody's. No more than that once closed.
   */
  keep(tokens: number): void;
  /** Between turns, for slots: keeps the state after the first `tokens` tokens, or as many fewer as has to be, and nothing beside that. */
  rest(tokens: number): void;
  /** Of the call that runs it; undefined: none does. The memory of calls that go first is not for others. */
  claim(rank: Rank | undefined): void;
  /**
   * Takes memory for the positions [staged, end): the rows of a step, or of several in which each row's token is chosen after the one
   * before; they may go beyond the ids. {@link StagedRows} is told what becomes of them, in the order in which they were staged.
   * @throws CapacityError for more than there is, MemoryHeld for more than other calls leave
   */
  stage(ids: ArrayLike<number>, options: StageOptions): StagedRows;
  /** Computes the state of ids[length .. end), at most maxRows of them, in one step of this sequence alone. */
  extend(ids: ArrayLike<number>, options: ExtendOptions): Promise<StepResult>;
  /** Whoever staged rows that are under way has no use for them any more. */
  abandon(): void;
  /** Gives pages and slots back. Idempotent. */
  close(): void;
}

/** Rows of one sequence in steps that are put together, or under way: nobody takes their memory meanwhile. */
export interface StagedRows {
  /** Its tokens are those that are known. */
  readonly step: SequenceStep;
  /** They have run, with these ids at their positions: the first `count` of them, by default all, where the answer ended among them. */
  commit(ids: ArrayLike<number>, count?: number): void;
  /** They have not, or failed, as have those that were staged after them. */
  withdraw(): void;
}

export interface StageOptions {
  readonly end: number;
  /** Positions in [staged, end) whose logits are wanted, ascending. */
  readonly outputs: readonly number[];
  /** How many tokens are certain to stay: the sequence can go back to about as many. Default all. */
  readonly settled?: number | undefined;
}

export interface ExtendOptions extends StageOptions {
  readonly taps?: readonly string[] | undefined;
  /** As a step's. */
  readonly signal?: CancelSignal | undefined;
}

export interface SequenceOptions {
  /** Neither takes the state of others that begin alike, nor leaves its own to them. Default false. */
  readonly isPrivate?: boolean | undefined;
}
