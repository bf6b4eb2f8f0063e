/**
 * What an executor is: it plans a graph once for a device, holds weights and state, and runs steps.
 * It is not a scheduler (which sequences run, where their pages are), not a sampler, and it never picks itself:
 * the composition roots in `node/` and `browser/` do.
 */
import type { ReadOptions } from '../tensor/byte-source.ts';
import type { TokenGrammar } from '../tensor/byte-table.ts';
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

/** Numbers of the host, row-major, or what the latest run of a graph before it made, of the same list or an earlier one. */
export type RunInput = ArrayLike<number> | { readonly graph: string; readonly output: string };

/** The steps [from, to) of a run, were there `of` of them. */
export interface RunPart {
  readonly from: number;
  readonly to: number;
  readonly of: number;
}

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
  /**
   * Set where a long run comes in parts, so that others get on between them: each begins where the one before it ended, of the same sizes
   * and inputs, and the graph does nothing else meanwhile. The first reads the inputs; what the run makes is there behind the last. A list
   * with such a run is waited for. For graphs without states.
   */
  readonly part?: RunPart | undefined;
}

/** What was wanted of each run, by name, row-major. May be views that the next call overwrites. */
export type RunResults = readonly ReadonlyMap<string, Float32Array>[];

/** How the tokens of a sequence are chosen where the executor does that. */
export interface TokenChoice {
  readonly sampling: SamplingSettings;
  /** For penalties, and the count of random numbers: the prompt, and what was chosen for it before. */
  readonly history: { readonly promptIds: ArrayLike<number>; readonly outputIds: ArrayLike<number> };
  /** Tokens behind which no other is wanted: a chooser may leave those out, and the steps that make them. Default none. */
  readonly endIds?: readonly number[] | undefined;
  /** Which tokens may follow, and where the sequence stands among them: for a chooser that follows grammars. Absent: any may. */
  readonly grammar?: TokenGrammar | undefined;
}

/** Rows of one sequence in a {@link ChoosingSubmit}. Its place covers the positions of all steps. */
export interface ChoosingRows extends StatePlace {
  /**
   * Tokens not yet in the state. None: one row, of the token that was chosen for the sequence last, which may be in a submit that has not
   * run; it must be an open choice's.
   */
  readonly tokens: ArrayLike<number>;
  /** Position of the first row. */
  readonly start: number;
  /** As {@link SequenceRows.memory}. */
  readonly memory?: number | undefined;
  /** What is added to positions before rows are turned, of a decoder that asks; the same for all later rows of a choice. Default 0. */
  readonly shift?: number | undefined;
  /** What is wanted after the last row: a token by `choice`, the logits, or no more than the state. */
  readonly wanted: 'token' | 'logits' | 'state';
  /** Number of {@link TokenChooser.open}; needed for a token. */
  readonly choice?: number | undefined;
  /** Which tokens may be chosen, in one step, is said later: {@link Submitted.choose}. Default: any may be, at once. */
  readonly isMasked?: boolean | undefined;
}

/** Steps of several sequences. Those of one row come first: attention takes them together. */
export interface ChoosingSubmit {
  readonly sequences: readonly ChoosingRows[];
  /** More than one only where each sequence has one row and wants tokens: the further steps go on with those. */
  readonly steps: number;
}

/** Of one sequence of a submit. */
export interface ChosenTokens {
  /** One for each step, where tokens are wanted; fewer where the choice was closed meanwhile, or has ended, or behind them is the error. */
  readonly tokens: readonly number[];
  /** May be a view that the next submit overwrites. */
  readonly logits: Float32Array | undefined;
  /** No logit was of use behind {@link ChosenTokens.tokens}. */
  readonly error: Error | undefined;
}

/** By sequence, the tokens that may be chosen: bit i of word w is token 32 w + i. Undefined: any. */
export type TokenMasks = readonly (Uint32Array | undefined)[];

/** A {@link ChoosingSubmit} that the device has. */
export interface Submitted {
  /** By sequence, when the steps ran; rejects where they fail. */
  readonly results: Promise<readonly ChosenTokens[]>;
  /**
   * Where a sequence is masked: the device runs what leads to the logits, and no token of the submit is chosen before this is called,
   * once, and before any other submit is made. So masks may be made meanwhile, of tokens that came after the submit was made.
   */
  readonly choose?: ((masks: TokenMasks) => void) | undefined;
}

/**
 * Chooses tokens of sequences on the device, steps ahead of whoever reads them: a submit may go on with tokens of one that has not run.
 * Submits run in the order in which they are made, and in order with other runs. One is made at a time.
 */
export interface TokenChooser {
  /** Most sequences of a submit that want tokens or logits. */
  readonly mostSequences: number;
  /** Most steps of a submit. */
  readonly mostSteps: number;
  /** It obeys {@link TokenChoice.grammar}, step by step. */
  readonly followsGrammars: boolean;
  /**
   * It takes the likeliest token of all, by settings of {@link choosesLikeliest}, without masks: other sequences want logits. Default: it
   * obeys every setting.
   */
  readonly choosesLikeliestOnly?: boolean | undefined;
  /** Its steps run on the cores of the host: a submit behind one that takes long only makes others wait. Default false. */
  readonly sharesCores?: boolean | undefined;
  /** Takes a sequence in: a number for it, which may be that of a closed one. */
  open(choice: TokenChoice): number;
  close(choice: number): void;
  /**
   * What the steps take and the device has not made yet, its kernels: begins to make it, and resolves when it is there. Undefined: all of
   * it is. A submit of them waits for it by itself.
   */
  prepare(batch: ChoosingSubmit): Promise<void> | undefined;
  /**
   * Resolves when the steps have been handed to the device, which may have to make memory first.
   * @throws InputError for tokens that there are not, CapacityError for memory that cannot be had, or when the device is lost
   */
  submit(batch: ChoosingSubmit): Promise<Submitted>;
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
  /** What a slot holds after all runs so far, for {@link Program.restoreSlot} of this program. */
  snapshotSlot(slot: number): Promise<Uint8Array>;
  /** @throws Error for bytes of another length than a slot's */
  restoreSlot(slot: number, snapshot: Uint8Array): void;
  /**
   * Runs graphs one after another in one submit. With a signal an executor that can rejects with its reason between the parts of a graph;
   * what the states that the runs write hold is then not known.
   */
  run(runs: readonly GraphRun[], signal?: CancelSignal): Promise<RunResults>;
  /** Of the model's decoder. Absent where the executor cannot choose tokens: then logits are sampled from by who runs it. */
  readonly chooser?: TokenChooser | undefined;
  readonly memory: MemoryUse;
  /** Whether it goes by what tuning found on this device. Absent where nothing is tuned. */
  readonly isTuned?: boolean | undefined;
  /** Resolves when nothing is left to be made that a run may take, such as kernels. Absent where that is so from the beginning. */
  prepare?: (() => Promise<void>) | undefined;
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
  /** Multiply-adds of a step's products that take a tenth of a second: steps of larger models have fewer rows. Absent: they have not. */
  readonly chunkMultiplyAdds?: number | undefined;
  /** Bytes that a model may take where nobody named any; absent: as many as the device gives. */
  readonly memoryBytes?: number | undefined;
  /**
   * Loads a model. Rejects with CapacityError where it cannot fit (naming the largest context that does), with
   * FormatError where weights hold NaN or infinity, and frees everything when it rejects.
   */
  load(request: ProgramRequest): Promise<Program>;
}
