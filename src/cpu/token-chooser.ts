/**
 * Tokens without the host between steps: the threads choose the likeliest ones and go on with them (`assembly/burst.ts`). Submits run one
 * after another, so that what a submit goes on with is known when it begins.
 */
import type {
  ChoosingRows, ChoosingSubmit, ChosenTokens, GraphRun, StatePlace, Submitted, TokenChoice, TokenChooser,
} from '../graph/executor.ts';
import { tokenRun } from '../graph/decoder-steps.ts';
import type { DecoderNames } from '../graph/model-graphs.ts';
import { checkTokens } from '../graph/run-check.ts';
import { badLogits, choosesLikeliest } from '../graph/sampling.ts';
import { MOST_BURST_STEPS } from './burst-layout.ts';
import type { RowEnds } from './burst-layout.ts';

/** What the choosing of tokens needs of its program. */
export interface ChoosingProgram {
  readonly names: DecoderNames;
  readonly mostRows: number;
  readonly mostOutRows: number;
  readonly vocab: number;
  /** Token ids that the decoder's tables have. */
  readonly tokenLimit: number;
  checkOpen(): void;
  /** @throws Error where a place does not cover all positions up to `end` */
  checkPlace(place: StatePlace, use: { readonly end: number; readonly rows: number }): void;
  /**
   * Runs a step, and up to `steps` in all, each with the tokens that the one before has chosen for the rows of its logits; none behind one
   * with which no row wants another token.
   * `isNext`: nothing ran before it, so that whoever asks has nothing else to do.
   */
  runSteps(run: GraphRun, options: StepsOptions): Promise<StepsDone>;
  /** The step that runs now is the last of {@link runSteps}. */
  stopSteps(): void;
}

export interface StepsOptions {
  readonly steps: number;
  /** By row of logits. */
  readonly ends: readonly RowEnds[];
  readonly isNext: boolean;
}

export interface StepsDone {
  readonly steps: number;
  /** [steps][rows of logits], -1 where those were of no use or no token was wanted; good until the next run. */
  readonly tokens: Int32Array;
  /** Of the last step [rows, vocab]; a view that the next run overwrites. */
  readonly logits: Float32Array;
}

interface Choice {
  /** The token that was chosen last, or that the output ends with. */
  last: number | undefined;
  readonly endIds: readonly number[];
  /** It was closed, or its last token ends it, or logits were of no use: no token of it is wanted any more. */
  isOver: boolean;
}

export function createTokenChooser(program: ChoosingProgram): TokenChooser {
  return new Chooser(program);
}

function rowsOf({ tokens }: ChoosingRows): number {
  return Math.max(1, tokens.length);
}

class Chooser implements TokenChooser {
  readonly mostSequences: number;
  readonly mostSteps = MOST_BURST_STEPS;
  readonly followsGrammars = false;
  readonly choosesLikeliestOnly = true;
  readonly sharesCores = true;
  readonly #program: ChoosingProgram;
  readonly #choices: (Choice | undefined)[] = [];
  /** Submits that have not ended; the last of them. */
  #count = 0;
  #last: Promise<unknown> = Promise.resolve();
  /** Whose steps run now. */
  #running: readonly (Choice | undefined)[] = [];

  constructor(program: ChoosingProgram) {
    this.#program = program;
    this.mostSequences = Math.min(program.mostRows, program.mostOutRows);
  }

  open({ sampling, history: { outputIds }, endIds = [], grammar }: TokenChoice): number {
    this.#program.checkOpen();
    if (grammar !== undefined || !choosesLikeliest(sampling))
      throw new Error('choose: this executor chooses the likeliest token only; ask for logits in place of it');
    const free = this.#choices.indexOf(undefined);
    const at = free < 0 ? this.#choices.length : free;
    this.#choices[at] = { last: outputIds[outputIds.length - 1], endIds, isOver: false };
    return at;
  }

