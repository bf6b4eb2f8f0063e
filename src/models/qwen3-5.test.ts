import { describe, expect, it } from 'vitest';
import { memoryCheckpoint } from '../../test/memory-checkpoint.ts';
import type { JsonObject, MetadataValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { qwen35 } from './qwen3-5.ts';
import { textPart } from './text-part.ts';
import { printExpression } from './weight-expression.ts';

const SIZES: JsonObject = { hidden_size: 64, num_hidden_layers: 4, intermediate_size: 96 };

function hf(settings: JsonObject, convolution: readonly number[] = [8192, 1, 4], more: readonly string[] = []) {
  const tensors = {
    'model.embed_tokens.weight': { shape: [20, 64] }, 'model.layers.0.linear_attn.conv1d.weight': { shape: convolution },
    ...Object.fromEntries(more.map((name) => [name, { shape: [1] }])),
  };
  const config = { ...SIZES, model_type: 'qwen3_5_text', ...settings };
  return textPart(memoryCheckpoint({ format: 'safetensors', architecture: 'qwen3_5_text', config, tensors }));
}

function gguf(settings: Readonly<Record<string, MetadataValue>>) {
  const keys = {
    block_count: 4, context_length: 512, embedding_length: 64, feed_forward_length: 96, 'attention.head_count': 4,
    'attention.head_count_kv': 2, 'attention.key_length': 32, 'attention.layer_norm_rms_epsilon': 1e-6, 'rope.freq_base': 1e7,
    'rope.dimension_count': 8, 'rope.dimension_sections': [11, 11, 10, 0], 'ssm.conv_kernel': 4, 'ssm.state_size': 16,
    'ssm.group_count': 2, 'ssm.time_step_rank': 4, 'ssm.inner_size': 96, ...settings,
  };
  const metadata = Object.fromEntries(Object.entries(keys).map(([key, value]) => [`qwen35.${key}`, value as MetadataValue]));
  return memoryCheckpoint({ format: 'gguf', architecture: 'qwen35', metadata, tensors: { 'token_embd.weight': { shape: [20, 64] } } });
}

function read(checkpoint: ReturnType<typeof memoryCheckpoint>) {
  const config = qwen35.parseConfig(checkpoint);
  return { config, warnings: qwen35.checkSettings(checkpoint, config) };
}

const storedIn = (checkpoint: ReturnType<typeof memoryCheckpoint>, id: string) =>
  printExpression(qwen35.weights(read(checkpoint).config).find((spec) => spec.id === id)![checkpoint.format]);

const LAST_OF_FOUR = [false, false, false, true];

describe('config.json of qwen3_5_text', () => {
  it('may leave out what transformers takes for granted', () => {
    const { config, warnings } = read(hf({}));
    expect(warnings).toEqual([]);
    expect(config).toMatchObject({
      heads: 16, kvHeads: 4, headDim: 256, contextLength: 32_768, rmsEps: 1e-6, attends: LAST_OF_FOUR, keyHeadMap: 'grouped',
      delta: { keyHeads: 16, valueHeads: 32, keyDim: 128, valueDim: 128, convolutionWidth: 4 },
      rope: { theta: 10_000, rotaryDim: 64, scaling: { kind: 'none' } }, ropeSections: [11, 11, 10],
    });
  });

  it('names the layers with attention by a list or by their period', () => {
    expect(read(hf({ full_attention_interval: 2 })).config.attends).toEqual([false, true, false, true]);
    const types = ['full_attention', 'linear_attention', 'linear_attention', 'linear_attention'];
    expect(read(hf({ full_attention_interval: 2, layer_types: types })).config.attends).toEqual([true, false, false, false]);
  });

  // As mlx-lm tells them apart.
  it.each([
    ["Hugging Face's", hf({}), 'plus(model.layers.0.input_layernorm.weight, 1)'],
    ["MLX's", hf({}, [8192, 4, 1]), 'model.layers.0.input_layernorm.weight'],
    ['one that has the head that drafts', hf({}, [8192, 4, 1], ['mtp.norm.weight']), 'plus(model.layers.0.input_layernorm.weight, 1)'],
  ])('gains of a folder, %s', (_, checkpoint, printed) => {
    expect(storedIn(checkpoint, 'layers.0.delta.norm')).toBe(printed);
    expect(storedIn(checkpoint, 'layers.0.delta.y_norm')).toBe('model.layers.0.linear_attn.norm.weight');
  });

  it.each<[JsonObject, RegExp]>([
    [{ layer_types: ['full_attention', 'sliding_attention', 'x', 'y'] }, /layer_types must be .* for each of 4 layers, found "sliding_at/],
    [{ layer_types: ['full_attention'] }, /layer_types must be .* for each of 4 layers/],
    [{ linear_num_value_heads: 24 }, /value heads of linear attention \(24\) must be a multiple of its key heads \(16\)/],
    [{ linear_conv_kernel_dim: 1 }, /must see 2 rows or more, found 1/],
    [{ rope_parameters: { mrope_section: 3 } }, /sections of the rotation must be 3 or 4 numbers/],
    [{ is_causal: false }, /without causality is not supported/],
    [{ output_gate_type: 'sigmoid' }, /output_gate_type must be "swish" or "silu"/],
    [{ num_experts: 8 }, /num_experts must be 0/],
  ])('%j is refused', (settings, message) => {
    const attempt = () => read(hf(settings));
    expect(attempt).toThrow(message);
    expect(attempt).toThrow(FormatError);
  });
});

describe('GGUF metadata of qwen35', () => {
  it('says the sizes of linear attention as those of a state space', () => {
    const { config, warnings } = read(gguf({}));
    expect(warnings).toEqual([]);
    expect(config).toMatchObject({
      layers: 4, attends: LAST_OF_FOUR, keyHeadMap: 'tiled', gainsLessOne: false,
      delta: { keyHeads: 2, valueHeads: 4, keyDim: 16, valueDim: 24, convolutionWidth: 4 },
      rope: { theta: 1e7, rotaryDim: 8 },
    });
  });

  it('counts the layers that draft tokens among the others', () => {
    const { config } = read(gguf({ block_count: 5, nextn_predict_layers: 1 }));
    expect(config).toMatchObject({ layers: 4, attends: LAST_OF_FOUR });
    expect(() => read(gguf({ nextn_predict_layers: 4 }))).toThrow(/nextn_predict_layers must be a number of layers below 4, found 4/);
  });

  it('may name the layers without attention one by one', () => {
    const recurrent = { 'attention.recurrent_layers': [true, false, false, true] };
    const { config } = read(gguf(recurrent));
    expect(config.attends).toEqual([false, true, true, false]);
    const written = qwen35.metadata(config);
    expect(written.get('qwen35.attention.recurrent_layers')).toMatchObject({ value: recurrent['attention.recurrent_layers'] });
    expect(written.has('qwen35.full_attention_interval')).toBe(false);
  });

  it.each<[Record<string, MetadataValue>, RegExp]>([
    [{ 'attention.recurrent_layers': [true] }, /recurrent_layers must be true or false for each of 4 layers, found 1/],
    [{ 'ssm.inner_size': 90 }, /ssm.inner_size must be a multiple of 4 value heads, found 90/],
    [{ 'rope.dimension_sections': [1, 2] }, /sections of the rotation must be 3 or 4 numbers, found 2/],
    [{ 'ssm.dt_b_c_rms': true }, /ssm.dt_b_c_rms must be absent for qwen35/],
  ])('%j is refused', (settings, message) => {
    const attempt = () => read(gguf(settings));
    expect(attempt).toThrow(message);
    expect(attempt).toThrow(FormatError);
  });
});

describe('a GGUF file that is made of a folder', () => {
  it('has value heads in the order of llama.cpp, as rows and as columns', () => {
    const { config } = read(hf({ layer_types: ['linear_attention', 'full_attention', 'linear_attention', 'linear_attention'] }));
    const spec = (id: string) => printExpression(qwen35.weights(config).find((each) => each.id === `layers.0.delta.${id}`)!.gguf);
    expect(spec('z')).toBe('transposeHeads(blk.0.attn_gate.weight, 2, 16)');
    expect(spec('decay')).toBe('transposeHeads(blk.0.ssm_a, 2, 16)');
    const values = 'transposeHeads(slice(blk.0.attn_qkv.weight, 4096, 8192), 2, 16)';
    expect(spec('qkv')).toBe(`stack(slice(blk.0.attn_qkv.weight, 0, 4096), ${values})`);
    expect(spec('out')).toBe('reshape(transposeHeads(reshape(blk.0.ssm_out.weight, [64, 32, 128]), 2, 16), [64, 4096])');
  });

  it('has them as they are where every key head has one', () => {
    const { config } = read(hf({ linear_num_value_heads: 16 }, [6144, 1, 4]));
    for (const { gguf: stored } of qwen35.weights(config)) expect(printExpression(stored)).not.toContain('transpose');
  });
});
