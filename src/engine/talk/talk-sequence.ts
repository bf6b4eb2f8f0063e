/**
 * A conversation's place in the program: which positions are there, in which pages, and in which slot. A list of runs may go some steps
 * ahead of what turns out to be wanted; each step writes a slot of its own, so that the sequence can end at any of them.
 */
import type { StatePlace } from '../../graph/executor.ts';
import { EMPTY_SLOT } from '../../graph/state-sizes.ts';

/** Most steps of one list of runs: LFM2-Audio speaks in turns of 12 frames. */
export const MOST_STEPS_AHEAD = 12;

/** Slots of a conversation: of the steps ahead, where it is, where its answer began, and two for what is read before an answer. */
export const TALK_SLOTS = MOST_STEPS_AHEAD + 4;

/** Where a conversation can go back to. */
export interface TalkMark {
  readonly length: number;
  readonly slot: number;
}

export interface TalkRoom {
  /** Numbers of pages of the group of the backbone. @throws CapacityError where there are no more */
  takePage(): number;
  freePages(pages: readonly number[]): void;
  /** Numbers of so many slots, together. */
  takeSlots(count: number): readonly number[];
  freeSlots(slots: readonly number[]): void;
  readonly pageTokens: number;
}

export class TalkSequence {
  readonly #room: TalkRoom;
  readonly #slots: readonly number[];
  readonly #pages: number[] = [];
  #at: TalkMark = { length: 0, slot: EMPTY_SLOT };
  /** Whose slot must not be written: where the answer began. */
  #kept: TalkMark = this.#at;
  #isOpen = true;

  constructor(room: TalkRoom) {
    this.#room = room;
    this.#slots = room.takeSlots(TALK_SLOTS);
  }

  get length(): number {
    return this.#at.length;
  }

  /** Keeps where a step of the last list ended as a place to come back to, in place of the last such mark. */
  keep(mark: TalkMark): TalkMark {
    this.#kept = mark;
    return mark;
  }

  /** Goes to where a step of the last list ended, or to the mark. */
  goTo(mark: TalkMark): void {
    this.#at = mark;
  }

  /** A walk from where it is: rows one after another, the last `steps` of which can be ended at. */
  walk(): TalkWalk {
    const free = this.#slots.filter((slot) => slot !== this.#at.slot && slot !== this.#kept.slot);
    const [first, second, ...ofSteps] = free as [number, number, ...number[]];
    return new TalkWalk(this.#at, { read: [first, second], steps: ofSteps, placeOf: (end) => this.#placeOf(end) });
  }

  #placeOf(end: number): StatePlace['pages'] {
    while (this.#pages.length * this.#room.pageTokens < end) this.#pages.push(this.#room.takePage());
    return [this.#pages, []];
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#room.freePages(this.#pages);
    this.#room.freeSlots(this.#slots);
  }
}

interface WalkParts {
  /** Slots of what is read on the way, in turn. */
  readonly read: readonly [number, number];
  readonly steps: readonly number[];
  readonly placeOf: (end: number) => StatePlace['pages'];
}

/** Rows of a list of runs, in order. */
export class TalkWalk {
  readonly #parts: WalkParts;
  #at: TalkMark;
  #steps = 0;

  constructor(from: TalkMark, parts: WalkParts) {
    this.#at = from;
    this.#parts = parts;
  }

  /** Rows that are read on the way, behind which nothing is chosen. */
  read(rows: number) {
    const [a, b] = this.#parts.read;
    return this.#next(rows, this.#at.slot === a ? b : a);
  }

  /** Rows behind which a token or a frame is chosen; `mark` is where they end. */
  step(rows: number) {
    const slot = this.#parts.steps[this.#steps++];
    if (slot === undefined) throw new Error(`a walk has ${this.#parts.steps.length} steps at most`);
    return this.#next(rows, slot);
  }

  #next(rows: number, write: number) {
    const { length: start, slot: read } = this.#at;
    const pages = this.#parts.placeOf(start + rows);
    this.#at = { length: start + rows, slot: write };
    return { sequence: { rows, start, pages, slots: { read, write } }, mark: this.#at };
  }
}
