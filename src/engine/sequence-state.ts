/** What the engine knows of one sequence's pages and slots, and who hands them out. */
import type { StatePlace } from '../graph/executor.ts';
import type { CapacityError } from '../tensor/errors.ts';
import type { Rank } from './admission.ts';
import type { Block } from './prefix-index.ts';

/** The state of a sequence after its first `length` tokens, in a slot. */
export interface SlotVersion {
  readonly length: number;
  readonly slot: number;
}

/** The state of one sequence. Made by {@link StatePool.open}. */
export interface SequenceState {
  /** Those whose state it is, as they are now: the list of who opened it. */
  readonly tokens: readonly number[];
  /** By group: page i holds positions [i * pageTokens, (i + 1) * pageTokens). Those below `firstPage` belong to others by now. */
  readonly pages: readonly number[][];
  /** By group. */
  readonly firstPage: number[];
  /** What the index knows of its pages: the block of each full page, which may have another page of the same tokens. */
  readonly blocks: Block[];
  /** Ascending by length. */
  readonly versions: SlotVersion[];
  /** A length whose windows stay, though pages behind them went; 0: none. Of models without slots. */
  keptLength: number;
  /** Counts how often all of it was taken away: who finds it changed has no state left. */
  epoch: number;
  lastUse: number;
  /** Of the call that runs it: only calls that go before may take its state. Undefined: none runs it, and anybody may. */
  claim: Rank | undefined;
  /** A step that is being put together, or runs, holds its pages: nobody may take them. */
  isPinned: boolean;
}

/** The memory that a submit needs is held by calls that go first: it has to wait. */
export class MemoryHeld extends Error {}

/** What a submit is about to do. */
export interface SubmitSpan {
  /** Position of its first row, and the one after its last. */
  readonly start: number;
  readonly end: number;
  /** Tokens that the reader has taken, at most `start`: of those states that only a shorter sequence needs, the newest are kept. */
  readonly accepted: number;
  /** Tokens that are known to stay. At most, and by default, `accepted`; state that only a shorter sequence needs goes. */
  readonly settled?: number | undefined;
}

export interface StatePool {
  readonly pageTokens: number;
  /** Most pages that there may be, by group. */
  readonly most: readonly number[];
  /** Pages that exist in the program, in use or free, by group. */
  readonly allocated: readonly number[];
  /** Pages that nobody holds, by group. */
  readonly free: readonly number[];
  /** Pages that only the index and snapshots hold, by group: whoever needs one may have it. */
  readonly cached: readonly number[];
  /** {@link EMPTY_SLOT} is neither allocated nor free; what only snapshots hold is cached. */
  readonly slots: { readonly allocated: number; readonly free: number; readonly cached: number };
  /** Whether anything is kept beyond what sequences go on from: snapshots of slots, or a window. */
  readonly keepsSnapshots: boolean;
  readonly hasSlots: boolean;
  /** Whether others can go on only where {@link StatePool.shareSnapshot} left a state to them. */
  readonly sharesSnapshots: boolean;
  /** @param tokens those of the sequence, which are what its snapshots are found by; default none, for one that keeps none */
  open(tokens?: readonly number[]): SequenceState;
  /**
   * Where a submit finds and leaves the state, which is marked as the one in use. Its version is there once the submit has run; it is the
   * caller's to {@link StatePool.truncate} where that fails.
   * @throws CapacityError past the last page or slot, MemoryHeld where calls that go first hold the last ones
   */
  begin(state: SequenceState, span: SubmitSpan): StatePlace;
  /**
   * Gives a sequence the pages of what `ids` begin with, where the index has more of them than the sequence.
   * @returns how many tokens those are; 0 where the sequence stays as it is
   */
  adopt(state: SequenceState, ids: ArrayLike<number>): number;
  /** As {@link PrefixIndex.parting}. */
  parting(ids: ArrayLike<number>): number;
  /** How many tokens of `ids` the index has full pages of, whether one can go on from their end or not. */
  known(ids: ArrayLike<number>): number;
  /** Puts pages that have become full into the index: those of all tokens whose state is there. */
  share(state: SequenceState): void;
  /** Leaves the state after the first `tokens` tokens, which end a page of the index, to who begins with them, where it is at hand. */
  shareSnapshot(state: SequenceState, tokens: number): void;
  /** The greatest length up to `tokens` that every group, and a version or a snapshot, can go on from. */
  servable(state: SequenceState, tokens: number): number;
  /**
   * Makes the state after the first `tokens` tokens the newest snapshot, where a version or a snapshot is of exactly those; it stays as
   * long as the pages before it do, and others need no slot more. Without slots, keeps the windows at that length in place of those kept
   * before, as far as they are still there.
   */
  keep(state: SequenceState, tokens: number): void;
  /** Gives back the slot of the oldest snapshot whose slot nobody else holds, for who has no memory for another; false: there is none. */
  releaseSnapshot(): boolean;
  /** A step failed for want of memory: whether it may be had by doing without pages that were just made, or without a snapshot. */
  makeRoom(refusal: CapacityError): boolean;
  /** A step has run: the memory of the pages of all tokens from position `start` on is there. */
  confirm(state: SequenceState, start: number): void;
  /** Gives back what lies past `tokens` positions, and goes back to the snapshot of that length where there is no version. */
  truncate(state: SequenceState, tokens: number): void;
  /** Between turns: {@link StatePool.truncate} and {@link StatePool.keep}, and gives back the versions before that. */
  rest(state: SequenceState, tokens: number): void;
  close(state: SequenceState): void;
}
