import { describe, expect, it } from 'vitest';
import { memoryCheckpoint } from '../../test/memory-checkpoint.ts';
import type { JsonObject, JsonValue, MetadataValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import type { TensorType } from '../tensor/tensor-type.ts';
import { gemma3 } from './gemma3.ts';

const SIZES: JsonObject = { hidden_size: 1152, num_hidden_layers: 7, intermediate_size: 96, sliding_window: 512 };

function hf(settings: JsonObject, type: TensorType = 'f32') {
  const tensors = { 'model.embed_tokens.weight': { shape: [2, 1152], type } };
  return memoryCheckpoint({ format: 'safetensors', architecture: 'gemma3_text', config: { ...SIZES, ...settings }, tensors });
}

function gguf(settings: Readonly<Record<string, MetadataValue>>) {
  const keys = {
    block_count: 7, context_length: 512, embedding_length: 1152, feed_forward_length: 96, 'attention.head_count': 4,
    'attention.key_length': 256, 'attention.layer_norm_rms_epsilon': Math.fround(1e-6), 'rope.freq_base': 1e6, ...settings,
  };
  const metadata = Object.fromEntries(Object.entries(keys).map(([key, value]) => [`gemma3.${key}`, value]));
  return memoryCheckpoint({ format: 'gguf', architecture: 'gemma3', metadata, tensors: { 'token_embd.weight': { shape: [2, 1152] } } });
}

function read(checkpoint: ReturnType<typeof memoryCheckpoint>) {
  const config = gemma3.parseConfig(checkpoint);
  return { config, warnings: gemma3.checkSettings(checkpoint, config) };
}

const EVERY_SIXTH = [true, true, true, true, true, false, true];
const EVERY_THIRD = [true, true, false, true, true, false, true];

describe('config.json of gemma3_text', () => {
  it('may leave out what transformers takes for granted', () => {
    const { config, warnings } = read(hf({ sliding_window: undefined } as unknown as JsonObject));
    expect(warnings).toEqual([]);
    expect(config).toMatchObject({
      heads: 8, kvHeads: 4, headDim: 256, contextLength: 131_072, attentionScale: 256 ** -0.5, rmsEps: 1e-6, tiedEmbeddings: true,
      rope: { theta: 1e6, scaling: { kind: 'none' } }, slidingRope: { theta: 1e4, scaling: { kind: 'none' } },
      window: { size: 4096, layers: EVERY_SIXTH }, logitSoftcap: undefined,
    });
  });

  it('says the same in its older and its newer form', () => {
    const older = {
      rope_theta: 2e6, rope_local_base_freq: 5000, rope_scaling: { factor: 8, rope_type: 'linear' }, sliding_window_pattern: 3,
    };
    const newer = {
      rope_parameters: {
        full_attention: { factor: 8, rope_type: 'linear', rope_theta: 2e6 }, sliding_attention: { rope_type: 'default', rope_theta: 5000 },
      },
      layer_types: EVERY_THIRD.map((slides) => (slides ? 'sliding_attention' : 'full_attention')),
    };
    const { config, warnings } = read(hf(older));
    expect(warnings).toEqual([]);
    expect(config).toMatchObject({
      rope: { theta: 2e6, scaling: { kind: 'linear', factor: 8 } }, slidingRope: { theta: 5000, scaling: { kind: 'none' } },
      window: { size: 512, layers: EVERY_THIRD },
    });
    expect(read(hf(newer))).toEqual({ config, warnings });
  });

  // 33.941125... has the neighbours 33.75 and 34 in bf16, and 33.9375 is the nearest f16.
  const root = Math.fround(Math.sqrt(1152));
  it.each([['f32', root], ['bf16', 34], ['f16', 33.9375]] as const)('scales embeddings of %s by %d', (type, scale) => {
    expect(read(hf({}, type)).config.embeddingScale).toBe(scale);
  });

  it('bounds the logits where it says so, and takes the scale of 27B', () => {
    const { config } = read(hf({ final_logit_softcapping: 30, query_pre_attn_scalar: 168 }));
    expect(config).toMatchObject({ logitSoftcap: 30, attentionScale: 168 ** -0.5 });
  });

  const refused: readonly (readonly [string, JsonValue, string])[] = [
    ['hidden_activation', 'gelu', 'hidden_activation'],
    ['hidden_activation', 'silu', 'hidden_activation'],
    // transformers takes no notice of it, and llama.cpp's script none of such models.
    ['attn_logit_softcapping', 50, 'attn_logit_softcapping'],
    ['use_bidirectional_attention', true, 'use_bidirectional_attention'],
    ['sliding_window', null, 'sliding_window of gemma3_text must be a number'],
    ['rope_parameters', { rope_type: 'default', rope_theta: 1e6 }, 'full_attention and sliding_attention, found rope_type'],
    ['rope_parameters', { full_attention: { rope_type: 'default', partial_rotary_factor: 0.5 } }, 'full_attention.partial_rotary_factor'],
    ['rope_parameters', { sliding_attention: { rope_type: 'default', low_freq_factor: 1 } }, 'sliding_attention.low_freq_factor'],
    ['query_pre_attn_scalar', 0, 'query_pre_attn_scalar'],
  ];
  it.each(refused)('%s %j is refused by name', (key, value, message) => {
    expect(() => read(hf({ [key]: value }))).toThrow(FormatError);
    expect(() => read(hf({ [key]: value }))).toThrow(message);
  });
});

describe('GGUF metadata of gemma3', () => {
  it('has no window without a length of it', () => {
    expect(read(gguf({})).config.window).toBeUndefined();
  });

  it.each([
    ['the usual period', {}, EVERY_SIXTH],
    ['a period', { 'attention.sliding_window_pattern': 3 }, EVERY_THIRD],
    ['a period of 1', { 'attention.sliding_window_pattern': 1 }, undefined],
    ['a list', { 'attention.sliding_window_pattern': EVERY_THIRD }, EVERY_THIRD],
  ] as const)('windows by %s', (_, settings, layers) => {
    expect(read(gguf({ 'attention.sliding_window': 512, ...settings })).config.window?.layers).toEqual(layers);
  });

  it.each([-1, 1.5, 'x'])('refuses %j as a period', (pattern) => {
    const settings = { 'attention.sliding_window': 512, 'attention.sliding_window_pattern': pattern };
    expect(() => read(gguf(settings))).toThrow('attention.sliding_window_pattern');
  });

  it('scales the rotation of layers that see all, and no other', () => {
    const { config, warnings } = read(gguf({ 'rope.scaling.type': 'linear', 'rope.scaling.factor': 8, 'vision.block_count': 27 }));
    expect(warnings).toEqual([]);
    expect(config.rope).toEqual({ theta: 1e6, scaling: { kind: 'linear', factor: 8 } });
    expect(config.slidingRope).toEqual({ theta: 1e4, scaling: { kind: 'none' } });
    expect(read(gguf({ 'rope.freq_base_swa': 5000 })).config.slidingRope.theta).toBe(5000);
  });

  it('scales scores by the width of heads, of 62 layers by what each has of the whole', () => {
    expect(read(gguf({})).config).toMatchObject({ attentionScale: 1 / 16, embeddingScale: Math.fround(Math.sqrt(1152)) });
    expect(read(gguf({ block_count: 62 })).config.attentionScale).toBe(288 ** -0.5);
    expect(read(gguf({ 'attention.scale': 0.25 })).config.attentionScale).toBe(0.25);
  });

  it('comes out as it went in, with the keys that llama.cpp asks for', () => {
    const metadata = (settings: JsonObject) =>
      Object.fromEntries([...gemma3.metadata(read(hf(settings)).config)].map(([key, { value }]) => [key, value]));
    const usual = metadata({ rope_scaling: { rope_type: 'linear', factor: 8 } });
    expect(usual).toMatchObject({
      'gemma3.attention.sliding_window': 512, 'gemma3.rope.freq_base': 1e6, 'gemma3.rope.freq_base_swa': 1e4,
      'gemma3.rope.scaling.type': 'linear', 'gemma3.rope.scaling.factor': 8, 'gemma3.attention.key_length': 256,
    });
    for (const key of ['attention.sliding_window_pattern', 'attention.scale', 'final_logit_softcapping'])
      expect(usual).not.toHaveProperty([`gemma3.${key}`]);
    expect(metadata({ sliding_window_pattern: 3, query_pre_attn_scalar: 16, final_logit_softcapping: 30 })).toMatchObject({
      'gemma3.attention.sliding_window_pattern': 3, 'gemma3.attention.scale': 0.25, 'gemma3.final_logit_softcapping': 30,
    });
    const odd = ['sliding_attention', ...Array.from({ length: 6 }, () => 'full_attention')];
    const list = metadata({ layer_types: odd })['gemma3.attention.sliding_window_pattern'];
    expect(list).toEqual(odd.map((type) => type === 'sliding_attention'));
  });
});
