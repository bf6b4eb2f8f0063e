/** What a workload consists of: tasks, each with its figures and what it asks of an engine. */
import type { WorkloadName } from './engine.ts';
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
}

export type Unit = 'tok/s' | 'ms' | 'MB';

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
}

export interface Task {
  readonly workload: WorkloadName;
  readonly name: string;
  /** Positions that it fills. */
  readonly contextTokens: number;
  /** Fresh: another process for every run, with drivers' shader caches as they are or empty. */
  readonly process: 'shared' | 'fresh' | 'fresh with cold caches';
  readonly isConversation: boolean;
  /** Requests at the same time, where it takes more than one. */
  readonly streams?: number | undefined;
  /** A prompt's length decides: batch sizes are tried. */
  readonly usesBatches: boolean;
  readonly figures: readonly Figure[];
  /** Values in the order of the figures; undefined for one that the engine does not tell. */
  run(input: TaskInput): Promise<readonly (number | undefined)[]>;
}

/** What most tasks have in common. */
export const SHARED = { process: 'shared', isConversation: false, usesBatches: false } as const;
