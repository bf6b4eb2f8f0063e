/** The keys of config.json and GGUF metadata that decoders of Llama's layout have, and what becomes of each (setting-table.ts). */
import type { Checkpoint } from '../tensor/checkpoint.ts';
import type { DecoderConfig } from './decoder-config.ts';
import type { RopeConfig, RopeScaling } from './rope-frequencies.ts';
import { matcherOf } from './setting-table.ts';
import type { SettingTable } from './setting-table.ts';

const HF_OBEYED = [
  'model_type', 'vocab_size', 'max_position_embeddings', 'hidden_size', 'num_hidden_layers', 'num_attention_heads', 'num_key_value_heads',
  'head_dim', 'intermediate_size', 'rms_norm_eps', 'tie_word_embeddings', 'attention_bias', 'mlp_bias', 'is_causal', 'use_sliding_window',
  'layer_types', 'original_max_position_embeddings',
];

/** What each kind of scaling reads of its object. */
const HF_ROPE_KEYS: Readonly<Record<RopeScaling['kind'], readonly string[]>> = {
  none: [],
  linear: ['factor'],
  llama3: ['factor', 'low_freq_factor', 'high_freq_factor', 'original_max_position_embeddings'],
  yarn: [
    'factor', 'original_max_position_embeddings', 'beta_fast', 'beta_slow', 'truncate', 'attention_factor', 'mscale', 'mscale_all_dim',
  ],
  longrope: ['factor', 'original_max_position_embeddings', 'short_factor', 'long_factor', 'attention_factor'],
  proportional: ['factor', 'partial_rotary_factor'],
};

/** What a rotation reads of the object `object` of config.json: `rope_parameters.full_attention` where layers turn by their types. */
export function ropeKeys(object: string, { scaling }: RopeConfig): readonly string[] {
  const keys = ['rope_type', 'type', 'rope_theta', 'factor', 'original_max_position_embeddings', ...HF_ROPE_KEYS[scaling.kind]];
  return keys.map((key) => `${object}.${key}`);
}

/** Biases need no key: their tensors say it. `pretraining_tp` cuts products into parts with the same sum. */
const HF_HARMLESS = [
  // Names and versions.
  'architectures', 'name', 'name_or_path', 'transformers_version', 'transformers.js_config', 'auto_map', 'dtype', 'torch_dtype',
  'unsloth*', '_*',
  'model_max_length', 'is_llama_config',
  // Training and how code of others runs the model.
  'initializer_range', 'initializer_factor', 'attention_dropout', 'attn_pdrop', 'resid_pdrop', 'embd_pdrop', 'hidden_dropout',
  'hidden_dropout_prob',
  'attention_probs_dropout_prob', 'residual_dropout', 'classifier_dropout', 'gradient_checkpointing', 'use_cache', 'cache_implementation',
  'pretraining_tp',
  'output_attentions', 'output_hidden_states', 'output_scores', 'output_router_logits', 'router_aux_loss_coef', 'return_dict',
  'return_dict_in_generate',
  'torchscript', 'use_bfloat16', 'attn_implementation', 'use_flash_attn*', 'use_flash_attention*', 'flash_attention', 'fused_*',
  'chunk_size_feed_forward',
  'is_decoder', 'tie_encoder_decoder', 'pruned_heads', 'max_sequence_length', 'seq_length', 'neftune_noise_alpha',
  'attention_in_bias', 'attention_out_bias', 'qkv_bias', 'use_bias', 'bias', 'num_experts_per_tok', 'use_qkv_bias', 'max_window_layers',
  // Text and sampling.
  'bos_token_id', 'eos_token_id', 'pad_token_id', 'unk_token_id', 'sep_token_id', 'cls_token_id', 'mask_token_id',
  'decoder_start_token_id', 'pad_token',
  'bos_token', 'eos_token', 'tokenizer*', 'vocab_file', 'prefix', 'id2label', 'label2id', 'num_labels', 'problem_type', 'finetuning_task',
  'task_specific_params',
  'do_sample', 'temperature', 'top_k', 'top_p', 'min_p', 'typical_p', 'repetition_penalty', 'diversity_penalty', 'length_penalty',
  'max_length', 'min_length',
  'max_new_tokens', 'num_beams', 'num_beam_groups', 'num_return_sequences', 'early_stopping', 'no_repeat_ngram_size',
  'encoder_no_repeat_ngram_size',
  'bad_words_ids', 'suppress_tokens', 'begin_suppress_tokens', 'forced_bos_token_id', 'forced_eos_token_id',
  'exponential_decay_length_penalty',
  'remove_invalid_values', 'tf_legacy_loss', 'cross_attention_hidden_size', 'rope_scaling.finetuned',
];

