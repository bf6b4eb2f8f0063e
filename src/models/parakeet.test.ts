import { describe, expect, it } from 'vitest';
import { memoryCheckpoint } from '../../test/memory-checkpoint.ts';
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { conformerInputs, distanceTable, encodedFrames } from './conformer.ts';
import { ARCHITECTURES, architectureOf } from './open-decoder.ts';
import type { ParakeetConfig } from './parakeet.ts';

/** As nvidia/parakeet-tdt-0.6b-v3 has it, but for names of training. */
const ENCODER: JsonObject = {
  model_type: 'parakeet_encoder', hidden_size: 1024, num_hidden_layers: 24, num_attention_heads: 8, num_key_value_heads: 8,
  intermediate_size: 4096, hidden_act: 'silu', attention_bias: false, convolution_bias: false, conv_kernel_size: 9, subsampling_factor: 8,
  subsampling_conv_channels: 256, num_mel_bins: 128, subsampling_conv_kernel_size: 3, subsampling_conv_stride: 2, dropout: 0.1,
  dropout_positions: 0, layerdrop: 0.1, activation_dropout: 0.1, attention_dropout: 0.1, max_position_embeddings: 5000,
  scale_input: false, initializer_range: 0.02,
};
const TDT: JsonObject = {
  vocab_size: 8193, decoder_hidden_size: 640, num_decoder_layers: 2, hidden_act: 'relu', max_symbols_per_step: 10,
  durations: [0, 1, 2, 3, 4], blank_token_id: 8192, pad_token_id: 2, is_encoder_decoder: true, initializer_range: 0.02,
};

function read(architecture: string, settings: JsonObject, encoder: JsonObject = {}) {
  const config = { model_type: architecture, ...settings, encoder_config: { ...ENCODER, ...encoder } };
  const checkpoint = memoryCheckpoint({ format: 'safetensors', architecture, config, tensors: {} });
  const family = architectureOf(checkpoint, ARCHITECTURES);
  const parsed = family.parseConfig(checkpoint) as ParakeetConfig;
  return { parsed, warnings: family.checkSettings(checkpoint, parsed), weights: family.weights(parsed) };
}

describe("Parakeet's settings", () => {
  it('are obeyed as published', () => {
    const { parsed, warnings, weights } = read('parakeet_tdt', TDT);
    expect(warnings).toEqual([]);
    expect(parsed).toMatchObject({
      blankId: 8192, vocabSize: 8193, transducer: { width: 640, layers: 2, durations: [0, 1, 2, 3, 4], mostSymbols: 10 },
      encoder: { bins: 128, planes: 256, halvings: 3, inputScale: 1, biases: { products: false, convolutions: false } },
    });
    expect(weights.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)).toBeGreaterThan(6.1e8);
    expect(weights.find(({ id }) => id === 'encoder.joined')?.shape).toEqual([1024, 4096]);
    expect(weights.some(({ id }) => id === 'encoder.layers.0.attn.q.bias')).toBe(false);
    expect(read('parakeet_ctc', { vocab_size: 1025, pad_token_id: 1024 }, { scale_input: true }).parsed.encoder.inputScale).toBe(32);
  });

  it.each([
    ['hidden_act', 'gelu'], ['num_key_value_heads', 2], ['subsampling_conv_kernel_size', 5], ['subsampling_conv_stride', 4],
  ] as readonly (readonly [string, JsonValue])[])('encoder_config.%s is refused by name', (key, value) => {
    expect(() => read('parakeet_tdt', TDT, { [key]: value })).toThrow(new RegExp(`encoder_config.${key} must be`));
  });

  it.each([
    [{ hidden_act: 'tanh' }, {}, /hidden_act must be "relu"/],
    [{ durations: [] }, {}, /durations must be frames from 0 to 64, found \[\]/],
    [{ durations: [0, -1] }, {}, /durations must be frames/],
    [{ blank_token_id: 9000 }, {}, /blank_token_id must be less than vocab_size \(8193\), found 9000/],
    [{}, { subsampling_factor: 6 }, /subsampling_factor must be a power of 2, found 6/],
    [{}, { conv_kernel_size: 8 }, /conv_kernel_size must be odd, found 8/],
    [{}, { num_attention_heads: 7 }, /encoder_config\): the width \(1024\) must be a multiple of the attention heads \(7\)/],
    [{}, { num_mel_bins: 0 }, /num_mel_bins must be an integer from 1/],
  ] as const)('%j %j is refused', (own, encoder, message) => {
    expect(() => read('parakeet_tdt', { ...TDT, ...own }, encoder)).toThrow(message);
    expect(() => read('parakeet_tdt', { ...TDT, ...own }, encoder)).toThrow(FormatError);
  });

  it('that nobody knows are told', () => {
    expect(read('parakeet_tdt', TDT, { conv_norm_type: 'layer_norm' }).warnings.join()).toContain('encoder_config.conv_norm_type');
  });

  it('need an encoder', () => {
    const checkpoint = memoryCheckpoint({ format: 'safetensors', architecture: 'parakeet_ctc', config: { vocab_size: 5 }, tensors: {} });
    expect(() => architectureOf(checkpoint, ARCHITECTURES).parseConfig(checkpoint)).toThrow(/expected encoder_config, an object/);
  });
});

describe('the frames of a conformer', () => {
  it('are an eighth, rounded up', () => {
    expect([0, 1, 8, 9, 203, 3000].map((frames) => encodedFrames({ halvings: 3 }, frames))).toEqual([0, 1, 1, 2, 26, 375]);
  });

  it('look at each other by sines and cosines of their distance', () => {
    const table = distanceTable(3, 4);
    expect(table.length).toBe(5 * 4);
    expect([...table.subarray(8, 12)]).toEqual([0, 1, 0, 1]);
    expect(table[0]).toBeCloseTo(Math.sin(2));
    expect(table[16]).toBeCloseTo(Math.sin(-2));
    expect(table[3]).toBeCloseTo(Math.cos(0.02));
    expect(conformerInputs(read('parakeet_tdt', TDT).parsed.encoder, new Float32Array(128 * 9)).dims).toEqual({ cells: 1152 });
  });
});
