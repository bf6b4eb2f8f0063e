/// <reference lib="esnext.disposable" preserve="true" />
/** The public types of a loaded model: what `loadModel` and `createModel` return and what their methods take. */
import type { DeviceKind, MemoryUse } from '../graph/executor.ts';
import type { KvChoice } from '../graph/kv-types.ts';
import type { JsonObject } from '../tensor/checkpoint.ts';
import type { Pooling } from '../graph/model-graphs.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import type { OnProgress } from '../tensor/progress.ts';
import type { VisionInfo } from '../models/vision.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type {
  ChatMessage, ConversationOptions, DecodingOptions, GenerateOptions, Generation, InfillOptions, SamplingOptions,
} from './generation-api.ts';
import type { GeneratedObject, GenerateObjectOptions } from './object-api.ts';
import type { StandardSchema } from './standard-schema.ts';
import type { RunToolsOptions, ToolRun } from './tool-api.ts';

export type * from './generation-api.ts';
export type * from './object-api.ts';
export type * from './tool-api.ts';
export interface ForwardOptions {
  /** Positions whose rows are wanted, ascending; all where absent. */
  readonly positions?: readonly number[] | undefined;
  /** Hidden states wanted: 0 enters the first layer, i leaves layer i. */
  readonly hidden?: readonly number[] | undefined;
  readonly signal?: CancelSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

export interface ForwardResult {
  /** [positions, vocab] */
  readonly logits: Float32Array;
  /** [positions, dim] by layer. */
  readonly hidden: ReadonlyMap<number, Float32Array>;
}

/** A text, or its token ids as they are: without prompt and without the tokens that the tokenizer puts around a text. */
export type EmbedInput = string | ArrayLike<number>;

export interface EmbedOptions {
  /** What a text is for: the prompt that the model's files name for it goes before the text. Default: the files' default prompt. */
  readonly kind?: 'query' | 'document' | undefined;
  /** Goes before each text, in place of what the files name. */
  readonly prompt?: string | undefined;
  /** Keeps the first of an embedding's numbers, and makes them a unit vector again (Matryoshka). At most the model's own width. */
  readonly dimensions?: number | undefined;
  /** Aborting rejects with the signal's reason, within one batch. */
  readonly signal?: CancelSignal | undefined;
  /** Called with 0 at the beginning, and after every batch, in tokens. */
  readonly onProgress?: OnProgress | undefined;
}

export interface RerankOptions {
  /** What is asked of a document, in English. Default: that of web search, from the model card. */
  readonly instruction?: string | undefined;
  /** Aborting rejects with the signal's reason, within one prefill chunk. */
  readonly signal?: CancelSignal | undefined;
  /** Called with 0 at the beginning, and after every document, in tokens. */
  readonly onProgress?: OnProgress | undefined;
}

export interface EmbeddingInfo {
  /** Numbers of an embedding. */
  readonly dimensions: number;
  /** Which states of a text make its embedding. */
  readonly pooling: Pooling;
}

export interface ChatOptions extends ConversationOptions, Omit<DecodingOptions, 'signal' | 'onProgress'> {
  /** Text of the system message. */
  readonly system?: string | undefined;
  /**
   * False: neither reads the state of prompts of other calls that begin alike, nor leaves its own to them. Default true: whole pages of 64
   * tokens are shared while memory lasts; of a model with windows, convolutions or recurrences up to where a state was left to others.
   */
  readonly cachePrompt?: boolean | undefined;
}

export type SendOptions = DecodingOptions & ConversationOptions;

/**
 * A conversation that keeps its state between turns: each turn prefills only what follows the longest common
 * token prefix with the turn before. Other calls may take the memory of an idle chat; its next turn then prefills all.
 */
export interface Chat {
  /**
   * All messages so far, the system message included: also those that contextPolicy `slide` keeps from the model. Another list may be put
   * in its place, to edit a message or to send it again: what still begins as before is not computed again. A turn that runs meanwhile is
   * no part of it.
   */
  get history(): readonly ChatMessage[];
  set history(messages: readonly ChatMessage[]);
  /** What the chat was made with, or saved with where it was loaded; another chat with these and this history goes on as this one. */
  readonly options: ChatOptions;
  /**
   * Adds a user's message (or any messages, such as results of tools) and generates the answer. An assistant's message at the end is one
   * that the model goes on with; both are one in the history.
   * A turn that is left or aborted after its first piece stays in the history with the text that was read;
   * one that fails, or is aborted before that, leaves the history as it was.
   */
  send(message: string | ChatMessage | readonly ChatMessage[], options?: SendOptions): Generation;
  /** Forgets all but the system message. */
  reset(): void;
  /**
   * Another chat that begins with this one's history; both go on by themselves. It computes none of what they share to a page; of a model
   * with windows, convolutions or recurrences none up to the last state that was left to others: the end of the system's messages, or where
   * two prompts parted before.
   */
  fork(): Chat;
  /** The conversation and its options, for {@link Model.loadChat}; the model's state is not in it. */
  toBytes(): Uint8Array;
  /** {@link toBytes} in a file, which is there as a whole or not at all. @throws InputError where the platform has no files */
  save(file: string): Promise<void>;
  /** Frees the chat's state. Idempotent; the model lives on. */
  dispose(): void;
  [Symbol.dispose](): void;
}

export interface ModelLoad {
  /** Calls that have had a step, and those that wait for their first one. */
  readonly running: number;
  readonly waiting: number;
  /** Steps that are over, and the rows of all of them: tokens of prompts, and one of each answer that goes on. */
  readonly steps: number;
  readonly rows: number;
  /** Positions of a page of keys and values. */
  readonly pageTokens: number;
  /**
   * Pages of the fullest group of layers: how many there may be, how many calls and chats hold, and how many stay for prompts that begin
   * as those before did; the latter go where pages are needed.
   */
  readonly pages: { readonly most: number; readonly held: number; readonly cached: number };
}

export interface ModelInfo {
  /** The file's own name of the model, else its path. */
  readonly name: string;
  readonly architecture: string;
  readonly parameters: number;
  /** Bytes of the files. */
  readonly sizeBytes: number;
  /** Weight types by their share of the bytes, largest first: `q4_0, q8_0, f32`. */
  readonly quantisation: string;
  readonly vocabSize: number;
  /** False: its files have none, so that it takes and gives token ids only. */
  readonly hasTokenizer: boolean;
  /** Most tokens of prompt and answer together, as loaded. */
  readonly contextLength: number;
  /** The most the model was made for. */
  readonly modelContextLength: number;
  readonly device: DeviceKind;
  /** `cpu (2 threads, relaxed SIMD)` */
  readonly deviceDescription: string;
  /** Whether it goes by what tuning found on this GPU; undefined where nothing is tuned. */
  readonly isTuned: boolean | undefined;
  /** Of keys and values; `q8/q4`: of keys, and of values. */
  readonly kvType: KvChoice;
  /** As it is now: key and value memory grows as it fills. */
  readonly memory: MemoryUse;
  /** How busy it is, as it is now. */
  readonly load: ModelLoad;
  /** What a user should know of the model's files: settings that are not known and so not used, a tower beside it that cannot be read. */
  readonly warnings: readonly string[];
  /** Tensors of the files that are left out, and why: those of a vision tower, of which no step of the text model reads any. */
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
  /** Tensors and files that the host reads rows of before each step, as `perLayerTable: 'host'` has it; undefined: none. */
  readonly readByHost: string | undefined;
  /** What its answers are written in: how thoughts and tool calls are marked. */
  readonly dialect: string;
  /** What sampling options default to. */
  readonly samplingDefaults: SamplingOptions;
  /** Of a model of embeddings, which has no calls that predict tokens; undefined for others, which have no `embed`. */
  readonly embedding: EmbeddingInfo | undefined;
}

/** How long a prompt is. */
export interface PromptCount {
  readonly tokens: number;
  /** By image, in their order: what it has of those, and its pixels as it is seen. A video is one. */
  readonly images: readonly { readonly tokens: number; readonly width: number; readonly height: number }[];
}

export interface ReadyOptions {
  readonly signal?: CancelSignal | undefined;
}

/** A loaded model. Calls made at the same time share its steps, and its memory. */
export interface Model {
  readonly info: ModelInfo;
  /** What pictures a model that sees takes; undefined for one that does not. */
  readonly vision: VisionInfo | undefined;
  /** Its calls throw InputError for a model without one ({@link ModelInfo.hasTokenizer}), which generates from ids only. */
  readonly tokenizer: Tokenizer;
  generate(options: GenerateOptions): Generation;
  /**
   * The text between two others, as {@link Model.generate} gives an answer, by the vocabulary's tokens for that (Qwen-Coder, StarCoder,
   * CodeLlama, DeepSeek, Granite). At most 256 tokens where `maxTokens` is absent.
   * @throws InputError, from the iteration, for a model whose vocabulary has no such tokens
   */
  infill(options: InfillOptions): Generation;
  /**
   * An answer that is a value of a schema, read and checked: `generate` with a format of the type `schema`.
   * @throws InputError for a schema that cannot be obeyed, with the path to the part, and where a Standard Schema has rules that its JSON
   * Schema does not say and the answer breaks; CapacityError for an answer that was cut
   */
  generateObject<Schema extends JsonObject | StandardSchema>(options: GenerateObjectOptions<Schema>): Promise<GeneratedObject<Schema>>;
  /**
   * Answers, runs the functions that they call, gives the results back, and so on until an answer calls none: {@link ToolRunResult} is the
   * last event.
   * @throws InputError, from the iteration, for tools whose schema cannot be told or checked, with the path to the part
   */
  runTools(options: RunToolsOptions): ToolRun;
  /**
   * One pass over a sequence, for evaluation; leaves no state behind.
   * @returns logits [positions or seq, vocab]; with `hidden` also the hidden states.
   */
  forward(ids: ArrayLike<number>, options: ForwardOptions & { readonly hidden: readonly number[] }): Promise<ForwardResult>;
  forward(ids: ArrayLike<number>, options?: ForwardOptions & { readonly hidden?: undefined }): Promise<Float32Array>;
  createChat(options?: ChatOptions): Chat;
  /**
   * The chat that was saved in a file, or as bytes, with this model.
   * @throws FormatError for what is damaged or of another version, InputError for a chat with another model
   */
  loadChat(from: string | Uint8Array): Promise<Chat>;
  /**
   * Unit vectors of texts, in their order; leaves no state behind.
   * @throws InputError for a model that makes no embeddings and for options that cannot be meant; CapacityError for a text that does not
   * fit the context
   */
  embed(texts: readonly EmbedInput[], options?: EmbedOptions): Promise<Float32Array[]>;
  /**
   * How well each document answers the query, from 0 to 1, by Qwen3-Reranker and its published prompt.
   * @throws InputError for a model whose vocabulary lacks the prompt's tokens, which others than Qwen3's do
   */
  rerank(query: string, documents: readonly string[], options?: RerankOptions): Promise<number[]>;
  /**
   * Ids of the tokens that {@link Model.generate} with these options would begin with: of a conversation as the template renders it.
   * Not of one with images, which have none: {@link Model.countTokens}.
   * @throws InputError and CapacityError as that does
   */
  promptIds(options: GenerateOptions): readonly number[];
  /**
   * How many tokens the prompt of {@link Model.generate} with these options has, those of images too: of these the headers are read alone.
   * @throws InputError and CapacityError as that does
   */
  countTokens(options: GenerateOptions): PromptCount;
  /**
   * Resolves when no later call waits for anything to be made: on a GPU, kernels that the first answer does not need are compiled beside
   * the first calls, which costs those some of their speed. At once on a CPU.
   * @throws the signal's reason; what was begun goes on
   */
  ready(options?: ReadyOptions): Promise<void>;
  /** Stops what runs and frees weights, state and files. Idempotent. */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
