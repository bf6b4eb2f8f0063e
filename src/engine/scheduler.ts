/**
 * The one loop that runs a program. Calls subscribe and ask for the state, and the logits, of their sequences up to some length; each step
 * takes rows of all that ask: one of each that goes on with its answer, and beside them chunks of prompts. Readers are never overtaken: a
 * sequence is in a step only while its call asks, so that leaving a call costs nothing. It does not sample and knows no text.
 */
import { CapacityError } from '../tensor/errors.ts';
import { compareRanks, pastDeadline, queueFull, waitedTooLong } from './admission.ts';
import { createBreather, yieldToEventLoop } from './event-loop.ts';
import { formBatch, needsOneRow } from './batch.ts';
import type { BatchLimits, StagedWork } from './batch.ts';
import type { DecodeRun } from '../graph/executor.ts';
import type { StepBatch, StepResult } from '../graph/decoder-steps.ts';
import type { PrefillPace } from './prefill-pace.ts';
import type { Sequence } from './sequence.ts';
import { MemoryHeld } from './sequence-state.ts';
import type { Advance, DeviceSampling, Member, SubscribeOptions, Subscription, Work } from './subscription.ts';

export interface Scheduler {
  subscribe(options: SubscribeOptions): Subscription;
  /** Rejects those who wait and all that come, with `error`. */
  close(error: Error): void;
}

export interface SchedulerOptions extends BatchLimits {
  readonly pace: PrefillPace;
  run(batch: StepBatch): Promise<StepResult>;
  readonly canDecode: boolean;
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
  /** In a step that runs. */
  readonly #running = new Set<Work>();
  /** Members that the last step answered, until they ask again or leave. */
  readonly #answered = new Set<Member>();
  readonly #breathe = createBreather();
  /** What the program samples ahead of. */
  #decoding: { readonly member: Member; readonly run: DecodeRun } | undefined;
  #isLooping = false;
  #steps = 0;
  #joined = 0;
  #wasAlone = false;
  #patience: ReturnType<typeof setTimeout> | undefined;
  #closedBy: Error | undefined;

  constructor(options: SchedulerOptions) {
    this.#options = options;
  }

