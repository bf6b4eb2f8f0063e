/** A model loaded on a GPU: runs its graphs, and grows its KV pages. */
import type { DimSizes } from '../../graph/dims.ts';
import type {
  GraphRun, MemoryUse, Program, RunInput, RunResults, SequenceRows, StatePlace,
} from '../../graph/executor.ts';
import { tokenLimit } from '../../graph/decoder-steps.ts';
import { outputOf } from '../../graph/graph.ts';
import type { Graph } from '../../graph/graph.ts';
import { graphOf } from '../../graph/model-graphs.ts';
import type { DecoderNames, ModelGraphs } from '../../graph/model-graphs.ts';
import { rotationsOf } from '../../graph/rotations.ts';
import { attendsToMemory, checkRuns, countOf, doneRun, readsInputs } from '../../graph/run-check.ts';
import type { CheckedRun, DoneRun } from '../../graph/run-check.ts';
import { widthOf } from '../../graph/value.ts';
import type { Value } from '../../graph/value.ts';
import { modeOf } from '../plan/kernel-use.ts';
import type { AttentionMode, StepCounts } from '../plan/kernel-use.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import { dispatchesOfPart } from './bound-plan.ts';
import type { BoundUse, Dispatch } from './bound-plan.ts';
import { createTokenChooser, inputsOfTokens } from './token-chooser.ts';
import type { GpuTokenChooser } from './token-chooser.ts';
import type { GpuUse } from '../tuning/idle-gate.ts';
import type { IdleCompiling } from './idle-compiling.ts';
import type { Arena } from './state-memory.ts';
import { createStateGrowth } from './state-growth.ts';
import type { StateGrowth } from './state-growth.ts';
import type { ProgramBase, RunnablePlan } from './program-parts.ts';
import { createReadBack } from './read-back.ts';
import type { OpenRead, ReadBack, ReadRange } from './read-back.ts';
import { restoreSlot, slotParts, snapshotSlot } from './slot-store.ts';
import type { SlotStore } from './slot-store.ts';
import { createSubmission } from './submission.ts';
import type { Submission } from './submission.ts';
import type { TokenSampler } from './token-sampler.ts';

/** Most rows of a step whose keys are split: more rows fill the device by themselves, and partial results take room. */
export const SPLIT_ROWS = 32;
/** Of more rows keys are split from more keys on. */
const FEW_SPLIT_ROWS = 2;

/** Up to how many rows their tiles are split from the profile's number of keys on; more rows, which are more tiles, from more keys. */
const SPLIT_TILE_ROWS = 32;

/** Submits without results that run or wait, with the one that is made then: one runs, one is encoded behind it. */
const MOST_UNDER_WAY = 2;

/** The plans of one graph. */
export interface RunnableGraph {
  readonly many: RunnablePlan;
  readonly tapLimits: DimSizes;
  /** Keeps every tap; made when it is first asked for. */
  readonly createTapped: () => Promise<RunnablePlan>;
}

/** What decodes tokens one by one. */
export interface RunnableDecoder {
  readonly names: DecoderNames;
  readonly graph: Graph;
  /** One row, its logits wanted. */
  readonly one: RunnablePlan;
  readonly sampler: TokenSampler;
}

export interface GpuProgramParts {
  readonly base: ProgramBase;
  readonly graphs: ReadonlyMap<string, RunnableGraph>;
  /** Undefined for a model that makes embeddings only. */
  readonly decoder: RunnableDecoder | undefined;
  /** Keys from which attention is split. */
  readonly splitFrom: number;
  /** Rows from which heads of a group share a workgroup. */
  readonly groupedFrom: number;
  /** Up to which rows, and from which keys, tiles of rows are split; undefined: they are not. */
  readonly tileSplits: { readonly rows: number; readonly from: number } | undefined;
  readonly stepsPerSubmit: number;
  /** As {@link TokenChooser.followsGrammars}. */
  readonly followsGrammars: boolean;
  /** Of kernels that the first answer does not need. */
  readonly idle: IdleCompiling;
  readonly isTuned: boolean;
  readonly use: GpuUse;
  /** Resolves when no kernel is timed any more, for programs that are loaded later; undefined: none is. */
  readonly tuning: Promise<void> | undefined;
  readonly printPlan: () => string;
}

