/** The names of every call's options; `createModel`'s stand beside it. */
import type { NamesOf } from '../tensor/option-names.ts';
import type {
  ChatOptions,
  ConversationOptions,
  DecodingOptions,
  EmbedOptions,
  ForwardOptions,
  GenerateOptions,
  InfillOptions,
  ReadyOptions,
  RerankOptions,
  SamplingOptions,
  SendOptions,
} from './api.ts';
import type { JsonObject } from '../tensor/checkpoint.ts';
import type { GenerateObjectOptions } from './object-api.ts';
import type { RunToolsOptions } from './tool-api.ts';

const SAMPLING: NamesOf<SamplingOptions> = {
  temperature: true, topK: true, topP: true, minP: true, repetitionPenalty: true, presencePenalty: true, frequencyPenalty: true, seed: true,
};
const DECODING: NamesOf<DecodingOptions> = {
  ...SAMPLING,
  logitBias: true,
  bannedTexts: true,
  format: true,
  maxTokens: true,
  stop: true,
  ignoreEos: true,
  logprobs: true,
  priority: true,
  deadlineMs: true,
  signal: true,
  onProgress: true,
};
const CONVERSATION: NamesOf<ConversationOptions> = {
  tools: true, toolOrder: true, toolChoice: true, templateVariables: true, reasoning: true, contextPolicy: true, dialect: true,
};
const SEND: NamesOf<SendOptions> = { ...DECODING, ...CONVERSATION };
const { signal: _signal, onProgress: _onProgress, ...LASTING } = SEND;

export const GENERATE_NAMES: NamesOf<GenerateOptions> = {
  ...SEND, prompt: true, ids: true, segments: true, messages: true, cachePrompt: true, n: true, echo: true,
};
const { format: _format, n: _n, ignoreEos: _ignoreEos, ...OF_OBJECTS } = GENERATE_NAMES;
export const GENERATE_OBJECT_NAMES: NamesOf<GenerateObjectOptions<JsonObject>> = { ...OF_OBJECTS, schema: true, jsonSchema: true,
  strict: true };
export const INFILL_NAMES: NamesOf<InfillOptions> = { ...DECODING, prefix: true, suffix: true, cachePrompt: true };
export const SEND_NAMES: NamesOf<SendOptions> = SEND;
export const CHAT_NAMES: NamesOf<ChatOptions> = { ...LASTING, system: true, cachePrompt: true };
export const RUN_TOOLS_NAMES: NamesOf<RunToolsOptions> = { ...SEND, messages: true, maxRounds: true, cachePrompt: true };
export const FORWARD_NAMES: NamesOf<ForwardOptions> = { positions: true, hidden: true, signal: true, onProgress: true };
export const EMBED_NAMES: NamesOf<EmbedOptions> = { kind: true, prompt: true, dimensions: true, signal: true, onProgress: true };
export const RERANK_NAMES: NamesOf<RerankOptions> = { instruction: true, signal: true, onProgress: true };
export const READY_NAMES: NamesOf<ReadyOptions> = { signal: true };
