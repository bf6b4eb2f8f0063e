/**
 * The sampler of a program: its kernels for each kind of settings, what it keeps of every sequence whose tokens it chooses, and how those
 * are read. A sequence has a number; buffers have room for as many as there are, and grow.
 */
import type { TokenChoice } from '../../graph/executor.ts';
import { badLogits, hasBias, hasPenalties } from '../../graph/sampling.ts';
import { FormatError } from '../../tensor/errors.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import { STORAGE_USAGE } from '../device/gpu-device.ts';
import type { Pipelines } from '../device/pipeline-cache.ts';
import { chosenBytes, CHOSEN_WORDS, LAST_WORD } from '../kernels/argmax/emit-token.ts';
import { biasLogitsKernel, biasTable } from '../kernels/sample/bias-logits.ts';
import { grammarMaskKernel, grammarWorkgroups } from '../kernels/sample/grammar-mask.ts';
import { grammarStepKernel } from '../kernels/sample/grammar-step.ts';
import { maskLogitsKernel, maskWords, maskWorkgroups } from '../kernels/sample/mask-logits.ts';
import {
  biasVariantOf, grammarKernels, grammarVariantOf, maskVariantOf, RING_SIZE, samplerKindOf, samplerScratchSizes, samplerVariantOf,
} from '../sampling/sampler-kinds.ts';
import type { SamplerShape } from '../sampling/sampler-kinds.ts';
import { samplerSteps } from '../sampling/sampler-steps.ts';
import { SAMPLING_BYTES, samplingRecord, STATUS_BAD_LOGITS, tokenCounts } from '../sampling/sampling-record.ts';
import type { Kernel } from '../kernel.ts';
import type { Dispatch, PipelineMap } from './bound-plan.ts';
import { createGrammarRows } from './grammar-rows.ts';
import type { GrammarRows } from './grammar-rows.ts';
import { growBuffers } from './grow-buffers.ts';
import type { WantedBuffer } from './grow-buffers.ts';
import type { ReadRange } from './read-back.ts';
import type { ChosenRow, TokenInputs, TokenSampler } from './token-sampler.ts';

export interface TokenSamplerOptions extends SamplerShape {
  readonly gpu: GpuDevice;
  readonly pipelines: PipelineMap;
  /** Where kernels come from that are compiled when they are first needed: those of grammars. */
  readonly compiler: Pick<Pipelines, 'get' | 'ready'>;
  /** f32 [rows][vocab]. */
  readonly logits: GPUBuffer;
}

const CHOSEN_BYTES = chosenBytes({ ringSize: RING_SIZE });
/** What stays from one step to the next; other buffers are new when there are more sequences. */
const KEPT = ['chosen', 'settings', 'counts'];

export function createTokenSampler(options: TokenSamplerOptions): TokenSampler {
  return new Sampler(options);
}

/** What dispatches are bound to. */
type Bound = TokenInputs | 'masks' | 'biases' | 'grammars';

/** One whose writes are not enqueued. */
interface FreshChoice {
  readonly sequence: number;
  readonly choice: TokenChoice;
}

interface GrowthNeeds {
  readonly penalties: boolean;
  readonly areMasked: boolean;
  /** What is to be written, where any sequence has some. */
  readonly biases: Uint32Array | undefined;
}

class Sampler implements TokenSampler {
  readonly #options: TokenSamplerOptions;
  readonly #choices: (TokenChoice | undefined)[] = [];
  /** Numbers of those whose writes are not enqueued. */
  readonly #fresh = new Set<number>();
  readonly #buffers = new Map<string, GPUBuffer>();
  readonly #bound = new Map<Bound, Map<string, readonly Dispatch[]>>();
  readonly #grammars: GrammarRows;
  /** What {@link Sampler.prepare} made room for last. */
  #satisfied = '';
  /** What the buffers of rows hold. */
  #rows = '';
  #maskedRows = '';

