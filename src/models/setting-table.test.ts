import { describe, expect, it } from 'vitest';
import { memoryCheckpoint } from '../../test/memory-checkpoint.ts';
import { PUBLISHED_CONFIGS } from '../../test/published-configs.ts';
import type { JsonObject, JsonValue, MetadataValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { ARCHITECTURES, architectureOf } from './open-decoder.ts';

const HF: Readonly<Record<string, JsonObject>> = {
  llama: { hidden_size: 64, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 96, max_position_embeddings: 512 },
  qwen2: { hidden_size: 64, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 96, max_position_embeddings: 512 },
  qwen3: {
    hidden_size: 64, num_hidden_layers: 2, num_attention_heads: 4, head_dim: 16, intermediate_size: 96,
    max_position_embeddings: 512,
  },
};

function gguf(architecture: string, settings: Readonly<Record<string, MetadataValue>>) {
  const keys = {
    block_count: 2, context_length: 512, embedding_length: 64, feed_forward_length: 96, 'attention.head_count': 4,
    'attention.layer_norm_rms_epsilon': Math.fround(1e-6),
    ...settings,
  };
  const metadata = Object.fromEntries(Object.entries(keys).map(([key, value]) => [`${architecture}.${key}`, value]));
  return memoryCheckpoint({ format: 'gguf', architecture, metadata, tensors: { 'token_embd.weight': { shape: [20, 64] } } });
}

function hf(architecture: string, settings: JsonObject) {
  const config: JsonObject = { ...HF[architecture], model_type: architecture, ...settings };
  const shape = [(config['vocab_size'] as number | undefined) ?? 20, config['hidden_size'] as number];
  return memoryCheckpoint({ format: 'safetensors', architecture, config, tensors: { 'model.embed_tokens.weight': { shape } } });
}

function read(checkpoint: ReturnType<typeof memoryCheckpoint>) {
  const architecture = architectureOf(checkpoint, ARCHITECTURES);
  const config = architecture.parseConfig(checkpoint);
  return { config, warnings: architecture.checkSettings(checkpoint, config) };
}

describe('published config.json files', () => {
  it.each(Object.entries(PUBLISHED_CONFIGS))('%s: nothing refused, nothing warned of', (_, config) => {
    expect(read(hf(config['model_type'] as string, config)).warnings).toEqual([]);
  });
});

describe.each(['llama', 'qwen2', 'qwen3'])('config.json of %s', (architecture) => {
  const refused: readonly (readonly [string, JsonValue])[] = [
    ['hidden_act', 'gelu'], ['attention_multiplier', 0.1], ['query_pre_attn_scalar', 256], ['attn_logit_softcapping', 50],
    ['final_logit_softcapping', 30],
    ['logits_scaling', 8], ['logit_scale', 0.0625], ['embedding_multiplier', 12], ['residual_multiplier', 0.22], ['scale_emb', 12],
    ['scale_depth', 1.4],
    ['partial_rotary_factor', 0.5], ['rope_interleaved', true], ['no_rope_layers', [1, 0]], ['no_rope_layer_interval', 4],
    ['num_experts', 8], ['num_local_experts', 8],
    [
      'quantization_config', { quant_method: 'gptq', bits: 4 },
    ], ['quantization', { group_size: 64, bits: 4 }], ['use_parallel_residual', true], ['alibi', true], ['clip_qkv', 8],
    ['v_head_dim', 32], ['q_lora_rank', 768], ['attention_chunk_size', 8192], ['is_encoder_decoder', true],
    ['rope_scaling', { type: 'dynamic', factor: 2 }], [
      'rope_scaling', { type: 'linear', factor: 2, attention_factor: 1.2 },
    ],
    [
      'rope_parameters', { rope_type: 'default', partial_rotary_factor: 0.25 },
    ], ['rope_parameters', { full_attention: { rope_type: 'default' } }],
    [
      'rope_scaling', { type: 'default', mrope_section: [16, 24, 24] },
    ], ['layer_types', ['full_attention', 'chunked_attention']], ['layer_types', ['sliding_attention']],
    ['layer_types', ['sliding_attention', 'full_attention']], ['num_attention_heads', [4, 2]], ['intermediate_size', [96, 128]],
  ];
  it.each(refused)('%s %j is refused by name', (key, value) => {
    expect(() => read(hf(architecture, { [key]: value }))).toThrow(FormatError);
    expect(() => read(hf(
      architecture, { [key]: value },
    ))).toThrow(/yarn|dynamic/.test(JSON.stringify(value)) ? 'rope scaling of type' : key);
  });

  it.each(['bitsandbytes', 'hqq', 'aqlm', 'eetq', 'bitnet'])('quant_method %s is refused with what to get instead', (method) => {
    const expected = new RegExp(`must be absent .*found quant_method "${method}".* Get the model unquantised, as GGUF, or as MLX`);
    expect(() => read(hf(architecture, { quantization_config: { quant_method: method } }))).toThrow(expected);
  });

  const neutral: readonly (readonly [string, JsonValue])[] = [
    ['rope_scaling', null], ['rope_scaling', {}], ['sliding_window', null], ['use_sliding_window', false], ['pretraining_tp', 4],
    ['partial_rotary_factor', 1], ['hidden_act', 'swish'],
    ['attention_multiplier', 0.25], ['query_pre_attn_scalar', 16], [
      'final_logit_softcapping', null,
    ], ['no_rope_layers', [1, 1]], ['num_experts', 0], ['quantization_config', null],
    ['use_mrope', false], ['rope_interleaved', false], ['is_causal', true], [
      'layer_types', ['full_attention', 'full_attention'],
    ], ['num_attention_heads', [4, 4]],
    ['num_key_value_heads', null], ['head_dim', 16], ['v_head_dim', 16], ['never_heard_of', null], [
      'never_heard_of_either', false,
    ], ['nor_this', []], ['attention_bias', false],
    ['rope_parameters', { rope_type: 'default', rope_theta: 10_000, partial_rotary_factor: 1 }],
  ];
  it.each(neutral)('%s %j changes nothing and is not spoken of', (key, value) => {
    const plain = read(hf(architecture, {}));
    expect(read(hf(architecture, { [key]: value }))).toEqual(plain);
    expect(plain.warnings).toEqual([]);
  });

  it('warns once of all that it does not know', () => {
    const { warnings } = read(hf(architecture, {
      mystery: 3, other: 'x', ...Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`more_${i}`, true])),
    }));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(
      'memory has settings that are not known here and not used: mystery (3), other ("x"), ' +
        'more_0 (true), more_1 (true), more_2 (true), more_3 (true) and 5 more.',
    );
  });

  it('takes rope_scaling before rope_parameters, and 10,000 where no base is named', () => {
    const both = { rope_scaling: { type: 'linear', factor: 4 }, rope_parameters: { rope_type: 'default', rope_theta: 5 } };
    expect(read(hf(architecture, both)).config.rope).toEqual({ theta: 10_000, scaling: { kind: 'linear', factor: 4 } });
  });

  it('has attention without causality where is_causal is false', () => {
    expect(read(hf(architecture, { is_causal: false })).config.causal).toBe(false);
  });
});

