/**
 * The one loop that gives a program work. Calls subscribe and ask for the state of their sequences up to some length, and for what follows;
 * each step takes rows of all that ask: one of each that goes on with its answer, and beside them chunks of prompts. A sequence is in no
 * submit that is made while its reader stays away, so that leaving a call costs nothing. It knows no text.
 */
import { CapacityError } from '../tensor/errors.ts';
import { compareRanks } from './admission.ts';
import { createBreather, yieldToEventLoop } from './event-loop.ts';
import { isAtPicture } from './batch.ts';
import type { Batch } from './batch.ts';
import { GOES_ON, Members, READER_PATIENCE_MS } from './members.ts';
import { pictureAt } from './pictures.ts';
import type { PictureRunner } from './picture-runner.ts';
import type { Sequence, StagedRows } from './sequence.ts';
import { MemoryHeld } from './sequence-state.ts';
import { Submits } from './submits.ts';
import type { Arrival, SubmitsOptions } from './submits.ts';
import type { Advance, Member, SubscribeOptions, Subscription, Work } from './subscription.ts';

export interface Scheduler {
  subscribe(options: SubscribeOptions): Subscription;
  /** Calls that have had a step, and those that wait for their first one. */
  readonly calls: { readonly running: number; readonly waiting: number };
  /** Steps that are over, and the rows of all of them. */
  readonly done: { readonly steps: number; readonly rows: number };
  /** Rejects those who wait and all that come, with `error`. */
  close(error: Error): void;
}

export interface SchedulerOptions extends SubmitsOptions {
  readonly maxConcurrent: number;
  readonly queueLimit: number;
  readonly queueTimeoutMs: number;
  /** Of a model that sees. */
  readonly pictures?: PictureRunner | undefined;
  /** Gives back memory that nobody needs, for a step that failed for want of it; false where there is none. */
  makeRoom(refusal: CapacityError): boolean;
}

/** Microtasks within which a reader that only waits for the next piece asks again: a call through three generators takes 12. */
const MOST_TURNS = 40;

export function createScheduler(options: SchedulerOptions): Scheduler {
  return new Loop(options);
}

