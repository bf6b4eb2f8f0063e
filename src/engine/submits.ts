/**
 * Steps that a program was given and has not done. Of a program that chooses tokens two submits are under way, so that it never waits for
 * whoever reads: the second goes on with tokens of the first. Who is in a submit is settled when that is made: a sequence that ends, or
 * whose reader stays away, is in no more of them, and rows past its end are nobody's. Of other programs one step is under way.
 */
import type { ChoosingRows, ChosenTokens, TokenChooser } from '../graph/executor.ts';
import type { StepBatch, StepResult } from '../graph/decoder-steps.ts';
import { formBatch, isOneStep } from './batch.ts';
import type { Batch, BatchLimits, StagedWork } from './batch.ts';
import { createDecodePace } from './decode-pace.ts';
import type { DecodePace } from './decode-pace.ts';
import type { Advance, DeviceChoice, Member, Work } from './subscription.ts';

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

interface Submitted {
  readonly works: readonly StagedWork[];
  readonly steps: number;
  readonly submittedAt: number;
  readonly results: Promise<{ readonly chosen: readonly ChosenTokens[]; readonly arrivedAt: number }>;
}

/** One runs, one waits behind it. */
const DEPTH = 2;

export class Submits {
  readonly #options: SubmitsOptions;
  readonly #decodePace: DecodePace | undefined;
  readonly #underWay: Submitted[] = [];
  /** Those whose answers went on in the last submit. */
  #goingOn: ReadonlySet<Member> = new Set();
  /** The program makes what a submit would take. */
  #preparing: Promise<void> | undefined;
  #lastArrival = 0;

  constructor(options: SubmitsOptions) {
    this.#options = options;
    this.#decodePace = options.chooser && createDecodePace(options.chooser.mostSteps);
  }

  get count(): number {
    return this.#underWay.length;
  }

  has(member: Member): boolean {
    return this.#underWay.some(({ works }) => works.some(({ work }) => work.member === member));
  }

  /** Whether one more can be made before the oldest is done: no reader has to see a token first. */
  get hasRoom(): boolean {
    if (this.#options.chooser === undefined) return this.count === 0;
    const isSeenFirst = ({ work, wanted }: StagedWork) => wanted !== 'state' && isOneStep(work);
    return this.count < DEPTH && !this.#underWay.some(({ works }) => works.some(isSeenFirst));
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
    const sequences = works.map(({ wanted, rows: { step } }): ChoosingRows => ({ ...step, wanted }));
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
    try {
      const { results } = chooser === undefined ? { results: this.#run(works) } : await this.#choose(chooser, works, steps);
      // Memory may have been made for it, and kernels.
      if (chooser !== undefined) submittedAt = performance.now();
      const timed = results.then((chosen) => ({ chosen, arrivedAt: performance.now() }));
      timed.catch(() => {});
      this.#underWay.push({ works, steps, submittedAt, results: timed });
      this.#goingOn = new Set(works.flatMap(({ goesOn, work: { member } }) => (goesOn ? [member] : [])));
    } catch (error) {
      for (const { rows } of works.toReversed()) rows.withdraw();
      throw error;
    }
    for (const { wanted, work: { member: { ahead } } } of works) if (wanted === 'token' && ahead !== undefined) ahead.asked += steps;
  }

  async #run(works: readonly StagedWork[]): Promise<readonly ChosenTokens[]> {
    const signals = works.flatMap(({ work: { signal } }) => signal ?? []);
    const { logits } = await this.#options.run({
      sequences: works.map(({ rows: { step } }) => step),
      signal: works.length === 1 ? signals[0] : undefined,
    });
    const width = logits.length / works.filter(({ wanted }) => wanted !== 'state').length;
    let row = 0;
    return works.map(({ wanted }) => ({
      tokens: [], error: undefined, logits: wanted === 'state' ? undefined : logits.subarray(row * width, ++row * width),
    }));
  }

  #choose(chooser: TokenChooser, works: readonly StagedWork[], steps: number): ReturnType<TokenChooser['submit']> {
    const sequences = works.map(({ work, wanted, rows: { step } }): ChoosingRows => {
      const { member, advance } = work as Work & { readonly advance: Advance<unknown> };
      if (wanted === 'token' && member.ahead === undefined) this.#open(chooser, member, advance);
      // A sequence may be closed while memory for the step is made.
      const pages = step.pages.map((own) => Array.from(own));
      const mask = wanted === 'token' ? advance.choose?.mask?.() : undefined;
      return { tokens: step.tokens, start: step.start, pages, slots: step.slots, wanted, choice: member.ahead?.choice, mask };
    });
    return chooser.submit({ sequences, steps });
  }

  #open(chooser: TokenChooser, member: Member, { ids, choose }: Advance<unknown>): void {
    const { limit, ...choice } = (choose as DeviceChoice<unknown>).request();
    member.ahead = { choice: chooser.open(choice), ids: Array.from(ids), limit, asked: 0 };
    this.#decodePace?.restart();
  }

  /** Waits for the oldest submit. Where that fails, all that is under way is withdrawn, since it goes on from there. */
  async arrive(): Promise<readonly Arrival[]> {
    const oldest = this.#underWay[0] as Submitted;
    try {
      const { chosen, arrivedAt } = await oldest.results;
      this.#underWay.shift();
      this.#note(oldest, arrivedAt);
      return oldest.works.map((staged, i) => this.#commit(staged, chosen[i] as ChosenTokens));
    } catch (error) {
      for (const { rows, work: { member } } of this.#underWay.splice(0).flatMap(({ works }) => works).toReversed()) {
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
    this.#close(member);
  }

  #close(member: Member): void {
    if (member.ahead !== undefined) this.#options.chooser?.close(member.ahead.choice);
    member.ahead = undefined;
  }

  #note({ works, steps, submittedAt }: Submitted, arrivedAt: number): void {
    const isDecode = works.every(({ wanted }) => wanted === 'token');
    this.#decodePace?.note(isDecode ? steps : undefined, { submittedAt, arrivedAt });
    if (works.some(({ goesOn, wanted }) => wanted === 'state' || (!goesOn && this.#options.chooser !== undefined))) {
      const rows = works.reduce((sum, { rows: { step } }) => sum + step.tokens.length, 0);
      this.#options.pace.note(rows, arrivedAt - Math.max(submittedAt, this.#lastArrival));
    }
    this.#lastArrival = arrivedAt;
  }

  #commit(staged: StagedWork, result: ChosenTokens): Arrival {
    const { work: { member, advance }, rows, end } = staged;
    const { ahead } = member;
    if (result.error !== undefined) {
      rows.withdraw();
      this.#close(member);
      return { member, staged, result };
    }
    ahead?.ids.push(...result.tokens);
    rows.commit(ahead?.ids ?? (advance as Advance<unknown>).ids);
    if (advance?.keepAt?.includes(end) === true) member.sequence?.keep(end);
    return { member, staged, result };
  }
}
