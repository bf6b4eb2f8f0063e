/** What Gemma 4's files may say beside its golden (load-model.test.ts): larger models' attention, older keys, towers, experts. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { hasShared, sharedPath } from '../../test/fixture-tensors.ts';
import { memoryCheckpoint } from '../../test/memory-checkpoint.ts';
import { expectValuesAreKeys, hasValuesAreKeys, openValuesAreKeys } from '../../test/values-are-keys.ts';
import { createModel } from '../engine/model.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import { gemma4 } from '../models/gemma4.ts';
import { openDecoder } from '../models/open-decoder.ts';
import { createReferenceExecutor } from '../reference/reference-executor.ts';
import type { Checkpoint, JsonObject } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { convert } from './convert.ts';
import { fileSink } from './file-sink.ts';
import { openExecutor } from './load-model.ts';
import { locate } from './open-path.ts';

const opened: Checkpoint[] = [];
afterEach(async () => {
  for (const checkpoint of opened.splice(0)) await checkpoint.close();
});
async function open(name: string): Promise<Checkpoint> {
  const checkpoint = await openCheckpoint(await locate(`${sharedPath}/golden/${name}`));
  opened.push(checkpoint);
  return checkpoint;
}
/** For several models, each of which closes what it was made of. */
const keptOpen = (checkpoint: Checkpoint): Checkpoint => ({ ...checkpoint, close: async () => {} });

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ingot-gemma4-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!hasValuesAreKeys)('Gemma 4 with keys for values (needs ../shared/golden)', () => {
  it.each(['reference', 'cpu'] as const)('gives the logits and greedy tokens of transformers on %s', async (device) => {
    await expectValuesAreKeys(await openValuesAreKeys(), await openExecutor({ device }), 1e-4);
  });

  it('and so does its GGUF file, which says it by the absence of matrices', async () => {
    const path = join(folder, 'keys.gguf');
    const source = await openValuesAreKeys();
    await convert(source, await fileSink(path), { type: 'f32' });
    await source.close();
    const made = await openCheckpoint(await locate(path));
    expect(made.tensors.has('blk.0.attn_v.weight')).toBe(false);
    expect([...(made.metadata.get('gemma4.attention.head_count_kv') as Int32Array)]).toEqual([1, 2, 1]);
    await expectValuesAreKeys(made, createReferenceExecutor(), 1e-4);
  });
});

