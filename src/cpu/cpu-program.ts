/** A model loaded into one shared memory: runs its graphs on the threads and grows its KV pages. */
import type { GraphRun, Program, ProgramRequest, RunInput, RunResults, TokenChooser } from '../graph/executor.ts';
import { tokenLimit } from '../graph/decoder-steps.ts';
import { graphOf } from '../graph/model-graphs.ts';
import type { DecoderNames, ModelGraphs } from '../graph/model-graphs.ts';
import { printPlan } from '../graph/plan.ts';
import { checkPlace, checkRuns, countOf, doneRun, readsInputs } from '../graph/run-check.ts';
import type { CheckedRun, DoneRun } from '../graph/run-check.ts';
import { widthOf } from '../graph/value.ts';
import type { Value } from '../graph/value.ts';
import { sourceOf } from '../graph/weight-lookup.ts';
import { CapacityError } from '../tensor/errors.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import { stepsAlike } from './attention-tiles.ts';
import type { TileShape } from './attention-tiles.ts';
import { burstSteps, readBurst, stopBurst, writeBurst } from './burst-layout.ts';
import type { Burst, BurstLayout } from './burst-layout.ts';
import type { RowsAt } from './cpu-op-rules.ts';
import type { GraphLayout, PlannedProgram } from './layout-graph.ts';
import type { ProgramLayout } from './layout-program.ts';
import { ADDRESS_LIMIT, growTo } from './memory.ts';
import { describeOp } from './ops/index.ts';
import { writeStep } from './step-layout.ts';
import { recordsOfPart, runInParts } from './run-in-parts.ts';
import type { Threads } from './threads.ts';
import { createTokenChooser } from './token-chooser.ts';
import type { StepsDone, StepsOptions } from './token-chooser.ts';

export interface CpuProgramParts {
  readonly request: ProgramRequest;
  readonly layout: ProgramLayout;
  readonly memory: WebAssembly.Memory;
  readonly threads: Threads;
  readonly threadCount: number;
  /** Slots that may be had: more would take the room of pages. */
  readonly mostSlots: number;
  /** Called after disposal, when nothing here refers to the memory any more. */
  readonly onDisposed: () => Promise<void>;
}

interface HowToRun {
  readonly signal?: CancelSignal | undefined;
  /** Undefined: one step, of which no tokens are chosen. */
  readonly burst?: Pick<Burst, 'steps' | 'ends'> | undefined;
  /** The calling thread has other things to do meanwhile, however short it is. */
  readonly isOnWorkers?: boolean;
}

export function createCpuProgram(parts: CpuProgramParts): Program {
  return new CpuProgram(parts);
}

class CpuProgram implements Program {
  readonly model: ModelGraphs;
  readonly chooser: TokenChooser | undefined;
  readonly #request: ProgramRequest;
  readonly #layout: ProgramLayout;
  readonly #threadCount: number;
  readonly #mostSlots: number;
  readonly #onDisposed: () => Promise<void>;
  #held: { readonly memory: WebAssembly.Memory; readonly threads: Threads } | undefined;
  /** Addresses of what the engine asked for: by group, then page; by slot. */
  readonly #pages: readonly number[][];
  readonly #slots: number[] = [];
  /** Where the next of them goes. */
  #end: number;
  readonly #latest = new Map<string, DoneRun>();

  constructor({ request, layout, memory, threads, threadCount, mostSlots, onDisposed }: CpuProgramParts) {
    this.model = request.model;
    this.#request = request;
    this.#layout = layout;
    this.#threadCount = threadCount;
    this.#mostSlots = mostSlots;
    this.#onDisposed = onDisposed;
    this.#held = { memory, threads };
    this.#pages = layout.pages.pageBytes.map(() => []);
    this.#end = layout.kvBegin;
    // Steps that the calling thread runs by itself would keep it from everything else.
    this.chooser = this.model.decoder && threads.areWorkers ? this.#createChooser(this.model.decoder) : undefined;
  }

  #createChooser(names: DecoderNames): TokenChooser | undefined {
    const { graph, burst, base: { limits } } = this.#graph(names.graph);
    if (burst === undefined) return undefined;
    return createTokenChooser({
      names,
      mostRows: limits['rows'] as number, mostOutRows: limits['outRows'] as number,
      vocab: widthOf(graph.outputs.get(names.logits) as Value), tokenLimit: tokenLimit(graph, names),
      checkOpen: () => void this.#resources(),
      checkPlace: (place, use) => checkPlace(place, { states: graph.states, ...use }, this.#stateLimits()),
      runSteps: (run, options) => this.#runSteps(run, names, options),
      stopSteps: () => this.#held && stopBurst(this.#held.memory.buffer, burst),
    });
  }

