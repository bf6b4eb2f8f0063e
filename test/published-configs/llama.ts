/** Published config.json files of Llama's architecture. */
import type { JsonObject } from '../../src/tensor/checkpoint.ts';

const LLAMA_3_ROPE = {
  factor: 8.0, high_freq_factor: 4.0, low_freq_factor: 1.0, original_max_position_embeddings: 8192, rope_type: 'llama3',
};

const llama = (config: JsonObject): JsonObject => ({
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_act: 'silu',
  initializer_range: 0.02,
  use_cache: true,
  torch_dtype: 'bfloat16',
  transformers_version: '4.43.0.dev0',
  bos_token_id: 1,
  eos_token_id: 2,
  tie_word_embeddings: false,
  rms_norm_eps: 1e-5,
  ...config,
});

export const LLAMA_CONFIGS: Readonly<Record<string, JsonObject>> = {
  'Llama 2 7B': llama({
    _name_or_path: 'meta-llama/Llama-2-7b-hf', hidden_size: 4096, intermediate_size: 11008,
    max_position_embeddings: 4096, num_attention_heads: 32, num_hidden_layers: 32, num_key_value_heads: 32,
    pretraining_tp: 1, rope_scaling: null, torch_dtype: 'float16', vocab_size: 32000,
  }),
  'Llama 2 13B, first upload': llama({
    hidden_size: 5120, intermediate_size: 13824, max_length: 4096, max_position_embeddings: 2048,
    num_attention_heads: 40, num_hidden_layers: 40, num_key_value_heads: 40, pad_token_id: 0, pretraining_tp: 2,
    rope_scaling: null, vocab_size: 32000,
  }),
  'Vicuna 7B': llama({
    hidden_size: 4096, intermediate_size: 11008, max_position_embeddings: 4096, max_sequence_length: 4096,
    num_attention_heads: 32, num_hidden_layers: 32, num_key_value_heads: 32, pad_token_id: 0, pretraining_tp: 1,
    rope_scaling: null, vocab_size: 32000,
  }),
  'Code Llama 7B': llama({
    hidden_size: 4096, intermediate_size: 11008, max_position_embeddings: 16384, num_attention_heads: 32,
    num_hidden_layers: 32, num_key_value_heads: 32, pretraining_tp: 1, rope_scaling: null, rope_theta: 1000000,
    vocab_size: 32016,
  }),
  'Llama 3 8B': llama({
    attention_bias: false, attention_dropout: 0.0, bos_token_id: 128000, eos_token_id: 128001, hidden_size: 4096,
    intermediate_size: 14336, max_position_embeddings: 8192, num_attention_heads: 32, num_hidden_layers: 32,
    num_key_value_heads: 8, pretraining_tp: 1, rope_scaling: null, rope_theta: 500000.0, vocab_size: 128256,
  }),
  'Llama 3.1 8B Instruct': llama({
    attention_bias: false, attention_dropout: 0.0, bos_token_id: 128000, eos_token_id: [128001, 128008, 128009],
    hidden_size: 4096, intermediate_size: 14336, max_position_embeddings: 131072, mlp_bias: false,
    num_attention_heads: 32, num_hidden_layers: 32, num_key_value_heads: 8, pretraining_tp: 1,
    rope_scaling: LLAMA_3_ROPE, rope_theta: 500000.0, vocab_size: 128256,
  }),
  'Llama 3.2 1B': llama({
    attention_bias: false, attention_dropout: 0.0, bos_token_id: 128000, eos_token_id: 128001, head_dim: 64,
    hidden_size: 2048, intermediate_size: 8192, max_position_embeddings: 131072, mlp_bias: false,
    num_attention_heads: 32, num_hidden_layers: 16, num_key_value_heads: 8, pretraining_tp: 1,
    rope_scaling: { ...LLAMA_3_ROPE, factor: 32.0 }, rope_theta: 500000.0, tie_word_embeddings: true,
    vocab_size: 128256,
  }),
  'TinyLlama 1.1B Chat': llama({
    attention_bias: false, hidden_size: 2048, intermediate_size: 5632, max_position_embeddings: 2048,
    num_attention_heads: 32, num_hidden_layers: 22, num_key_value_heads: 4, pretraining_tp: 1, rope_scaling: null,
    rope_theta: 10000.0, vocab_size: 32000,
  }),
  'SmolLM 135M': llama({
    _name_or_path: 'HuggingFaceTB/SmolLM-135M', attention_bias: false, attention_dropout: 0.0, bos_token_id: 0,
    eos_token_id: 0, hidden_size: 576, intermediate_size: 1536, max_position_embeddings: 2048, mlp_bias: false,
    num_attention_heads: 9, num_hidden_layers: 30, num_key_value_heads: 3, pretraining_tp: 1, rope_scaling: null,
    rope_theta: 10000.0, tie_word_embeddings: true, vocab_size: 49152,
  }),
  'SmolLM2 135M Instruct': llama({
    attention_bias: false, attention_dropout: 0.0, hidden_size: 576, intermediate_size: 1536, is_llama_config: true,
    max_position_embeddings: 8192, mlp_bias: false, num_attention_heads: 9, num_hidden_layers: 30,
    num_key_value_heads: 3, pad_token_id: 2, pretraining_tp: 1, rope_interleaved: false, rope_scaling: null,
    rope_theta: 100000, tie_word_embeddings: true, 'transformers.js_config': { kv_cache_dtype: { q4f16: 'float16' } },
    vocab_size: 49152,
  }),
  'Yi 34B': llama({
    hidden_size: 7168, intermediate_size: 20480, max_position_embeddings: 4096, num_attention_heads: 56,
    num_hidden_layers: 60, num_key_value_heads: 8, pad_token_id: 0, pretraining_tp: 1, rope_scaling: null,
    rope_theta: 5000000.0, vocab_size: 64000,
  }),
  'DeepSeek Coder 6.7B': llama({
    bos_token_id: 32013, eos_token_id: 32021, hidden_size: 4096, intermediate_size: 11008,
    max_position_embeddings: 16384, num_attention_heads: 32, num_hidden_layers: 32, num_key_value_heads: 32,
    pretraining_tp: 1, rms_norm_eps: 1e-6, rope_scaling: { factor: 4.0, type: 'linear' }, rope_theta: 100000,
    vocab_size: 32256,
  }),
  'DeepSeek R1 Distill Llama 8B': llama({
    attention_bias: false, attention_dropout: 0.0, bos_token_id: 128000, eos_token_id: 128001, hidden_size: 4096,
    intermediate_size: 14336, max_position_embeddings: 131072, mlp_bias: false, num_attention_heads: 32,
    num_hidden_layers: 32, num_key_value_heads: 8, pretraining_tp: 1, rope_scaling: LLAMA_3_ROPE, rope_theta: 500000.0,
    vocab_size: 128256,
  }),
  'a fine-tune by Unsloth': llama({
    _attn_implementation_autoset: true, attention_bias: false, attention_dropout: 0.0, hidden_size: 2048,
    intermediate_size: 8192, max_position_embeddings: 131072, mlp_bias: false, num_attention_heads: 32,
    num_hidden_layers: 16, num_key_value_heads: 8, pad_token_id: 128004, pretraining_tp: 1, rope_scaling: LLAMA_3_ROPE,
    rope_theta: 500000.0, unsloth_fixed: true, unsloth_version: '2025.3.19', vocab_size: 128256,
  }),
  'a merge that names no window': llama({
    hidden_size: 4096, intermediate_size: 14336, max_position_embeddings: 32768, num_attention_heads: 32,
    num_hidden_layers: 32, num_key_value_heads: 8, rope_theta: 10000.0, sliding_window: null, vocab_size: 32000,
  }),
  'Llama saved by transformers 5': llama({
    attention_bias: false, attention_dropout: 0.0, dtype: 'float32', head_dim: 20, hidden_size: 64,
    intermediate_size: 96, max_position_embeddings: 512, mlp_bias: false, num_attention_heads: 4, num_hidden_layers: 3,
    num_key_value_heads: 2, pad_token_id: 0, pretraining_tp: 1,
    rope_parameters: { ...LLAMA_3_ROPE, rope_theta: 10000.0 }, vocab_size: 160,
  }),
};
