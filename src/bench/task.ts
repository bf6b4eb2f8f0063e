/** What a workload consists of: tasks, each with its figures and what it asks of an engine. */
import type { EngineFacts, PictureSize, Purpose, WorkloadName } from './engine.ts';
import type { EngineClient } from './engine-client.ts';
import type { ModelWork } from './model-work.ts';

export interface Sizes {
  /** Tokens of the prompts. */
  readonly prefill: readonly number[];
  readonly ttft: readonly number[];
  /** Positions before the decoded tokens. */
  readonly decodeAfter: readonly number[];
  readonly decodeTokens: number;
  readonly turns: number;
  readonly userTokens: number;
  readonly answerTokens: number;
  /** How many answers run at the same time. */
  readonly streams: readonly number[];
  /** The same of the workload `server`. */
  readonly serverStreams: readonly number[];
  /** Tokens of each stream's prompt, and of its answer after the first. */
  readonly streamPrompt: number;
  readonly streamAnswer: number;
  /** Tokens of a prompt that arrives while one stream runs. */
  readonly arrivingPrompt: number;
  /** Seconds of one session without rest, and of one sample of it. */
  readonly driftSeconds: number;
  readonly driftSample: number;
  /** Tokens of an answer in a form. */
  readonly formTokens: number;
  /** Tokens of a text whose likelihood is measured, and tasks that are answered. */
  readonly qualityTokens: number;
  readonly mostTasks: number;
  readonly pictures: readonly PictureSize[];
}

/** Files that some workloads read. */
export interface TaskFiles {
  /** A text, or lines of ids or texts. */
  readonly text?: string | undefined;
  /** Tasks as `ingot eval` takes them. */
  readonly tasks?: string | undefined;
  /** A recording. */
  readonly sound?: string | undefined;
  /** The same model in a wider type. */
  readonly reference?: string | undefined;
}

export interface TaskOptions {
  readonly sizes: Sizes;
  /** Whether the device compiles shaders, which drivers keep on disk. */
  readonly isGpu: boolean;
  /** CPU threads that engines were given; undefined: all. */
  readonly threads?: number | undefined;
  readonly gpu?: number | undefined;
  readonly files: TaskFiles;
}

export type Unit = 'tok/s' | 'ms' | 'MB' | '%' | 'x real time' | 'perplexity' | 'nats';

/** Whether more of it is better. */
export function isMoreBetter(unit: string): boolean {
  return unit.endsWith('/s') || unit === '%' || unit === 'x real time';
}

/** The physical limit of a figure. */
export type Work =
  { readonly kind: 'bytes per token'; readonly count: number } | { readonly kind: 'multiply-adds per token'; readonly count: number };

export interface Figure {
  readonly name: string;
  readonly unit: Unit;
  /** False: for records, not for the table. */
  readonly isShown: boolean;
  readonly work?: ((model: ModelWork) => Work) | undefined;
}

export interface TaskInput {
  readonly engine: EngineClient;
  readonly ids: (count: number, part?: number) => readonly number[];
  readonly signal: AbortSignal;
  /** Takes what the run found out of its work and a record has to say: which text, how many tokens of it. */
  told?(flags: EngineFacts['flags']): void;
}

export interface Task {
  readonly workload: WorkloadName;
  readonly name: string;
  /** Positions that it fills. */
  readonly contextTokens: number;
  /** More that it takes where the model has them. */
  readonly wantedTokens?: number | undefined;
  /** Fresh: another process for every run, with drivers' shader caches as they are or empty. */
  readonly process: 'shared' | 'fresh' | 'fresh with cold caches';
  readonly purpose: Purpose;
  /** Counted runs where they are not the plan's; with 1 there is no warm-up either. */
  readonly runs?: 1 | undefined;
  /** What of the sizes and files decides its figures and is not in their names. */
  readonly asks?: string | undefined;
  /** What it lacks, so that it cannot run. */
  readonly lacks?: string | undefined;
  /** Seconds that a run takes whatever the engine, where that is known. */
  readonly seconds?: number | undefined;
  /** Requests at the same time, where it takes more than one. */
  readonly streams?: number | undefined;
  /** A picture that it sees. */
  readonly picture?: PictureSize | undefined;
  /** A prompt's length decides: batch sizes are tried. */
  readonly usesBatches: boolean;
  readonly figures: readonly Figure[];
  /** Values in the order of the figures; undefined for one that the engine does not tell. */
  run(input: TaskInput): Promise<readonly (number | undefined)[]>;
}

/** What most tasks have in common. */
export const SHARED = { process: 'shared', purpose: 'tokens', usesBatches: false } as const;