class Loop implements Scheduler {
  readonly #options: SchedulerOptions;
  readonly #members: Members;
  readonly #submits: Submits;
  /** Has the program to itself. */
  #alone: Work | undefined;
  /** Stands at the picture that is worked at: others that stand at theirs wait, for a picture is begun anew where another came between. */
  #seeing: Member | undefined;
  /** Calls whose memory others held when nothing was under way, since when none has left. */
  readonly #held = new Set<Member>();
  readonly #breathe = createBreather();
  #isLooping = false;
  #steps = 0;
  #wasAlone = false;
  #patience: ReturnType<typeof setTimeout> | undefined;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#submits = new Submits(options);
    this.#members = new Members({ ...options, isRunning: (work) => this.#isRunning(work) });
  }

  subscribe(options: SubscribeOptions): Subscription {
    const member = this.#members.join(options);
    const ask = <Result>(work: Pick<Work, 'advance' | 'alone' | 'signal'>) =>
      new Promise<Result>((resolve, reject) => this.#ask({ ...work, member, resolve: resolve as Work['resolve'], reject }));
    return {
      advance: (advance) => ask({ advance: advance as Advance<unknown>, signal: advance.signal }),
      alone: (alone, signal) => ask({ alone, signal }),
      leave: () => this.#leave(member),
    };
  }

  get calls() {
    return this.#members.calls;
  }

  get done() {
    return this.#submits.done;
  }

  close(error: Error): void {
    this.#members.close(error);
  }

  #ask(work: Work): void {
    if (!this.#members.ask(work) || this.#answerAhead(work)) return;
    work.member.sequence?.claim(work.member.rank);
    void this.#loop();
  }

  #leave(member: Member): void {
    if (!this.#members.leave(member)) return;
    if (this.#seeing === member) this.#seeing = undefined;
    this.#submits.drop(member);
    member.sequence?.claim(undefined);
    this.#held.clear();
    void this.#loop();
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
      while (this.#members.areWaiting || this.#submits.count > 0) {
        await this.#untilHeard();
        const step = this.#nextStep();
        if (step === undefined) break;
        await step();
      }
    } finally {
      this.#isLooping = false;
    }
    // All that could run waits for the memory of calls whose readers stay away.
    if (this.#members.areWaiting)
      this.#patience = setTimeout(() => {
        this.#members.takeFromIdle();
        void this.#loop();
      }, READER_PATIENCE_MS);
  }

  /**
   * Those who were answered together ask again together: they are heard before the next step begins. One that reads in a loop asks within
   * some microtasks; a turn of the event loop, which others may need, costs a GPU's token 0.1 ms (docs/experiments.md).
   */
  async #untilHeard(): Promise<void> {
    for (let turn = 0; turn < MOST_TURNS && this.#members.haveBeenAnswered; turn++) await undefined;
    await (this.#members.haveBeenAnswered ? yieldToEventLoop() : this.#breathe());
    this.#members.forgetAnswered();
  }

  #nextStep(): (() => Promise<void>) | undefined {
    const works = this.#members.admit();
    const isAlone = (work: Work) => work.alone !== undefined || isAtPicture(work);
    const others = works.filter((work) => work.member.waiting !== undefined && !this.#held.has(work.member) && isAlone(work));
    const other = others.find(({ member }) => member === this.#seeing) ?? others[0];
    // Those that stand at a picture have no rows to give, nor need they wait for any.
    const rows = works.filter((work) => work.member.waiting !== undefined && work.advance !== undefined && !isAtPicture(work));
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
    for (const { work, error } of batch.failed) this.#members.settle(work, () => work.reject(error));
    if (batch.held.length > 0 && count > 0) {
      // Whose memory it may have is known when nothing is under way: that is waited for.
      for (const { rows: staged } of batch.works.toReversed()) staged.withdraw();
      return undefined;
    }
    for (const { member } of batch.held) this.#held.add(member);
    if (batch.works.length > 0) return () => this.#submit(batch);
    return batch.failed.length > 0 ? async () => {} : undefined;
  }

  async #runAlone(work: Work): Promise<void> {
    this.#steps++;
    this.#alone = work;
    try {
      const result = work.alone === undefined ? await this.#see(work) : await work.alone();
      this.#alone = undefined;
      this.#members.answer(work, () => result);
    } catch (error) {
      this.#alone = undefined;
      this.#fail([work], error);
    }
  }

  /**
   * A part of what a picture's rows are made of; or a step over what is left of the picture that a sequence is at, in as many runs as it
   * takes. Beside other calls it is a step over so many rows as may delay them.
   */
  async #see({ member, advance, signal }: Work): Promise<typeof GOES_ON> {
    const { pictures, maxRows, pace } = this.#options;
    const { ids, pictures: placed, keepAt = [], onStep } = advance as Advance<unknown>;
    const sequence = member.sequence as Sequence;
    const picture = pictureAt(placed, sequence.staged);
    if (pictures === undefined || picture === undefined) throw new Error('scheduler: a step over a picture that there is none of');
    member.lastStep = this.#steps;
    this.#seeing = member;
    const isBeside = this.#members.calls.running > 1;
    if (!(await pictures.look(picture, { isBeside, signal }))) return GOES_ON;
    const staged: { readonly rows: StagedRows; readonly end: number }[] = [];
    try {
      for (let from = sequence.staged; from < picture.end; from = sequence.staged) {
        const rows = isBeside ? pace.next(picture.end - from, { room: maxRows, isBeside }) : maxRows;
        const end = Math.min(from + rows, keepAt.find((position) => position > from) ?? Infinity, picture.end);
        staged.push({ rows: sequence.stage(ids, { end, outputs: [] }), end });
        if (isBeside) break;
      }
      await pictures.run(picture, staged.map(({ rows }) => rows), signal);
    } catch (error) {
      for (const { rows } of staged.toReversed()) rows.withdraw();
      throw error;
    }
    for (const { rows, end } of staged) {
      rows.commit(ids);
      if (keepAt.includes(end)) sequence.keep(end);
    }
    if (sequence.staged >= picture.end) this.#seeing = undefined;
    if (signal?.aborted !== true) onStep?.(sequence.staged);
    return GOES_ON;
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
  #deliver({ member, staged: { end, wanted }, result }: Arrival): void {
    const { waiting } = member;
    const { advance } = waiting ?? {};
    if (waiting === undefined || advance === undefined) return;
    this.#members.answer(waiting, () => {
      if (result.error !== undefined) {
        if (result.tokens.length === 0) throw result.error;
        // Who goes on behind the tokens that were good hears of it.
        member.refusedBy ??= result.error;
        return advance.choose?.take(result.tokens);
      }
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
    this.#members.answer(work, () => takeAhead(work));
    return true;
  }

  #failMembers(members: readonly Member[], error: unknown): void {
    this.#fail(members.flatMap(({ waiting }) => (waiting?.advance === undefined ? [] : [waiting])), error);
  }

  /** A step of these failed: where that was for want of memory, what can wait stays, else all of them hear of it. */
  #fail(works: readonly Work[], error: unknown): void {
    const left = works.filter(({ member, signal }) => member.waiting !== undefined && signal?.aborted !== true);
    for (const work of works) if (work.signal?.aborted === true) this.#members.answer(work, () => undefined);
    if (!this.#members.isClosed && this.#canWait(error, left)) return;
    for (const work of left) this.#members.settle(work, () => work.reject(error));
  }

  #canWait(error: unknown, works: readonly Work[]): boolean {
    const newest = works.map(({ member }) => member).sort((a, b) => compareRanks(a.rank, b.rank)).at(-1);
    if (error instanceof MemoryHeld && newest !== undefined) return (newest.isHeldBack = true);
    if (!(error instanceof CapacityError)) return false;
    if (this.#options.makeRoom(error)) return true;
    return works.length > 1 && newest !== undefined && (newest.isHeldBack = true);
  }
}

function hasMore({ member: { ahead }, advance }: Work): boolean {
  return advance !== undefined && ahead !== undefined && ahead.ids.length > advance.ids.length;
}

/** What the program has chosen and the reader has not taken. */
function takeAhead({ member: { ahead }, advance }: Work): unknown {
  return (advance as Advance<unknown>).choose?.take(ahead?.ids.slice(advance?.ids.length) ?? []);
}