/** One more than the largest of some whole numbers; 0 where there are none. */
function countFrom(numbers: ArrayLike<number>): number {
  let count = 0;
  for (let i = 0; i < numbers.length; i++) count = Math.max(count, (numbers[i] as number) + 1);
  return count;
}

export class GpuProgram implements Program {
  readonly model: ModelGraphs;
  readonly chooser: GpuTokenChooser | undefined;
  readonly isTuned: boolean;
  readonly #parts: GpuProgramParts;
  readonly #readBack: ReadBack;
  readonly #decoder: RunnableDecoder | undefined;
  readonly #tapped = new Map<string, RunnablePlan>();
  readonly #growth: StateGrowth;
  /** By graph: the inputs whose numbers are rotary positions. */
  readonly #rotaryInputs: ReadonlyMap<string, readonly string[]>;
  /** Submits of which nothing is read, the oldest first. */
  readonly #underWay: Promise<unknown>[] = [];
  /** The latest run of each graph, and where it left what it made. */
  readonly #latest = new Map<string, { readonly run: DoneRun; readonly plan: RunnablePlan }>();
  /** The last list of runs, until the device has it. */
  #starting: Promise<unknown> = Promise.resolve();
  #isDisposed = false;

  constructor(parts: GpuProgramParts) {
    const { base, decoder } = parts;
    this.model = base.request.model;
    this.#parts = parts;
    this.isTuned = parts.isTuned;
    this.#readBack = createReadBack(base.gpu);
    this.#growth = createStateGrowth(base.gpu, () => this.#rebindStates());
    this.#decoder = decoder;
    this.#rotaryInputs = new Map(
      [...this.model.graphs].map(([name, graph]) => [name, [...new Set(rotationsOf(graph).map(({ input }) => input))]]),
    );
    this.chooser = decoder && this.#createChooser(decoder);
  }

  prepare(): Promise<void> {
    this.#checkOpen();
    return this.#parts.idle.finish();
  }

  limits(graph: string, withTaps: boolean): DimSizes {
    const { many, tapLimits } = this.#graph(graph);
    return withTaps ? tapLimits : many.limits;
  }

  #graph(name: string): RunnableGraph {
    return graphOf({ name: this.model.name, graphs: this.#parts.graphs }, name);
  }

  ensurePages(group: number, count: number): void {
    this.#checkOpen();
    this.#growth.ensure(this.#groupOf(group), count, 'KV pages');
  }

  ensureSlots(count: number): void {
    this.#checkOpen();
    this.#growth.ensure(this.#parts.base.state.slots, count, 'slots');
  }

  #groupOf(group: number): Arena {
    const arena = this.#parts.base.state.groups[group];
    if (arena === undefined) throw new Error(`model ${this.model.name}: no group ${group} of states`);
    return arena;
  }

  async snapshotSlot(slot: number): Promise<Uint8Array> {
    this.#checkOpen();
    await this.#growth.settle(new Map());
    const read = await this.#readBack.open(this.#slotStore().parts.map(({ sizeBytes }) => sizeBytes));
    return snapshotSlot(this.#slotStore(), slot, read);
  }

  restoreSlot(slot: number, snapshot: Uint8Array): void {
    this.#checkOpen();
    restoreSlot(this.#slotStore(), slot, snapshot);
  }

  #slotStore(): SlotStore {
    const { gpu, state } = this.#parts.base;
    return { gpu, parts: slotParts(this.model, state) };
  }

  /** Those that there are from the beginning. */
  #plans(): RunnablePlan[] {
    const many = [...this.#parts.graphs.values()].map((graph) => graph.many);
    return this.#decoder === undefined ? many : [this.#decoder.one, ...many];
  }

  /** What refers to the cache's buffers is bound again when it is next used. */
  #rebindStates(): void {
    for (const { bound, shared } of [...this.#plans(), ...this.#tapped.values()]) {
      bound.rebindStates();
      shared?.rebindStates();
    }
  }

  /** Waits for the memory of states, and makes that of rotary tables, so that runs at these places may begin. */
  #grown(places: readonly StatePlace[], positions: number): Promise<void> {
    const { state } = this.#parts.base;
    if (positions > state.tables.count) this.#growth.ensure(state.tables, positions, 'rotary positions');
    const needs = new Map(
      state.groups.map((arena, group) => [arena, Math.max(0, ...places.map(({ pages }) => countFrom(pages[group] ?? [])))]),
    );
    needs.set(state.slots, countFrom(places.flatMap(({ slots }) => (slots === undefined ? [] : [slots.read, slots.write]))));
    return this.#growth.settle(needs);
  }

  /** How many rotary positions a run looks up. */
  #positionsOf({ graph, inputs }: GraphRun): number {
    const given = (this.#rotaryInputs.get(graph) ?? []).map((name) => inputs[name]);
    return Math.max(0, ...given.map((numbers) => (numbers === undefined || 'graph' in numbers ? 0 : countFrom(numbers))));
  }

  /** The device is given lists in the order of the calls; one may be given while it does the one before. */
  async run(runs: readonly GraphRun[]): Promise<RunResults> {
    const started = this.#starting.then(() => this.#start(runs));
    this.#starting = started.catch(() => {});
    return (await started).results;
  }

  async #start(runs: readonly GraphRun[]): Promise<{ readonly results: Promise<RunResults> }> {
    this.#checkOpen();
    await this.#grown(
      runs.flatMap(({ sequences = [] }) => sequences),
      Math.max(0, ...runs.map((run) => this.#positionsOf(run))),
    );
    const checked = checkRuns(this.model, runs, this.#runLimits());
    const bytes = checked.flatMap(({ wanted, sizes }) => [...wanted].map(([, value]) => countOf(value, sizes) * 4));
    const plans: RunnablePlan[] = [];
    for (const each of checked) {
      const plan = await this.#planOf(each);
      await this.#prepare(plan, each.sizes, each.run.sequences);
      plans.push(plan);
    }
    const read = bytes.some((size) => size > 0) ? await this.#readBack.open(bytes) : undefined;
    this.chooser?.forgetPlaces();
    const results = this.#submit(checked, plans, read);
    // Awaited by who asked, a moment later.
    results.catch(() => {});
    return { results };
  }

  /** Compiles what a run of a plan takes and was not compiled before; undefined where there is no such kernel. */
  #prepare({ bound, inputs }: RunnablePlan, sizes: DimSizes, sequences: readonly SequenceRows[] = []): Promise<void> | undefined {
    this.#parts.idle.rest();
    this.#parts.use.work();
    if (bound.isCompiled) return undefined;
    const counts = inputs.countsOf(sizes, sequences);
    return bound.prepare(modeOf(counts, this.#attentionOf(counts, sequences.length)), counts)?.then(() => this.#checkOpen());
  }

  async #planOf({ run, graph, sizes, withTaps }: CheckedRun): Promise<RunnablePlan> {
    const { many, createTapped } = this.#graph(graph.name);
    if (withTaps) {
      const plan = this.#tapped.get(graph.name) ?? (await createTapped());
      this.#tapped.set(graph.name, plan);
      return plan;
    }
    const isOne = graph === this.#decoder?.graph && run.wanted.length > 0 && Object.values(sizes).every((size) => size === 1);
    return isOne ? this.#decoder.one : many;
  }

  async #submit(checked: readonly CheckedRun[], plans: readonly RunnablePlan[], read: OpenRead | undefined): Promise<RunResults> {
    const { gpu } = this.#parts.base;
    const submission = createSubmission(gpu);
    const used = new Set<RunnablePlan>();
    for (const [at, run] of checked.entries()) {
      const plan = plans[at] as RunnablePlan;
      // What the host writes is there before the submit begins, so a plan's second run goes into another one.
      if (used.has(plan)) {
        submission.submit();
        used.clear();
      }
      used.add(plan);
      if (readsInputs(run.run)) this.#encodeHandovers(submission.encoder, run, plan);
      this.#latest.set(run.graph.name, { run: doneRun(run), plan });
      this.#encodeRun(submission, run, plan);
      const ranges = [...run.wanted].map(([, value]): ReadRange => ({
        buffer: plan.activations.bufferOf(value),
        sizeBytes: countOf(value, run.sizes) * 4,
      }));
      read?.copy(submission.encoder, ranges);
    }
    submission.submit();
    if (checked.some(({ run: { part } }) => part !== undefined)) await gpu.pending(gpu.queue.onSubmittedWorkDone());
    else if (read === undefined) await this.#untilFewUnderWay();
    const arrays = (await read?.read()) ?? [];
    let next = 0;
    return checked.map(({ wanted }) => new Map([...wanted].map(([name, { dtype }]) => {
      const array = arrays[next++] ?? new ArrayBuffer(0);
      return [name, dtype === 'i32' ? Float32Array.from(new Int32Array(array)) : new Float32Array(array)] as const;
    })));
  }

  /**
   * A submit whose results nobody wants, a chunk of a prompt, is not waited for: the next one is encoded while it runs. It fails with the
   * device, which the next run tells.
   */
  async #untilFewUnderWay(): Promise<void> {
    const { gpu } = this.#parts.base;
    const done = gpu.pending(gpu.queue.onSubmittedWorkDone());
    done.catch(() => {});
    this.#underWay.push(done);
    if (this.#underWay.length >= MOST_UNDER_WAY) await this.#underWay.shift();
  }

  /** Copies of what earlier runs made, on the device. */
  #encodeHandovers(encoder: GPUCommandEncoder, run: CheckedRun, plan: RunnablePlan): void {
    for (const [name, value] of run.graph.inputs) {
      const input = run.run.inputs[name] as RunInput;
      if (!('graph' in input) || !plan.activations.has(value)) continue;
      const from = this.#latest.get(input.graph)!;
      const made = from.run.graph.outputs.get(input.output) as Value;
      const source = from.plan.activations.bufferOf(made);
      encoder.copyBufferToBuffer(source, 0, plan.activations.bufferOf(value), 0, countOf(value, run.sizes) * 4);
    }
  }

  #encodeRun(
    submission: Pick<Submission, 'dispatch'>,
    { run, graph, sizes }: Pick<CheckedRun, 'run' | 'graph' | 'sizes'>,
    plan: RunnablePlan,
  ): void {
    const counts = this.#writeRun({ run, graph, sizes }, plan);
    if (Object.values(sizes).every((size) => size === 0)) return;
    const all = plan.bound.dispatches(modeOf(counts, this.#attentionOf(counts, run.sequences?.length ?? 0)), counts);
    submission.dispatch(run.part === undefined ? all : dispatchesOfPart(run.part, all));
  }

  /** Enqueues the inputs of a run that the host has. */
  #writeRun({ run, graph, sizes }: Pick<CheckedRun, 'run' | 'graph' | 'sizes'>, plan: RunnablePlan): StepCounts {
    const { queue } = this.#parts.base.gpu;
    for (const [name, value] of readsInputs(run) ? graph.inputs : []) {
      const input = run.inputs[name] as RunInput;
      if ('graph' in input || input.length === 0 || !plan.activations.has(value)) continue;
      // `from` reads one number after another: 0.15 s of a large picture's patches.
      const numbers = value.dtype === 'i32' ? Int32Array.from(input) : input instanceof Float32Array ? input : Float32Array.from(input);
      queue.writeBuffer(plan.activations.bufferOf(value), 0, numbers as BufferSource);
    }
    return plan.inputs.write(sizes, run.sequences ?? []);
  }

  /** Each group of rows as suits it: those that are alone in their sequences, and the others. */
  #attentionOf({ tiles, singles = 0, keys, sizes }: StepCounts, sequences: number): AttentionMode {
    const { splitFrom, groupedFrom, tileSplits } = this.#parts;
    const count = tiles === 0 ? sequences : singles;
    const isSplit = count <= SPLIT_ROWS && keys >= (splitFrom * Math.max(count, FEW_SPLIT_ROWS)) / FEW_SPLIT_ROWS;
    if (tiles === 0 && count >= groupedFrom) return isSplit ? 'groupedSplit' : 'grouped';
    if (tiles === 0) return isSplit ? 'split' : 'whole';
    if (singles > 0) return isSplit ? 'splitAndTiles' : 'wholeAndTiles';
    const rows = Math.max(...Object.values(sizes));
    const from = ((tileSplits?.from ?? Infinity) * Math.max(rows, SPLIT_TILE_ROWS)) / SPLIT_TILE_ROWS;
    return tileSplits !== undefined && rows <= tileSplits.rows && keys >= from ? 'splitTiles' : 'tiles';
  }

  /** What chooses tokens, of a decoder that steps can follow each other of without the host. */
  #createChooser(decoder: RunnableDecoder): GpuTokenChooser | undefined {
    const { base, stepsPerSubmit, followsGrammars } = this.#parts;
    const { names, graph, one, sampler } = decoder;
    if (attendsToMemory(graph) || names.hostRows !== undefined || base.logits === undefined) return undefined;
    return createTokenChooser({
      gpu: base.gpu, names, graph, one, sampler,
      many: this.#graph(names.graph).many,
      readBack: this.#readBack,
      logits: { buffer: base.logits.buffer, vocab: widthOf(outputOf(graph, names.logits)) },
      mostSteps: stepsPerSubmit, followsGrammars,
      tokenLimit: tokenLimit(graph, names),
      prepare: (plan, sizes, sequences) => this.#prepare(plan, sizes, sequences),
      checkOpen: () => this.#checkOpen(),
      grown: (places, positions) => this.#grown(places, positions),
      stateLimits: () => this.#stateLimits(),
      write: (run, sizes, plan) => this.#writeRun({ run, graph, sizes }, plan),
      attentionOf: (counts, sequences) => this.#attentionOf(counts, sequences),
    });
  }

  /** @throws Error for a model that makes embeddings only */
  #runnableDecoder(): RunnableDecoder {
    if (this.#decoder === undefined) throw new Error(`model ${this.model.name}: it has no decoder`);
    return this.#decoder;
  }

  /**
   * What a step of a token of each of some sequences runs, for benchmarks: its own steps, then the sampler's for their choices. Each token
   * is the `keys`-th of its sequence.
   */
  tokenDispatches(keys: number, choices: readonly number[]): {
    readonly gpu: GpuDevice;
    readonly steps: readonly Dispatch[];
    readonly bindings: readonly BoundUse[];
    readonly sampling: readonly Dispatch[];
  } {
    const { one, sampler, names } = this.#runnableDecoder();
    const rows = choices.length;
    const plan = rows === 1 ? one : this.#graph(names.graph).many;
    const counts = { sizes: Object.fromEntries(Object.keys(plan.limits).map((dim) => [dim, rows])), tiles: 0, singles: rows, keys };
    const mode = modeOf(counts, this.#attentionOf(counts, rows));
    return {
      gpu: this.#parts.base.gpu,
      steps: plan.shared?.dispatches(mode.attention) ?? plan.bound.dispatches(mode, counts),
      bindings: plan.bound.bindings(mode, counts),
      sampling: sampler.dispatches(choices.map((choice, logits) => ({ logits, choice })), inputsOfTokens(plan, names)),
    };
  }

  /** What a run dispatches, for benchmarks; what the host writes of it is written. The program has made the run before. */
  async runDispatches(run: GraphRun): Promise<{ readonly gpu: GpuDevice; readonly steps: readonly Dispatch[] }> {
    const [checked] = checkRuns(this.model, [run], this.#runLimits());
    const plan = await this.#planOf(checked as CheckedRun);
    this.chooser?.forgetPlaces();
    const { sizes } = checked as CheckedRun;
    const counts = plan.inputs.write(sizes, run.sequences ?? []);
    const mode = modeOf(counts, this.#attentionOf(counts, run.sequences?.length ?? 0));
    return { gpu: this.#parts.base.gpu, steps: plan.bound.dispatches(mode, counts) };
  }

  #runLimits() {
    const before = new Map([...this.#latest].map(([graph, { run }]) => [graph, run]));
    return { sizes: (graph: string, withTaps: boolean) => this.limits(graph, withTaps), ...this.#stateLimits(), before };
  }

  #stateLimits() {
    const { request, state } = this.#parts.base;
    return { pageTokens: request.kv.pageTokens, pages: state.groups.map(({ count }) => count), slots: state.slots.count };
  }

  #checkOpen(): void {
    if (this.#isDisposed) throw new Error('The program was disposed of');
    this.#parts.base.gpu.throwIfLost();
  }

  get memory(): MemoryUse {
    const { weights, state, logits, partials, halves } = this.#parts.base;
    const work = this.#plans().reduce(
      (sum, { activations, inputs, shared }) => sum + activations.sizeBytes + inputs.sizeBytes + (shared?.sizeBytes ?? 0),
      0,
    );
    return {
      weightBytes: weights.sizeBytes,
      kvBytes: [...state.groups, state.slots].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      workBytes:
        work + state.tables.sizeBytes + (logits?.buffer.size ?? 0) + partials.size + (halves?.size ?? 0) +
        (this.#decoder?.sampler.sizeBytes ?? 0),
    };
  }

  printPlan(): string {
    return this.#parts.printPlan();
  }

  async dispose(): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#parts.use.leave();
    await Promise.all([this.#parts.idle.close(), this.#parts.tuning]);
    // The device goes with all that was made on it.
    this.#parts.base.gpu.destroy();
  }
}
