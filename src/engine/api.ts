/// <reference lib="esnext.disposable" preserve="true" />
/** The public types of a loaded model: what `loadModel` and `createModel` return and what their methods take. */
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import type { DeviceKind, MemoryUse } from '../graph/executor.ts';
import type { KvChoice } from '../graph/kv-types.ts';
import type { Pooling } from '../graph/model-graphs.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import type { OnProgress } from '../tensor/progress.ts';
import type { AnswerPart } from '../text/answers/answer-parts.ts';
import type { Tokenizer } from '../text/tokenizer.ts';

/** A message as chat templates read it (the form of OpenAI and Hugging Face, so its fields keep their names). */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool' | (string & {});
  readonly content: string;
  /** What an assistant thought before `content`. */
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly JsonObject[];
  readonly [field: string]: JsonValue | undefined;
}

/** How the next token is chosen. What is left out comes from the model's own defaults, else temperature 1 and the rest off. */
export interface SamplingOptions {
  /** 0 takes the likeliest token (ties: the lowest id); at least 0. */
  readonly temperature?: number | undefined;
  /** Keep the k likeliest tokens; 0 is off. */
  readonly topK?: number | undefined;
  /** Keep the likeliest tokens that together reach this probability, in (0, 1]; 1 is off. */
  readonly topP?: number | undefined;
  /** Drop tokens less likely than this share of the likeliest one's probability, in [0, 1]; 0 is off. */
  readonly minP?: number | undefined;
  /** Divides (positive) or multiplies (negative) logits of tokens in prompt or output, above 0; 1 is off. */
  readonly repetitionPenalty?: number | undefined;
  /** Subtracted from the logit of every token in the output, in [-2, 2]; 0 is off. */
  readonly presencePenalty?: number | undefined;
  /** Subtracted from a token's logit once per occurrence in the output, in [-2, 2]; 0 is off. */
  readonly frequencyPenalty?: number | undefined;
  /** An integer from 0 to 2^53 - 1. Same seed, same logits: same tokens. Drawn at random where absent. */
  readonly seed?: number | undefined;
}

/**
 * What is added to the logits of some tokens, from -100 to 100: pairs of a token's id or text and its number, or an object by ids or
 * texts, of whose names integers are ids (as OpenAI). A text must be one token.
 */
export type LogitBias = Readonly<Record<string, number>> | readonly (readonly [token: number | string, bias: number])[];

/** What every kind of generation takes. */
export interface DecodingOptions extends SamplingOptions {
  /** Prefers and avoids tokens, before penalties: 100 makes a token nearly certain, -100 leaves it out. */
  readonly logitBias?: LogitBias | undefined;
  /**
   * Texts that the answer never holds, by whatever tokens they could be made: one that would complete such a text is not chosen. Each token
   * is then chosen before the next one is begun, which makes answers of a GPU slower. Upper and lower case differ.
   */
  readonly bannedTexts?: readonly string[] | undefined;
  /**
   * An integer from -100 to 100: of calls that wait, or need the same memory, the greater goes first; of equals the one with the nearer
   * deadline, then the one that came first. Default 0.
   */
  readonly priority?: number | undefined;
  /**
   * Milliseconds from when its turn is first asked for a piece: a call that is not over then rejects with a CapacityError, whether it waits
   * or runs. Default: any number.
   */
  readonly deadlineMs?: number | undefined;
  /**
   * Most tokens to generate, the end token counted; more than the context has left are refused. Where absent: 256 after a `prompt` or
   * `ids`, what the context has left after messages. An answer that meets the end of the context ends with the reason `context`.
   */
  readonly maxTokens?: number | undefined;
  /** Texts that end the answer; they are not part of it. */
  readonly stop?: string | readonly string[] | undefined;
  /** Goes on past end tokens. */
  readonly ignoreEos?: boolean | undefined;
  /** True: log probability of each token. A number (0 to 20): also of that many likeliest tokens. */
  readonly logprobs?: boolean | number | undefined;
  /**
   * Aborting makes the iteration reject with the signal's reason, within one token or one prefill chunk (on the CPU about half a second).
   */
  readonly signal?: CancelSignal | undefined;
  /** Called when prefill begins, with 0 loaded, and after every chunk of it, in tokens. */
  readonly onProgress?: OnProgress | undefined;
}

