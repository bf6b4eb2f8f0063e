/** What families of Llama's block read of their files, beside what the goldens and `setting-table.test.ts` show. */
import { describe, expect, it } from 'vitest';
import { memoryCheckpoint } from '../../test/memory-checkpoint.ts';
import { decoderGraphOf } from '../graph/model-graphs.ts';
import type { JsonObject, MetadataValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { ARCHITECTURES, architectureOf } from './open-decoder.ts';
import { textPart } from './text-part.ts';

/** Four layers of two heads of 8. */
const SIZES = {
  hidden_size: 16, num_hidden_layers: 4, num_attention_heads: 2, intermediate_size: 24, max_position_embeddings: 512, vocab_size: 20,
};

function folder(model: string, settings: JsonObject) {
  const tensors = { 'model.embed_tokens.weight': { shape: [20, 16] } };
  return memoryCheckpoint({ format: 'safetensors', architecture: model, config: { model_type: model, ...SIZES, ...settings }, tensors });
}

function gguf(architecture: string, settings: Readonly<Record<string, MetadataValue>>, factors?: { readonly length: number }) {
  const keys = {
    block_count: 4, context_length: 512, embedding_length: 16, feed_forward_length: 24, 'attention.head_count': 2,
    'attention.layer_norm_rms_epsilon': Math.fround(1e-5), ...settings,
  };
  const metadata = Object.fromEntries(Object.entries(keys).map(([key, value]) => [`${architecture}.${key}`, value]));
  const tensors = {
    'token_embd.weight': { shape: [20, 16] },
    ...(factors && { 'rope_factors_long.weight': { shape: [factors.length] }, 'rope_factors_short.weight': { shape: [factors.length] } }),
  };
  return memoryCheckpoint({ format: 'gguf', architecture, metadata, tensors });
}

interface Made {
  readonly contextLength?: number;
  readonly constants?: ReadonlyMap<string, Float32Array>;
}

/** What the graph of a checkpoint says of each layer. */
function layersOf(whole: ReturnType<typeof memoryCheckpoint>, { contextLength = 512, constants = new Map() }: Made = {}) {
  const checkpoint = textPart(whole);
  const architecture = architectureOf(checkpoint, ARCHITECTURES);
  const config = architecture.parseConfig(checkpoint);
  const warnings = architecture.checkSettings(checkpoint, config);
  const ops = decoderGraphOf(architecture.graphs(config, { contextLength, constants })).nodes.map(({ op }) => op);
  const attention = ops.flatMap((op) => (op.kind === 'attention' ? [op] : []));
  const ropes = ops.flatMap((op) => (op.kind === 'rope' ? [op] : []));
  return { architecture, config, warnings, ropes, windows: attention.map(({ window }) => window), scores: attention };
}

describe('mistral', () => {
  it('has its window in every layer; 4096 where the file leaves it out, none where it says null', () => {
    expect(layersOf(folder('mistral', { sliding_window: 8 })).windows).toEqual([8, 8, 8, 8]);
    expect(layersOf(folder('mistral', {})).windows).toEqual([4096, 4096, 4096, 4096]);
    expect(layersOf(folder('mistral', { sliding_window: null })).windows).toEqual([undefined, undefined, undefined, undefined]);
  });

  it('is written as llama, whose files may name a window', () => {
    const { architecture, config } = layersOf(folder('mistral', { sliding_window: 8 }));
    expect(architecture.gguf).toBe('llama');
    expect(architecture.metadata(config).get('llama.attention.sliding_window')?.value).toBe(8);
    expect(layersOf(gguf('llama', { 'attention.sliding_window': 8 })).windows).toEqual([8, 8, 8, 8]);
  });
});

describe('smollm3', () => {
  const rotated = (checkpoint: ReturnType<typeof memoryCheckpoint>) => layersOf(checkpoint).ropes.length / 2;
  it('rotates all but every fourth layer, or those that the file names', () => {
    expect(rotated(folder('smollm3', {}))).toBe(3);
    expect(rotated(folder('smollm3', { no_rope_layer_interval: 2 }))).toBe(2);
    expect(rotated(folder('smollm3', { no_rope_layers: [1, 0, 0, 0], no_rope_layer_interval: 4 }))).toBe(1);
    expect(rotated(gguf('smollm3', {}))).toBe(3);
    expect(rotated(gguf('smollm3', { 'attention.rope_pattern': [true, false, false, true] }))).toBe(2);
  });

  it('writes a key of its own only where layers differ from what llama.cpp takes', () => {
    const key = 'smollm3.attention.rope_pattern';
    const metadata = (settings: JsonObject) => {
      const { architecture, config } = layersOf(folder('smollm3', settings));
      return architecture.metadata(config).get(key)?.value;
    };
    expect(metadata({})).toBeUndefined();
    expect(metadata({ no_rope_layers: [1, 1, 1, 0] })).toBeUndefined();
    expect(metadata({ no_rope_layers: [1, 0, 1, 0] })).toEqual([true, false, true, false]);
  });

  it('has windows in layers without rotation, where it is asked to', () => {
    const settings = { use_sliding_window: true, sliding_window: 8 };
    expect(layersOf(folder('smollm3', settings)).windows).toEqual([undefined, undefined, undefined, 8]);
    const { windows } = layersOf(folder('smollm3', { ...settings, use_sliding_window: false }));
    expect(windows).toEqual([undefined, undefined, undefined, undefined]);
  });

  it.each([[[1, 0]], [[1, 0, 2, 1]], [1]])('refuses no_rope_layers %j by name', (layers) => {
    expect(() => layersOf(folder('smollm3', { no_rope_layers: layers }))).toThrow('no_rope_layers must be an array of 4 numbers');
  });
});

describe('phi3', () => {
  const LONG = { type: 'longrope', short_factor: [1, 2], long_factor: [4, 8] };
  const settings = { partial_rotary_factor: 0.5, original_max_position_embeddings: 64, rope_scaling: LONG };
  const plain = [1, 10_000 ** -0.5];

  it('takes the factors of the context that it is loaded with', () => {
    for (const type of ['longrope', 'su', 'yarn']) {
      const checkpoint = folder('phi3', { ...settings, rope_scaling: { ...LONG, type } });
      const [short, long] = [64, 65].map((contextLength) => layersOf(checkpoint, { contextLength }).ropes[0]!.table);
      expect([...short!.frequencies]).toEqual([plain[0], plain[1]! / 2]);
      expect([...long!.frequencies]).toEqual([plain[0]! / 4, plain[1]! / 8]);
      // sqrt(1 + ln(512 / 64) / ln(64)), for both.
      expect([short!.magnitude, long!.magnitude]).toEqual([Math.sqrt(1.5), Math.sqrt(1.5)]);
    }
  });

  it('takes them from the tensors of a GGUF file too', () => {
    const keys = { 'rope.dimension_count': 4, 'rope.scaling.original_context_length': 64, 'rope.scaling.attn_factor': 1.25 };
    const constants = new Map([
      ['rope_factors_short.weight', Float32Array.of(1, 2)], ['rope_factors_long.weight', Float32Array.of(4, 8)],
    ]);
    const [short, long] = [64, 65].map((contextLength) =>
      layersOf(gguf('phi3', keys, { length: 2 }), { contextLength, constants }).ropes[0]!.table);
    expect([...short!.frequencies]).toEqual([plain[0], plain[1]! / 2]);
    expect([...long!.frequencies]).toEqual([plain[0]! / 4, plain[1]! / 8]);
    expect(long!.magnitude).toBe(1.25);
  });

  it('has its window in every layer, unless it is 0 or null', () => {
    expect(layersOf(folder('phi3', { sliding_window: 8 })).windows).toEqual([8, 8, 8, 8]);
    expect(layersOf(gguf('phi3', { 'attention.sliding_window': 0 })).windows[0]).toBeUndefined();
    expect(layersOf(folder('phi3', { sliding_window: null })).windows[0]).toBeUndefined();
  });

  it.each([
    [{ ...settings, rope_scaling: { ...LONG, long_factor: [4] } }, 'must have 2 factors'],
    [{ ...settings, rope_scaling: { ...LONG, short_factor: 'x' } }, 'needs short_factor'],
    [{ interpolate_factor: 2 }, 'interpolate_factor'],
    [{ partial_rotary_factor: 0.125 }, 'rotary dimension'],
  ])('refuses %j by name', (config, message) => {
    expect(() => layersOf(folder('phi3', config as JsonObject))).toThrow(FormatError);
    expect(() => layersOf(folder('phi3', config as JsonObject))).toThrow(message);
  });
});

describe('ministral3', () => {
  const rope = {
    rope_type: 'yarn', rope_theta: 1e6, factor: 16, original_max_position_embeddings: 32, beta_fast: 32, beta_slow: 1, mscale: 1,
    mscale_all_dim: 1, llama_4_scaling_beta: 0.1,
  };

  it('lets queries grow by steps of the original length, alone and inside of mistral3', () => {
    const alone = folder('ministral3', { rope_parameters: rope });
    const inside = memoryCheckpoint({
      format: 'safetensors', architecture: 'mistral3',
      config: { model_type: 'mistral3', vision_config: {}, text_config: { model_type: 'ministral3', ...SIZES, rope_parameters: rope } },
      tensors: { 'language_model.model.embed_tokens.weight': { shape: [20, 16] }, 'vision_tower.ln_pre.weight': { shape: [3] } },
    });
    for (const checkpoint of [alone, inside]) {
      const { scores, ropes, warnings } = layersOf(checkpoint);
      expect(scores.map(({ temperature }) => temperature)).toEqual(Array.from({ length: 4 }, () => ({ beta: 0.1, length: 32 })));
      expect(ropes[0]!.table.magnitude).toBeUndefined();
      expect(warnings).toEqual([]);
    }
  });

  it('is mistral inside of mistral3 too', () => {
    const config = { model_type: 'mistral3', text_config: { model_type: 'mistral', ...SIZES, sliding_window: null } };
    const tensors = { 'language_model.model.embed_tokens.weight': { shape: [20, 16] } };
    const { architecture } = layersOf(memoryCheckpoint({ format: 'safetensors', architecture: 'mistral3', config, tensors }));
    expect(architecture.safetensors).toEqual(['mistral']);
  });

  it('reads GGUF, where a factor of 0 stands for none', () => {
    const yarn = {
      'rope.scaling.type': 'yarn', 'rope.scaling.factor': 16, 'rope.scaling.original_context_length': 32,
      'rope.scaling.yarn_log_multiplier': 1,
    };
    const temperature = (keys: Readonly<Record<string, MetadataValue>>) => layersOf(gguf('mistral3', keys)).scores[0]!.temperature;
    expect(temperature({ ...yarn, 'attention.temperature_scale': 0.5 })).toEqual({ beta: 0.5, length: 32 });
    expect(temperature({ ...yarn, 'attention.temperature_scale': 0 })).toBeUndefined();
    expect(temperature({})).toBeUndefined();
  });

  it('refuses a temperature without the length that it counts in', () => {
    expect(() => layersOf(gguf('mistral3', { 'attention.temperature_scale': 0.1 }))).toThrow('mistral3.attention.temperature_scale needs');
    const config = { rope_parameters: { rope_type: 'default', llama_4_scaling_beta: 0.1 } };
    expect(() => layersOf(folder('ministral3', config))).toThrow('llama_4_scaling_beta needs rope scaling of type yarn');
    const negative = { ...rope, llama_4_scaling_beta: -1 };
    expect(() => layersOf(folder('ministral3', { rope_parameters: negative }))).toThrow('at least 0, found -1');
  });
});
