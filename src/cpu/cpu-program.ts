/** A graph loaded into one shared memory: runs steps on its threads and grows its KV pages. */
import type { Program, ProgramRequest, SequenceStep, StepBatch, StepResult } from '../graph/executor.ts';
import { printPlan } from '../graph/plan.ts';
import { checkSequences, splitBatch, tokenLimitOf } from '../graph/step-batch.ts';
import { outputOf } from '../graph/graph.ts';
import { widthOf } from '../graph/value.ts';
import type { Value } from '../graph/value.ts';
import { CapacityError, InputError } from '../tensor/errors.ts';
import { sourceOf } from './layout-program.ts';
import type { PlannedProgram, ProgramLayout } from './layout-program.ts';
import { ADDRESS_LIMIT, growTo } from './memory.ts';
import { describeOp } from './ops/index.ts';
import type { RowsAt } from './cpu-op-rules.ts';
import { pageTableWords, writeStep } from './step-writer.ts';
import type { Threads } from './threads.ts';

export interface CpuProgramParts {
  readonly request: ProgramRequest;
  readonly layout: ProgramLayout;
  readonly memory: WebAssembly.Memory;
  readonly threads: Threads;
  readonly threadCount: number;
  /** Called after disposal, when nothing here refers to the memory any more. */
  readonly onDisposed: () => Promise<void>;
}

export function createCpuProgram(parts: CpuProgramParts): Program {
  return new CpuProgram(parts);
}

class CpuProgram implements Program {
  readonly #request: ProgramRequest;
  readonly #layout: ProgramLayout;
  readonly #threadCount: number;
  readonly #onDisposed: () => Promise<void>;
  readonly #tokenLimit: number;
  #held: { readonly memory: WebAssembly.Memory; readonly threads: Threads } | undefined;
  #pages = 0;

  constructor({ request, layout, memory, threads, threadCount, onDisposed }: CpuProgramParts) {
    this.#request = request;
    this.#layout = layout;
    this.#threadCount = threadCount;
    this.#onDisposed = onDisposed;
    this.#tokenLimit = tokenLimitOf(request.graph);
    this.#held = { memory, threads };
  }

  ensureKvPages(count: number): void {
    const { memory } = this.#resources();
    if (count <= this.#pages) return;
    const { kvBegin, pages } = this.#layout;
    const end = kvBegin + count * pages.pageBytes;
    if (end > ADDRESS_LIMIT) {
      const fits = Math.floor((ADDRESS_LIMIT - kvBegin) / pages.pageBytes);
      throw new CapacityError(
        `${count} KV pages of ${pages.pageTokens} tokens do not fit below the 4 GiB that WebAssembly addresses; ${fits} do. Use a smaller context.`,
      );
    }
    growTo(memory, end);
    this.#pages = count;
  }

  async run(batch: StepBatch): Promise<StepResult> {
    const layout = this.#layout;
    const taps = (batch.taps ?? []).map((name) => [name, this.#tapValue(name)] as const);
    const program = taps.length > 0 ? layout.tapped as PlannedProgram : layout.base;
    this.#check(batch.sequences);
    const limits = { rows: taps.length > 0 ? layout.tapRows : layout.maxRows, outRows: layout.maxOutRows, causal: layout.causal };
    const steps = splitBatch(batch.sequences, limits);
    if (steps.length === 1) {
      const sizes = await this.#runStep(steps[0] as readonly SequenceStep[], program);
      const copies = taps.map(([name, value]) => [name, this.#read(program, value, sizes.rows).slice()] as const);
      return { logits: this.#read(program, outputOf(this.#request.graph, 'logits'), sizes.outRows), taps: new Map(copies) };
    }
    return this.#runInSteps(steps, program, taps);
  }

  /** Gathers what several steps give into one result. */
  async #runInSteps(
    steps: readonly (readonly SequenceStep[])[], program: PlannedProgram, taps: readonly (readonly [string, Value])[],
  ): Promise<StepResult> {
    const all = steps.flat();
    const rows = all.reduce((sum, { tokens }) => sum + tokens.length, 0);
    const outRows = all.reduce((sum, { outputs }) => sum + outputs.length, 0);
    const logits = outputOf(this.#request.graph, 'logits');
    const wanted = [
      { value: logits, isLogits: true, into: new Float32Array(outRows * widthOf(logits)) },
      ...taps.map(([, value]) => ({ value, isLogits: false, into: new Float32Array(rows * widthOf(value)) })),
    ];
    const done = { rows: 0, outRows: 0 };
    for (const step of steps) {
      const sizes = await this.#runStep(step, program);
      for (const { value, isLogits, into } of wanted) {
        const part = this.#read(program, value, isLogits ? sizes.outRows : sizes.rows);
        into.set(part, (isLogits ? done.outRows : done.rows) * widthOf(value));
      }
      done.rows += sizes.rows;
      done.outRows += sizes.outRows;
    }
    return {
      logits: wanted[0]?.into as Float32Array,
      taps: new Map(taps.map(([name], i) => [name, wanted[i + 1]?.into as Float32Array])),
    };
  }

  async #runStep(sequences: readonly SequenceStep[], { address, words }: PlannedProgram) {
    const { memory, threads } = this.#resources();
    const { step, pages, kvBegin, rowsPerTile, kvHeads, causal } = this.#layout;
    const sizes = writeStep(memory.buffer, {
      sequences,
      layout: step,
      kv: { begin: kvBegin, pageBytes: pages.pageBytes, pageTokens: pages.pageTokens },
      shape: { threads: this.#threadCount, kvHeads, rowsPerTile, causal },
    });
    if (sizes.rows > 0) await threads.run({ program: address, programEnd: address + words.byteLength, step: step.record });
    return sizes;
  }

  #read(program: PlannedProgram, value: Value, rows: number): Float32Array {
    const { address } = program.rows.get(value.id) as RowsAt;
    return new Float32Array(this.#resources().memory.buffer, address, rows * widthOf(value));
  }

  #tapValue(name: string): Value {
    const value = this.#request.graph.taps.get(name);
    if (value !== undefined) return value;
    const known = [...this.#request.graph.taps.keys()].join(', ');
    throw new InputError(`The model has no tap called ${JSON.stringify(name)}; it has ${known || 'none'}.`);
  }

  /** Addresses are made from these numbers: nothing past this check may lead outside of the program's memory. */
  #check(sequences: readonly SequenceStep[]): void {
    const { step, pages } = this.#layout;
    checkSequences(sequences, { tokenLimit: this.#tokenLimit, pageTokens: pages.pageTokens, pages: this.#pages });
    const words = pageTableWords(sequences, pages.pageTokens);
    if (words > step.pageWords) throw new CapacityError(`The page tables of a step hold ${step.pageWords} pages, found ${words}: use fewer sequences at a time.`);
  }

  #resources() {
    if (this.#held === undefined) throw new Error('The program was disposed of');
    return this.#held;
  }

  get memory() {
    const layout = this.#layout;
    return {
      weightBytes: layout.weightBytes,
      kvBytes: this.#pages * layout.pages.pageBytes,
      workBytes: layout.kvBegin - layout.weightBytes,
    };
  }

  printPlan(): string {
    const { graph } = this.#request;
    return printPlan(graph.name, this.#layout.base.plan, (op) => describeOp(op, (id) => sourceOf(this.#request, id).type));
  }

  async dispose(): Promise<void> {
    const ending = this.#held?.threads.dispose();
    this.#held = undefined;
    if (ending === undefined) return;
    await ending;
    await this.#onDisposed();
  }
}
