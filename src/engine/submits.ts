/**
 * Steps that a program was given and has not done. Of a program that chooses tokens two submits are under way, so that it never waits for
 * whoever reads: the second goes on with tokens of the first. Who is in a submit is settled when that is made: a sequence that ends, or
 * whose reader stays away, is in no more of them, and rows past its end are nobody's. Of other programs one step is under way.
 */
import type { ChoosingRows, ChosenTokens, Submitted, TokenChooser } from '../graph/executor.ts';
import type { StepBatch, StepResult } from '../graph/decoder-steps.ts';
import { formBatch, isSeenFirst, rowsMade, stepsMade } from './batch.ts';
import type { Batch, BatchLimits, StagedWork } from './batch.ts';
import { createDecodePace } from './decode-pace.ts';
import type { DecodePace, SubmitTimes } from './decode-pace.ts';
import { prepare, takesMasks } from './subscription.ts';
import type { Advance, Ahead, DeviceChoice, Member, Work } from './subscription.ts';

export interface SubmitsOptions extends BatchLimits {
  run(batch: StepBatch): Promise<StepResult>;
  /** Undefined for a program that makes logits only. */
  readonly chooser: TokenChooser | undefined;
}

/** What a submit brought to one that was in it. */
export interface Arrival {
  readonly member: Member;
  readonly staged: StagedWork;
  readonly result: ChosenTokens;
}

interface UnderWay {
  readonly works: readonly StagedWork[];
  readonly steps: number;
  readonly submittedAt: number;
  readonly results: Promise<{ readonly chosen: readonly ChosenTokens[]; readonly arrivedAt: number }>;
  /** As the program's, until it is called. */
  choose: Submitted['choose'];
  /** Of those whose token is not wanted any more: what had to follow is known. */
  readonly known: Set<StagedWork>;
  /** Of those that no token may follow. */
  readonly failures: Map<StagedWork, Error>;
}

/** One runs, one waits behind it. */
const DEPTH = 2;

export class Submits {
  readonly #options: SubmitsOptions;
  readonly #decodePace: DecodePace | undefined;
  readonly #underWay: UnderWay[] = [];
  /** Those in the submit that the program takes just now: memory and kernels are made for it, and their choices stay open. */
  #entering: ReadonlySet<Member> = new Set();
  /** Those of them that have left. */
  readonly #leaving = new Set<Member>();
  /** Those whose answers went on in the last submit. */
  #goingOn: ReadonlySet<Member> = new Set();
  /** The program makes what a submit would take. */
  #preparing: Promise<void> | undefined;
  #lastArrival = 0;
  /** When readers were given what came last, and how long after it the next submit was made. */
  #givenAt: number | undefined;
  #readersMs = 0;
  /** Steps that are over, and the rows of all of them. */
  readonly done = { steps: 0, rows: 0 };

  constructor(options: SubmitsOptions) {
    this.#options = options;
    this.#decodePace = options.chooser && createDecodePace(options.chooser.mostSteps);
  }

  get count(): number {
    return this.#underWay.length;
  }

  has(member: Member): boolean {
    return this.#entering.has(member) || this.#underWay.some(({ works }) => works.some(({ work }) => work.member === member));
  }

