/**
 * Tokens without the host in the loop: each step's tokens are chosen on the GPU and read by the next step there. Several steps of several
 * sequences go in one submit, and the next submit may be encoded while one runs; the host only reads which tokens they were.
 */
import { tokenRun } from '../../graph/decoder-steps.ts';
import type {
  ChoosingRows, ChoosingSubmit, ChosenTokens, GraphRun, SequenceRows, StatePlace, Submitted, TokenChooser, TokenMasks,
} from '../../graph/executor.ts';
import { inputOf } from '../../graph/graph.ts';
import type { Graph } from '../../graph/graph.ts';
import type { DecoderNames } from '../../graph/model-graphs.ts';
import { checkPlace, checkTokens } from '../../graph/run-check.ts';
import type { RunLimits } from '../../graph/run-check.ts';
import { FormatError } from '../../tensor/errors.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import { modeOf } from '../plan/kernel-use.ts';
import type { AttentionMode, StepCounts, StepMode } from '../plan/kernel-use.ts';
import { encodeDispatches } from './bound-plan.ts';
import type { Dispatch } from './bound-plan.ts';
import type { RunnablePlan } from './program-parts.ts';
import type { OpenRead, ReadBack, ReadRange } from './read-back.ts';
import { createSubmission } from './submission.ts';
import type { Submission } from './submission.ts';
import type { ChosenRow, TokenInputs, TokenSampler } from './token-sampler.ts';

/** What the choosing of tokens needs of its program. */
export interface ChoosingProgram {
  readonly gpu: GpuDevice;
  readonly names: DecoderNames;
  readonly graph: Graph;
  /** For one row. */
  readonly one: RunnablePlan;
  readonly many: RunnablePlan;
  readonly sampler: TokenSampler;
  readonly readBack: ReadBack;
  /** f32 [rows][vocab]. */
  readonly logits: { readonly buffer: GPUBuffer; readonly vocab: number };
  readonly mostSteps: number;
  readonly followsGrammars: boolean;
  /** Token ids that the decoder's tables have. */
  readonly tokenLimit: number;
  checkOpen(): void;
  /** Resolves when the memory of states that the runs use is there. */
  grown(places: readonly StatePlace[], positions: number): Promise<void>;
  stateLimits(): Omit<RunLimits, 'sizes' | 'before'>;
  /** Enqueues what the host writes of a run. */
  write(run: GraphRun, sizes: StepCounts['sizes'], plan: RunnablePlan): StepCounts;
  attentionOf(counts: StepCounts, sequences: number): AttentionMode;
  /** Compiles what a run of a plan takes and was not compiled before; undefined where there is no such kernel. */
  prepare(plan: RunnablePlan, sizes: StepCounts['sizes'], sequences: readonly SequenceRows[]): Promise<void> | undefined;
}

/** Steps of one command buffer. More are slower to encode (their memory is new each time), and the GPU can begin with fewer. */
const STEPS_PER_COMMANDS = 4;

/** What the inputs of a plan hold, as the last submit left them: the next tokens of these choices, in this order. */
interface InPlace {
  readonly plan: RunnablePlan;
  readonly choices: string;
  /** Page numbers of the longest table that is there, by sequence. */
  readonly pages: number[];
}

/** What is read of a submit, and where it comes to. */
interface Wanted {
  readonly chosen: readonly ChosenRow[];
  readonly ranges: readonly ReadRange[];
  readonly read: OpenRead | undefined;
}

export interface GpuTokenChooser extends TokenChooser {
  /** Another run has written to the inputs of plans. */
  forgetPlaces(): void;
}

export function createTokenChooser(program: ChoosingProgram): GpuTokenChooser {
  return new Chooser(program);
}

/** Page numbers of the longest table. */
function pagesIn({ pages }: StatePlace): number {
  return Math.max(0, ...pages.map(({ length }) => length));
}

/** Where a plan of the decoder reads tokens and their positions. */
export function inputsOfTokens({ graph, activations }: RunnablePlan, names: DecoderNames): TokenInputs {
  const bufferOf = (name: string) => activations.bufferOf(inputOf(graph, name));
  return { tokens: bufferOf(names.tokens), positions: bufferOf(names.positions) };
}

function rowsOf({ tokens }: ChoosingRows): number {
  return Math.max(1, tokens.length);
}

class Chooser implements GpuTokenChooser {
  readonly mostSequences: number;
  readonly mostSteps: number;
  readonly followsGrammars: boolean;
  readonly #program: ChoosingProgram;
  readonly #inputs: ReadonlyMap<RunnablePlan, TokenInputs>;
  #inPlace: InPlace | undefined;

