/** Published config.json files of Mistral, Phi, SmolLM3, OLMo and gpt-oss. */
import type { JsonObject } from '../../src/tensor/checkpoint.ts';

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

const olmo = (config: JsonObject): JsonObject => ({
  attention_bias: false, attention_dropout: 0.0, eos_token_id: 100257, hidden_act: 'silu', initializer_range: 0.02, pad_token_id: 100277,
  rms_norm_eps: 1e-6, rope_theta: 500000, tie_word_embeddings: false, torch_dtype: 'bfloat16', use_cache: true, ...config,
});

const OLMO_3_TYPES = Array.from({ length: 64 }, (_, n) => (n % 4 === 3 ? 'full_attention' : 'sliding_attention'));

const OLMO_3_ROPE = {
  attention_factor: 1.2079441541679836, beta_fast: 32.0, beta_slow: 1.0, factor: 8.0, original_max_position_embeddings: 8192,
  rope_type: 'yarn',
};

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

export const OTHER_CONFIGS: Readonly<Record<string, JsonObject>> = {
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
  'gpt-oss 20B, in floats': gptOss({ num_hidden_layers: 24, num_local_experts: 32 }),
  'gpt-oss 120B, in floats': gptOss({ num_hidden_layers: 36, num_local_experts: 128 }),
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
};
