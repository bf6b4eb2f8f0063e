/** Published config.json files of LFM2. */
import type { JsonObject } from '../../src/tensor/checkpoint.ts';

/** As the folders of 2025 have it; those of LFM2.5 name layers by type, and the rotation as an object. */
const lfm2 = (config: JsonObject): JsonObject => ({
  architectures: ['Lfm2ForCausalLM'], model_type: 'lfm2', block_auto_adjust_ff_dim: true, block_ffn_dim_multiplier: 1.0,
  block_mlp_init_scale: 1.0, block_multiple_of: 256, block_norm_eps: 1e-5, block_out_init_scale: 1.0, block_use_swiglu: true,
  block_use_xavier_init: true, bos_token_id: 1, conv_L_cache: 3, conv_bias: false, conv_use_xavier_init: true, eos_token_id: 7,
  initializer_range: 0.02, max_position_embeddings: 128000, norm_eps: 1e-5, num_hidden_layers: 16, num_key_value_heads: 8, pad_token_id: 0,
  use_cache: true, use_pos_enc: true, vocab_size: 65536, ...config,
});

const LFM2_ATTENTION = [2, 5, 8, 10, 12, 14];

const LFM2_5: JsonObject = {
  dtype: 'bfloat16', full_attn_idxs: null, rope_parameters: { rope_theta: 1000000.0, rope_type: 'default' },
  layer_types: Array.from({ length: 16 }, (_, n) => (LFM2_ATTENTION.includes(n) ? 'full_attention' : 'conv')), tie_word_embeddings: true,
};

const LFM2_MOE_ATTENTION = [2, 6, 10, 14, 18, 21];

const lfm2Moe = (config: JsonObject): JsonObject => ({
  architectures: ['Lfm2MoeForCausalLM'], bos_token_id: 1, conv_L_cache: 3, conv_bias: false, dtype: 'bfloat16', eos_token_id: 7,
  hidden_size: 2048, initializer_range: 0.02, intermediate_size: 7168,
  layer_types: Array.from({ length: 24 }, (_, n) => (LFM2_MOE_ATTENTION.includes(n) ? 'full_attention' : 'conv')),
  max_position_embeddings: 128000, model_type: 'lfm2_moe', moe_intermediate_size: 1792, norm_eps: 1e-5, norm_topk_prob: true,
  num_attention_heads: 32, num_dense_layers: 2, num_experts: 32, num_experts_per_tok: 4, num_hidden_layers: 24, num_key_value_heads: 8,
  pad_token_id: 0, routed_scaling_factor: 1.0, use_cache: true, use_expert_bias: true, vocab_size: 65536, ...config,
});

export const LFM2_CONFIGS: Readonly<Record<string, JsonObject>> = {
  'LFM2 350M': lfm2({
    block_dim: 1024, block_ff_dim: 6656, conv_dim: 1024, conv_dim_out: 1024, full_attn_idxs: LFM2_ATTENTION, hidden_size: 1024,
    num_attention_heads: 16, num_heads: 16, rope_theta: 1000000.0, theta: 1000000.0, tie_embedding: true, torch_dtype: 'bfloat16',
  }),
  // Its sizes in the form of the other two.
  'LFM2 700M': lfm2({
    block_dim: 1536, block_ff_dim: 10240, conv_dim: 1536, conv_dim_out: 1536, full_attn_idxs: LFM2_ATTENTION, hidden_size: 1536,
    num_attention_heads: 24, num_heads: 24, rope_theta: 1000000.0, theta: 1000000.0, tie_embedding: true, torch_dtype: 'bfloat16',
  }),
  'LFM2 1.2B': lfm2({
    block_dim: 2048, block_ff_dim: 12288, conv_dim: 2048, conv_dim_out: 2048, full_attn_idxs: LFM2_ATTENTION, hidden_size: 2048,
    num_attention_heads: 32, num_heads: 32, rope_theta: 1000000.0, tie_embedding: true, torch_dtype: 'bfloat16',
  }),
  'LFM2.5 350M': lfm2({
    ...LFM2_5, block_dim: 1024, block_ff_dim: 6656, conv_dim: 1024, hidden_size: 1024, intermediate_size: 6656, num_attention_heads: 16,
    tie_embedding: true,
  }),
  'LFM2.5 1.2B': lfm2({
    ...LFM2_5, block_dim: 2048, conv_dim: 2048, hidden_size: 2048, intermediate_size: 12288, num_attention_heads: 32, num_heads: 32,
    transformers_version: '5.0.0',
  }),
  'LFM2 8B-A1B': lfm2Moe({ rope_theta: 1000000.0, transformers_version: '4.57.0.dev0' }),
  'LFM2.5 8B-A1B': lfm2Moe({
    bos_token_id: 124894, eos_token_id: 124900, rope_parameters: { rope_theta: 5000000.0, rope_type: 'default' }, rope_theta: 5000000.0,
    tie_word_embeddings: true, vocab_size: 124928,
  }),
};