  constructor(program: ChoosingProgram) {
    this.#program = program;
    const { one, many, names } = program;
    this.mostSteps = program.mostSteps;
    this.followsGrammars = program.followsGrammars;
    this.mostSequences = Math.min(many.limits['outRows'] as number, many.limits['rows'] as number);
    this.#inputs = new Map([one, many].map((plan) => [plan, inputsOfTokens(plan, names)]));
  }

  open(choice: Parameters<TokenChooser['open']>[0]): number {
    this.#program.checkOpen();
    return this.#program.sampler.open(choice);
  }

  close(choice: number): void {
    this.#program.sampler.close(choice);
  }

  forgetPlaces(): void {
    this.#inPlace = undefined;
  }

  async submit(batch: ChoosingSubmit): Promise<Submitted> {
    const { graph, sampler, readBack, checkOpen, grown, stateLimits, tokenLimit } = this.#program;
    checkOpen();
    checkSubmit(batch, this, this.#program.many.limits['rows'] as number);
    const { sequences, steps } = batch;
    for (const { tokens } of sequences) checkTokens(tokens, tokenLimit);
    const endOf = (rows: ChoosingRows) => rows.start + rowsOf(rows) + steps - 1;
    const areMasked = sequences.some(({ isMasked }) => isMasked === true);
    await allDone([grown(sequences, Math.max(...sequences.map(endOf))), sampler.prepare({ areMasked }), this.prepare(batch)]);
    checkOpen();
    const wanting = sequences.filter(({ wanted }) => wanted !== 'state');
    const chosen = [...wanting.entries()].flatMap(([logits, { wanted, choice = 0 }]) => (wanted === 'token' ? [{ logits, choice }] : []));
    const ranges = this.#rangesOf(wanting, chosen);
    const read = ranges.length === 0 ? undefined : await readBack.open(ranges.map(({ sizeBytes }) => sizeBytes));
    try {
      checkOpen();
      for (const rows of sequences)
        checkPlace(rows, { states: graph.states, end: endOf(rows), rows: rowsOf(rows), memory: rows.memory }, stateLimits());
      return this.#submit(batch, { chosen, ranges, read });
    } catch (error) {
      read?.release();
      throw error;
    }
  }

  #submit(batch: ChoosingSubmit, { chosen, ranges, read }: Wanted): Submitted {
    const { gpu } = this.#program;
    const areMasked = batch.sequences.some(({ isMasked }) => isMasked === true);
    const encoded = this.#encode(batch, chosen);
    const finish = (submission: Submission) => {
      read?.copy(submission.encoder, ranges);
      submission.submit();
      // Mapping is asked for at once, so that it is under way when somebody waits for it.
      const arrays = read === undefined ? gpu.pending(gpu.queue.onSubmittedWorkDone()).then(() => []) : read.read();
      return arrays.then((found) => this.#resultsOf(batch, chosen, found));
    };
    const waiting = areMasked ? later(finish) : undefined;
    if (waiting !== undefined) encoded.submission.submit();
    const results = waiting?.results ?? finish(encoded.submission);
    results.catch(() => {});
    const choose = waiting && ((masks: TokenMasks) => waiting.start(() => this.#encodeMasked(batch, masks, encoded.own)));
    return { results, choose };
  }

  /** The second half of a submit: masks, and the choice among what they leave. */
  #encodeMasked({ sequences }: ChoosingSubmit, masks: TokenMasks, own: readonly Dispatch[]): Submission {
    const { gpu, sampler } = this.#program;
    const ofSequences = sequences.flatMap(({ wanted }, i) => (wanted === 'state' ? [] : [masks[i]]));
    const masked = sampler.masking([...ofSequences.entries()].flatMap(([logits, mask]) => (mask === undefined ? [] : [{ logits, mask }])));
    const submission = createSubmission(gpu);
    const pass = submission.encoder.beginComputePass();
    encodeDispatches(pass, [...masked, ...own]);
    pass.end();
    return submission;
  }

  #planOf(sequences: readonly ChoosingRows[]): RunnablePlan {
    const isOne = sequences.length === 1 && rowsOf(sequences[0] as ChoosingRows) === 1 && sequences[0]?.wanted !== 'state';
    return isOne ? this.#program.one : this.#program.many;
  }

  /** Of the first step and the last one, which may attend in another way. */
  prepare({ sequences, steps }: ChoosingSubmit): Promise<void> | undefined {
    const dims = {
      rows: sequences.reduce((sum, rows) => sum + rowsOf(rows), 0), outRows: sequences.filter(({ wanted }) => wanted !== 'state').length,
    };
    const rowsIn = (step: number) => sequences.map((rows) => ({ ...rows, rows: rowsOf(rows), start: rows.start + step }));
    const plan = this.#planOf(sequences);
    const compiling = [0, ...(steps > 1 ? [steps - 1] : [])].flatMap((step) => this.#program.prepare(plan, dims, rowsIn(step)) ?? []);
    return compiling.length === 0 ? undefined : Promise.all(compiling).then(() => {});
  }

  /** All but what is left in the submission's encoder is handed on. */
  #encode({ sequences, steps }: ChoosingSubmit, chosen: readonly ChosenRow[]) {
    const { gpu, sampler } = this.#program;
    const plan = this.#planOf(sequences);
    if (chosen.length > 0) sampler.setRows(chosen);
    const submission = createSubmission(gpu);
    const counts = this.#place(submission.encoder, plan, sequences);
    const own = chosen.length === 0 ? [] : [
      ...sampler.narrowing(chosen), ...sampler.biasing(chosen),
      ...sampler.dispatches(chosen, this.#inputs.get(plan) as TokenInputs), ...sampler.following(chosen),
    ];
    // What masks leave is chosen from when they are there.
    const choosing = sequences.some(({ isMasked }) => isMasked === true) ? [] : own;
    const modes = this.#modesOf(counts, sequences.length);
    const hasSlots = sequences.some(({ slots }) => slots !== undefined);
    if (sequences.some((rows) => rowsOf(rows) > 1)) {
      submission.dispatch(plan.bound.dispatches(modes(0), counts));
      const pass = submission.encoder.beginComputePass();
      encodeDispatches(pass, choosing);
      pass.end();
      return { submission, own };
    }
    for (let done = 0; ; ) {
      let pass = submission.encoder.beginComputePass();
      for (const most = Math.min(steps, done + STEPS_PER_COMMANDS); done < most; done++) {
        if (done === 1 && hasSlots) {
          pass.end();
          plan.inputs.keepSlots(submission.encoder, sequences);
          pass = submission.encoder.beginComputePass();
        }
        encodeDispatches(pass, plan.shared?.dispatches(modes(done).attention) ?? plan.bound.dispatches(modes(done), counts));
        encodeDispatches(pass, choosing);
      }
      pass.end();
      if (done === steps) return { submission, own };
      submission.submit();
    }
  }

  /** The mode of each step of a submit: rows attend to a key more from one to the next. */
  #modesOf(counts: StepCounts, sequences: number): (step: number) => StepMode {
    const { attentionOf } = this.#program;
    const modes = new Map<AttentionMode, StepMode>();
    return (step) => {
      const attention = attentionOf(step === 0 ? counts : { ...counts, keys: counts.keys + step }, sequences);
      const mode = modes.get(attention) ?? modeOf(counts, attention);
      modes.set(attention, mode);
      return mode;
    };
  }

  /** Sees to it that the inputs of a plan are those of the rows, with as few writes as that takes. */
  #place(encoder: GPUCommandEncoder, plan: RunnablePlan, sequences: readonly ChoosingRows[]): StepCounts {
    const goOn = sequences.every(({ tokens, wanted }) => tokens.length === 0 && wanted === 'token');
    const choices = sequences.map(({ choice }) => choice).join();
    const pages = sequences.map(pagesIn);
    const before = this.#inPlace;
    if (goOn && before?.plan === plan && before.choices === choices) {
      plan.inputs.writePlaces(sequences, before.pages);
      for (const [i, count] of pages.entries()) before.pages[i] = Math.max(count, before.pages[i] as number);
      const rows = sequences.length;
      return { sizes: { rows, outRows: rows }, tiles: 0, singles: rows, keys: keysOf(sequences) };
    }
    const counts = this.#write(encoder, plan, sequences);
    const staysInPlace = sequences.every((rows) => rowsOf(rows) === 1 && rows.wanted === 'token');
    this.#inPlace = staysInPlace ? { plan, choices, pages } : undefined;
    return counts;
  }

