/** Published sizes: what they hold is counted as transformers counts it (parameters of a model on torch's device `meta`). */
import { describe, expect, it } from 'vitest';
import { memoryCheckpoint } from '../../test/memory-checkpoint.ts';
import { memoryOf } from '../engine/sound-decoder.ts';
import { parameterCount } from '../graph/model-graphs.ts';
import { openDecoder } from './open-decoder.ts';

interface Size {
  readonly dim: number;
  readonly encoder: number;
  readonly decoder: number;
  readonly bands: number;
  readonly vocab: number;
  readonly parameters: number;
}

const SIZES: Readonly<Record<string, Size>> = {
  tiny: { dim: 384, encoder: 4, decoder: 4, bands: 80, vocab: 51_865, parameters: 37_760_640 },
  'tiny.en': { dim: 384, encoder: 4, decoder: 4, bands: 80, vocab: 51_864, parameters: 37_760_256 },
  base: { dim: 512, encoder: 6, decoder: 6, bands: 80, vocab: 51_865, parameters: 72_593_920 },
  small: { dim: 768, encoder: 12, decoder: 12, bands: 80, vocab: 51_865, parameters: 241_734_912 },
  medium: { dim: 1024, encoder: 24, decoder: 24, bands: 80, vocab: 51_865, parameters: 763_857_920 },
  'large-v2': { dim: 1280, encoder: 32, decoder: 32, bands: 80, vocab: 51_865, parameters: 1_543_304_960 },
  'large-v3': { dim: 1280, encoder: 32, decoder: 32, bands: 128, vocab: 51_866, parameters: 1_543_490_560 },
  'large-v3-turbo': { dim: 1280, encoder: 32, decoder: 4, bands: 128, vocab: 51_866, parameters: 808_878_080 },
  'distil-large-v3': { dim: 1280, encoder: 32, decoder: 2, bands: 128, vocab: 51_866, parameters: 756_405_760 },
};

function checkpointOf({ dim, encoder, decoder, bands, vocab }: Size) {
  const shapes: [string, number[]][] = [];
  const both = (name: string, shape: number[], hasBias = true): void => {
    shapes.push([`model.${name}.weight`, shape]);
    if (hasBias) shapes.push([`model.${name}.bias`, shape.slice(0, 1)]);
  };
  const layers = (side: string, count: number, attentions: readonly string[]): void => {
    for (let n = 0; n < count; n++) {
      const name = `${side}.layers.${n}`;
      for (const attention of attentions) {
        for (const part of ['q', 'k', 'v', 'out']) both(`${name}.${attention}.${part}_proj`, [dim, dim], part !== 'k');
        both(`${name}.${attention}_layer_norm`, [dim]);
      }
      both(`${name}.fc1`, [4 * dim, dim]);
      both(`${name}.fc2`, [dim, 4 * dim]);
      both(`${name}.final_layer_norm`, [dim]);
    }
    both(`${side}.layer_norm`, [dim]);
  };
  both('encoder.conv1', [dim, bands, 3]);
  both('encoder.conv2', [dim, dim, 3]);
  both('encoder.embed_positions', [1500, dim], false);
  layers('encoder', encoder, ['self_attn']);
  both('decoder.embed_tokens', [vocab, dim], false);
  both('decoder.embed_positions', [448, dim], false);
  layers('decoder', decoder, ['self_attn', 'encoder_attn']);
  const heads = dim / 64;
  return memoryCheckpoint({
    format: 'safetensors', architecture: 'whisper',
    config: {
      model_type: 'whisper', d_model: dim, encoder_layers: encoder, decoder_layers: decoder, encoder_attention_heads: heads,
      decoder_attention_heads: heads, encoder_ffn_dim: 4 * dim, decoder_ffn_dim: 4 * dim, num_mel_bins: bands, max_source_positions: 1500,
      max_target_positions: 448, vocab_size: vocab,
    },
    tensors: Object.fromEntries(shapes.map(([name, shape]) => [name, { shape, type: 'f16' as const }])),
  });
}

describe('published sizes', () => {
  it.each(Object.entries(SIZES))('%s has its parameters, windows and types', async (_, size) => {
    const { model, warnings } = await openDecoder(checkpointOf(size));
    expect(warnings).toEqual([]);
    expect(parameterCount(model)).toBe(size.parameters);
    expect(memoryOf(model, 3000)).toBe(1500);
    // All heads of the upper half where no file lists those that align.
    const aligner = model.graphs.get('aligner')!;
    expect([...aligner.outputs.keys()].length).toBe(size.decoder - Math.floor(size.decoder / 2));
    const { weights } = await openDecoder(checkpointOf(size), { quantize: 'q8_0' });
    const types = ['encoder.layers.0.mlp.up', 'decoder.layers.0.cross.q', 'embedding', 'encoder.norm'].map((id) => weights.get(id)?.type);
    expect(types).toEqual(['q8_0', 'q8_0', 'q8_0', 'f16']);
  });
});
