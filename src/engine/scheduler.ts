/**
 * The one loop that gives a program work. Calls subscribe and ask for the state of their sequences up to some length, and for what follows;
 * each step takes rows of all that ask: one of each that goes on with its answer, and beside them chunks of prompts. A sequence is in no
 * submit that is made while its reader stays away, so that leaving a call costs nothing. It knows no text.
 */
import { CapacityError } from '../tensor/errors.ts';
import { compareRanks, pastDeadline, queueFull, waitedTooLong } from './admission.ts';
import { createBreather, yieldToEventLoop } from './event-loop.ts';
import type { Batch } from './batch.ts';
import { MemoryHeld } from './sequence-state.ts';
import { Submits } from './submits.ts';
import type { Arrival, SubmitsOptions } from './submits.ts';
import type { Advance, Member, SubscribeOptions, Subscription, Work } from './subscription.ts';

export interface Scheduler {
  subscribe(options: SubscribeOptions): Subscription;
  /** Rejects those who wait and all that come, with `error`. */
  close(error: Error): void;
}

export interface SchedulerOptions extends SubmitsOptions {
  readonly maxConcurrent: number;
  readonly queueLimit: number;
  readonly queueTimeoutMs: number;
  /** Gives back memory that nobody needs, for a step that failed for want of it; false where there is none. */
  makeRoom(refusal: CapacityError): boolean;
}

/** How long a reader may stay away before others may have its sequence's memory. */
const READER_PATIENCE_MS = 200;

export function createScheduler(options: SchedulerOptions): Scheduler {
  return new Loop(options);
}

