/**
 * What an executor is: it plans a graph once for a device, holds weights and state, and runs steps.
 * It is not a scheduler (which sequences run, where their pages are), not a sampler, and it never picks itself:
 * the composition roots in `node/` and `browser/` do.
 */
import type { ReadOptions } from '../tensor/byte-source.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import type { OnProgress } from '../tensor/progress.ts';
import type { WeightType } from '../tensor/tensor-type.ts';
import type { DimSizes } from './dims.ts';
import type { KvTypes } from './kv-types.ts';
import type { ModelGraphs } from './model-graphs.ts';
import type { SamplingSettings } from './sampling.ts';

/** Bytes of one weight in a file's block layout, rows in the order the graph means, read as they are asked for. */
export interface WeightSource {
  readonly id: string;
  readonly type: WeightType;
  /** [out, in] or [n]. */
  readonly shape: readonly number[];
  readonly sizeBytes: number;
  /** Tensors and files, for messages. */
  readonly origin: string;
  /**
   * Fills all of `into` with the weight's bytes from `byteOffset` on. It reads no more of the file than that needs, and never reads
   * `into`, which may be a view of shared memory or memory of a GPU. Rejects with the signal's reason when it aborts.
   */
  read(byteOffset: number, into: Uint8Array, options?: ReadOptions): Promise<void>;
}

export interface KvLayout extends KvTypes {
  /** Positions of one page. A page of a group holds the keys and values of all its states for that many positions. */
  readonly pageTokens: number;
  /** Pages of the longest sequence: memory is taken as {@link Program.ensurePages} asks, of no group more than `mostPages` says. */
  readonly maxPages: number;
  /** How many of the longest sequences the engine may ask for memory for, where the device has it. Default 1. */
  readonly sequences?: number | undefined;
}

