/** Published config.json files of Qwen. */
import type { JsonObject } from '../../src/tensor/checkpoint.ts';

const qwen3 = (config: JsonObject): JsonObject => ({
  architectures: ['Qwen3ForCausalLM'],
  model_type: 'qwen3',
  attention_bias: false,
  attention_dropout: 0.0,
  bos_token_id: 151643,
  eos_token_id: 151645,
  head_dim: 128,
  hidden_act: 'silu',
  initializer_range: 0.02,
  max_position_embeddings: 40960,
  rms_norm_eps: 1e-6,
  rope_scaling: null,
  rope_theta: 1000000,
  sliding_window: null,
  torch_dtype: 'bfloat16',
  transformers_version: '4.51.0',
  use_cache: true,
  use_sliding_window: false,
  vocab_size: 151936,
  num_key_value_heads: 8,
  ...config,
});

const qwen3Moe = (config: JsonObject): JsonObject =>
  qwen3({
    architectures: ['Qwen3MoeForCausalLM'], decoder_sparse_step: 1, hidden_size: 2048, mlp_only_layers: [], model_type: 'qwen3_moe',
    moe_intermediate_size: 768, norm_topk_prob: true, num_attention_heads: 32, num_experts: 128, num_experts_per_tok: 8,
    num_hidden_layers: 48, num_key_value_heads: 4, output_router_logits: false, router_aux_loss_coef: 0.001, tie_word_embeddings: false,
    ...config,
  });

const qwen35 = (config: JsonObject & { readonly num_hidden_layers: number }): JsonObject => ({
  attention_bias: false, attention_dropout: 0.0, attn_output_gate: true, dtype: 'bfloat16', eos_token_id: 248044,
  full_attention_interval: 4, head_dim: 256, hidden_act: 'silu', initializer_range: 0.02,
  layer_types: Array.from({ length: config.num_hidden_layers }, (_, n) => (n % 4 === 3 ? 'full_attention' : 'linear_attention')),
  linear_conv_kernel_dim: 4, linear_key_head_dim: 128, linear_num_key_heads: 16, linear_value_head_dim: 128,
  mamba_ssm_dtype: 'float32', max_position_embeddings: 262144, mlp_only_layers: [], model_type: 'qwen3_5_text', mtp_num_hidden_layers: 1,
  mtp_use_dedicated_embeddings: false, num_key_value_heads: 4, rms_norm_eps: 1e-6,
  rope_parameters: {
    mrope_interleaved: true, mrope_section: [11, 11, 10], partial_rotary_factor: 0.25, rope_theta: 10000000, rope_type: 'default',
  },
  use_cache: true, vocab_size: 248320,
  ...config,
});

const qwen2 = (config: JsonObject): JsonObject => ({
  architectures: ['Qwen2ForCausalLM'],
  model_type: 'qwen2',
  attention_dropout: 0.0,
  bos_token_id: 151643,
  eos_token_id: 151645,
  hidden_act: 'silu',
  initializer_range: 0.02,
  max_position_embeddings: 32768,
  rms_norm_eps: 1e-6,
  rope_theta: 1000000.0,
  sliding_window: 32768,
  torch_dtype: 'bfloat16',
  transformers_version: '4.43.1',
  use_cache: true,
  use_sliding_window: false,
  vocab_size: 151936,
  ...config,
});