function hfNeutral({ headDim, dim, rope }: DecoderConfig) {
  const inRope = (keys: Record<string, readonly (number | string | boolean)[]>) =>
    Object.fromEntries([
      'rope_scaling', 'rope_parameters',
    ].flatMap((object) => Object.entries(keys).map(([key, values]) => [`${object}.${key}`, values])));
  return {
    // Beside another base in `rope_parameters`, which is the one that counts.
    rope_theta: [rope.theta],
    hidden_act: ['silu', 'swish'], hidden_activation: ['silu', 'swish'], activation_function: ['silu', 'swish'],
    attention_multiplier: [headDim ** -0.5], query_pre_attn_scalar: [headDim], attn_logit_softcapping: [0], final_logit_softcapping: [0],
    logits_scaling: [1], logit_scale: [1], embedding_multiplier: [1], residual_multiplier: [1], embedding_scale: [1], residual_scale: [1],
    scale_emb: [1], scale_depth: [], dim_model_base: [dim], 'mup_*': [1], use_mup: [], lm_head_multiplier: [1],
    partial_rotary_factor: [1], rotary_pct: [1], rotary_dim: [headDim], rope_interleaved: [], rope_interleave: [], rope_local_base_freq: [],
    no_rope_layers: [1], no_rope_layer_interval: [0], use_mrope: [], mrope_section: [], position_embedding_type: ['rope', 'rotary'],
    alibi: [], use_alibi: [], parallel_attn: [], parallel_residual: [], use_parallel_residual: [], clip_qkv: [0],
    attn_temperature_tuning: [], attention_chunk_size: [], swiglu_limit: [], q_lora_rank: [], kv_lora_rank: [], v_head_dim: [headDim],
    num_experts: [0], num_local_experts: [0], n_routed_experts: [0], num_nextn_predict_layers: [0], block_configs: [],
    num_key_value_heads_per_layer: [],
    quantization_config: [], quantization: [], compression_config: [], is_encoder_decoder: [], add_cross_attention: [],
    cross_attention_layers: [],
    use_bidirectional_attention: [],
    ...inRope({
      attention_factor: [1], partial_rotary_factor: [1], mrope_section: [], mrope_interleaved: [], 'full_attention.*': [],
      'sliding_attention.*': [],
    }),
  } as const satisfies SettingTable['neutral'];
}

const GGUF_OBEYED = [
  'vocab_size', 'context_length', 'embedding_length', 'block_count', 'feed_forward_length', 'attention.head_count',
  'attention.head_count_kv',
  'attention.key_length', 'attention.value_length', 'attention.layer_norm_rms_epsilon', 'attention.causal', 'attention.sliding_window',
  'attention.sliding_window_pattern', 'rope.dimension_count', 'rope.freq_base', 'rope.scaling.type', 'rope.scaling.factor',
  'rope.scale_linear',
  'rope.scaling.attn_factor', 'rope.scaling.truncate',
];

