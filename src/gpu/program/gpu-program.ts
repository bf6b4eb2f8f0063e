/** A graph loaded on a GPU: runs steps, samples ahead, and grows its KV pages. */
import type { DecodeRequest, DecodeRun, MemoryUse, Program, SequenceStep, StepBatch, StepResult } from '../../graph/executor.ts';
import { checkPages, checkSequences, checkTokens, splitBatch, tokenLimitOf } from '../../graph/step-batch.ts';
import { isCausal, outputOf } from '../../graph/graph.ts';
import { widthOf } from '../../graph/value.ts';
import type { Value } from '../../graph/value.ts';
import { InputError } from '../../tensor/errors.ts';
import type { StepCounts, StepMode } from '../plan/kernel-use.ts';
import { rowClassOf } from '../plan/kernel-use.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import { encodeDispatches } from './bound-plan.ts';
import type { Dispatch } from './bound-plan.ts';
import { createDecodeRun } from './decode-loop.ts';
import type { DecodeProgram } from './decode-loop.ts';
import type { Growth } from './kv-cache.ts';
import type { ProgramBase, RunnablePlan } from './program-parts.ts';
import { createReadBack } from './read-back.ts';
import type { ReadBack, ReadRange } from './read-back.ts';
import type { TokenSampler } from './token-sampler.ts';

/** Most rows of a step whose keys are split: more rows fill the device by themselves, and partial results take room. */
export const SPLIT_ROWS = 8;

export interface GpuProgramParts {
  readonly base: ProgramBase;
  /** One row, its logits wanted. */
  readonly one: RunnablePlan;
  readonly many: RunnablePlan;
  /** Keeps every tap; made when it is first asked for. */
  readonly createTapped: () => Promise<RunnablePlan>;
  readonly sampler: TokenSampler;
  /** Keys from which attention is split. */
  readonly splitFrom: number;
  readonly stepsPerSubmit: number;
  readonly printPlan: () => string;
}

export class GpuProgram implements Program {
  readonly #parts: GpuProgramParts;
  readonly #readBack: ReadBack;
  readonly #tokenLimit: number;
  #tapped: RunnablePlan | undefined;
  /** Whatever allocating said after the call that did it had returned. */
  #growing: Promise<unknown> = Promise.resolve();
  /** Pages that were asked for, had or not. */
  #promised = 0;
  #decoding: DecodeRun | undefined;
  #isDisposed = false;

  constructor(parts: GpuProgramParts) {
    this.#parts = parts;
    this.#readBack = createReadBack(parts.base.gpu);
    this.#tokenLimit = tokenLimitOf(parts.base.request.graph);
  }

