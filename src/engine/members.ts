/**
 * The calls on one model: who has joined, what each waits for, who may begin, and what answers and refuses them. The scheduler's loop asks
 * who is in the next step, and says what the step made of each.
 */
import { compareRanks, pastDeadline, queueFull, waitedTooLong } from './admission.ts';
import type { ResolvedLimits } from './admission.ts';
import type { Member, SubscribeOptions, Work } from './subscription.ts';

export interface MembersOptions extends ResolvedLimits {
  /** Whether it is in a step that is not cut off: the step's end tells it. */
  isRunning(work: Work): boolean;
}

/** How long a reader may stay away before others may have its sequence's memory. */
export const READER_PATIENCE_MS = 200;

/** What {@link Members.answer} is given for a call that has no answer yet. */
export const GOES_ON = Symbol('goes on');

export class Members {
  readonly #options: MembersOptions;
  readonly #all = new Set<Member>();
  /** Those that were answered, until they ask again or leave. */
  readonly #answered = new Set<Member>();
  #joined = 0;
  #closedBy: Error | undefined;

  constructor(options: MembersOptions) {
    this.#options = options;
  }

  get isClosed(): boolean {
    return this.#closedBy !== undefined;
  }

  /** As the scheduler's. */
  get calls(): { readonly running: number; readonly waiting: number } {
    let running = 0;
    for (const { hasBegun } of this.#all) if (hasBegun) running++;
    return { running, waiting: this.#all.size - running };
  }

  get areWaiting(): boolean {
    for (const { waiting } of this.#all) if (waiting !== undefined) return true;
    return false;
  }

  join({ sequence, onBegin, hasBegun = false, priority = 0, deadlineMs = Infinity }: SubscribeOptions): Member {
    const rank = { priority, deadlineAt: performance.now() + deadlineMs, order: ++this.#joined };
    const member: Member = {
      rank, sequence, onBegin, hasBegun, answeredAt: 0, refusedBy: undefined, timers: new Set(), lastStep: 0, isHeldBack: false,
      waiting: undefined, ahead: undefined,
    };
    this.#refuseAfter(member, deadlineMs, () => pastDeadline(deadlineMs));
    this.#all.add(member);
    return member;
  }

  /** Rejects those who wait and all that ask, with `error`; those in a step at its end. */
  close(error: Error): void {
    this.#closedBy ??= error;
    for (const work of this.#waiting()) if (!this.#options.isRunning(work)) this.settle(work, () => work.reject(error));
  }

  /** Takes in what a call waits for; false: it was refused. */
  ask(work: Work): boolean {
    const { member, signal } = work;
    const refusal = this.#closedBy ?? member.refusedBy ?? (signal?.aborted === true ? signal.reason : undefined);
    if (refusal !== undefined) return refuse(work, refusal);
    if (!member.hasBegun && !this.#queues(member)) return refuse(work, queueFull(this.#options.queueLimit));
    if (member.waiting !== undefined) throw new Error('scheduler: a call asked twice at a time');
    // A step that runs is not cut off: then its end rejects.
    const abort = () => {
      if (!this.#options.isRunning(work)) this.settle(work, () => work.reject(signal?.reason));
    };
    signal?.addEventListener('abort', abort, { once: true });
    const forget = () => signal?.removeEventListener('abort', abort);
    const { resolve, reject } = work;
    work.resolve = (result) => (forget(), resolve(result));
    work.reject = (reason) => (forget(), reject(reason));
    member.waiting = work;
    this.#answered.delete(member);
    return true;
  }

  /** Whether there is a place for one more call, or room to wait for one. Sets off how long it may wait. */
  #queues(member: Member): boolean {
    const { maxConcurrent, queueLimit, queueTimeoutMs } = this.#options;
    const others = [...this.#all].filter((other) => other !== member && isPresent(other));
    if (others.length >= maxConcurrent + queueLimit) return false;
    this.#refuseAfter(member, queueTimeoutMs, () => (member.hasBegun ? undefined : waitedTooLong(queueTimeoutMs)));
    return true;
  }

  /** Where `errorOf` gives an error then, a call that waits hears of it, one in a step at the step's end. */
  #refuseAfter(member: Member, ms: number, errorOf: () => Error | undefined): void {
    if (ms === Infinity) return;
    const timer = setTimeout(() => {
      member.timers.delete(timer);
      const error = (member.refusedBy ??= errorOf());
      const { waiting } = member;
      if (error === undefined || waiting === undefined || this.#options.isRunning(waiting)) return;
      this.settle(waiting, () => waiting.reject(error));
    }, ms);
    member.timers.add(timer);
  }

  /** False: it has left before. Those who were held back may go on. */
  leave(member: Member): boolean {
    if (!this.#all.delete(member)) return false;
    this.#answered.delete(member);
    for (const timer of member.timers) clearTimeout(timer);
    for (const other of this.#all) other.isHeldBack = false;
    return true;
  }

  /** Others may have the memory of those whose readers stay away. */
  takeFromIdle(): void {
    for (const member of this.#all) {
      member.isHeldBack = false;
      if (member.waiting === undefined) member.sequence?.claim(undefined);
    }
  }

  #waiting(): Work[] {
    return [...this.#all].flatMap(({ waiting }) => waiting ?? []);
  }

  /** Whether any that was answered, since that was last forgotten, has not asked again. */
  get haveBeenAnswered(): boolean {
    return this.#answered.size > 0;
  }

  forgetAnswered(): void {
    this.#answered.clear();
  }

  /** Those that have begun, and of the others, which begin now, as many as there are places for, in their order. */
  admit(): Work[] {
    const begun = [...this.#all].filter((member) => member.hasBegun && isPresent(member)).length;
    let places = this.#options.maxConcurrent - begun;
    const works = this.#waiting()
      .filter(({ member }) => !member.isHeldBack)
      .sort((a, b) => compareRanks(a.member.rank, b.member.rank))
      .filter(({ member }) => member.hasBegun || places-- > 0);
    for (const work of works) this.#begin(work);
    return works;
  }

  #begin(work: Work): void {
    const { member } = work;
    if (member.hasBegun) return;
    member.hasBegun = true;
    try {
      member.onBegin?.();
    } catch (error) {
      if (member.waiting !== undefined) this.settle(work, () => work.reject(error));
    }
  }

  settle({ member }: Work, answer: () => void): void {
    member.waiting = undefined;
    answer();
  }

  /** What a step makes of each that was in it: an answer, an error of its own, or that it goes on. */
  answer(work: Work, make: () => unknown): void {
    const { member, signal } = work;
    try {
      if (signal?.aborted === true) throw signal.reason;
      if (member.refusedBy !== undefined) throw member.refusedBy;
      const result = make();
      // Its own report may have aborted it.
      if (result === GOES_ON || member.waiting !== work) return;
      this.#answered.add(member);
      member.answeredAt = performance.now();
      this.settle(work, () => work.resolve(result));
    } catch (error) {
      if (member.waiting === work) this.settle(work, () => work.reject(error));
    }
  }
}

function refuse(work: Work, reason: unknown): false {
  work.reject(reason);
  return false;
}

/** Whether it waits for a step, or its reader has just been given what it asked for. */
function isPresent({ waiting, answeredAt }: Member): boolean {
  return waiting !== undefined || (answeredAt > 0 && performance.now() - answeredAt < READER_PATIENCE_MS);
}
