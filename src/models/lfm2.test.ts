import { describe, expect, it } from 'vitest';
import { memoryCheckpoint } from '../../test/memory-checkpoint.ts';
import type { JsonObject, MetadataValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { lfm2 } from './lfm2.ts';

const SIZES: JsonObject = {
  hidden_size: 64, num_hidden_layers: 4, num_attention_heads: 4, num_key_value_heads: 2, intermediate_size: 200, block_multiple_of: 32,
};

function hf(settings: JsonObject) {
  const tensors = { 'model.embed_tokens.weight': { shape: [20, 64] } };
  return memoryCheckpoint({ format: 'safetensors', architecture: 'lfm2', config: { ...SIZES, ...settings }, tensors });
}

function gguf(settings: Readonly<Record<string, MetadataValue>>, tensors: readonly string[] = []) {
  const keys = {
    block_count: 4, context_length: 512, embedding_length: 64, feed_forward_length: 160, 'attention.head_count': 4,
    'attention.head_count_kv': [0, 2, 0, 2], 'attention.layer_norm_rms_epsilon': 1e-5, 'rope.freq_base': 1e6, 'shortconv.l_cache': 3,
    ...settings,
  };
  const metadata = Object.fromEntries(Object.entries(keys).map(([key, value]) => [`lfm2.${key}`, value as MetadataValue]));
  const all = Object.fromEntries(['token_embd.weight', ...tensors].map((name) => [name, { shape: [20, 64] }]));
  return memoryCheckpoint({ format: 'gguf', architecture: 'lfm2', metadata, tensors: all });
}

function read(checkpoint: ReturnType<typeof memoryCheckpoint>) {
  const config = lfm2.parseConfig(checkpoint);
  return { config, warnings: lfm2.checkSettings(checkpoint, config) };
}

const idsOf = (config: ReturnType<typeof read>['config']) => lfm2.weights(config).map(({ id }) => id);

describe('config.json of lfm2', () => {
  it('may leave out what transformers takes for granted', () => {
    const { config, warnings } = read(hf({}));
    expect(warnings).toEqual([]);
    expect(config).toMatchObject({
      headDim: 16, ffnDim: 160, rmsEps: 1e-5, contextLength: 128_000, tiedEmbeddings: true, biases: [], convolutionWidth: 3,
      attends: [true, true, true, true], rope: { theta: 1e6, scaling: { kind: 'none' } }, causal: true,
    });
    expect(config.window).toBeUndefined();
  });

  it('names the layers with attention in two forms', () => {
    const newer = read(hf({ layer_types: ['conv', 'full_attention', 'conv', 'full_attention'], full_attn_idxs: null }));
    expect(newer.config.attends).toEqual([false, true, false, true]);
    expect(read(hf({ full_attn_idxs: [3, 1] }))).toEqual(newer);
  });

  it.each<[JsonObject, RegExp]>([
    [{ norm_eps: 0 }, /: norm_eps must be a number above 0, found 0\./],
    [{ intermediate_size: 0 }, /: intermediate_size must be an integer of at least 1, found 0\./],
    [{ block_ff_dim: -3, block_auto_adjust_ff_dim: false }, /: block_ff_dim must be an integer of at least 1, found -3\./],
    [{ block_ff_dim: 200, block_ffn_dim_multiplier: 0 },
      /: the width by block_ff_dim 200, block_ffn_dim_multiplier and block_multiple_of must be an integer of at least 1, found 0\./],
  ])('%j is refused by the names that the folder has', (settings, message) => {
    expect(() => read(hf(settings))).toThrow(message);
  });

  // The last row is that of transformers' own code, which rounds where there is a factor.
  it.each<[JsonObject, number]>([
    [{ block_ff_dim: 12_288, intermediate_size: 8192, block_multiple_of: 256 }, 8192],
    [{ block_ff_dim: 6656, block_multiple_of: 256 }, 4608],
    [{ block_ff_dim: 10_240, block_multiple_of: 256, block_ffn_dim_multiplier: 1 }, 6912],
    [{ block_ffn_dim_multiplier: 1.5 }, 224],
    [{ block_auto_adjust_ff_dim: false }, 200],
    [{ block_ffn_dim_multiplier: null }, 133],
  ])('%j: blocks of %i', (settings, width) => {
    expect(read(hf(settings)).config.ffnDim).toBe(width);
  });

  it('may have an output matrix of its own', () => {
    expect(read(hf({ tie_embedding: false, tie_word_embeddings: true })).config.tiedEmbeddings).toBe(false);
    expect(read(hf({ tie_word_embeddings: false })).config.tiedEmbeddings).toBe(false);
  });

  it.each<[JsonObject, RegExp]>([
    [{ layer_types: ['conv', 'conv', 'conv', 'short_conv'] }, /layer_types must be .* found "short_conv"/],
    [{ layer_types: ['conv'] }, /layer_types must be .* each of 4 layers, found an array of 1/],
    [{ full_attn_idxs: [4] }, /full_attn_idxs must be numbers of layers below 4/],
    [{ conv_L_cache: 1 }, /conv_L_cache must be at least 2, found 1/],
    [{ is_causal: false }, /without causality/],
    [{ architectures: ['Lfm2BidirectionalModel'] }, /without causality/],
    [{ block_use_swiglu: 0 }, /block_use_swiglu must be true/],
    [{ block_norm_eps: 1e-6 }, /block_norm_eps must be 0.00001/],
    [{ conv_dim: 32 }, /conv_dim must be 64/],
    [{ num_heads: 8 }, /num_heads must be 4/],
    [{ sliding_window: 16, use_sliding_window: true }, /sliding window/],
    [{ block_multiple_of: 0 }, /block_multiple_of must be at least 1/],
  ])('%j is refused by name', (settings, message) => {
    const attempt = () => read(hf(settings));
    expect(attempt).toThrow(FormatError);
    expect(attempt).toThrow(message);
  });
});

describe('GGUF of lfm2', () => {
  it('has no heads of keys where a layer has a convolution', () => {
    const { config, warnings } = read(gguf({}));
    expect(warnings).toEqual([]);
    expect(config).toMatchObject({ attends: [false, true, false, true], kvHeads: 2, ffnDim: 160, convolutionWidth: 3, biases: [] });
    expect(lfm2.metadata(config).get('lfm2.attention.head_count_kv')).toEqual({ type: 'array', itemType: 'int32', value: [0, 2, 0, 2] });
  });

  it('has attention everywhere where it names one number of heads, and nowhere where all are 0', () => {
    expect(read(gguf({ 'attention.head_count_kv': 2 })).config).toMatchObject({ attends: [true, true, true, true], kvHeads: 2 });
    expect(read(gguf({ 'attention.head_count_kv': [0, 0, 0, 0] })).config.attends).toEqual([false, false, false, false]);
  });

  it("turns by llama.cpp's base where it names none", () => {
    const whole = gguf({});
    const metadata = new Map([...whole.metadata].filter(([key]) => key !== 'lfm2.rope.freq_base'));
    expect(read({ ...whole, metadata }).config.rope.theta).toBe(10_000);
  });

  it('has a window in its layers with attention, as llama.cpp reads it', () => {
    expect(read(gguf({ 'attention.sliding_window': 128 })).config.window).toEqual({ size: 128, layers: [true, true, true, true] });
  });

  it('has biases where its first convolution has them', () => {
    expect(idsOf(read(gguf({})).config)).not.toContain('layers.2.conv.convolution.bias');
    const ids = idsOf(read(gguf({}, ['blk.0.shortconv.in_proj.bias'])).config);
    expect(ids).toEqual(expect.arrayContaining(['layers.2.conv.in.bias', 'layers.2.conv.convolution.bias', 'layers.2.conv.out.bias']));
  });

  it.each<[Readonly<Record<string, MetadataValue>>, RegExp]>([
    [{ 'attention.head_count_kv': [0, 2, 0] }, /a number for each of 4 layers, found 3/],
    [{ 'attention.head_count_kv': [0, 2, 0, 1] }, /found both 2 and 1/],
    [{ 'shortconv.l_cache': 1 }, /lfm2.shortconv.l_cache must be at least 2/],
    [{ 'attention.causal': false }, /without causality/],
    [{ expert_count: 8 }, /lfm2.expert_count must be 0/],
  ])('%j is refused by name', (settings, message) => {
    const attempt = () => read(gguf(settings));
    expect(attempt).toThrow(FormatError);
    expect(attempt).toThrow(message);
  });
});