  #write(encoder: GPUCommandEncoder, plan: RunnablePlan, sequences: readonly ChoosingRows[]): StepCounts {
    const { names, sampler, write } = this.#program;
    const run = tokenRun(names, sequences.map(({ tokens, wanted, ...rows }) => ({
      ...rows, tokens: tokens.length === 0 ? [0] : tokens, outputs: wanted === 'state' ? [] : [Math.max(1, tokens.length) - 1],
    })), []);
    const counts = write(run, run.dims, plan);
    let row = 0;
    for (const rows of sequences) {
      const { tokens, choice = 0 } = rows;
      if (tokens.length === 0) sampler.copyLast(encoder, choice, { buffer: (this.#inputs.get(plan) as TokenInputs).tokens, row });
      row += rowsOf(rows);
    }
    return counts;
  }

  /** What the sampler has of the chosen ones, then the logits that are wanted. */
  #rangesOf(wanting: readonly ChoosingRows[], chosen: readonly ChosenRow[]): ReadRange[] {
    const { sampler, logits } = this.#program;
    const sizeBytes = logits.vocab * 4;
    const rows = [...wanting.entries()].flatMap(([row, { wanted }]) =>
      wanted === 'logits' ? [{ buffer: logits.buffer, offset: row * sizeBytes, sizeBytes }] : [],
    );
    return [...(chosen.length === 0 ? [] : [sampler.results(chosen)]), ...rows];
  }

  #resultsOf({ sequences, steps }: ChoosingSubmit, chosen: readonly ChosenRow[], read: readonly ArrayBuffer[]): ChosenTokens[] {
    const { sampler } = this.#program;
    const ofSampler = chosen.length === 0 ? undefined : read[0];
    let row = ofSampler === undefined ? 0 : 1;
    return sequences.map(({ wanted, choice = 0 }) => {
      const nothing = { tokens: [], logits: undefined, error: undefined };
      if (wanted === 'logits') return { ...nothing, logits: new Float32Array(read[row++] as ArrayBuffer) };
      if (wanted === 'state' || ofSampler === undefined) return nothing;
      try {
        return { ...nothing, tokens: sampler.tokensOf(ofSampler, choice, steps) };
      } catch (error) {
        if (error instanceof FormatError) return { ...nothing, error };
        throw error;
      }
    });
  }
}