export const QWEN_CONFIGS: Readonly<Record<string, JsonObject>> = {
  'Qwen3 0.6B': qwen3({
    hidden_size: 1024, intermediate_size: 3072, max_window_layers: 28, num_attention_heads: 16, num_hidden_layers: 28,
    tie_word_embeddings: true,
  }),
  'Qwen3 4B': qwen3({
    hidden_size: 2560, intermediate_size: 9728, max_window_layers: 36, num_attention_heads: 32, num_hidden_layers: 36,
    tie_word_embeddings: true,
  }),
  'Qwen3 4B Instruct 2507': qwen3({
    hidden_size: 2560, intermediate_size: 9728, max_position_embeddings: 262144, max_window_layers: 36,
    num_attention_heads: 32, num_hidden_layers: 36, rope_theta: 5000000, tie_word_embeddings: true,
  }),
  'Qwen3 8B': qwen3({
    hidden_size: 4096, intermediate_size: 12288, max_window_layers: 36, num_attention_heads: 32, num_hidden_layers: 36,
    tie_word_embeddings: false,
  }),
  'Qwen3 14B': qwen3({
    hidden_size: 5120, intermediate_size: 17408, max_window_layers: 40, num_attention_heads: 40, num_hidden_layers: 40,
    tie_word_embeddings: false,
  }),
  'Qwen3 32B': qwen3({
    hidden_size: 5120, intermediate_size: 25600, max_window_layers: 64, num_attention_heads: 64, num_hidden_layers: 64,
    tie_word_embeddings: false,
  }),
  'Qwen3 Embedding 0.6B': qwen3({
    architectures: ['Qwen3ForCausalLM'], bos_token_id: 151643, eos_token_id: 151643, hidden_size: 1024,
    intermediate_size: 3072, max_position_embeddings: 32768, max_window_layers: 28, num_attention_heads: 16,
    num_hidden_layers: 28, tie_word_embeddings: true, vocab_size: 151669,
  }),
  'Qwen3 saved by transformers 5': qwen3({
    dtype: 'bfloat16', hidden_size: 1024, intermediate_size: 3072,
    layer_types: Array.from({ length: 28 }, () => 'full_attention'), max_window_layers: 28, num_attention_heads: 16,
    num_hidden_layers: 28, pad_token_id: null, rope_parameters: { rope_theta: 1000000, rope_type: 'default' },
    tie_word_embeddings: true,
  }),
  'Qwen2 0.5B': qwen2({
    hidden_size: 896, intermediate_size: 4864, max_position_embeddings: 131072, max_window_layers: 24, num_attention_heads: 14,
    num_hidden_layers: 24, num_key_value_heads: 2, sliding_window: 131072, tie_word_embeddings: true, use_mrope: false,
  }),
  'Qwen2.5 1.5B Instruct': qwen2({
    hidden_size: 1536, intermediate_size: 8960, max_window_layers: 21, num_attention_heads: 12, num_hidden_layers: 28,
    num_key_value_heads: 2, tie_word_embeddings: true,
  }),
  'Qwen2.5 7B Instruct': qwen2({
    hidden_size: 3584, intermediate_size: 18944, max_window_layers: 28, num_attention_heads: 28, num_hidden_layers: 28,
    num_key_value_heads: 4, sliding_window: 131072, tie_word_embeddings: false, vocab_size: 152064,
  }),
  'Qwen2.5 7B Instruct, with the scaling that its page names': qwen2({
    hidden_size: 3584, intermediate_size: 18944, max_window_layers: 28, num_attention_heads: 28, num_hidden_layers: 28,
    num_key_value_heads: 4, rope_scaling: { factor: 4.0, original_max_position_embeddings: 32768, type: 'yarn' }, sliding_window: 131072,
    tie_word_embeddings: false, vocab_size: 152064,
  }),
  'Qwen3 30B-A3B': qwen3Moe({ intermediate_size: 6144, max_window_layers: 48 }),
  'Qwen3 30B-A3B Instruct 2507': qwen3Moe({
    intermediate_size: 6144, max_position_embeddings: 262144, max_window_layers: 48, rope_theta: 10000000,
  }),
  'Qwen3 Coder 30B-A3B': qwen3Moe({
    intermediate_size: 5472, max_position_embeddings: 262144, max_window_layers: 28, qkv_bias: false, rope_theta: 10000000,
    router_aux_loss_coef: 0.0, shared_expert_intermediate_size: 0, use_qk_norm: true,
  }),
  'Qwen3.5 4B, its text part': qwen35({
    hidden_size: 2560, intermediate_size: 9216, num_attention_heads: 16, num_hidden_layers: 32, linear_num_value_heads: 32,
    tie_word_embeddings: true,
  }),
  'Qwen3.6 27B, its text part': qwen35({
    hidden_size: 5120, intermediate_size: 17408, num_attention_heads: 24, num_hidden_layers: 64, linear_num_value_heads: 48,
    output_gate_type: 'swish', partial_rotary_factor: 0.25, pad_token_id: null, tie_word_embeddings: false,
  }),
  'Qwen3.5 35B-A3B, its text part': qwen35({
    hidden_size: 2048, model_type: 'qwen3_5_moe_text', moe_intermediate_size: 512, num_attention_heads: 16, num_experts: 256,
    num_experts_per_tok: 8, num_hidden_layers: 40, num_key_value_heads: 2, linear_num_value_heads: 32, output_router_logits: false,
    router_aux_loss_coef: 0.001, shared_expert_intermediate_size: 512, tie_word_embeddings: false,
  }),
  'Qwen3.6 35B-A3B, its text part': qwen35({
    bos_token_id: 248044, hidden_size: 2048, model_type: 'qwen3_5_moe_text', moe_intermediate_size: 512, num_attention_heads: 16,
    num_experts: 256, num_experts_per_tok: 8, num_hidden_layers: 40, num_key_value_heads: 2, linear_num_value_heads: 32,
    output_gate_type: 'swish', output_router_logits: false, pad_token_id: null, partial_rotary_factor: 0.25,
    router_aux_loss_coef: 0.001, shared_expert_intermediate_size: 512, tie_word_embeddings: false,
  }),
};
