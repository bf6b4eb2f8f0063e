/** What the benchmark asks of an engine. One more engine is one more record of this form in `engines.ts`. */
import type { DeviceKind } from '../graph/executor.ts';
import type { KvChoice } from '../graph/kv-types.ts';
import type { ServedLoad, StreamRequest } from './stream-load.ts';

/** How long a device works before a prompt is timed: the first of several runs of a short prompt find an H200's clock still low. */
const WARM_MS = 400;

/** Runs `work` until the device has worked for {@link WARM_MS}, at least once. */
export async function warmed(work: () => Promise<unknown>): Promise<void> {
  const startMs = performance.now();
  do await work();
  while (performance.now() - startMs < WARM_MS);
}

export type WorkloadName = 'prefill' | 'decode' | 'ttft' | 'load' | 'turns' | 'concurrency' | 'interruption' | 'server';

/** Plain data: it goes to the process that the engine runs in. */
export interface EngineSettings {
  readonly modelPath: string;
  readonly device: DeviceKind;
  /** CPU threads; undefined: the engine's own choice. */
  readonly threads?: number | undefined;
  /** Tokens of prompt and answer together. */
  readonly contextLength: number;
  /** Type of keys and values: ingot's own choice where it is undefined, and for what other engines take see their flags. */
  readonly kvType?: KvChoice | undefined;
  /** Most tokens of one prefill step, for engines that let it be chosen. */
  readonly batchSize?: number | undefined;
  /** A rival's own name of the device: `vulkan`, `cuda`, `metal`; undefined: the best that it finds for `device`. */
  readonly backend?: string | undefined;
  /** Path of the engine's program, for engines that are one. */
  readonly program?: string | undefined;
  /** The engine will be asked for conversations and nothing else. */
  readonly isConversation?: boolean | undefined;
  /** Most requests at the same time; undefined: one. */
  readonly streams?: number | undefined;
}

/** What a record says of an engine that is open. */
export interface EngineFacts {
  readonly version: string;
  /** As the engine names it: `vulkan (NVIDIA H100)`. */
  readonly device: string;
  /** Everything set that may change a figure, as the engine took it. */
  readonly flags: Readonly<Record<string, string | number | boolean | null>>;
}

export interface Conversation {
  /** Token ids of the user's turns. */
  readonly turns: readonly (readonly number[])[];
  /** Tokens of every answer. */
  readonly answerTokens: number;
  /** False: every turn computes the whole history again. */
  readonly reusesPrefix: boolean;
}

/**
 * An engine with a model in it. Every call is greedy, goes on past end tokens and starts from an empty cache. `decode` does its work once
 * without counting right before it measures it, as llama-bench does by itself, `serve` too, and `prefill` as often as `warmed` says: a GPU
 * clocks down while it rests.
 */
export interface OpenEngine {
  readonly facts: EngineFacts;
  /** Tokens per second of reading a prompt. */
  prefill(ids: readonly number[]): Promise<number>;
  /** Milliseconds from the request to the first token. */
  firstToken(ids: readonly number[]): Promise<number>;
  /** Tokens per second of `count` tokens after the first one. */
  decode(ids: readonly number[], count: number): Promise<number>;
  /** Milliseconds to the first token of every turn. */
  converse(conversation: Conversation): Promise<readonly number[]>;
  /** Answers several requests at the same time. */
  serve(requests: readonly StreamRequest[]): Promise<ServedLoad>;
  /** Of this process, the largest so far. */
  peakMemoryBytes(): Promise<number>;
  close(): Promise<void>;
}

export interface Engine {
  readonly name: string;
  readonly workloads: readonly WorkloadName[];
  /** Batch sizes to be tried where a prompt is read; the better one is quoted. Empty: the engine has no such setting. */
  readonly batchSizes: readonly number[];
  /** Why it cannot take part here; undefined where it can. */
  problem(options: { readonly modelPath: string; readonly program: string | undefined }): string | undefined;
  open(settings: EngineSettings): Promise<OpenEngine>;
}