  ensureKvPages(count: number): void {
    this.#checkOpen();
    const { base } = this.#parts;
    base.kv.check(count);
    this.#promised = Math.max(this.#promised, count);
    let growth: Growth | undefined;
    const judged = base.gpu.guard(`Allocating ${count} KV pages`, () => (growth = base.kv.grow(count)));
    this.#growing = judged.then(
      () => growth?.keep(),
      (error: Error) => {
        // Who needs the pages hears of it; what fits in those before goes on.
        growth?.undo();
        this.#invalidate();
        throw error;
      },
    );
    this.#growing.catch(() => {});
    if (growth !== undefined) this.#invalidate();
  }

  /** What refers to the cache's buffers is bound again when it is next used. */
  #invalidate(): void {
    const { one, many } = this.#parts;
    for (const plan of [one, many, this.#tapped]) plan?.bound.invalidate();
  }

  /** Settles what {@link ensureKvPages} began, and begins again where it failed and `sequences` need it. */
  async #grown(sequences: readonly Pick<SequenceStep, 'pages'>[]): Promise<void> {
    const begun = this.#growing;
    this.#growing = Promise.resolve();
    await begun;
    const needed = Math.max(0, ...sequences.flatMap(({ pages }) => Array.from(pages))) + 1;
    if (needed <= this.#parts.base.kv.pages || needed > this.#promised) return;
    this.ensureKvPages(needed);
    await this.#grown([]);
  }

  async run(batch: StepBatch): Promise<StepResult> {
    this.#checkOpen();
    this.#decoding?.close();
    const { base, many, one } = this.#parts;
    const taps = (batch.taps ?? []).map((name) => [name, this.#tapValue(name)] as const);
    await this.#grown(batch.sequences);
    checkSequences(batch.sequences, this.#limits());
    const plan = taps.length > 0 ? (this.#tapped ??= await this.#parts.createTapped()) : undefined;
    const limits = { rows: plan?.rows ?? many.rows, outRows: plan ? Math.min(plan.rows, base.maxOutRows) : base.maxOutRows, causal: isCausal(base.request.graph) };
    const steps = splitBatch(batch.sequences, limits);
    const results: { logits: Float32Array; taps: Float32Array[] }[] = [];
    for (const sequences of steps) {
      const isOne = plan === undefined && sequences.length === 1 && sequences[0]?.tokens.length === 1 && sequences[0].outputs.length === 1;
      results.push(await this.#runStep(sequences, plan ?? (isOne ? one : many), taps.map(([, value]) => value)));
    }
    return {
      logits: joined(results.map(({ logits }) => logits)),
      taps: new Map(taps.map(([name], i) => [name, joined(results.map((result) => result.taps[i] as Float32Array))])),
    };
  }

  async #runStep(sequences: readonly SequenceStep[], plan: RunnablePlan, taps: readonly Value[]) {
    const { gpu, logits, request } = this.#parts.base;
    const encoder = gpu.device.createCommandEncoder();
    const counts = this.#encodeStep(encoder, plan, sequences);
    const floats = (buffer: GPUBuffer, value: Value, rows: number): ReadRange => ({ buffer, sizeBytes: rows * widthOf(value) * 4 });
    const ranges = [
      ...(counts.outRows > 0 ? [floats(logits, outputOf(request.graph, 'logits'), counts.outRows)] : []),
      ...taps.map((value) => floats(plan.activations.bufferOf(value, 'floats'), value, counts.rows)),
    ];
    if (ranges.length === 0) {
      gpu.queue.submit([encoder.finish()]);
      await gpu.pending(gpu.queue.onSubmittedWorkDone());
      return { logits: new Float32Array(0), taps: [] };
    }
    const pending = this.#readBack.copy(encoder, ranges);
    gpu.queue.submit([encoder.finish()]);
    const arrays = (await pending.read()).map((bytes) => new Float32Array(bytes));
    const found = counts.outRows > 0 ? arrays.shift() : undefined;
    return { logits: found ?? new Float32Array(0), taps: arrays };
  }

  #encodeStep(encoder: GPUCommandEncoder, plan: RunnablePlan, sequences: readonly SequenceStep[]): StepCounts {
    const counts = plan.inputs.write(sequences);
    if (counts.rows === 0) return counts;
    const pass = encoder.beginComputePass();
    encodeDispatches(pass, plan.bound.dispatches(this.#modeOf(counts)), counts);
    pass.end();
    return counts;
  }

  #modeOf({ rows, outRows, tiles, keys }: StepCounts): StepMode {
    const attention = tiles > 0 ? 'tiles' : keys >= this.#parts.splitFrom && rows <= SPLIT_ROWS ? 'split' : 'whole';
    return { rows: rowClassOf(rows), outRows: outRows === 0 ? undefined : rowClassOf(outRows), attention };
  }

  decode(request: DecodeRequest): DecodeRun {
    this.#checkOpen();
    this.#decoding?.close();
    const { base, one, many, sampler, stepsPerSubmit } = this.#parts;
    checkTokens(request.tokens, this.#tokenLimit);
    if (request.tokens.length < 1 || request.tokens.length > many.rows) throw new Error(`decode: expected 1 to ${many.rows} tokens, found ${request.tokens.length}`);
    const [grown, limits] = [this.#grown.bind(this), this.#limits.bind(this)];
    const program: DecodeProgram = {
      gpu: base.gpu, one, sampler, stepsPerSubmit,
      readBack: this.#readBack,
      async pagesUpTo(end) {
        const pages = request.reserve(end);
        await grown([{ pages }]);
        checkPages(pages, end, limits());
        return pages;
      },
      checkOpen: () => this.#checkOpen(),
      modeOf: (counts) => this.#modeOf(counts),
      encodeFirst: (encoder, sequence) => this.#encodeStep(encoder, sequence.tokens.length === 1 ? one : many, [sequence]),
    };
    return (this.#decoding = createDecodeRun(program, request));
  }

  /** What one decoded token after `keys - 1` others runs, for benchmarks: its own steps, then the sampler as it was set last. */
  tokenDispatches(keys: number): { readonly gpu: GpuDevice; readonly steps: readonly Dispatch[]; readonly sampling: readonly Dispatch[]; readonly counts: StepCounts } {
    const { base, one, sampler } = this.#parts;
    const counts = { rows: 1, outRows: 1, tiles: 0, keys };
    return { gpu: base.gpu, steps: one.bound.dispatches(this.#modeOf(counts)), sampling: sampler.dispatches(), counts };
  }

  #limits() {
    const { request, kv } = this.#parts.base;
    return { tokenLimit: this.#tokenLimit, pageTokens: request.kv.pageTokens, pages: kv.pages };
  }

  #tapValue(name: string): Value {
    const { taps } = this.#parts.base.request.graph;
    const value = taps.get(name);
    if (value !== undefined) return value;
    throw new InputError(`The model has no tap called ${JSON.stringify(name)}; it has ${[...taps.keys()].join(', ') || 'none'}.`);
  }

  #checkOpen(): void {
    if (this.#isDisposed) throw new Error('The program was disposed of');
    this.#parts.base.gpu.throwIfLost();
  }

  get memory(): MemoryUse {
    const { base, one, many, sampler } = this.#parts;
    const { weights, kv, logits, partials } = base;
    const work = [one, many].reduce((sum, { activations, inputs }) => sum + activations.sizeBytes + inputs.sizeBytes, 0);
    return { weightBytes: weights.sizeBytes, kvBytes: kv.sizeBytes, workBytes: work + kv.tableBytes + logits.size + partials.size + sampler.sizeBytes };
  }

  printPlan(): string {
    return this.#parts.printPlan();
  }

  async dispose(): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#decoding?.close();
    // The device goes with all that was made on it.
    this.#parts.base.gpu.destroy();
  }
}

function joined(arrays: readonly Float32Array[]): Float32Array {
  if (arrays.length === 1) return arrays[0] as Float32Array;
  const all = new Float32Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    all.set(array, at);
    at += array.length;
  }
  return all;
}
