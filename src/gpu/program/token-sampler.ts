/**
 * The sampler of a program: its kernels for each kind of settings, what it keeps of every sequence whose tokens it chooses, and how those
 * are read. A sequence has a number; buffers have room for as many as there are, and grow.
 */
import type { TokenChoice } from '../../graph/executor.ts';
import { hasBias, hasPenalties } from '../../graph/sampling.ts';
import { FormatError } from '../../tensor/errors.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import { STORAGE_USAGE } from '../device/gpu-device.ts';
import { chosenBytes, CHOSEN_WORDS, LAST_WORD } from '../kernels/argmax/emit-token.ts';
import { biasLogitsKernel, biasTable } from '../kernels/sample/bias-logits.ts';
import { maskLogitsKernel, maskWords, maskWorkgroups } from '../kernels/sample/mask-logits.ts';
import {
  biasVariantOf, maskVariantOf, RING_SIZE, samplerKindOf, samplerScratchSizes, samplerVariantOf,
} from '../sampling/sampler-kinds.ts';
import type { SamplerShape } from '../sampling/sampler-kinds.ts';
import { samplerSteps } from '../sampling/sampler-steps.ts';
import { SAMPLING_BYTES, samplingRecord, STATUS_BAD_LOGITS, tokenCounts } from '../sampling/sampling-record.ts';
import type { Kernel } from '../kernel.ts';
import type { Dispatch, PipelineMap } from './bound-plan.ts';
import type { ReadRange } from './read-back.ts';

/** Inputs of the step that takes the tokens, a number a row. */
export interface TokenInputs {
  readonly tokens: GPUBuffer;
  readonly positions: GPUBuffer;
}

/** A row whose token is chosen: its row of the logits, and the number of its sequence. */
export interface ChosenRow {
  readonly logits: number;
  readonly choice: number;
}

export interface TokenSampler {
  readonly sizeBytes: number;
  /** Takes a sequence in, and gives its number: the lowest that is free. */
  open(choice: TokenChoice): number;
  close(choice: number): void;
  /** Makes room for all sequences, and enqueues the writes for new ones. @throws CapacityError where the device has no memory */
  prepare(): Promise<void>;
  /** Enqueues which rows {@link TokenSampler.dispatches} choose tokens for. */
  setRows(rows: readonly ChosenRow[]): void;
  /** Enqueues masks of some rows of the logits; what takes the other tokens out of these, before the choice. */
  masking(masks: readonly { readonly logits: number; readonly mask: Uint32Array }[]): readonly Dispatch[];
  /** What adds the biases of the rows' sequences to their logits, after masks and before the choice; nothing where none has any. */
  biasing(rows: readonly ChosenRow[]): readonly Dispatch[];
  /** What chooses a token for each row, of at least one. */
  dispatches(rows: readonly ChosenRow[], into: TokenInputs): readonly Dispatch[];
  /** Encodes that a row's token is the one that was chosen for its sequence last. */
  copyLast(encoder: GPUCommandEncoder, choice: number, into: { readonly buffer: GPUBuffer; readonly row: number }): void;
  /** To be read after a submit, for {@link TokenSampler.tokensOf}. */
  results(rows: readonly ChosenRow[]): ReadRange;
  /** The last `count` tokens of a sequence, from what was read. @throws FormatError where its logits were of no use */
  tokensOf(results: ArrayBuffer, choice: number, count: number): readonly number[];
}

export interface TokenSamplerOptions extends SamplerShape {
  readonly gpu: GpuDevice;
  readonly pipelines: PipelineMap;
  /** f32 [rows][vocab]. */
  readonly logits: GPUBuffer;
}

const CHOSEN_BYTES = chosenBytes({ ringSize: RING_SIZE });
/** What stays from one step to the next; other buffers are new when there are more sequences. */
const KEPT = ['chosen', 'settings', 'counts'];

export function createTokenSampler(options: TokenSamplerOptions): TokenSampler {
  return new Sampler(options);
}

class Sampler implements TokenSampler {
  readonly #options: TokenSamplerOptions;
  readonly #choices: (TokenChoice | undefined)[] = [];
  /** Numbers of those whose writes are not enqueued. */
  readonly #fresh = new Set<number>();
  readonly #buffers = new Map<string, GPUBuffer>();
  readonly #bound = new Map<TokenInputs | 'masks' | 'biases', Map<string, readonly Dispatch[]>>();
  /** What the buffers of rows hold. */
  #rows = '';
  #maskedRows = '';