export interface ProgramRequest {
  readonly model: ModelGraphs;
  /** By weight id; holds every weight of the model. */
  readonly weights: ReadonlyMap<string, WeightSource>;
  readonly kv: KvLayout;
  /** Largest sizes, by name, of the dims that runs give: `rows` is the length of a prefill chunk. `outRows` may be left to the executor. */
  readonly sizes: DimSizes;
  /** Slots that the engine asks for beyond those that it cannot do without, where there is room for them. Default 0. */
  readonly snapshots?: number | undefined;
  readonly signal?: CancelSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** Where the state of a sequence lies. */
export interface StatePlace {
  /**
   * By group of paged states: page i holds positions [i * pageTokens, (i + 1) * pageTokens); covers all positions that rows see or write.
   * A page before those may be any that exists.
   */
  readonly pages: readonly ArrayLike<number>[];
  /** Needed by a model with slot states. */
  readonly slots?: SlotPlace | undefined;
}

/** Which slot holds the state before the rows, and which is to hold the one after them; the same one only for a single row. */
export interface SlotPlace {
  readonly read: number;
  readonly write: number;
}

/** Rows of one sequence in a run, and where its state lies. */
export interface SequenceRows extends StatePlace {
  /** How many rows of dim `rows` are its. */
  readonly rows: number;
  /** Position of the first: how many positions of this sequence are already in the state. */
  readonly start: number;
  /** Positions that its memories hold, at least 1: needed where the graph attends to one. */
  readonly memory?: number | undefined;
}

/** Numbers of the host, row-major, or what an earlier run of the same list makes: the latest one of that graph. */
export type RunInput = ArrayLike<number> | { readonly graph: string; readonly output: string };

/** One graph's run among those of a submit. */
export interface GraphRun {
  readonly graph: string;
  /** Sizes of the dims that are not derived. */
  readonly dims: DimSizes;
  /** Every input of the graph, by name. */
  readonly inputs: Readonly<Record<string, RunInput>>;
  /** Whose the rows are, one sequence after another; needed where the graph has states. */
  readonly sequences?: readonly SequenceRows[] | undefined;
  /** Outputs and taps that the host wants, by name. */
  readonly wanted: readonly string[];
}

/** What was wanted of each run, by name, row-major. May be views that the next call overwrites. */
export type RunResults = readonly ReadonlyMap<string, Float32Array>[];

/** One sequence whose tokens the executor samples by itself, several steps ahead of whoever reads them. */
export interface DecodeRequest {
  /** Tokens not yet in the state, at least one, at most maxRows: what follows the last of them is sampled first. */
  readonly tokens: ArrayLike<number>;
  /** Position of tokens[0]. */
  readonly start: number;
  /**
   * Called before each submit, which writes the state of positions below `end`: returns where that lies. Pages returned before that rows
   * still see stay in their places; each submit reads the slot that the one before wrote.
   */
  reserve(end: number): StatePlace;
  readonly sampling: SamplingSettings;
  /** For penalties: the prompt, and what was sampled for it before this run. */
  readonly history: { readonly promptIds: ArrayLike<number>; readonly outputIds: ArrayLike<number> };
  /** Most tokens to sample, at least 1. */
  readonly limit: number;
}

/** Goes stale when another run begins: what its steps left in the state stays. */
export interface DecodeRun {
  /**
   * The tokens sampled since the last call, in order; none once the limit is reached. The state then holds all tokens returned but the
   * last one, and possibly more. Rejects with FormatError where no token has a usable logit, with CapacityError when the device is lost.
   */
  next(): Promise<readonly number[]>;
  /** Hands nothing more to the device. Idempotent. */
  close(): void;
}

export interface MemoryUse {
  readonly weightBytes: number;
  readonly kvBytes: number;
  /** Activations, scratch and tables. */
  readonly workBytes: number;
}

/** A model, planned and loaded on a device. One call at a time; the engine serialises. */
export interface Program {
  readonly model: ModelGraphs;
  /** Largest sizes of the dims that a run of a graph gives; runs that want taps may have smaller ones. */
  limits(graph: string, withTaps: boolean): DimSizes;
  /** Makes pages [0, count) of a group exist, keeping what the present ones hold. Throws CapacityError past what can be had. */
  ensurePages(group: number, count: number): void;
  /** Makes slots [0, count) exist, new ones holding zeros. Throws CapacityError past what can be had. */
  ensureSlots(count: number): void;
  /** What one slot holds, to another; in order with runs. */
  copySlot(from: number, to: number): void;
  /** What a slot holds after all runs so far, for {@link Program.restoreSlot} of this program. */
  snapshotSlot(slot: number): Promise<Uint8Array>;
  /** @throws Error for bytes of another length than a slot's */
  restoreSlot(slot: number, snapshot: Uint8Array): void;
  /** Runs graphs one after another in one submit. */
  run(runs: readonly GraphRun[]): Promise<RunResults>;
  /** Of the model's decoder. Absent where the executor cannot sample: then logits are sampled from by who runs it. */
  decode?(request: DecodeRequest): DecodeRun;
  readonly memory: MemoryUse;
  /** The plan as text, a line per step. */
  printPlan(): string;
  /** Frees weights, state and threads. Idempotent. */
  dispose(): Promise<void>;
}

export type DeviceKind = 'gpu' | 'software' | 'cpu' | 'reference';

export interface Executor {
  readonly kind: DeviceKind;
  /** For banners: `cpu (2 threads, relaxed SIMD)`. */
  readonly description: string;
  /** Rows of a prefill step that suit the device; absent where the engine's default does. */
  readonly prefillRows?: number | undefined;
  /** Bytes that a model may take where nobody named any; absent: as many as the device gives. */
  readonly memoryBytes?: number | undefined;
  /**
   * Loads a model. Rejects with CapacityError where it cannot fit (naming the largest context that does), with
   * FormatError where weights hold NaN or infinity, and frees everything when it rejects.
   */
  load(request: ProgramRequest): Promise<Program>;
}