/** What goes to the chat template beside the messages. */
export interface TemplateOptions {
  /** JSON descriptions of functions, as the template expects them; refused where it reads none. */
  readonly tools?: readonly JsonObject[] | undefined;
  /** Further variables of the template; refused where it does not name them. */
  readonly templateVariables?: Readonly<Record<string, JsonValue>> | undefined;
  /**
   * `canonical`: tools stand in the prompt by name, and their keys in one order, so that the same tools listed in another order find the
   * state that is there. Default `given`: as they are.
   */
  readonly toolOrder?: 'given' | 'canonical' | undefined;
  /** Short for the template variable `enable_thinking`; refused where the template has no such switch and would go on otherwise. */
  readonly thinking?: boolean | undefined;
}

/**
 * What becomes of a conversation that outgrows the context. `error`: a prompt that does not fit, or not with `maxTokens`, is refused
 * with a CapacityError before any work. `slide`: where the prompt leaves less than an eighth of the context (or `maxTokens`) for the
 * answer, the system's messages at the beginning stay and whole oldest turns (a user's message with all that follows it up to the next) are
 * left out of the prompt: as few as free a quarter of the context (or `maxTokens` and an eighth), so that the next slide is some turns
 * away. The last turn always stays; it is refused where it does not fit. {@link FinalPiece.droppedTurns} says how many turns are out.
 */
export type ContextPolicy = 'error' | 'slide';

export interface ConversationOptions extends TemplateOptions {
  /** Default `error`. */
  readonly contextPolicy?: ContextPolicy | undefined;
  /**
   * Name of the dialect that the answer's parts are read by ({@link ModelInfo.dialect}). Default: the model's own, which its chat template
   * and its tokens say.
   */
  readonly dialect?: string | undefined;
}

/** Exactly one of `prompt`, `ids` and `messages`. */
export interface GenerateOptions extends DecodingOptions, ConversationOptions {
  /** Text to continue: gets the model's beginning token where it has one; special tokens in it are plain text. */
  readonly prompt?: string | undefined;
  /** Token ids to continue, as they are. */
  readonly ids?: ArrayLike<number> | undefined;
  /**
   * A conversation to answer, rendered by the model's chat template. Where it ends with an assistant's message, the model goes on with
   * that: its turn is left open, and the answer is what follows.
   */
  readonly messages?: readonly ChatMessage[] | undefined;
  /**
   * How many answers to make, 1 to 64; default 1. The prompt is read once, to a page; answer i has the seed + i; pieces of all of them come
   * as they are made, each with its `index`.
   */
  readonly n?: number | undefined;
  /** As {@link ChatOptions.cachePrompt}. */
  readonly cachePrompt?: boolean | undefined;
}

export interface InfillOptions extends DecodingOptions {
  /** What stands before the text that is wanted. */
  readonly prefix: string;
  /** What stands behind it; may be empty, as may be the prefix. */
  readonly suffix: string;
  /** As {@link ChatOptions.cachePrompt}. */
  readonly cachePrompt?: boolean | undefined;
}

export interface TokenLogprob {
  readonly token: number;
  readonly logprob: number;
}

/** Natural log of the softmax of the model's own logits, before penalties and temperature (as OpenAI). */
export interface ChosenLogprob extends TokenLogprob {
  /** The likeliest tokens, best first; as many as asked for. */
  readonly top: readonly TokenLogprob[];
}

/** New text (empty while it may be the beginning of a stop text, or half a character) and the tokens sampled for it. */
export interface TextPiece {
  /** As the model writes it, marks of thoughts and calls included, control tokens left out. */
  readonly text: string;
  readonly tokens: readonly number[];
  /**
   * What has become certain of the answer with this piece: text, reasoning, and tool calls where `tools` were given. What may be a mark
   * waits, so a part may come in a later piece than its tokens do.
   */
  readonly parts: readonly AnswerPart[];
  /** Which answer it is of, where several were asked for by {@link GenerateOptions.n}; else 0. */
  readonly index: number;
  /** One entry per token, where asked for. */
  readonly logprobs?: readonly ChosenLogprob[] | undefined;
  readonly finishReason?: undefined;
}

