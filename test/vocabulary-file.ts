/** Makes GGUF files that hold a vocabulary and no tensors. */
import { encodeGgufHeader } from '../src/files/gguf-encoder.ts';
import { float32, int32s, string, strings, uint32 } from '../src/tensor/gguf-value.ts';
import type { GgufMetadata, GgufValue } from '../src/tensor/gguf-value.ts';

export interface VocabularyFileOptions {
  readonly model: string;
  readonly pre?: string | undefined;
  readonly tokens: readonly string[];
  readonly merges?: readonly string[] | undefined;
  readonly scores?: readonly number[] | undefined;
  readonly types?: readonly number[] | undefined;
  /** Further keys, or other values for those above. */
  readonly more?: Readonly<Record<string, GgufValue>> | undefined;
}

export function vocabularyFile({ model, pre, tokens, merges, scores, types, more = {} }: VocabularyFileOptions): Uint8Array {
  const metadata: GgufMetadata = new Map([
    ['general.architecture', string('llama')],
    ['general.name', string('test')],
    ['llama.block_count', uint32(1)],
    ['llama.context_length', uint32(64)],
    ['llama.embedding_length', uint32(32)],
    ['llama.feed_forward_length', uint32(32)],
    ['llama.attention.head_count', uint32(1)],
    ['llama.attention.layer_norm_rms_epsilon', float32(1e-5)],
    ['tokenizer.ggml.model', string(model)],
    ['tokenizer.ggml.tokens', strings(tokens)],
    ['tokenizer.ggml.token_type', int32s(types ?? tokens.map(() => 1))],
  ]);
  if (pre !== undefined) metadata.set('tokenizer.ggml.pre', string(pre));
  if (merges !== undefined) metadata.set('tokenizer.ggml.merges', strings(merges));
  if (scores !== undefined) metadata.set('tokenizer.ggml.scores', { type: 'array', itemType: 'float32', value: scores });
  for (const [key, value] of Object.entries(more)) metadata.set(key, value);
  return encodeGgufHeader(metadata, [], 32).slice();
}

