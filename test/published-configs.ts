/** The keys and values of config.json files as their authors publish them, for rules that must not stumble over any of them. */
import type { JsonObject } from '../src/tensor/checkpoint.ts';

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

const mistral = (config: JsonObject): JsonObject => ({
  architectures: ['MistralForCausalLM'],
  model_type: 'mistral',
  bos_token_id: 1,
  eos_token_id: 2,
  hidden_act: 'silu',
  hidden_size: 4096,
  initializer_range: 0.02,
  intermediate_size: 14336,
  max_position_embeddings: 32768,
  num_attention_heads: 32,
  num_hidden_layers: 32,
  num_key_value_heads: 8,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: false,
  torch_dtype: 'bfloat16',
  transformers_version: '4.42.0.dev0',
  use_cache: true,
  ...config,
});

const phi3 = (config: JsonObject): JsonObject => ({
  architectures: ['Phi3ForCausalLM'],
  auto_map: { AutoConfig: 'configuration_phi3.Phi3Config', AutoModelForCausalLM: 'modeling_phi3.Phi3ForCausalLM' },
  model_type: 'phi3',
  attention_bias: false,
  attention_dropout: 0.0,
  bos_token_id: 1,
  embd_pdrop: 0.0,
  eos_token_id: 32000,
  hidden_act: 'silu',
  hidden_size: 3072,
  initializer_range: 0.02,
  intermediate_size: 8192,
  num_attention_heads: 32,
  num_hidden_layers: 32,
  num_key_value_heads: 32,
  original_max_position_embeddings: 4096,
  pad_token_id: 32000,
  resid_pdrop: 0.0,
  rms_norm_eps: 1e-5,
  rope_theta: 10000.0,
  tie_word_embeddings: false,
  torch_dtype: 'bfloat16',
  transformers_version: '4.40.2',
  use_cache: true,
  vocab_size: 32064,
  ...config,
});

/** As many factors as a head of 96 has frequencies, in the range of the published ones. */
const LONG_ROPE = {
  long_factor: Array.from({ length: 48 }, (_, i) => 1 + 1.3 * i), short_factor: Array.from({ length: 48 }, (_, i) => 1 + 0.04 * i),
};

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

const olmo = (config: JsonObject): JsonObject => ({
  attention_bias: false, attention_dropout: 0.0, eos_token_id: 100257, hidden_act: 'silu', initializer_range: 0.02, pad_token_id: 100277,
  rms_norm_eps: 1e-6, rope_theta: 500000, tie_word_embeddings: false, torch_dtype: 'bfloat16', use_cache: true, ...config,
});

const OLMO_3_TYPES = Array.from({ length: 64 }, (_, n) => (n % 4 === 3 ? 'full_attention' : 'sliding_attention'));
const OLMO_3_ROPE = {
  attention_factor: 1.2079441541679836, beta_fast: 32.0, beta_slow: 1.0, factor: 8.0, original_max_position_embeddings: 8192,
  rope_type: 'yarn',
};

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

/** But for `quantization_config`: what is written of it in floats, as by Unsloth. */
const gptOss = (config: JsonObject & { readonly num_hidden_layers: number }): JsonObject => ({
  architectures: ['GptOssForCausalLM'], attention_bias: true, attention_dropout: 0.0, eos_token_id: 200002, experts_per_token: 4,
  head_dim: 64, hidden_act: 'silu', hidden_size: 2880, initial_context_length: 4096, initializer_range: 0.02, intermediate_size: 2880,
  layer_types: Array.from({ length: config.num_hidden_layers }, (_, n) => (n % 2 === 0 ? 'sliding_attention' : 'full_attention')),
  max_position_embeddings: 131072, model_type: 'gpt_oss', num_attention_heads: 64, num_experts_per_tok: 4, num_key_value_heads: 8,
  output_router_logits: false, pad_token_id: 199999, rms_norm_eps: 1e-5,
  rope_scaling: {
    beta_fast: 32.0, beta_slow: 1.0, factor: 32.0, original_max_position_embeddings: 4096, rope_type: 'yarn', truncate: false,
  },
  rope_theta: 150000, router_aux_loss_coef: 0.9, sliding_window: 128, swiglu_limit: 7.0, tie_word_embeddings: false,
  transformers_version: '4.55.0.dev0', use_cache: true, vocab_size: 201088, ...config,
});

/** Of gpt-oss as OpenAI publishes it. */
export const MXFP4: JsonObject = {
  modules_to_not_convert: ['model.layers.*.self_attn', 'model.layers.*.mlp.router', 'model.embed_tokens', 'lm_head'], quant_method: 'mxfp4',
};