/**
 * `stop`: an end token or a stop text. `tool_calls`: the same, and the answer has a whole call. `length`: maxTokens. `context`: prompt and
 * answer fill the context.
 */
export type FinishReason = 'stop' | 'tool_calls' | 'length' | 'context';

/** Where a prompt parted from the one whose state was there. */
export interface CacheBreak {
  /** Position of the first token that differs: what stands before it could be used, to a page (64 tokens) of other calls' prompts. */
  readonly token: number;
  /**
   * What it stands in: the description of tools, a message (with the template's text before it), or what the template puts behind the last
   * one. Undefined for a prompt that is no conversation, and where the template does not let it be told.
   */
  readonly part?: 'tools' | 'message' | 'end' | undefined;
  /** Which of the messages, and its role: a changed `system` is that of a header. */
  readonly message?: number | undefined;
  readonly role?: string | undefined;
}

export interface Usage {
  readonly promptTokens: number;
  /** How many of the prompt's tokens were in the cache already; the rest were prefilled. */
  readonly cachedTokens: number;
  /**
   * What kept more of the prompt from being there: where it first differs from the prompt and answer before it in its chat, or from those
   * of other calls, that begin like it the longest. Undefined where nothing began like it, or all of that could be used.
   */
  readonly cacheBreak?: CacheBreak | undefined;
  /** Sampled tokens, the end token counted. */
  readonly completionTokens: number;
}

export interface Timings {
  /** From the start of this call's turn to its first sampled token. */
  readonly ttftMs: number;
  /** How long the call waited for its first step. */
  readonly queueMs: number;
  readonly prefillMs: number;
  /** Over promptTokens - cachedTokens. */
  readonly prefillTokensPerSecond: number;
  /** All steps after the first sampled token, the reader's own time left out. */
  readonly decodeMs: number;
  /** Over completionTokens - 1; 0 where there was no second token. */
  readonly decodeTokensPerSecond: number;
}

/** The last piece: what was still held back, the end token if there was one, and the figures. */
export interface FinalPiece extends Omit<TextPiece, 'finishReason'> {
  readonly finishReason: FinishReason;
  /** The stop text that ended the answer, if one did. */
  readonly stopText: string | undefined;
  /** Tool calls that the answer began and that are not whole, since it was cut or they are not valid: they have no end in the parts. */
  readonly incompleteCalls: number;
  /** How many of the oldest turns of the conversation, in all, the prompt lacks by contextPolicy `slide`; 0 where none. */
  readonly droppedTurns: number;
  readonly usage: Usage;
  readonly timings: Timings;
  /** Pass it again for the same answer. */
  readonly seed: number;
}

export type Piece = TextPiece | FinalPiece;

/** Runs as it is read. Leaving the loop cancels the rest; errors, those of bad options too, come from the iteration. */
export type Generation = AsyncIterableIterator<Piece>;

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
  /** Most tokens of prompt and answer together, as loaded. */
  readonly contextLength: number;
  /** The most the model was made for. */
  readonly modelContextLength: number;
  readonly device: DeviceKind;
  /** `cpu (2 threads, relaxed SIMD)` */
  readonly deviceDescription: string;
  /** Of keys and values; `q8/q4`: of keys, and of values. */
  readonly kvType: KvChoice;
  /** As it is now: key and value memory grows as it fills. */
  readonly memory: MemoryUse;
  /** What a user should know of the model's files: settings that are not known and so not used. */
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

/** A loaded model. Calls made at the same time share its steps, and its memory. */
export interface Model {
  readonly info: ModelInfo;
  /** Undefined for a model without one, which generates from ids only. */
  readonly tokenizer: Tokenizer | undefined;
  generate(options: GenerateOptions): Generation;
  /**
   * The text between two others, as {@link Model.generate} gives an answer, by the vocabulary's tokens for that (Qwen-Coder, StarCoder,
   * CodeLlama, DeepSeek, Granite). At most 256 tokens where `maxTokens` is absent.
   * @throws InputError, from the iteration, for a model whose vocabulary has no such tokens
   */
  infill(options: InfillOptions): Generation;
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
  /** Stops what runs and frees weights, state and files. Idempotent. */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