  #stateLimits() {
    return { pageTokens: this.#layout.pages.pageTokens, pages: this.#pages.map(({ length }) => length), slots: this.#slots.length };
  }

  limits(graph: string, withTaps: boolean) {
    return this.#planned(graph, withTaps).limits;
  }

  ensurePages(group: number, count: number): void {
    const { pageBytes, pageTokens } = this.#layout.pages;
    const what = (many: number) => `${many} KV pages of ${pageTokens} tokens`;
    this.#grow(this.#pages[group] as number[], { count, sizeBytes: pageBytes[group] as number, what });
  }

  ensureSlots(count: number): void {
    if (count > this.#mostSlots)
      throw new CapacityError(`The states of ${count} sequences do not fit beside the keys and values; ${this.#mostSlots} do.`);
    this.#grow(this.#slots, { count, sizeBytes: this.#layout.pages.slotBytes, what: (many) => `The states of ${many} sequences` });
  }

  /** Makes `addresses` as many as `count`; fresh memory holds zeros. */
  #grow(addresses: number[], part: { readonly count: number; readonly sizeBytes: number; readonly what: (count: number) => string }): void {
    const { memory } = this.#resources();
    const { count, sizeBytes, what } = part;
    const missing = count - addresses.length;
    if (missing <= 0) return;
    const end = this.#end + missing * sizeBytes;
    if (end > ADDRESS_LIMIT) {
      const fits = addresses.length + Math.floor((ADDRESS_LIMIT - this.#end) / sizeBytes);
      throw new CapacityError(
        `${what(count)} do not fit below the 4 GiB that WebAssembly addresses; ${fits} do. Use a smaller context.`,
      );
    }
    growTo(memory, end);
    for (let i = 0; i < missing; i++) addresses.push(this.#end + i * sizeBytes);
    this.#end = end;
  }

  #slotAt(slot: number): Uint8Array {
    const address = this.#slots[slot];
    if (address === undefined) throw new Error(`no slot ${slot}; there are ${this.#slots.length}`);
    return new Uint8Array(this.#resources().memory.buffer, address, this.#layout.pages.slotBytes);
  }

  async snapshotSlot(slot: number): Promise<Uint8Array> {
    return Uint8Array.from(this.#slotAt(slot));
  }

  restoreSlot(slot: number, snapshot: Uint8Array): void {
    const into = this.#slotAt(slot);
    if (snapshot.length !== into.length) throw new Error(`restoreSlot: expected ${into.length} bytes, found ${snapshot.length}`);
    into.set(snapshot);
  }

  async run(runs: readonly GraphRun[], signal?: CancelSignal): Promise<RunResults> {
    const checked = this.#checked(runs);
    const results: Map<string, Float32Array>[] = [];
    for (const [at, run] of checked.entries()) {
      this.#begin(run);
      await this.#runGraph(run, { signal });
      // A later run of the same graph writes where this one did.
      const isLast = !checked.slice(at + 1).some(({ graph }) => graph === run.graph);
      results.push(
        new Map([...run.wanted].map(([name, value]) => [name, isLast ? this.#read(run, value) : this.#read(run, value).slice()])),
      );
    }
    return results;
  }

  #checked(runs: readonly GraphRun[]): readonly CheckedRun[] {
    return checkRuns(this.model, runs, {
      sizes: (graph, withTaps) => this.limits(graph, withTaps), before: this.#latest, ...this.#stateLimits(),
    });
  }

  #begin(run: CheckedRun): void {
    if (readsInputs(run.run)) this.#writeInputs(run);
    this.#latest.set(run.graph.name, doneRun(run));
  }

  /** As many steps as are cut alike. */
  async #runSteps(run: GraphRun, { logits }: DecoderNames, { steps, ends, isNext }: StepsOptions): Promise<StepsDone> {
    const [checked] = this.#checked([run]) as readonly [CheckedRun];
    const rows = run.dims['outRows'] as number;
    const starts = (run.sequences ?? []).map(({ start }) => start);
    const count = stepsAlike(starts, this.#tileShape(run.graph), burstSteps(steps, rows));
    this.#begin(checked);
    const isChosen = ends.some((each) => each !== undefined);
    await this.#runGraph(checked, { burst: isChosen ? { steps: count, ends } : undefined, isOnWorkers: !isNext });
    const { buffer } = this.#resources().memory;
    const { burst } = this.#graph(run.graph);
    const made = isChosen ? readBurst(buffer, burst as BurstLayout, rows) : { steps: 1, tokens: new Int32Array() };
    return { ...made, logits: this.#read(checked, checked.graph.outputs.get(logits) as Value) };
  }

  #graph(name: string): GraphLayout {
    return graphOf({ name: this.model.name, graphs: this.#layout.graphs }, name);
  }

  #planned(graph: string, withTaps: boolean): PlannedProgram {
    const { base, tapped } = this.#graph(graph);
    return withTaps && tapped !== undefined ? tapped : base;
  }

  /** Puts the host's numbers, and what earlier runs made, where the graph reads them. */
  #writeInputs({ run, graph, sizes, withTaps }: CheckedRun): void {
    const { buffer } = this.#resources().memory;
    const { rows } = this.#planned(graph.name, withTaps);
    for (const [name, value] of graph.inputs) {
      const input = run.inputs[name] as RunInput;
      const at = rows.get(value.id);
      // An input that no step reads has no place.
      if (at === undefined) continue;
      const into =
        value.dtype === 'i32'
          ? new Int32Array(buffer, at.address, countOf(value, sizes))
          : new Float32Array(buffer, at.address, countOf(value, sizes));
      into.set('graph' in input ? this.#made(input) : input);
    }
  }

  #made({ graph, output }: { readonly graph: string; readonly output: string }): Float32Array {
    const from = this.#latest.get(graph) as DoneRun;
    return this.#read(from, from.graph.outputs.get(output) as Value);
  }

  async #runGraph(checked: CheckedRun, { signal, burst: wanted, isOnWorkers = false }: HowToRun): Promise<void> {
    const { run, graph, sizes, withTaps } = checked;
    const { memory, threads } = this.#resources();
    const { step } = this.#graph(graph.name);
    const { address, ...planned } = this.#planned(graph.name, withTaps);
    const [first, end] = recordsOfPart(run.part, planned.words);
    const words = planned.words.subarray(first, end);
    writeStep(memory.buffer, {
      sizes,
      sequences: run.sequences ?? [],
      positionsOf: (name) => run.inputs[name] as ArrayLike<number>,
      layout: step,
      held: { pages: this.#pages, slots: this.#slots, pageTokens: this.#layout.pages.pageTokens },
      shape: this.#tileShape(graph.name),
      further: (wanted?.steps ?? 1) - 1,
    });
    const rows = Math.max(0, ...Object.values(sizes));
    if (rows === 0) return;
    const program = address + 4 * first;
    if (signal !== undefined) return runInParts(threads, { address: program, words, step: step.record }, signal);
    const burst = wanted === undefined ? undefined : this.#writeBurst(checked, wanted);
    const range = { program, programEnd: program + words.byteLength, step: step.record };
    await threads.run({ ...range, burst, rows: isOnWorkers ? undefined : rows });
  }

  #tileShape(name: string): TileShape {
    const { rowsPerTile, kvHeads, causal } = this.#graph(name);
    return { threads: this.#threadCount, kvHeads, rowsPerTile, causal };
  }

  /** What the further steps of a run of the decoder go on with; its address. */
  #writeBurst(checked: CheckedRun, wanted: Pick<Burst, 'steps' | 'ends'>): number {
    const { step, burst: layout, base: { rows } } = this.#graph(checked.graph.name);
    const names = this.model.decoder;
    if (layout === undefined || names === undefined) throw new Error(`run of ${checked.graph.name}: its steps do not go on`);
    const how = { layout, step, pages: this.#layout.pages, ...wanted, names, checked, rowsOf: (id: number) => rows.get(id) };
    writeBurst(this.#resources().memory.buffer, how);
    return layout.record;
  }

  /** A value of the graph's last run: of floats a view. */
  #read({ graph, sizes, withTaps }: DoneRun, value: Value): Float32Array {
    const { address } = this.#planned(graph.name, withTaps).rows.get(value.id) as RowsAt;
    const { buffer } = this.#resources().memory;
    const count = countOf(value, sizes);
    return value.dtype === 'i32' ? Float32Array.from(new Int32Array(buffer, address, count)) : new Float32Array(buffer, address, count);
  }

  #resources() {
    if (this.#held === undefined) throw new Error('The program was disposed of');
    return this.#held;
  }

  get memory() {
    const layout = this.#layout;
    return {
      weightBytes: layout.weightBytes,
      kvBytes: this.#end - layout.kvBegin,
      workBytes: layout.kvBegin - layout.weightBytes,
    };
  }

  printPlan(): string {
    const typeOf = (id: string) => sourceOf(this.#request, id).type;
    return [...this.#layout.graphs.values()]
      .map(({ graph, base }) => printPlan(graph.name, base.plan, (op) => describeOp(op, typeOf)))
      .join('\n');
  }

  async dispose(): Promise<void> {
    const ending = this.#held?.threads.dispose();
    this.#held = undefined;
    if (ending === undefined) return;
    await ending;
    await this.#onDisposed();
  }
}
