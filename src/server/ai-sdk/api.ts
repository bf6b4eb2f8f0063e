/**
 * The provider interface of Vercel's AI SDK, version 4, as far as a provider of text and embeddings has to write it: by shape alone, so
 * that nobody needs its packages who does not use them. Its own declarations: `@ai-sdk/provider`.
 */
import type { JsonObject } from '../../tensor/checkpoint.ts';
import type { CancelSignal, Platform } from '../../tensor/platform.ts';

/** One of a message's parts; which members it has is its type's. */
export interface PromptPart {
  readonly type: string;
  readonly text?: string | undefined;
  /** Of a file: `image/png`, or `image` where nobody knows more, and its bytes, as base64 too. */
  readonly mediaType?: string | undefined;
  readonly data?: FileData | undefined;
  readonly toolCallId?: string | undefined;
  readonly toolName?: string | undefined;
  readonly input?: unknown;
  readonly output?: { readonly type: string; readonly value?: unknown; readonly reason?: string | undefined } | undefined;
}

export type FileData =
  | { readonly type: 'data'; readonly data: Uint8Array | string }
  | { readonly type: 'url' | 'reference' | 'text' };

export interface PromptMessage {
  readonly role: string;
  readonly content: string | readonly PromptPart[];
}

export interface ProviderTool {
  readonly type: string;
  readonly name: string;
  readonly description?: string | undefined;
  readonly inputSchema?: object | undefined;
  readonly strict?: boolean | undefined;
}

export interface LanguageCallOptions {
  readonly prompt: readonly PromptMessage[];
  readonly maxOutputTokens?: number | undefined;
  readonly temperature?: number | undefined;
  readonly stopSequences?: readonly string[] | undefined;
  readonly topP?: number | undefined;
  readonly topK?: number | undefined;
  readonly presencePenalty?: number | undefined;
  readonly frequencyPenalty?: number | undefined;
  readonly responseFormat?: { readonly type: string; readonly schema?: object | undefined; readonly name?: string | undefined } | undefined;
  readonly seed?: number | undefined;
  readonly tools?: readonly ProviderTool[] | undefined;
  readonly toolChoice?: { readonly type: string; readonly toolName?: string | undefined } | undefined;
  readonly reasoning?: string | undefined;
  readonly includeRawChunks?: boolean | undefined;
  readonly abortSignal?: CancelSignal | undefined;
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined;
  /** Of `ingot`: further parameters of the route, such as `min_p` and `chat_template_kwargs`. */
  readonly providerOptions?: Readonly<Record<string, Readonly<Record<string, unknown>>>> | undefined;
}

export interface FinishReason {
  readonly unified: 'stop' | 'length' | 'tool-calls' | 'error' | 'other';
  readonly raw: string | undefined;
}

export interface TokenUsage {
  readonly inputTokens: {
    readonly total: number | undefined; readonly noCache: number | undefined; readonly cacheRead: number | undefined;
    readonly cacheWrite: number | undefined;
  };
  readonly outputTokens: { readonly total: number | undefined; readonly text: number | undefined; readonly reasoning: number | undefined };
}

export interface ResponseMetadata {
  readonly id: string;
  readonly timestamp: Date;
  readonly modelId: string;
}

export interface ToolCallContent {
  readonly type: 'tool-call';
  readonly toolCallId: string;
  readonly toolName: string;
  /** JSON. */
  readonly input: string;
}

export type AnswerContent = { readonly type: 'text' | 'reasoning'; readonly text: string } | ToolCallContent;

export interface LanguageResult {
  readonly content: AnswerContent[];
  readonly finishReason: FinishReason;
  readonly usage: TokenUsage;
  readonly warnings: never[];
  readonly request: { readonly body: JsonObject };
  readonly response: ResponseMetadata;
}

export type StreamPart =
  | { readonly type: 'stream-start'; readonly warnings: never[] }
  | ({ readonly type: 'response-metadata' } & ResponseMetadata)
  | { readonly type: 'text-start' | 'text-end' | 'reasoning-start' | 'reasoning-end' | 'tool-input-end'; readonly id: string }
  | { readonly type: 'text-delta' | 'reasoning-delta' | 'tool-input-delta'; readonly id: string; readonly delta: string }
  | { readonly type: 'tool-input-start'; readonly id: string; readonly toolName: string }
  | ToolCallContent
  | { readonly type: 'raw'; readonly rawValue: unknown }
  | { readonly type: 'error'; readonly error: unknown }
  | { readonly type: 'finish'; readonly usage: TokenUsage; readonly finishReason: FinishReason };

export interface LanguageModel {
  readonly specificationVersion: 'v4';
  readonly provider: string;
  readonly modelId: string;
  /** None: the server fetches nothing. */
  readonly supportedUrls: Record<string, never>;
  doGenerate(options: LanguageCallOptions): Promise<LanguageResult>;
  doStream(options: LanguageCallOptions): Promise<{
    /** Of {@link StreamPart}. */
    readonly stream: Platform<'ReadableStream'>;
    readonly request: { readonly body: JsonObject };
  }>;
}

export interface EmbeddingCallOptions {
  readonly values: readonly string[];
  readonly dimensions?: number | undefined;
  readonly abortSignal?: CancelSignal | undefined;
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined;
  readonly providerOptions?: LanguageCallOptions['providerOptions'];
}

export interface EmbeddingModel {
  readonly specificationVersion: 'v4';
  readonly provider: string;
  readonly modelId: string;
  readonly maxEmbeddingsPerCall: number;
  readonly supportsParallelCalls: true;
  doEmbed(options: EmbeddingCallOptions): Promise<{
    readonly embeddings: number[][]; readonly usage: { readonly tokens: number }; readonly warnings: never[];
  }>;
}