  constructor(options: TokenSamplerOptions) {
    this.#options = options;
    this.#grow(1, this.#sizes(true));
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

  /** Buffers that are too small for so many sequences are new; what is kept is copied. */
  #grow(count: number, sizes: ReadonlyMap<string, number>): void {
    const { gpu } = this.#options;
    const small = [...sizes].filter(([name, size]) => (this.#buffers.get(name)?.size ?? 0) < size * count);
    if (small.length === 0) return;
    const old: GPUBuffer[] = [];
    const encoder = gpu.device.createCommandEncoder();
    for (const [name, size] of small) {
      const before = this.#buffers.get(name);
      if (before !== undefined) old.push(before);
      const buffer = gpu.createBuffer({ label: `sampler ${name}`, size: size * count, usage: STORAGE_USAGE });
      if (before !== undefined && KEPT.includes(name)) encoder.copyBufferToBuffer(before, 0, buffer, 0, before.size);
      this.#buffers.set(name, buffer);
    }
    gpu.queue.submit([encoder.finish()]);
    for (const buffer of old) buffer.destroy();
    this.#bound.clear();
    this.#rows = this.#maskedRows = '';
  }

  get sizeBytes() {
    return [...this.#buffers.values()].reduce((sum, { size }) => sum + size, 0);
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
    this.#fresh.delete(choice);
  }

  async prepare(): Promise<void> {
    if (this.#fresh.size === 0) return;
    const { gpu } = this.#options;
    const room = 2 ** Math.ceil(Math.log2(Math.max(1, this.#choices.length)));
    const sizes = this.#sizes(this.#choices.some((choice) => choice !== undefined && hasPenalties(choice.sampling)));
    if ([...sizes].some(([name, size]) => (this.#buffers.get(name)?.size ?? 0) < size * room))
      await gpu.guard(`Allocating the sampler of ${room} sequences`, () => this.#grow(room, sizes));
    for (const at of this.#fresh) this.#write(at, this.#choices[at] as TokenChoice);
    this.#fresh.clear();
    if (this.#choices.some((choice) => choice !== undefined && hasBias(choice.sampling))) this.#writeBiases();
  }

  /** Of all sequences, whose table is small and new when one comes. */
  #writeBiases(): void {
    const { gpu } = this.#options;
    const table = biasTable(this.#choices.map((choice) => choice?.sampling.logitBias));
    const before = this.#buffers.get('biases');
    if ((before?.size ?? 0) < table.byteLength) {
      before?.destroy();
      const size = 2 ** Math.ceil(Math.log2(table.byteLength));
      this.#buffers.set('biases', gpu.createBuffer({ label: 'sampler biases', size, usage: STORAGE_USAGE }));
      this.#bound.delete('biases');
    }
    gpu.queue.writeBuffer(this.#buffer('biases'), 0, table);
  }

  #write(at: number, { sampling, history: { promptIds, outputIds } }: TokenChoice): void {
    const { gpu: { queue }, vocab } = this.#options;
    queue.writeBuffer(this.#buffer('chosen'), at * CHOSEN_BYTES, Uint32Array.of(outputIds.length, 0));
    queue.writeBuffer(this.#buffer('settings'), at * SAMPLING_BYTES, samplingRecord(sampling));
    if (hasPenalties(sampling)) queue.writeBuffer(this.#buffer('counts'), at * vocab * 4, tokenCounts({ vocab, promptIds, outputIds }));
  }

  #buffer(name: string): GPUBuffer {
    const buffer = name === 'logits' ? this.#options.logits : this.#buffers.get(name);
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
    const size = words * 4 * this.#choices.length;
    if ((this.#buffers.get('masks')?.size ?? 0) < size) {
      this.#buffers.set('masks', gpu.createBuffer({ label: 'sampler masks', size, usage: STORAGE_USAGE }));
      this.#bound.delete('masks');
    }
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

  #remember(of: TokenInputs | 'masks' | 'biases', key: string, make: () => readonly Dispatch[]): readonly Dispatch[] {
    const own = this.#bound.get(of) ?? new Map<string, readonly Dispatch[]>();
    this.#bound.set(of, own);
    const made = own.get(key) ?? make();
    own.set(key, made);
    return made;
  }

  #bind(kernel: Kernel, workgroups: number, into?: TokenInputs): Dispatch {
    const { gpu, pipelines } = this.#options;
    const compiled = pipelines.get(kernel.key);
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
    if ((status & STATUS_BAD_LOGITS) !== 0) throw badLogits();
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

function badLogits(): FormatError {
  return new FormatError(
    'The model computed no usable scores: a logit is NaN or infinite, or none is finite. Its weights or activations overflow; ' +
      'check the file (ingot eval on the reference device tells a damaged file from an arithmetic that is too narrow).',
  );
}