/** Of a submit that fails nothing goes on: choices may be closed then, and their numbers given to others. @throws what the first threw */
async function allDone(parts: readonly (Promise<void> | undefined)[]): Promise<void> {
  for (const part of await Promise.allSettled(parts)) if (part.status === 'rejected') throw part.reason;
}

/** Most keys that a row of the first step attends to. */
function keysOf(sequences: readonly ChoosingRows[]): number {
  return Math.max(0, ...sequences.map((rows) => rows.start + rowsOf(rows)));
}

/** Results that begin when `start` is called, with what is submitted then. */
function later(finish: (submission: Submission) => Promise<readonly ChosenTokens[]>) {
  let start: ((results: Promise<readonly ChosenTokens[]>) => void) | undefined;
  const results = new Promise<readonly ChosenTokens[]>((resolve) => (start = resolve));
  return {
    results,
    /** Once; what `encode` throws is for who waits for the results. */
    start(encode: () => Submission) {
      if (start === undefined) throw new Error('choose: tokens of a submit are chosen once');
      const begin = start;
      start = undefined;
      try {
        begin(finish(encode()));
      } catch (error) {
        begin(Promise.reject(error));
      }
    },
  };
}

function checkSubmit({ sequences, steps }: ChoosingSubmit, { mostSequences, mostSteps }: TokenChooser, mostRows: number): void {
  const rows = sequences.reduce((sum, each) => sum + rowsOf(each), 0);
  if (rows > mostRows) throw new Error(`choose: expected up to ${mostRows} rows, found ${rows}`);
  const wanting = sequences.filter(({ wanted }) => wanted !== 'state');
  if (sequences.length === 0 || wanting.length > mostSequences)
    throw new Error(`choose: expected 1 to ${mostSequences} sequences that want tokens, found ${wanting.length} of ${sequences.length}`);
  if (steps < 1 || steps > mostSteps) throw new Error(`choose: expected 1 to ${mostSteps} steps, found ${steps}`);
  for (const { tokens, wanted, choice, isMasked } of sequences) {
    if (choice === undefined && (wanted === 'token' || tokens.length === 0))
      throw new Error('choose: a sequence that goes on has no choice');
    if (steps > 1 && (tokens.length > 1 || wanted !== 'token' || isMasked === true))
      throw new Error(`choose: ${steps} steps of a sequence with ${tokens.length} new tokens that wants ${wanted}`);
  }
}
