import { describe, expect, it } from 'vitest';
import { memoryCheckpoint } from '../../test/memory-checkpoint.ts';
import type { JsonObject, JsonValue, MetadataValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { olmo3 } from './olmo3.ts';

const SIZES: JsonObject = {
  hidden_size: 64, num_hidden_layers: 5, num_attention_heads: 4, intermediate_size: 96, max_position_embeddings: 512,
};

function hf(architecture: 'olmo2' | 'olmo3', settings: JsonObject) {
  const tensors = { 'model.embed_tokens.weight': { shape: [20, 64] } };
  return memoryCheckpoint({ format: 'safetensors', architecture, config: { ...SIZES, ...settings }, tensors });
}

function gguf(settings: Readonly<Record<string, MetadataValue>>) {
  const keys = {
    block_count: 5, context_length: 512, embedding_length: 64, feed_forward_length: 96, 'attention.head_count': 4,
    'attention.layer_norm_rms_epsilon': Math.fround(1e-6), 'rope.freq_base': 20_000, ...settings,
  };
  const metadata = Object.fromEntries(Object.entries(keys).map(([key, value]) => [`olmo2.${key}`, value]));
  return memoryCheckpoint({ format: 'gguf', architecture: 'olmo2', metadata, tensors: { 'token_embd.weight': { shape: [20, 64] } } });
}

function read(checkpoint: ReturnType<typeof memoryCheckpoint>) {
  const config = olmo3.parseConfig(checkpoint);
  return { config, warnings: olmo3.checkSettings(checkpoint, config) };
}

const YARN = { rope_type: 'yarn', factor: 8, original_max_position_embeddings: 64, attention_factor: 1.25 };
const EVERY_FOURTH = [true, true, true, false, true];
const PLAIN = { kind: 'none' };

describe('config.json of olmo3', () => {
  it('scales the rotation of layers that see all alone', () => {
    const { config, warnings } = read(hf('olmo3', { rope_theta: 20_000, rope_scaling: YARN, sliding_window: 16 }));
    expect(warnings).toEqual([]);
    expect(config).toMatchObject({
      window: { size: 16, layers: EVERY_FOURTH }, rope: { theta: 20_000, scaling: { kind: 'yarn', factor: 8, magnitude: 1.25 } },
      // transformers takes rope_theta for the others alone.
      slidingRope: { theta: 500_000, scaling: PLAIN }, rmsEps: 1e-5, tiedEmbeddings: true,
    });
  });

  it('says the same for each type of layer', () => {
    const rope_parameters = {
      full_attention: { ...YARN, rope_theta: 20_000 }, sliding_attention: { rope_type: 'default', rope_theta: 500_000 },
    };
    const older = read(hf('olmo3', { rope_theta: 20_000, rope_scaling: YARN }));
    expect(read(hf('olmo3', { rope_parameters }))).toEqual(older);
    expect(older.config.window?.size).toBe(4096);
  });

  const refused: readonly (readonly [string, JsonValue, string])[] = [
    ['hidden_act', 'gelu', 'hidden_act'],
    ['clip_qkv', 8, 'clip_qkv'],
    ['sliding_window', null, 'sliding_window of olmo3 must be a number'],
    ['rope_parameters', { rope_type: 'default', rope_theta: 1e6 }, 'full_attention and sliding_attention, found rope_type'],
    ['rope_parameters', { full_attention: { rope_type: 'default', beta_fast: 4 } }, 'full_attention.beta_fast'],
  ];
  it.each(refused)('%s %j is refused by name', (key, value, message) => {
    expect(() => read(hf('olmo3', { [key]: value }))).toThrow(FormatError);
    expect(() => read(hf('olmo3', { [key]: value }))).toThrow(message);
  });
});

describe('config.json of olmo2', () => {
  it('has one rotation and no windows', () => {
    const { config, warnings } = read(hf('olmo2', { rope_parameters: { rope_type: 'default', rope_theta: 20_000 } }));
    expect(warnings).toEqual([]);
    expect(config).toMatchObject({ rope: { theta: 20_000, scaling: PLAIN }, slidingRope: { theta: 20_000, scaling: PLAIN } });
    expect(config.window).toBeUndefined();
  });

  it.each([['layer_types', ['sliding_attention']], ['rope_parameters', { full_attention: { rope_type: 'default' } }]])(
    '%s of olmo3 is refused by name',
    (key, value) => {
      expect(() => read(hf('olmo2', { [key]: value }))).toThrow(key);
    },
  );
});

describe('GGUF metadata of olmo2', () => {
  it('is of OLMo 2 without a window, and of OLMo 3 with one', () => {
    expect(read(gguf({})).config).toMatchObject({ slidingRope: { theta: 20_000, scaling: PLAIN } });
    expect(read(gguf({})).config.window).toBeUndefined();
    const { config, warnings } = read(gguf({
      'attention.sliding_window': 16, 'rope.scaling.type': 'yarn', 'rope.scaling.factor': 8, 'rope.scaling.original_context_length': 64,
    }));
    expect(warnings).toEqual([]);
    expect(config).toMatchObject({
      window: { size: 16, layers: EVERY_FOURTH }, rope: { theta: 20_000, scaling: { kind: 'yarn' } },
      slidingRope: { theta: 20_000, scaling: PLAIN },
    });
    expect(config.slidingRope).not.toHaveProperty('attentionFactor');
  });

  it('lists the layers with a window; a period that is not the usual one is a number, as llama.cpp reads it', () => {
    const pattern = (settings: JsonObject) =>
      olmo3.metadata(read(hf('olmo3', settings)).config).get('olmo2.attention.sliding_window_pattern')?.value;
    const types = (slides: readonly boolean[]) => slides.map((each) => (each ? 'sliding_attention' : 'full_attention'));
    expect(pattern({})).toEqual(EVERY_FOURTH);
    expect(pattern({ layer_types: types([true, false, true, false, true]) })).toBe(2);
    expect(pattern({ layer_types: types([true, false, false, false, true]) })).toEqual([true, false, false, false, true]);
  });
});
