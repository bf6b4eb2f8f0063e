/** A model loaded into one shared memory: runs its graphs on the threads and grows its KV pages. */
import type { GraphRun, Program, ProgramRequest, RunInput, RunPart, RunResults } from '../graph/executor.ts';
import { graphOf } from '../graph/model-graphs.ts';
import type { ModelGraphs } from '../graph/model-graphs.ts';
import { printPlan } from '../graph/plan.ts';
import { checkRuns, countOf, doneRun, readsInputs, stepsOfPart } from '../graph/run-check.ts';
import type { CheckedRun, DoneRun } from '../graph/run-check.ts';
import type { Value } from '../graph/value.ts';
import { sourceOf } from '../graph/weight-lookup.ts';
import { CapacityError } from '../tensor/errors.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import type { RowsAt } from './cpu-op-rules.ts';
import type { GraphLayout, PlannedProgram } from './layout-graph.ts';
import type { ProgramLayout } from './layout-program.ts';
import { ADDRESS_LIMIT, growTo } from './memory.ts';
import { describeOp } from './ops/index.ts';
import { writeStep } from './step-layout.ts';
import { runInParts } from './run-in-parts.ts';
import type { Threads } from './threads.ts';

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

export function createCpuProgram(parts: CpuProgramParts): Program {
  return new CpuProgram(parts);
}

class CpuProgram implements Program {
  readonly model: ModelGraphs;
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

  copySlot(from: number, to: number): void {
    this.#slotAt(to).set(this.#slotAt(from));
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
    const { pageTokens } = this.#layout.pages;
    const checked = checkRuns(this.model, runs, {
      sizes: (graph, withTaps) => this.limits(graph, withTaps),
      pageTokens,
      pages: this.#pages.map(({ length }) => length),
      slots: this.#slots.length,
      before: this.#latest,
    });
    const results: Map<string, Float32Array>[] = [];
    for (const [at, run] of checked.entries()) {
      if (readsInputs(run.run)) this.#writeInputs(run);
      this.#latest.set(run.graph.name, doneRun(run));
      await this.#runGraph(run, signal);
      // A later run of the same graph writes where this one did.
      const isLast = !checked.slice(at + 1).some(({ graph }) => graph === run.graph);
      results.push(
        new Map([...run.wanted].map(([name, value]) => [name, isLast ? this.#read(run, value) : this.#read(run, value).slice()])),
      );
    }
    return results;
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

  async #runGraph({ run, graph, sizes, withTaps }: CheckedRun, signal: CancelSignal | undefined): Promise<void> {
    const { memory, threads } = this.#resources();
    const { step, rowsPerTile, kvHeads, causal } = this.#graph(graph.name);
    const { address, ...planned } = this.#planned(graph.name, withTaps);
    const [first, end] = recordsOfPart(run.part, planned.words);
    const words = planned.words.subarray(first, end);
    writeStep(memory.buffer, {
      sizes,
      sequences: run.sequences ?? [],
      positionsOf: (name) => run.inputs[name] as ArrayLike<number>,
      layout: step,
      held: { pages: this.#pages, slots: this.#slots, pageTokens: this.#layout.pages.pageTokens },
      shape: { threads: this.#threadCount, kvHeads, rowsPerTile, causal },
    });
    const rows = Math.max(0, ...Object.values(sizes));
    if (rows === 0) return;
    const program = address + 4 * first;
    if (signal === undefined) await threads.run({ program, programEnd: program + words.byteLength, step: step.record, rows });
    else await runInParts(threads, { address: program, words, step: step.record }, signal);
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

/** Where in the words of a plan's records those of a part begin and end. */
function recordsOfPart(part: RunPart | undefined, words: Uint32Array): readonly [from: number, end: number] {
  if (part === undefined) return [0, words.length];
  const at = [0];
  while ((at.at(-1) as number) < words.length) at.push((at.at(-1) as number) + (words[(at.at(-1) as number) + 1] as number) / 4);
  const [first, end] = stepsOfPart(part, at.length - 1);
  return [at[first] as number, at[end] as number];
}