  constructor(options: TokenSamplerOptions) {
    this.#options = options;
    this.#grammars = createGrammarRows(options.gpu);
    for (const { name, label, size } of this.#wanted(1, this.#sizes(true)))
      this.#buffers.set(name, options.gpu.createBuffer({ label, size, usage: STORAGE_USAGE }));
  }

  /** Bytes for each sequence, by name; without those that only penalties want. */
  #sizes(penalties: boolean): Map<string, number> {
    const { vocab } = this.#options;
    return new Map([
      ['chosen', CHOSEN_BYTES], ['settings', SAMPLING_BYTES], ['rows', 8], ['maskedRows', 4],
      ...(penalties ? [['counts', vocab * 4] as const] : []),
      ...samplerScratchSizes(this.#options, { penalties }),
    ]);
  }

  /** Of so many sequences. */
  #wanted(count: number, sizes: ReadonlyMap<string, number>): WantedBuffer[] {
    return [...sizes].map(([name, size]) => ({ name, label: `sampler ${name}`, size: size * count, isKept: KEPT.includes(name) }));
  }

  get sizeBytes() {
    return [...this.#buffers.values()].reduce((sum, { size }) => sum + size, this.#grammars.sizeBytes);
  }

  open(choice: TokenChoice): number {
    const free = this.#choices.indexOf(undefined);
    const at = free < 0 ? this.#choices.length : free;
    this.#choices[at] = choice;
    this.#fresh.add(at);
    return at;
  }

  close(choice: number): void {
    this.#choices[choice] = undefined;
    // Room is made for no more than there are.
    while (this.#choices.length > 0 && this.#choices.at(-1) === undefined) this.#choices.pop();
    this.#grammars.leave(choice);
    this.#fresh.delete(choice);
  }

  async prepare({ areMasked }: { readonly areMasked: boolean }): Promise<void> {
    const room = 2 ** Math.ceil(Math.log2(Math.max(1, this.#choices.length)));
    const penalties = this.#choices.some((choice) => choice !== undefined && hasPenalties(choice.sampling));
    const needs = `${room} ${penalties} ${areMasked}`;
    if (this.#fresh.size === 0 && needs === this.#satisfied) return;
    const fresh = [...this.#fresh].map((sequence): FreshChoice => ({ sequence, choice: this.#choices[sequence] as TokenChoice }));
    const biases = fresh.length > 0 ? this.#biases() : undefined;
    await this.#grow(room, { penalties, areMasked, biases });
    this.#satisfied = needs;
    if (fresh.length > 0) await this.#prepareGrammars(room, fresh);
    for (const { sequence, choice } of this.#stillOpen(fresh)) {
      this.#fresh.delete(sequence);
      this.#write(sequence, choice);
    }
    if (biases !== undefined) this.#options.gpu.queue.writeBuffer(this.#buffer('biases'), 0, biases);
  }

  /** While memory is made, or kernels are, one may be closed, and its number given to another. */
  #stillOpen(fresh: readonly FreshChoice[]): readonly FreshChoice[] {
    return fresh.filter(({ sequence, choice }) => this.#choices[sequence] === choice);
  }

  /** Of all sequences, whose table is small and new when one comes; undefined where none has any. */
  #biases(): Uint32Array<ArrayBuffer> | undefined {
    if (!this.#choices.some((choice) => choice !== undefined && hasBias(choice.sampling))) return undefined;
    return biasTable(this.#choices.map((choice) => choice?.sampling.logitBias));
  }

  async #grow(room: number, { penalties, areMasked, biases }: GrowthNeeds): Promise<void> {
    const { gpu, vocab } = this.#options;
    const wanted = this.#wanted(room, this.#sizes(penalties));
    const one = (name: string, size: number) => wanted.push({ name, label: `sampler ${name}`, size, isKept: false });
    if (areMasked) one('masks', maskWords(vocab) * 4 * room);
    if (biases !== undefined) one('biases', 2 ** Math.ceil(Math.log2(biases.byteLength)));
    if (!(await growBuffers(this.#buffers, { gpu, doing: `Allocating the sampler of ${room} sequences`, wanted }))) return;
    this.#bound.clear();
    this.#rows = this.#maskedRows = '';
  }

  /** Of new sequences; nothing is there of grammars before the first one comes. */
  async #prepareGrammars(room: number, fresh: readonly FreshChoice[]): Promise<void> {
    const { compiler } = this.#options;
    if (this.#grammars.sizeBytes === 0 && !fresh.some(({ choice: { grammar } }) => grammar !== undefined)) return;
    await Promise.all(grammarKernels(this.#options).map((kernel) => compiler.get(kernel)));
    const ofFresh = this.#stillOpen(fresh).map(({ sequence, choice: { grammar } }) => ({ sequence, grammar }));
    if (await this.#grammars.set(room, ofFresh)) this.#bound.delete('grammars');
  }

  #write(at: number, { sampling, history: { promptIds, outputIds } }: TokenChoice): void {
    const { gpu: { queue }, vocab } = this.#options;
    queue.writeBuffer(this.#buffer('chosen'), at * CHOSEN_BYTES, Uint32Array.of(outputIds.length, 0));
    queue.writeBuffer(this.#buffer('settings'), at * SAMPLING_BYTES, samplingRecord(sampling));
    if (hasPenalties(sampling)) queue.writeBuffer(this.#buffer('counts'), at * vocab * 4, tokenCounts({ vocab, promptIds, outputIds }));
  }

  #buffer(name: string): GPUBuffer {
    const buffer = name === 'logits' ? this.#options.logits : (this.#buffers.get(name) ?? this.#grammars.buffers.get(name));
    if (buffer === undefined) throw new Error(`sampler: no buffer for ${name}`);
    return buffer;
  }

  setRows(rows: readonly ChosenRow[]): void {
    const words = rows.flatMap(({ logits, choice }) => [logits, choice]);
    const key = words.join();
    if (key === this.#rows) return;
    this.#rows = key;
    this.#options.gpu.queue.writeBuffer(this.#buffer('rows'), 0, Uint32Array.from(words));
  }

  masking(masks: readonly { readonly logits: number; readonly mask: Uint32Array }[]): readonly Dispatch[] {
    if (masks.length === 0) return [];
    const { gpu, vocab } = this.#options;
    const words = maskWords(vocab);
    for (const { mask } of masks) if (mask.length !== words) throw new Error(`sampler: a mask has ${mask.length} words of ${words}`);
    this.#setMaskedRows(masks.map(({ logits }) => logits));
    gpu.queue.writeBuffer(this.#buffer('masks'), 0, joined(masks.map(({ mask }) => mask)) as BufferSource);
    const variant = maskVariantOf(this.#options);
    return overRows(masks.length, this.#remember('masks', '', () => [this.#bind(maskLogitsKernel(variant), maskWorkgroups(variant))]));
  }

  #setMaskedRows(rows: readonly number[]): void {
    const key = rows.join();
    if (key === this.#maskedRows) return;
    this.#maskedRows = key;
    this.#options.gpu.queue.writeBuffer(this.#buffer('maskedRows'), 0, Uint32Array.from(rows));
  }

  narrowing(rows: readonly ChosenRow[]): readonly Dispatch[] {
    const variant = grammarVariantOf(this.#options);
    return this.#ofGrammars(rows, 'mask', () => this.#bind(grammarMaskKernel(variant), grammarWorkgroups(variant)));
  }

  following(rows: readonly ChosenRow[]): readonly Dispatch[] {
    return this.#ofGrammars(rows, 'step', () => this.#bind(grammarStepKernel(grammarVariantOf(this.#options)), 1));
  }

  #ofGrammars(rows: readonly ChosenRow[], key: string, bind: () => Dispatch): readonly Dispatch[] {
    if (!rows.some(({ choice }) => (this.#choices[choice] as TokenChoice).grammar !== undefined)) return [];
    return overRows(rows.length, this.#remember('grammars', key, () => [bind()]));
  }

  biasing(rows: readonly ChosenRow[]): readonly Dispatch[] {
    if (!rows.some(({ choice }) => hasBias((this.#choices[choice] as TokenChoice).sampling))) return [];
    return overRows(rows.length, this.#remember('biases', '', () => [this.#bind(biasLogitsKernel(biasVariantOf(this.#options)), 1)]));
  }

  dispatches(rows: readonly ChosenRow[], into: TokenInputs): readonly Dispatch[] {
    const kind = samplerKindOf(rows.map(({ choice }) => (this.#choices[choice] as TokenChoice).sampling));
    const ofRow = this.#remember(into, `${kind.mode} ${kind.penalties}`, () =>
      samplerSteps(samplerVariantOf(this.#options, kind)).map(({ kernel, workgroups }) => this.#bind(kernel, workgroups, into)),
    );
    return overRows(rows.length, ofRow);
  }

  #remember(of: Bound, key: string, make: () => readonly Dispatch[]): readonly Dispatch[] {
    const own = this.#bound.get(of) ?? new Map<string, readonly Dispatch[]>();
    this.#bound.set(of, own);
    const made = own.get(key) ?? make();
    own.set(key, made);
    return made;
  }

  #bind(kernel: Kernel, workgroups: number, into?: TokenInputs): Dispatch {
    const { gpu, pipelines, compiler } = this.#options;
    const compiled = pipelines.get(kernel.key) ?? compiler.ready(kernel);
    if (compiled === undefined) throw new Error(`sampler: ${kernel.label} was not compiled`);
    const bufferOf = (name: string) =>
      into !== undefined && (name === 'tokens' || name === 'positions') ? into[name] : this.#buffer(name);
    const entries = kernel.bindings.map(({ name }, binding) => ({ binding, resource: { buffer: bufferOf(name) } }));
    const group = gpu.device.createBindGroup({ label: kernel.label, layout: compiled.layout, entries });
    return { label: kernel.label, pipeline: compiled.pipeline, group, workgroups: [workgroups, 1, 1] };
  }

  copyLast(encoder: GPUCommandEncoder, choice: number, { buffer, row }: { readonly buffer: GPUBuffer; readonly row: number }): void {
    encoder.copyBufferToBuffer(this.#buffer('chosen'), choice * CHOSEN_BYTES + LAST_WORD * 4, buffer, row * 4, 4);
  }

  results(rows: readonly ChosenRow[]): ReadRange {
    return { buffer: this.#buffer('chosen'), sizeBytes: (Math.max(...rows.map(({ choice }) => choice)) + 1) * CHOSEN_BYTES };
  }

  tokensOf(results: ArrayBuffer, choice: number, count: number): readonly number[] {
    const words = new Uint32Array(results, choice * CHOSEN_BYTES, CHOSEN_BYTES / 4);
    const [written = 0, status = 0] = words;
    if ((status & STATUS_BAD_LOGITS) !== 0) throw this.#choices[choice]?.grammar === undefined ? badLogits() : nothingFollows();
    return Array.from({ length: count }, (_, i) => words[CHOSEN_WORDS + ((written - count + i) % RING_SIZE)] as number);
  }
}

/** One behind the other: a write costs some microseconds, whatever its size. */
function joined(masks: readonly Uint32Array[]): Uint32Array {
  const [first] = masks as readonly [Uint32Array];
  if (masks.length === 1) return first;
  const all = new Uint32Array(masks.length * first.length);
  masks.forEach((mask, i) => all.set(mask, i * first.length));
  return all;
}

/** Dispatches of one row over several. */
function overRows(rows: number, dispatches: readonly Dispatch[]): readonly Dispatch[] {
  return dispatches.map(({ workgroups: [x], ...dispatch }) => ({ ...dispatch, workgroups: [x, rows, 1] }));
}

/** A grammar takes scores out: that none is left is no word about the model. */
function nothingFollows(): FormatError {
  return new FormatError(
    'No token with a usable score continues the answer in its format: the format allows none of the vocabulary\'s tokens at this place, ' +
      'or the model computed scores that are NaN or infinite. Where the same prompt is answered without the format, change the format; ' +
      'else check the file (ingot eval on the reference device tells a damaged file).',
  );
}
