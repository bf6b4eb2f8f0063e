/** Published config.json files of Gemma. */
import type { JsonObject } from '../../src/tensor/checkpoint.ts';

/** Of `period` layers the last sees all. */
const gemma4 = (period: number, config: JsonObject & { num_hidden_layers: number }): JsonObject => ({
  model_type: 'gemma4_text', attention_bias: false, attention_dropout: 0.0, bos_token_id: 2, dtype: 'bfloat16', enable_moe_block: false,
  eos_token_id: 1, expert_intermediate_size: null, final_logit_softcapping: 30.0, global_head_dim: 512, head_dim: 256,
  hidden_activation: 'gelu_pytorch_tanh', initializer_range: 0.02, num_experts: null, pad_token_id: 0, rms_norm_eps: 1e-6,
  rope_parameters: {
    full_attention: { partial_rotary_factor: 0.25, rope_theta: 1000000.0, rope_type: 'proportional' },
    sliding_attention: { rope_theta: 10000.0, rope_type: 'default' },
  },
  tie_word_embeddings: true, top_k_experts: null, use_cache: true, vocab_size: 262144, vocab_size_per_layer_input: 262144,
  layer_types: Array.from({ length: config.num_hidden_layers }, (_, n) => `${(n + 1) % period === 0 ? 'full' : 'sliding'}_attention`),
  ...config,
});

const gemma3 = (config: JsonObject): JsonObject => ({ model_type: 'gemma3_text', ...config });

const GEMMA_3_ROPE = { factor: 8.0, rope_type: 'linear' };

/** Of the small ones, whose config.json says all. */
const SMALL_GEMMA_3 = {
  architectures: ['Gemma3ForCausalLM'], attention_bias: false, attention_dropout: 0.0, attn_logit_softcapping: null, bos_token_id: 2,
  cache_implementation: 'hybrid', eos_token_id: [1, 106], final_logit_softcapping: null, head_dim: 256,
  hidden_activation: 'gelu_pytorch_tanh', initializer_range: 0.02, max_position_embeddings: 32768,
  num_attention_heads: 4, num_key_value_heads: 1, pad_token_id: 0,
  query_pre_attn_scalar: 256, rms_norm_eps: 1e-6, rope_local_base_freq: 10000, rope_scaling: null, rope_theta: 1000000, sliding_window: 512,
  torch_dtype: 'bfloat16', transformers_version: '4.50.0.dev0', use_cache: true, vocab_size: 262144,
};

export const GEMMA_CONFIGS: Readonly<Record<string, JsonObject>> = {
  'Gemma 4 E2B, its text part': gemma4(5, {
    attention_k_eq_v: false, hidden_size: 1536, hidden_size_per_layer_input: 256, intermediate_size: 6144, max_position_embeddings: 131072,
    num_attention_heads: 8, num_global_key_value_heads: null, num_hidden_layers: 35, num_key_value_heads: 1, num_kv_shared_layers: 20,
    sliding_window: 512, use_bidirectional_attention: null, use_double_wide_mlp: true,
  }),
  'Gemma 4 E4B, its text part': gemma4(6, {
    attention_k_eq_v: false, hidden_size: 2560, hidden_size_per_layer_input: 256, intermediate_size: 10240, max_position_embeddings: 131072,
    num_attention_heads: 8, num_global_key_value_heads: null, num_hidden_layers: 42, num_key_value_heads: 2, num_kv_shared_layers: 18,
    sliding_window: 512, use_bidirectional_attention: null, use_double_wide_mlp: false,
  }),
  'Gemma 4 31B, its text part': gemma4(6, {
    attention_k_eq_v: true, hidden_size: 5376, hidden_size_per_layer_input: 0, intermediate_size: 21504, max_position_embeddings: 262144,
    num_attention_heads: 32, num_global_key_value_heads: 4, num_hidden_layers: 60, num_key_value_heads: 16, num_kv_shared_layers: 0,
    sliding_window: 1024, use_bidirectional_attention: 'vision', use_double_wide_mlp: false,
  }),
  'Gemma 4 26B-A4B, its text part': gemma4(6, {
    attention_k_eq_v: true, enable_moe_block: true, hidden_size: 2816, hidden_size_per_layer_input: 0, intermediate_size: 2112,
    max_position_embeddings: 262144, moe_intermediate_size: 704, num_attention_heads: 16, num_experts: 128, num_global_key_value_heads: 2,
    num_hidden_layers: 30, num_key_value_heads: 8, num_kv_shared_layers: 0, sliding_window: 1024, top_k_experts: 8,
    use_bidirectional_attention: 'vision', use_double_wide_mlp: false,
  }),
  'Gemma 3 270M': gemma3({
    ...SMALL_GEMMA_3, _sliding_window_pattern: 6, hidden_size: 640, intermediate_size: 2048, num_hidden_layers: 18,
    layer_types: Array.from({ length: 18 }, (_, n) => (n % 6 === 5 ? 'full_attention' : 'sliding_attention')),
    use_bidirectional_attention: false,
  }),
  'Gemma 3 1B': gemma3({
    ...SMALL_GEMMA_3, hidden_size: 1152, intermediate_size: 6912, num_hidden_layers: 26, sliding_window_pattern: 6,
  }),
  'Gemma 3 4B, its text part': gemma3({
    hidden_size: 2560, intermediate_size: 10240, num_hidden_layers: 34, rope_scaling: GEMMA_3_ROPE, sliding_window: 1024,
  }),
  'Gemma 3 27B, its text part': gemma3({
    head_dim: 128, hidden_size: 5376, intermediate_size: 21504, num_attention_heads: 32, num_hidden_layers: 62, num_key_value_heads: 16,
    query_pre_attn_scalar: 168, rope_scaling: GEMMA_3_ROPE, sliding_window: 1024,
  }),
};