class Loop implements Scheduler {
  readonly #options: SchedulerOptions;
  readonly #members = new Set<Member>();
  readonly #submits: Submits;
  /** Has the program to itself. */
  #alone: Work | undefined;
  /** Calls whose memory others held when nothing was under way, since when none has left. */
  readonly #held = new Set<Member>();
  /** Members that the last step answered, until they ask again or leave. */
  readonly #answered = new Set<Member>();
  readonly #breathe = createBreather();
  #isLooping = false;
  #steps = 0;
  #joined = 0;
  #wasAlone = false;
  #patience: ReturnType<typeof setTimeout> | undefined;
  #closedBy: Error | undefined;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#submits = new Submits(options);
  }

  subscribe({ sequence, onBegin, priority = 0, deadlineMs = Infinity }: SubscribeOptions): Subscription {
    const rank = { priority, deadlineAt: performance.now() + deadlineMs, order: ++this.#joined };
    const member: Member = {
      rank, sequence, onBegin, hasBegun: false, answeredAt: 0, refusedBy: undefined, timers: new Set(), lastStep: 0, isHeldBack: false,
      waiting: undefined, ahead: undefined,
    };
    this.#refuseAfter(member, deadlineMs, () => pastDeadline(deadlineMs));
    this.#members.add(member);
    const ask = <Result>(work: Pick<Work, 'advance' | 'alone' | 'signal'>) =>
      new Promise<Result>((resolve, reject) => this.#ask({ ...work, member, resolve: resolve as Work['resolve'], reject }));
    return {
      advance: (advance) => ask({ advance: advance as Advance<unknown>, signal: advance.signal }),
      alone: (alone, signal) => ask({ alone, signal }),
      leave: () => this.#leave(member),
    };
  }

  close(error: Error): void {
    this.#closedBy ??= error;
    for (const work of this.#waiting()) if (!this.#isRunning(work)) this.#settle(work, () => work.reject(error));
  }

  #ask(work: Work): void {
    const { member, signal } = work;
    const refusedBy = this.#closedBy ?? member.refusedBy;
    if (refusedBy !== undefined) return work.reject(refusedBy);
    if (signal?.aborted === true) return work.reject(signal.reason);
    if (!member.hasBegun && !this.#queues(member)) return work.reject(queueFull(this.#options.queueLimit));
    if (member.waiting !== undefined) throw new Error('scheduler: a call asked twice at a time');
    // A step that runs is not cut off: then its end rejects.
    const abort = () => {
      if (!this.#isRunning(work)) this.#settle(work, () => work.reject(signal?.reason));
    };
    signal?.addEventListener('abort', abort, { once: true });
    const forget = () => signal?.removeEventListener('abort', abort);
    const { resolve, reject } = work;
    work.resolve = (result) => (forget(), resolve(result));
    work.reject = (reason) => (forget(), reject(reason));
    member.waiting = work;
    if (this.#answerAhead(work)) return;
    member.sequence?.claim(member.rank);
    this.#answered.delete(member);
    void this.#loop();
  }

  /** Whether there is a place for one more call, or room to wait for one. Sets off how long it may wait. */
  #queues(member: Member): boolean {
    const { maxConcurrent, queueLimit, queueTimeoutMs } = this.#options;
    const others = [...this.#members].filter((other) => other !== member && isPresent(other));
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
      if (error === undefined || waiting === undefined || this.#isRunning(waiting)) return;
      this.#settle(waiting, () => waiting.reject(error));
    }, ms);
    member.timers.add(timer);
  }

  #leave(member: Member): void {
    if (!this.#members.delete(member)) return;
    this.#answered.delete(member);
    for (const timer of member.timers) clearTimeout(timer);
    this.#submits.drop(member);
    member.sequence?.claim(undefined);
    this.#held.clear();
    for (const other of this.#members) other.isHeldBack = false;
    void this.#loop();
  }

  #settle({ member }: Work, answer: () => void): void {
    member.waiting = undefined;
    answer();
  }

  #waiting(): Work[] {
    return [...this.#members].flatMap(({ waiting }) => waiting ?? []);
  }

  /** Whether it is in a step that is not cut off. */
  #isRunning(work: Work): boolean {
    return this.#alone === work || (work.advance !== undefined && this.#submits.has(work.member));
  }

  async #loop(): Promise<void> {
    if (this.#isLooping) return;
    this.#isLooping = true;
    clearTimeout(this.#patience);
    try {
      while (this.#waiting().length > 0 || this.#submits.count > 0) {
        // Those who were answered together ask again together: they are heard before the next step begins.
        await (this.#answered.size > 0 ? yieldToEventLoop() : this.#breathe());
        this.#answered.clear();
        const step = this.#nextStep();
        if (step === undefined) break;
        await step();
      }
    } finally {
      this.#isLooping = false;
    }
    if (this.#waiting().length > 0) this.#patience = setTimeout(() => this.#takeFromIdle(), READER_PATIENCE_MS);
  }

  /** All that could run waits for the memory of calls whose readers stay away. */
  #takeFromIdle(): void {
    for (const member of this.#members) {
      member.isHeldBack = false;
      if (member.waiting === undefined) member.sequence?.claim(undefined);
    }
    void this.#loop();
  }

  #nextStep(): (() => Promise<void>) | undefined {
    const works = this.#admitted();
    for (const work of works) this.#begin(work);
    const other = works.find(({ member: { waiting }, alone }) => waiting !== undefined && alone !== undefined);
    const rows = works.filter(({ member: { waiting }, advance }) => waiting !== undefined && advance !== undefined);
    const arrive = this.#submits.count > 0 ? () => this.#arrive() : undefined;
    if (other !== undefined && (!this.#wasAlone || rows.length === 0)) {
      if (arrive !== undefined) return arrive;
      this.#wasAlone = true;
      return () => this.#runAlone(other);
    }
    this.#wasAlone = false;
    return this.#nextSubmit(rows) ?? arrive;
  }

  /** A submit of rows of those that ask, where one more has room and there are any. */
  #nextSubmit(rows: readonly Work[]): (() => Promise<void>) | undefined {
    if (!this.#submits.hasRoom) return undefined;
    const { count } = this.#submits;
    if (count === 0) this.#held.clear();
    const batch = this.#submits.form(rows.filter(({ member }) => !this.#held.has(member)));
    for (const { work, error } of batch.failed) this.#settle(work, () => work.reject(error));
    if (batch.held.length > 0 && count > 0) {
      // Whose memory it may have is known when nothing is under way: that is waited for.
      for (const { rows: staged } of batch.works.toReversed()) staged.withdraw();
      return undefined;
    }
    for (const { member } of batch.held) this.#held.add(member);
    if (batch.works.length > 0) return () => this.#submit(batch);
    return batch.failed.length > 0 ? async () => {} : undefined;
  }

  /** Those that have begun, and of the others as many as there are places for, in their order. */
  #admitted(): Work[] {
    const begun = [...this.#members].filter((member) => member.hasBegun && isPresent(member)).length;
    let places = this.#options.maxConcurrent - begun;
    return this.#waiting()
      .filter(({ member }) => !member.isHeldBack)
      .sort((a, b) => compareRanks(a.member.rank, b.member.rank))
      .filter(({ member }) => member.hasBegun || places-- > 0);
  }

  #begin(work: Work): void {
    const { member } = work;
    if (member.hasBegun) return;
    member.hasBegun = true;
    try {
      member.onBegin?.();
    } catch (error) {
      if (member.waiting !== undefined) this.#settle(work, () => work.reject(error));
    }
  }

  async #runAlone(work: Work): Promise<void> {
    this.#steps++;
    this.#alone = work;
    try {
      const result = await (work.alone as () => Promise<unknown>)();
      this.#alone = undefined;
      this.#answer(work, () => result);
    } catch (error) {
      this.#alone = undefined;
      this.#fail([work], error);
    }
  }

  async #submit(batch: Batch): Promise<void> {
    this.#steps++;
    const members = batch.works.map(({ work: { member } }) => member);
    for (const member of members) member.lastStep = this.#steps;
    try {
      await this.#submits.submit(batch);
    } catch (error) {
      this.#failMembers(members, error);
    }
  }

  async #arrive(): Promise<void> {
    const members = this.#submits.members();
    let arrivals: readonly Arrival[];
    try {
      arrivals = await this.#submits.arrive();
    } catch (error) {
      return this.#failMembers([...members], error);
    }
    for (const arrival of arrivals) this.#deliver(arrival);
    if (arrivals.some(({ staged: { wanted } }) => wanted === 'state')) await yieldToEventLoop();
  }

  /** Its reader has what came, or finds it when it asks again. */
  #deliver({ member: { waiting }, staged: { end, wanted }, result }: Arrival): void {
    const { advance } = waiting ?? {};
    if (waiting === undefined || advance === undefined) return;
    this.#answer(waiting, () => {
      if (result.error !== undefined) throw result.error;
      advance.onStep?.(end);
      if (wanted === 'state') return GOES_ON;
      if (result.logits !== undefined) return advance.take(result.logits);
      // What had to follow a token came with it.
      return result.tokens.length === 0 && !hasMore(waiting) ? GOES_ON : takeAhead(waiting);
    });
  }

  /** Answers with tokens that came while the reader stayed away. */
  #answerAhead(work: Work): boolean {
    if (!hasMore(work)) return false;
    this.#answer(work, () => takeAhead(work));
    return true;
  }

  /** What a step makes of each that was in it: an answer, an error of its own, or that it goes on. */
  #answer(work: Work, make: () => unknown): void {
    const { member, signal } = work;
    try {
      if (signal?.aborted === true) throw signal.reason;
      if (member.refusedBy !== undefined) throw member.refusedBy;
      const result = make();
      // Its own report may have aborted it.
      if (result === GOES_ON || member.waiting !== work) return;
      this.#answered.add(member);
      member.answeredAt = performance.now();
      this.#settle(work, () => work.resolve(result));
    } catch (error) {
      if (member.waiting === work) this.#settle(work, () => work.reject(error));
    }
  }

  #failMembers(members: readonly Member[], error: unknown): void {
    this.#fail(members.flatMap(({ waiting }) => (waiting?.advance === undefined ? [] : [waiting])), error);
  }

  /** A step of these failed: where that was for want of memory, what can wait stays, else all of them hear of it. */
  #fail(works: readonly Work[], error: unknown): void {
    const left = works.filter(({ member, signal }) => member.waiting !== undefined && signal?.aborted !== true);
    for (const work of works) if (work.signal?.aborted === true) this.#answer(work, () => undefined);
    if (this.#closedBy === undefined && this.#canWait(error, left)) return;
    for (const work of left) this.#settle(work, () => work.reject(error));
  }

  #canWait(error: unknown, works: readonly Work[]): boolean {
    const newest = works.map(({ member }) => member).sort((a, b) => compareRanks(a.rank, b.rank)).at(-1);
    if (error instanceof MemoryHeld && newest !== undefined) return (newest.isHeldBack = true);
    if (!(error instanceof CapacityError)) return false;
    if (this.#options.makeRoom(error)) return true;
    return works.length > 1 && newest !== undefined && (newest.isHeldBack = true);
  }
}

/** Whether it waits for a step, or its reader has just been given what it asked for. */
function isPresent({ waiting, answeredAt }: Member): boolean {
  return waiting !== undefined || (answeredAt > 0 && performance.now() - answeredAt < READER_PATIENCE_MS);
}

function hasMore({ member: { ahead }, advance }: Work): boolean {
  return advance !== undefined && ahead !== undefined && ahead.ids.length > advance.ids.length;
}

/** What the program has chosen and the reader has not taken. */
function takeAhead({ member: { ahead }, advance }: Work): unknown {
  return (advance as Advance<unknown>).choose?.take(ahead?.ids.slice(advance?.ids.length) ?? []);
}

const GOES_ON = Symbol('goes on');