describe('windows of config.json', () => {
  it.each(['qwen2', 'qwen3'])('are those of transformers for %s', (architecture) => {
    const window = (settings: JsonObject) => read(hf(architecture, settings)).config.window;
    const used = { use_sliding_window: true, sliding_window: 8 };
    expect(window({ ...used, max_window_layers: 0 })).toEqual({ size: 8, layers: [true, true] });
    expect(window({ ...used, max_window_layers: 1 })).toEqual({ size: 8, layers: [false, true] });
    expect(window(used)).toBeUndefined();
    expect(window({ ...used, layer_types: ['sliding_attention', 'full_attention'] })).toEqual({ size: 8, layers: [true, false] });
    expect(window({ use_sliding_window: true, max_window_layers: 1 })).toEqual({ size: 4096, layers: [false, true] });
    expect(window({ use_sliding_window: false, sliding_window: 8, max_window_layers: 0 })).toBeUndefined();
    expect(() => window({ ...used, max_window_layers: 0, is_causal: false })).toThrow('sliding window and without causality');
    expect(() => window({ ...used, sliding_window: 0 })).toThrow('sliding_window must be an integer of at least 1');
  });

  it('are none for llama: refused where asked for, warned of where only named', () => {
    expect(() => read(hf('llama', {
      use_sliding_window: true, sliding_window: 8,
    }))).toThrow('use_sliding_window asks for a sliding window');
    expect(read(hf('llama', { sliding_window: 8 })).warnings[0]).toContain('sliding_window (8)');
    expect(read(hf('llama', { sliding_window: 4096 })).warnings).toEqual([]);
    expect(read(hf('llama', { sliding_window: 8, use_sliding_window: false })).warnings).toEqual([]);
  });
});