  /** Steps that run for nobody else end. */
  close(number: number): void {
    const choice = this.#choices[number];
    if (choice === undefined) return;
    this.#choices[number] = undefined;
    choice.isOver = true;
    if (this.#running.includes(choice) && isForNobody(this.#running)) this.#program.stopSteps();
  }

  prepare(): undefined {
    return undefined;
  }

  async submit(batch: ChoosingSubmit): Promise<Submitted> {
    this.#program.checkOpen();
    const choices = this.#check(batch);
    const isNext = this.#count === 0;
    this.#count++;
    const results = (isNext ? this.#run(batch, choices, true) : this.#last.then(() => this.#run(batch, choices, false)))
      .finally(() => void this.#count--);
    this.#last = results.catch(() => {});
    return { results };
  }

  #check({ sequences, steps }: ChoosingSubmit): readonly (Choice | undefined)[] {
    const { mostRows, tokenLimit } = this.#program;
    const rows = sequences.reduce((sum, each) => sum + rowsOf(each), 0);
    if (rows > mostRows) throw new Error(`choose: expected up to ${mostRows} rows, found ${rows}`);
    const wanting = sequences.filter(({ wanted }) => wanted !== 'state').length;
    if (sequences.length === 0 || wanting > this.mostSequences)
      throw new Error(`choose: expected 1 to ${this.mostSequences} sequences that want tokens, found ${wanting} of ${sequences.length}`);
    if (steps < 1 || steps > this.mostSteps) throw new Error(`choose: expected 1 to ${this.mostSteps} steps, found ${steps}`);
    return sequences.map((each) => {
      const { tokens, start, wanted, choice, isMasked } = each;
      if (isMasked === true) throw new Error('choose: this executor chooses among all tokens; ask for logits in place of a mask');
      if (steps > 1 && (tokens.length > 1 || wanted !== 'token'))
        throw new Error(`choose: ${steps} steps of a sequence with ${tokens.length} new tokens that wants ${wanted}`);
      checkTokens(tokens, tokenLimit);
      this.#program.checkPlace(each, { end: start + rowsOf(each) + steps - 1, rows: rowsOf(each) });
      const own = choice === undefined ? undefined : this.#choices[choice];
      if (own === undefined && (wanted === 'token' || tokens.length === 0))
        throw new Error('choose: a sequence that goes on has no choice');
      return own;
    });
  }

  async #run({ sequences, steps }: ChoosingSubmit, choices: readonly (Choice | undefined)[], isNext: boolean): Promise<ChosenTokens[]> {
    const { names, vocab } = this.#program;
    const chosen = sequences.map((): number[] => []);
    let logits: Float32Array = new Float32Array(0);
    this.#running = choices;
    try {
      for (let done = 0; done < steps && !isForNobody(choices); ) {
        const made = await this.#program.runSteps(tokenRun(names, rowsAfter(sequences, choices, done), [names.logits]), {
          steps: steps - done, ends: endsOf(sequences, choices), isNext: isNext && steps === 1,
        });
        takeTokens(made, sequences, { choices, chosen });
        ({ logits } = made);
        done += made.steps;
      }
    } finally {
      this.#running = [];
    }
    return resultsOf(sequences, chosen, (row) => logits.subarray(row * vocab, (row + 1) * vocab));
  }
}

/** Whether no tokens of any of them are wanted. */
function isForNobody(choices: readonly (Choice | undefined)[]): boolean {
  return choices.every((choice) => choice?.isOver === true);
}

/** By row of logits. */
function endsOf(sequences: readonly ChoosingRows[], choices: readonly (Choice | undefined)[]): RowEnds[] {
  return sequences.flatMap(({ wanted }, i) => {
    if (wanted === 'state') return [];
    return [wanted === 'token' && choices[i]?.isOver === false ? choices[i]?.endIds : undefined];
  });
}

/** The rows behind `done` steps. */
function rowsAfter(sequences: readonly ChoosingRows[], choices: readonly (Choice | undefined)[], done: number) {
  return sequences.map(({ tokens, start, pages, shift, wanted }, i) => {
    const ids = done > 0 || tokens.length === 0 ? [choices[i]?.last ?? 0] : tokens;
    return { tokens: ids, start: start + done, pages, shift, outputs: wanted === 'state' ? [] : [ids.length - 1] };
  });
}

interface Taken {
  readonly choices: readonly (Choice | undefined)[];
  /** By sequence. */
  readonly chosen: readonly number[][];
}

function takeTokens({ steps, tokens }: StepsDone, sequences: readonly ChoosingRows[], { choices, chosen }: Taken): void {
  const wanting = [...sequences.keys()].filter((i) => sequences[i]?.wanted !== 'state');
  for (const [row, i] of wanting.entries()) {
    const choice = choices[i];
    if (sequences[i]?.wanted !== 'token' || choice === undefined) continue;
    for (let step = 0; step < steps && !choice.isOver; step++) {
      const token = tokens[step * wanting.length + row] as number;
      chosen[i]?.push(token);
      choice.last = Math.max(0, token);
      choice.isOver = token < 0 || choice.endIds.includes(token);
    }
  }
}

function resultsOf(
  sequences: readonly ChoosingRows[], chosen: readonly number[][], logitsOf: (row: number) => Float32Array,
): ChosenTokens[] {
  let row = 0;
  return sequences.map(({ wanted }, i) => {
    const tokens = chosen[i] as number[];
    const logits = wanted === 'logits' ? logitsOf(row) : undefined;
    if (wanted !== 'state') row++;
    return tokens.at(-1) === -1 ? { tokens: tokens.slice(0, -1), logits, error: badLogits() } : { tokens, logits, error: undefined };
  });
}