describe.skipIf(!hasShared('golden/gemma4/config.json'))('the golden of Gemma 4 said otherwise (needs ../shared/golden)', () => {
  it('the width of heads without a window stands for all of them in published files', async () => {
    const checkpoint = await open('gemma4');
    const { per_layer_config: byLayer, ...config } = checkpoint.config ?? {};
    expect(byLayer).toBeDefined();
    const published = gemma4.parseConfig({ ...checkpoint, config: { ...config, global_head_dim: 32, num_global_key_value_heads: null } });
    expect(published).toEqual(gemma4.parseConfig(checkpoint));
    expect(published.each.map(({ headDim }) => headDim)).toEqual([16, 16, 32, 16, 16, 32]);
    expect(published.each.map(({ ffnDim }) => ffnDim)).toEqual([64, 64, 64, 128, 128, 128]);
    expect(published.each.map(({ owner }) => owner)).toEqual([undefined, undefined, undefined, 1, 1, 2]);
  });

  it('a checkpoint with towers is its text part, and says what it leaves out', async () => {
    const alone = await open('gemma4');
    const others = memoryCheckpoint({
      format: 'safetensors', architecture: 'x',
      tensors: {
        'model.vision_tower.patch_embedder.input_proj.weight': { shape: [4, 4] },
        'model.embed_vision.embedding_projection.weight': { shape: [64, 4] },
        'model.audio_tower.output_proj.weight': { shape: [4, 4] },
        'model.embed_audio.embedding_projection.weight': { shape: [64, 4] },
        // Published files have them, though no layer reads them.
        'model.language_model.layers.4.self_attn.k_proj.weight': { shape: [32, 64] },
        'model.language_model.layers.4.self_attn.k_norm.weight': { shape: [16] },
      },
    }).tensors;
    const own = [...alone.tensors].map(([name, entry]) => [name.replace(/^model\./, 'model.language_model.'), entry] as const);
    const config = { model_type: 'gemma4', text_config: alone.config as JsonObject, vision_config: { model_type: 'gemma4_vision' } };
    const whole: Checkpoint = { ...alone, architecture: 'gemma4', config, tensors: new Map([...own, ...others]) };
    const { skipped, warnings } = await openDecoder(whole);
    expect(warnings).toEqual([]);
    expect(skipped.map(({ reason }) => reason)).toEqual([
      'of the vision tower: only the text part is loaded', 'of the vision tower: only the text part is loaded',
      'of the audio tower: only the text part is loaded', 'of the audio tower: only the text part is loaded',
      'the layer reads keys and values of another, or values that are its keys',
      'the layer reads keys and values of another, or values that are its keys',
    ]);
    const logits = [];
    for (const checkpoint of [alone, whole]) {
      const model = await createModel({ checkpoint: keptOpen(checkpoint), executor: createReferenceExecutor() });
      logits.push(await model.forward([5, 9, 60, 3]));
      await model.dispose();
    }
    expect(logits[0]).toEqual(logits[1]);
  });

  const refused: readonly (readonly [JsonObject, string])[] = [
    [{ use_bidirectional_attention: 'all' }, 'use_bidirectional_attention'],
    [{ is_causal: false }, 'without causality'],
    [{ hidden_activation: 'silu' }, 'hidden_activation'],
    [{ num_kv_shared_layers: 4 }, 'layer 2 shares keys and values'],
    [{ num_kv_shared_layers: -1 }, 'num_kv_shared_layers must be'],
    [{ vocab_size_per_layer_input: 100 }, 'vocab_size_per_layer_input must be'],
    [{ per_layer_config: { 2: { head_dim: 32, sliding_window: 4 }, 5: { head_dim: 32 } } }, 'per_layer_config.2.sliding_window'],
    [{ per_layer_config: { 2: { head_dim: 32 } } }, 'one head dimension for layers without a window'],
    [{ per_layer_config: { 9: { head_dim: 32 } } }, 'per_layer_config must name layers by number'],
    [{ num_attention_heads: 3 }, 'multiple of the key/value heads'],
    [{ rope_parameters: { rope_type: 'default', rope_theta: 1e4 } }, 'must have full_attention and sliding_attention'],
    [
      { rope_parameters: { full_attention: { rope_type: 'linear', factor: 2 }, sliding_attention: { rope_type: 'default' } } },
      'rope scaling linear of full_attention',
    ],
    [
      {
        rope_parameters: {
          full_attention: { rope_type: 'proportional', attention_factor: 2 }, sliding_attention: { rope_type: 'default' },
        },
      },
      'rope_parameters.full_attention.attention_factor',
    ],
  ];
  it.each(refused)('%j is refused by name', async (settings, message) => {
    const checkpoint = await open('gemma4');
    const opening = openDecoder({ ...checkpoint, config: { ...checkpoint.config, ...settings } });
    await expect(opening).rejects.toThrow(FormatError);
    await expect(opening).rejects.toThrow(message);
  });

  it('a GGUF file without the divisors of its rotation is refused, as its rotation would be another', async () => {
    const path = join(folder, 'plain.gguf');
    await convert(await open('gemma4'), await fileSink(path), { type: 'f32' });
    const made = await openCheckpoint(await locate(path));
    const { config } = await openDecoder(made);
    expect(config.contextLength).toBe(512);
    const tensors = new Map([...made.tensors].filter(([name]) => name !== 'rope_freqs.weight'));
    await expect(openDecoder({ ...made, tensors })).rejects.toThrow('expected tensor rope_freqs.weight, found none');
    await made.close();
  });
});
