/** What the app needs of models, wherever they run: {@link createServerTransport} and {@link createBrowserTransport} have it. */

export type ModelKind = 'text' | 'speech' | 'voice' | 'talk';

/** `absent`: known, and not downloaded. */
export type ModelStatus = 'loaded' | 'loading' | 'unloaded' | 'absent';

export interface ModelEntry {
  readonly id: string;
  readonly name: string;
  readonly kind: ModelKind;
  readonly status: ModelStatus;
  /** Of its weights and states in memory, or of its file. */
  readonly bytes: number | undefined;
  /** Whether it has room where it runs; undefined: not known. */
  readonly fits: boolean | undefined;
  /** Tokens of prompt and answer; undefined while that is not known. */
  readonly contextLength: number | undefined;
  /** What its messages may have beside text; undefined while that is not known. */
  readonly takes: readonly ('image' | 'audio')[] | undefined;
  /** Where it runs, as far as a person wants to know. */
  readonly where: string | undefined;
}

export type ContentPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image'; readonly blob: Blob }
  | { readonly type: 'audio'; readonly blob: Blob; readonly format: SoundFormat };

export type SoundFormat = 'wav' | 'mp3' | 'flac' | 'ogg';

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** JSON, as the model wrote it. */
  readonly arguments: string;
}

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly content: string | readonly ContentPart[];
  readonly reasoning?: string | undefined;
  readonly toolCalls?: readonly ToolCall[] | undefined;
  /** Of a tool's result: the call that it answers. */
  readonly toolCallId?: string | undefined;
}

/** What is left out is as the model has it. */
export interface Sampling {
  readonly temperature?: number | undefined;
  readonly topP?: number | undefined;
  readonly topK?: number | undefined;
  readonly minP?: number | undefined;
  readonly repetitionPenalty?: number | undefined;
  readonly presencePenalty?: number | undefined;
  readonly frequencyPenalty?: number | undefined;
  readonly maxTokens?: number | undefined;
  readonly seed?: number | undefined;
  readonly stop?: readonly string[] | undefined;
  /** False: the model is asked to answer without thoughts. */
  readonly thinks?: boolean | undefined;
}

export interface AnswerRequest {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly sampling: Sampling;
  /** Functions, in OpenAI's form. */
  readonly tools: readonly object[];
  readonly signal: AbortSignal;
}

export interface Usage {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
}

export type Finish = 'stop' | 'length' | 'tool_calls';

/** A piece of an answer. Parts of a tool call are joined by `index`. */
export interface AnswerPiece {
  readonly text?: string | undefined;
  readonly reasoning?: string | undefined;
  readonly toolCalls?: readonly { readonly index: number; readonly id?: string; readonly name?: string; readonly arguments?: string }[];
  readonly finish?: Finish | undefined;
  readonly usage?: Usage | undefined;
}

export interface LoadProgress {
  /** What is being done, in a word or two. */
  readonly phase: string;
  /** From 0 to 1; undefined: not known. */
  readonly share: number | undefined;
}

export interface LoadOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: LoadProgress) => void;
}

/** What there is to choose from. */
export interface ModelList {
  readonly models: readonly ModelEntry[];
  /** Why no other models can be downloaded, in a sentence for a person; undefined: they can. */
  readonly noDownloads: string | undefined;
  /** What this place cannot do, and why, in sentences for a person. */
  readonly lacks?: string | undefined;
}

export interface Storage {
  readonly usedBytes: number;
  readonly quotaBytes: number | undefined;
}

/** The server wants a key, or another one. */
export class KeyNeeded extends Error {
  override readonly name = 'KeyNeeded';
}

export interface Transport {
  readonly kind: 'server' | 'browser';
  /** Its words for where models run. */
  readonly place: string;
  /** @throws KeyNeeded; Error in words for a person */
  listModels(signal?: AbortSignal): Promise<ModelList>;
  /** What a person may name to have it downloaded, in a few words. */
  readonly nameable: string;
  /** Makes a model ready; downloads it first where it is absent. @returns the id that it is listed by */
  load(id: string, options: LoadOptions): Promise<string>;
  unload(id: string): Promise<void>;
  answer(request: AnswerRequest): AsyncIterable<AnswerPiece>;
  /** The text of a sound (WAV). Undefined: nothing here hears. */
  readonly transcribe?: ((model: string, sound: Blob, signal: AbortSignal) => Promise<string>) | undefined;
  /** A text as a sound (WAV). Undefined: nothing here speaks. */
  readonly speak?: ((model: string, text: string, signal: AbortSignal) => Promise<Blob>) | undefined;
  /** Of a transport that keeps models in the browser: takes files of the person's, and gives the id to load. */
  readonly addFiles?: ((files: readonly File[]) => Promise<string>) | undefined;
  /** Deletes a downloaded model. */
  readonly remove?: ((id: string) => Promise<void>) | undefined;
  readonly storage?: (() => Promise<Storage>) | undefined;
}