  /** Whether one more can be made before the oldest is done: no reader has to see a token first, and no token waits for its mask. */
  get hasRoom(): boolean {
    if (this.#options.chooser === undefined) return this.count === 0;
    if (this.count > 0 && this.#options.chooser.sharesCores === true && !this.#areShort) return false;
    const waits = ({ work, wanted }: StagedWork) => wanted !== 'state' && isSeenFirst(work);
    return this.count < DEPTH && !this.#underWay.some(({ works, choose }) => choose !== undefined || works.some(waits));
  }

  /** Whether what is under way is over so soon that the host's part between two submits counts. */
  get #areShort(): boolean {
    return this.#decodePace!.steps > 1 && this.#underWay.every(({ works }) => works.every(({ goesOn }) => goesOn));
  }

  /**
   * Stages the rows of the next submit. Where the program has yet to make what that takes (its kernels compile), those who go on with their
   * answers do not wait for it: the others, prompts and who joins them, are in a later one.
   */
  form(works: readonly Work[]): Batch {
    const running = works.filter(({ member }) => this.#goingOn.has(member));
    if (this.#preparing !== undefined && running.length > 0) return this.#form(running);
    const batch = this.#form(works);
    const going = batch.works.filter(({ goesOn, work }) => goesOn && running.includes(work)).length;
    if (going === 0 || going === batch.works.length || !this.#beginsToPrepare(batch)) return batch;
    for (const { rows } of batch.works.toReversed()) rows.withdraw();
    return this.#form(running);
  }

  #form(works: readonly Work[]): Batch {
    const { chooser } = this.#options;
    return formBatch(works, this.#options, chooser && { mostSequences: chooser.mostSequences, steps: this.#decodePace?.steps ?? 1 });
  }

  /** False where all is there. What cannot be made is told by the submit that needs it. */
  #beginsToPrepare({ works, steps }: Batch): boolean {
    const sequences = works.map(({ wanted, shift, rows: { step } }): ChoosingRows => ({ ...step, shift, wanted }));
    const preparing = this.#options.chooser?.prepare({ sequences, steps });
    if (preparing === undefined) return false;
    const end = () => void (this.#preparing = undefined);
    this.#preparing = preparing.then(end, end);
    return true;
  }

  /** Gives the program what {@link Submits.form} has staged; that is withdrawn where it throws. */
  async submit({ works, steps }: Batch): Promise<void> {
    const { chooser } = this.#options;
    let submittedAt = performance.now();
    if (this.#givenAt !== undefined) this.#readersMs = submittedAt - this.#givenAt;
    this.#givenAt = undefined;
    this.#entering = new Set(works.map(({ work: { member } }) => member));
    const newcomers = works.filter(({ work: { member } }) => member.ahead === undefined);
    try {
      const { results, choose } = chooser === undefined ? { results: this.#run(works) } : await this.#choose(chooser, works, steps);
      // Memory may have been made for it, and kernels. Where steps run on the cores of the host it may have run meanwhile.
      if (chooser !== undefined && chooser.sharesCores !== true) submittedAt = performance.now();
      for (const { wanted, work: { advance } } of works) if (wanted === 'logits' && chooser !== undefined) prepare(advance);
      const timed = results.then((chosen) => ({ chosen, arrivedAt: performance.now() }));
      timed.catch(() => {});
      this.#underWay.push({ works, steps, submittedAt, results: timed, choose, known: new Set(), failures: new Map() });
      this.#goingOn = new Set(works.flatMap(({ goesOn, work: { member } }) => (goesOn ? [member] : [])));
    } catch (error) {
      for (const { rows } of works.toReversed()) rows.withdraw();
      // Those that are held back now want no memory of a submit of the others.
      for (const { work: { member } } of newcomers) this.#close(member);
      throw error;
    } finally {
      this.#entering = new Set();
      for (const member of this.#leaving) this.#close(member);
      this.#leaving.clear();
    }
    for (const { wanted, work: { member: { ahead } } } of works) if (wanted === 'token' && ahead !== undefined) ahead.asked += steps;
    this.#giveMasks();
  }

  /** Where all tokens before have come, makes the masks of a submit that waits for them. */
  #giveMasks(): void {
    const oldest = this.#underWay[0];
    if (oldest?.choose === undefined) return;
    const { works, known, failures, choose } = oldest;
    const masks = works.map((staged) => {
      const { member, advance } = staged.work;
      if (staged.wanted !== 'token' || member.ahead === undefined || known.has(staged)) return undefined;
      if (advance === undefined || !takesMasks(advance)) return undefined;
      try {
        return advance.choose?.constraint?.mask();
      } catch (error) {
        failures.set(staged, error as Error);
        return undefined;
      }
    });
    oldest.choose = undefined;
    choose(masks);
  }

  async #run(works: readonly StagedWork[]): Promise<readonly ChosenTokens[]> {
    const signals = works.flatMap(({ work: { signal } }) => signal ?? []);
    const running = this.#options.run({
      sequences: works.map(({ shift, rows: { step } }) => ({ ...step, shift })),
      signal: works.length === 1 ? signals[0] : undefined,
    });
    for (const { wanted, work: { advance } } of works) if (wanted !== 'state') prepare(advance);
    const { logits } = await running;
    const width = logits.length / works.filter(({ wanted }) => wanted !== 'state').length;
    let row = 0;
    return works.map(({ wanted }) => ({
      tokens: [], error: undefined, logits: wanted === 'state' ? undefined : logits.subarray(row * width, ++row * width),
    }));
  }

  #choose(chooser: TokenChooser, works: readonly StagedWork[], steps: number): Promise<Submitted> {
    const sequences = works.map(({ work, wanted, shift, rows: { step } }): ChoosingRows => {
      const { member, advance } = work as Work & { readonly advance: Advance<unknown> };
      if (wanted === 'token') this.#open(chooser, member, advance);
      // A sequence may be closed while memory for the step is made.
      const pages = step.pages.map((own) => Array.from(own));
      const isMasked = wanted === 'token' && takesMasks(advance);
      const { tokens, start, slots } = step;
      return { tokens, start, pages, slots, shift, wanted, choice: member.ahead?.choice, isMasked };
    });
    return chooser.submit({ sequences, steps });
  }

  #open(chooser: TokenChooser, member: Member, { ids, promptTokens, choose }: Advance<unknown>): void {
    const { ahead } = member;
    if (ahead?.isStale === false) return;
    const { limit, ...choice } = (choose as DeviceChoice<unknown>).request();
    if (ahead === undefined) {
      member.ahead = { choice: chooser.open(choice), ids: Array.from(ids), limit, asked: 0, isStale: false };
      this.#decodePace?.restart();
      return;
    }
    chooser.close(ahead.choice);
    ahead.choice = chooser.open({ ...choice, history: { ...choice.history, outputIds: ahead.ids.slice(promptTokens) } });
    ahead.isStale = false;
  }

  /** Waits for the oldest submit. Where that fails, all that is under way is withdrawn, since it goes on from there. */
  async arrive(): Promise<readonly Arrival[]> {
    const oldest = this.#underWay[0] as UnderWay;
    const askedAt = performance.now();
    try {
      const { chosen, arrivedAt } = await oldest.results;
      this.#givenAt = performance.now();
      this.#underWay.shift();
      this.#note(oldest, stepsMade(oldest, chosen), { arrivedAt, waitedMs: Math.max(0, arrivedAt - askedAt) });
      const arrivals = oldest.works.map((staged, i) => this.#commit(staged, chosen[i] as ChosenTokens, oldest));
      this.#giveMasks();
      return arrivals;
    } catch (error) {
      const failed = this.#underWay.splice(0);
      // Nobody waits for its tokens, but the program waits to choose them.
      for (const { choose } of failed) choose?.([]);
      for (const { rows, work: { member } } of failed.flatMap(({ works }) => works).toReversed()) {
        rows.withdraw();
        this.#close(member);
      }
      throw error;
    }
  }

  /** All members that are in submits. */
  members(): Set<Member> {
    return new Set(this.#underWay.flatMap(({ works }) => works.map(({ work: { member } }) => member)));
  }

  /** It is in no more submits, and nobody waits for the rows that are under way. */
  drop(member: Member): void {
    member.sequence?.abandon();
    if (this.#entering.has(member)) this.#leaving.add(member);
    else this.#close(member);
  }

  #close(member: Member): void {
    if (member.ahead !== undefined) this.#options.chooser?.close(member.ahead.choice);
    member.ahead = undefined;
  }

  #note({ works, submittedAt }: UnderWay, steps: number, { arrivedAt, waitedMs }: Pick<SubmitTimes, 'arrivedAt' | 'waitedMs'>): void {
    const isDecode = steps > 0 && works.every(({ wanted }) => wanted === 'token');
    this.#decodePace?.note(isDecode ? steps : undefined, { submittedAt, arrivedAt, waitedMs, readersMs: this.#readersMs });
    // A submit behind another goes on with a token that was not known when it was staged: a row all the same.
    const rows = works.reduce((sum, { rows: { step } }) => sum + Math.max(1, step.tokens.length), 0);
    this.done.steps += steps;
    // Of several steps each has one row a sequence.
    this.done.rows += rows * steps;
    if (steps > 0 && works.some(({ goesOn, wanted }) => wanted === 'state' || (!goesOn && this.#options.chooser !== undefined))) {
      this.#options.pace.note(rows, arrivedAt - Math.max(submittedAt, this.#lastArrival));
    }
    this.#lastArrival = arrivedAt;
  }

  #commit(staged: StagedWork, chosen: ChosenTokens, { steps, known, failures }: UnderWay): Arrival {
    const { work: { member, advance }, rows, end } = staged;
    const { ahead } = member;
    const isKnown = known.has(staged);
    const error = failures.get(staged) ?? (isKnown ? undefined : chosen.error);
    const result = { ...chosen, tokens: isKnown || failures.has(staged) ? [] : chosen.tokens, error };
    if (error !== undefined) {
      const before = ahead?.ids.length;
      if (ahead !== undefined) this.#take(staged, ahead, result.tokens);
      rows.withdraw();
      this.#close(member);
      return { member, staged, result: { ...result, tokens: ahead?.ids.slice(before) ?? [] } };
    }
    if (ahead !== undefined) this.#take(staged, ahead, result.tokens);
    rows.commit(ahead?.ids ?? (advance as Advance<unknown>).ids, rowsMade(staged, steps, chosen));
    if (advance?.keepAt?.includes(end) === true) member.sequence?.keep(end);
    return { member, staged, result };
  }

  /** Adds tokens that were chosen, and those that have to follow. */
  #take({ work: { member, advance } }: StagedWork, ahead: Ahead, tokens: readonly number[]): void {
    const constraint = advance?.choose?.constraint;
    for (const token of tokens) {
      ahead.ids.push(token);
      const following = constraint?.accept(token) ?? [];
      if (following.length === 0) continue;
      ahead.ids.push(...following);
      ahead.isStale = true;
      ahead.asked += following.length;
      // The token that is under way has been found out.
      for (const { works, known } of this.#underWay) {
        for (const staged of works) {
          if (staged.work.member !== member || staged.wanted !== 'token') continue;
          known.add(staged);
          ahead.asked--;
        }
      }
    }
  }
}