describe.each(['llama', 'qwen2', 'qwen3'])('GGUF metadata of %s', (architecture) => {
  const refused: readonly (readonly [string, MetadataValue])[] = [
    ['expert_count', 8], ['logit_scale', 0.5], ['residual_scale', 0.22], ['embedding_scale', 12], ['final_logit_softcapping', 30],
    ['attn_logit_softcapping', 50],
    ['use_parallel_residual', true], ['tensor_data_layout', 'other'], ['attention.scale', 0.1], ['attention.clamp_kqv', 8],
    ['attention.max_alibi_bias', 8],
    [
      'attention.layer_norm_epsilon', 1e-5,
    ], ['attention.q_lora_rank', 64], ['attention.value_length', 8], ['attention.key_length', 5], ['rope.dimension_count', 8],
    [
      'rope.dimension_sections', Int32Array.of(16, 24, 24, 0),
    ], ['rope.scaling.type', 'yarn'], ['rope.scaling.type', 'longrope'], ['rope.scaling.alpha', 4], ['rope.scaling.attn_factor', -1],
    ['rope.scaling.factor', -2], ['rope.freq_base_swa', 5], ['attention.head_count', Uint32Array.of(4, 2)], [
      'attention.head_count', Uint32Array.of(4, 4, 4),
    ],
    ['feed_forward_length', Int32Array.of(96, 128)], ['attention.head_count_kv', Uint32Array.of(0, 0)], [
      'attention.sliding_window_pattern', [true, false],
    ],
    ['hidden_activation', 'gelu'], ['ssm.state_size', 16], ['nextn_predict_layers', 1],
  ];
  it.each(refused)('%s %j is refused by name', (key, value) => {
    expect(() => read(gguf(architecture, { [key]: value }))).toThrow(FormatError);
    expect(() => read(gguf(
      architecture, { [key]: value },
    ))).toThrow(/scaling\.type|\.factor|attn_factor|_length|dimension_count$/.test(key) ? /rope|dimension|feed_forward/ : key);
  });

  const neutral: readonly (readonly [string, MetadataValue])[] = [
    ['expert_count', 0], ['expert_used_count', 0], ['logit_scale', 0], ['residual_scale', 1], ['attention.scale', 0.25], [
      'attention.layer_norm_epsilon', Math.fround(1e-6),
    ],
    [
      'tensor_data_layout', architecture === 'llama' ? 'Meta AI original pth' : 'reference',
    ], ['attention.value_length', 16], ['rope.dimension_count', 16], ['rope.scaling.type', 'none'],
    ['rope.scaling.factor', 1], ['rope.scaling.attn_factor', 1], [
      'rope.scaling.original_context_length', 4096,
    ], ['rope.scaling.finetuned', false], ['attention.causal', true],
    ['attention.head_count', Uint32Array.of(4, 4)], ['attention.head_count_kv', Int32Array.of(4, 4)], [
      'feed_forward_length', [96, 96] as unknown as MetadataValue,
    ], ['pooling_type', 0],
    ['attention.sliding_window', 0], ['rope.scaling.yarn_log_multiplier', 0.1], ['vocab_size', 20],
  ];
  it.each(neutral)('%s %j changes nothing and is not spoken of', (key, value) => {
    const plain = read(gguf(architecture, {}));
    expect(read(gguf(architecture, { [key]: value }))).toEqual(plain);
    expect(plain.warnings).toEqual([]);
  });

  it('windows, causality and factors of attention', () => {
    expect(read(gguf(architecture, { 'attention.sliding_window': 8 })).config.window).toEqual({ size: 8, layers: [true, true] });
    expect(read(gguf(architecture, {
      'attention.sliding_window': 8, 'attention.sliding_window_pattern': [true, false],
    })).config.window).toEqual({ size: 8, layers: [true, false] });
    expect(read(gguf(architecture, {
      'attention.sliding_window': 8, 'attention.sliding_window_pattern': Uint32Array.of(0, 1),
    })).config.window).toEqual({ size: 8, layers: [false, true] });
    expect(read(gguf(architecture, { 'attention.causal': false })).config.causal).toBe(false);
    expect(read(gguf(architecture, { 'rope.scaling.attn_factor': 1.5 })).config.rope.attentionFactor).toBe(1.5);
  });

  it('warns of keys under its own name alone', () => {
    const checkpoint = gguf(architecture, { mystery: 3, 'rope.mystery': 'x' });
    const all = new Map([...checkpoint.metadata, ['general.mystery', 1], ['tokenizer.mystery', 1]] as const);
    const { warnings } = read({ ...checkpoint, metadata: all });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(`${architecture}.mystery (3), ${architecture}.rope.mystery ("x"). If they change`);
  });

  it('says so where a file names no epsilon', () => {
    const checkpoint = gguf(architecture, {});
    const metadata = new Map([...checkpoint.metadata].filter(([key]) => !key.endsWith('epsilon')));
    expect(read({ ...checkpoint, metadata }).warnings).toEqual([
      `memory has no ${architecture}.attention.layer_norm_rms_epsilon: 0.000001 is assumed.`,
    ]);
  });
});