  subscribe({ sequence, onBegin, priority = 0, deadlineMs = Infinity }: SubscribeOptions): Subscription {
    const rank = { priority, deadlineAt: performance.now() + deadlineMs, order: ++this.#joined };
    const member: Member = {
      rank, sequence, onBegin, hasBegun: false, answeredAt: 0, refusedBy: undefined, timers: new Set(), lastStep: 0, isHeldBack: false,
      waiting: undefined,
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
    this.#endDecoding();
    for (const work of this.#waiting()) if (!this.#running.has(work)) this.#settle(work, () => work.reject(error));
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
      if (!this.#running.has(work)) this.#settle(work, () => work.reject(signal?.reason));
    };
    signal?.addEventListener('abort', abort, { once: true });
    const forget = () => signal?.removeEventListener('abort', abort);
    const { resolve, reject } = work;
    work.resolve = (result) => (forget(), resolve(result));
    work.reject = (reason) => (forget(), reject(reason));
    member.waiting = work;
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
      if (error === undefined || waiting === undefined || this.#running.has(waiting)) return;
      this.#settle(waiting, () => waiting.reject(error));
    }, ms);
    member.timers.add(timer);
  }

  #leave(member: Member): void {
    if (!this.#members.delete(member)) return;
    this.#answered.delete(member);
    for (const timer of member.timers) clearTimeout(timer);
    if (this.#decoding?.member === member) this.#endDecoding();
    member.sequence?.claim(undefined);
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

  #endDecoding(): void {
    this.#decoding?.run.close();
    this.#decoding = undefined;
  }

  async #loop(): Promise<void> {
    if (this.#isLooping) return;
    this.#isLooping = true;
    clearTimeout(this.#patience);
    try {
      while (this.#waiting().length > 0) {
        // Those who were answered together ask again together: they are heard before the next step begins.
        await (this.#answered.size > 0 ? yieldToEventLoop() : this.#breathe());
        this.#answered.clear();
        const step = this.#nextStep();
        if (step === undefined) break;
        this.#steps++;
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
    const rows = works.filter(({ member: { waiting }, advance }) => waiting !== undefined && advance !== undefined);
    const other = works.find(({ member: { waiting }, alone }) => waiting !== undefined && alone !== undefined);
    if (other !== undefined && (!this.#wasAlone || rows.length === 0)) {
      this.#wasAlone = true;
      return () => this.#runAlone(other);
    }
    this.#wasAlone = false;
    const [only] = rows;
    if (rows.length === 1 && only !== undefined && this.#canSample(only)) return () => this.#sampleAhead(only);
    this.#endDecoding();
    const staged = formBatch(rows, this.#options);
    for (const { work, error } of staged.failed) this.#settle(work, () => work.reject(error));
    if (staged.works.length > 0) return () => this.#runBatch(staged.works);
    return staged.failed.length > 0 ? async () => {} : undefined;
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

  /** Whether the program may go on with this one by itself: all but the last chunk of its ids is done. */
  #canSample({ advance, member }: Work): boolean {
    const { sequence } = member;
    if (advance?.decode === undefined || sequence === undefined || !this.#options.canDecode) return false;
    return this.#decoding?.member === member || needsOneRow({ advance, sequence }, this.#options);
  }

  async #runAlone(work: Work): Promise<void> {
    this.#endDecoding();
    await this.#run([work], async () => {
      const result = await (work.alone as () => Promise<unknown>)();
      this.#answer(work, () => result);
    });
  }

  async #sampleAhead(work: Work): Promise<void> {
    const { member, advance } = work as Work & { readonly advance: Advance<unknown> };
    const { sequence } = member as Member & { readonly sequence: Sequence };
    const decode = advance.decode as DeviceSampling<unknown>;
    if (this.#decoding?.member !== member) this.#endDecoding();
    await this.#run([work], async () => {
      this.#decoding ??= { member, run: sequence.decode(advance.ids, { ...decode.request(), settled: advance.settled }) };
      const tokens = await this.#decoding.run.next();
      this.#answer(work, () => {
        advance.onStep?.(advance.promptTokens);
        if (tokens.length === 0) throw new Error(`decode: the executor stopped before its limit, after ${advance.ids.length} tokens`);
        return decode.take(tokens);
      });
    });
  }

  async #runBatch(staged: readonly StagedWork[]): Promise<void> {
    const startedAt = performance.now();
    const signals = staged.flatMap(({ work: { signal } }) => signal ?? []);
    await this.#run(staged.map(({ work }) => work), async () => {
      try {
        const { logits } = await this.#options.run({
          sequences: staged.map(({ rows: { step } }) => step),
          signal: staged.length === 1 ? signals[0] : undefined,
        });
        for (const { rows } of staged) rows.commit();
        const isChunk = staged.some(({ isLast }) => !isLast);
        const rows = staged.reduce((sum, { rows: { step: { tokens } } }) => sum + tokens.length, 0);
        if (isChunk) this.#options.pace.note(rows, performance.now() - startedAt);
        this.#answerBatch(staged, logits);
        if (isChunk) await yieldToEventLoop();
      } catch (error) {
        for (const { rows } of staged) rows.withdraw();
        throw error;
      }
    });
  }

  /** @param logits [outputs, vocab], of those whose ids are done */
  #answerBatch(staged: readonly StagedWork[], logits: Float32Array): void {
    const width = logits.length / staged.filter(({ isLast }) => isLast).length;
    let row = 0;
    for (const { work, end, isLast } of staged) {
      const { advance, member } = work as Work & { readonly advance: Advance<unknown> };
      const own = isLast ? logits.subarray(row * width, ++row * width) : undefined;
      if (advance.keepAt?.includes(end) === true) member.sequence?.keep(end);
      this.#answer(work, () => {
        advance.onStep?.(end);
        return own === undefined ? GOES_ON : advance.take(own);
      });
    }
  }

  /** What a step makes of each that was in it: an answer, an error of its own, or that it goes on. */
  #answer(work: Work, make: () => unknown): void {
    this.#running.delete(work);
    const { member, signal } = work;
    member.lastStep = this.#steps;
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

  /** Runs a step of some works; where it fails for want of memory, what can wait stays, else all of them hear of it. */
  async #run(works: readonly Work[], step: () => Promise<void>): Promise<void> {
    for (const work of works) this.#running.add(work);
    try {
      await step();
    } catch (error) {
      this.#endDecoding();
      for (const work of works) this.#running.delete(work);
      const left = works.filter(({ member, signal }) => member.waiting !== undefined && signal?.aborted !== true);
      for (const work of works) if (work.signal?.aborted === true) this.#answer(work, () => undefined);
      if (this.#closedBy === undefined && this.#canWait(error, left)) return;
      for (const work of left) this.#settle(work, () => work.reject(error));
    }
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

const GOES_ON = Symbol('goes on');