export const PUBLISHED_CONFIGS: Readonly<Record<string, JsonObject>> = {
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
  'Phi-3 mini 4k': phi3({ max_position_embeddings: 4096, rope_scaling: null, sliding_window: 2047 }),
  'Phi-3 mini 128k, first upload': phi3({
    max_position_embeddings: 131072, rope_scaling: { ...LONG_ROPE, type: 'su' }, sliding_window: 262144,
  }),
  'Phi-3.5 mini': phi3({
    max_position_embeddings: 131072, rope_scaling: { ...LONG_ROPE, type: 'longrope' }, sliding_window: 262144,
  }),
  'Phi-4': phi3({
    auto_map: {}, bos_token_id: 100257, eos_token_id: 100257, hidden_size: 5120, intermediate_size: 17920, max_position_embeddings: 16384,
    num_attention_heads: 40, num_hidden_layers: 40, num_key_value_heads: 10, original_max_position_embeddings: 16384, pad_token_id: 100257,
    rope_scaling: null, rope_theta: 250000, sliding_window: null, vocab_size: 100352,
  }),
  'Phi-4 mini': phi3({
    bos_token_id: 199999, eos_token_id: 199999, full_attn_mod: 1, interpolate_factor: 1, lm_head_bias: false,
    max_position_embeddings: 131072, mlp_bias: false, num_attention_heads: 24, num_key_value_heads: 8, pad_token_id: 199999,
    partial_rotary_factor: 0.75, rope_scaling: { ...LONG_ROPE, type: 'longrope' }, sliding_window: 262144, tie_word_embeddings: true,
    vocab_size: 200064,
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
  'Mistral 7B 0.1': mistral({ rope_theta: 10000.0, sliding_window: 4096, vocab_size: 32000 }),
  'Mistral 7B Instruct 0.3': mistral({ attention_dropout: 0.0, rope_theta: 1000000.0, sliding_window: null, vocab_size: 32768 }),
  'Mistral Nemo': mistral({
    attention_dropout: 0.0, head_dim: 128, hidden_size: 5120, max_position_embeddings: 131072, num_hidden_layers: 40,
    rope_theta: 1000000.0, sliding_window: null, vocab_size: 131072,
  }),
  'Ministral 3 3B, its text part': mistral({
    architectures: ['Ministral3ForCausalLM'], attention_dropout: 0.0, head_dim: 128, hidden_size: 3072, intermediate_size: 9216,
    max_position_embeddings: 262144, model_type: 'ministral3', num_hidden_layers: 26,
    rope_parameters: {
      beta_fast: 32.0, beta_slow: 1.0, factor: 16.0, llama_4_scaling_beta: 0.1, mscale: 1.0, mscale_all_dim: 1.0,
      original_max_position_embeddings: 16384, rope_theta: 1000000.0, rope_type: 'yarn', type: 'yarn',
    },
    sliding_window: null, tie_word_embeddings: true, vocab_size: 131072,
  }),
  'Qwen3 30B-A3B': qwen3Moe({ intermediate_size: 6144, max_window_layers: 48 }),
  'Qwen3 30B-A3B Instruct 2507': qwen3Moe({
    intermediate_size: 6144, max_position_embeddings: 262144, max_window_layers: 48, rope_theta: 10000000,
  }),
  'Qwen3 Coder 30B-A3B': qwen3Moe({
    intermediate_size: 5472, max_position_embeddings: 262144, max_window_layers: 28, qkv_bias: false, rope_theta: 10000000,
    router_aux_loss_coef: 0.0, shared_expert_intermediate_size: 0, use_qk_norm: true,
  }),
  'gpt-oss 20B, in floats': gptOss({ num_hidden_layers: 24, num_local_experts: 32 }),
  'gpt-oss 120B, in floats': gptOss({ num_hidden_layers: 36, num_local_experts: 128 }),
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
  'SmolLM3 3B': {
    architectures: ['SmolLM3ForCausalLM'], attention_bias: false, attention_dropout: 0.0, bos_token_id: 128000, eos_token_id: 128012,
    hidden_act: 'silu', hidden_size: 2048, initializer_range: 0.02, intermediate_size: 11008,
    layer_types: Array.from({ length: 36 }, () => 'full_attention'), max_position_embeddings: 65536, max_window_layers: 28,
    mlp_bias: false, model_type: 'smollm3', no_rope_layer_interval: 4,
    no_rope_layers: Array.from({ length: 36 }, (_, n) => (n % 4 === 3 ? 0 : 1)), num_attention_heads: 16, num_hidden_layers: 36,
    num_key_value_heads: 4, pad_token_id: 128004, pretraining_tp: 2, rms_norm_eps: 1e-6, rope_scaling: null, rope_theta: 5000000.0,
    sliding_window: null, torch_dtype: 'bfloat16', transformers_version: '4.54.0.dev0', use_cache: false, use_sliding_window: false,
    vocab_size: 128256,
  },
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
  'OLMo 2 1B': olmo({
    architectures: ['Olmo2ForCausalLM'], model_type: 'olmo2', hidden_size: 2048, intermediate_size: 8192, max_position_embeddings: 4096,
    num_attention_heads: 16, num_hidden_layers: 16, num_key_value_heads: 16, rope_scaling: null, vocab_size: 100352,
  }),
  'OLMo 3 7B': olmo({
    architectures: ['Olmo3ForCausalLM'], model_type: 'olmo3', hidden_size: 4096, intermediate_size: 11008,
    layer_types: OLMO_3_TYPES.slice(0, 32), max_position_embeddings: 65536, num_attention_heads: 32,
    num_hidden_layers: 32, num_key_value_heads: 32, rope_scaling: OLMO_3_ROPE,
    sliding_window: 4096, vocab_size: 100278,
  }),
  'OLMo 3 32B': olmo({
    architectures: ['Olmo3ForCausalLM'], model_type: 'olmo3', hidden_size: 5120, intermediate_size: 27648, layer_types: OLMO_3_TYPES,
    max_position_embeddings: 65536, num_attention_heads: 40, num_hidden_layers: 64, num_key_value_heads: 8, rope_scaling: OLMO_3_ROPE,
    sliding_window: 4096, vocab_size: 100278,
  }),
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