/** What YaRN reads is of no use to the other kinds of scaling, which have their own type; its own factor is reckoned from the others. */
const GGUF_HARMLESS = [
  'rope.scaling.original_context_length', 'rope.scaling.finetuned', 'rope.scaling.yarn_*', 'pooling_type',
  'dense_2_feat_*', 'dense_3_feat_*',
  'classifier.*', 'expert_used_count', 'expert_group_count', 'expert_group_used_count', 'expert_group_scale', 'expert_weights_norm',
  'expert_weights_scale', 'expert_gating_func',
];

function ggufNeutral({ headDim, dim, rmsEps, rope }: DecoderConfig) {
  return {
    tensor_data_layout: ['reference'], hidden_activation: ['silu', 'swish'], use_parallel_residual: [], embedding_length_out: [0, dim],
    expert_count: [0], expert_shared_count: [0], expert_feed_forward_length: [0], expert_shared_feed_forward_length: [0],
    leading_dense_block_count: [0],
    interleave_moe_layer_step: [0], moe_every_n_layers: [0], nextn_predict_layers: [0], full_attention_interval: [0, 1], num_loops: [0, 1],
    logit_scale: [0, 1], residual_scale: [0, 1], embedding_scale: [0, 1], attn_logit_softcapping: [0], final_logit_softcapping: [0],
    router_logit_softcapping: [0],
    'swiglu_clamp_*': [0], 'activation.*': [], 'ssm.*': [], 'wkv.*': [], 'kda.*': [], 'hyper_connection.*': [0], 'adapters.*': [0],
    n_deepstack_layers: [0], deepstack_mapping: [-1],
    'attention.max_alibi_bias': [0], 'attention.clamp_kqv': [0], 'attention.scale': [0, headDim ** -0.5], 'attention.output_scale': [0, 1],
    'attention.value_scale': [0, 1],
    'attention.temperature_length': [0], 'attention.temperature_scale': [0], 'attention.layer_norm_epsilon': [rmsEps],
    'attention.group_norm_*': [],
    'attention.q_lora_rank': [0], 'attention.kv_lora_rank': [0], 'attention.shared_kv_layers': [0], 'attention.recurrent_layers': [],
    'attention.rope_pattern': [1, true],
    'attention.key_length_swa': [0, headDim], 'attention.value_length_swa': [0, headDim], 'attention.key_length_mla': [0],
    'attention.value_length_mla': [0],
    'attention.relative_buckets_count': [0], 'attention.indexer.*': [0],
    'rope.dimension_count_swa': [0, headDim], 'rope.freq_base_swa': [0, rope.theta], 'rope.dimension_sections': [0],
    'rope.scaling.alpha': [0, 1],
  } as const satisfies SettingTable['neutral'];
}

/** What a family has beside the others, without the prefix of GGUF; what it says of a key holds whatever others do with that key. */
export type FamilySettings = { readonly [Format in Checkpoint['format']]?: Partial<SettingTable> };

export function decoderSettings({ format }: Pick<Checkpoint, 'format'>, config: DecoderConfig, family: FamilySettings = {}): SettingTable {
  const { obeyed = [], harmless = [], neutral = {} } = family[format] ?? {};
  const isGguf = format === 'gguf';
  const ropes = ['rope_scaling', 'rope_parameters'].flatMap((object) => ropeKeys(object, config.rope));
  const isOwn = matcherOf(Object.keys(neutral));
  const common = (keys: readonly string[]) => keys.filter((key) => !isOwn(key));
  return {
    obeyed: [...common(isGguf ? GGUF_OBEYED : [...HF_OBEYED, ...ropes]), ...obeyed],
    harmless: [...common(isGguf ? GGUF_HARMLESS : HF_HARMLESS), ...harmless],
    neutral: { ...neutral, ...without(isGguf ? ggufNeutral(config) : hfNeutral(config), isOwn) },
    expected: isGguf ? { 'attention.layer_norm_rms_epsilon': config.rmsEps } : undefined,
  };
}

function without(table: SettingTable['neutral'], isOwn: (key: string) => boolean): SettingTable['neutral'] {
  return Object.fromEntries(Object.entries(table).filter(([key]) => !isOwn(key)));
}
