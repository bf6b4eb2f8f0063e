/** Settings of the goldens' files with one thing wrong: each is refused in the file's own words, and none is passed over. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { filesBelow, openFiles, poolingFiles } from '../../test/embedding-model.ts';
import { fixturesPath, hasShared, sharedPath } from '../../test/fixture-tensors.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import { openDecoder } from '../models/open-decoder.ts';
import type { Checkpoint, JsonObject, MetadataValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { convert } from './convert.ts';
import { fileSink } from './file-sink.ts';
import { locate } from './open-path.ts';

const ENCODERS = ['bert', 'nomic_bert'];

function filesOf(name: string): Map<string, Uint8Array> {
  return ENCODERS.includes(name)
    ? filesBelow(join(fixturesPath, 'golden', name), poolingFiles('mean_tokens'))
    : filesBelow(join(sharedPath, 'golden', name));
}
const isHere = (name: string) => ENCODERS.includes(name) || hasShared(`golden/${name}/golden.json`);

/** `change`: keys of config.json; undefined removes one, and a name with a dot is that of an object's. */
function changed(config: JsonObject, change: Readonly<Record<string, unknown>>): JsonObject {
  const made = structuredClone(config) as Record<string, unknown>;
  for (const [path, value] of Object.entries(change)) {
    const keys = path.split('.');
    let at = made;
    for (const key of keys.slice(0, -1)) at = at[key] as Record<string, unknown>;
    if (value === undefined) delete at[keys.at(-1) as string];
    else at[keys.at(-1) as string] = value;
  }
  return made as JsonObject;
}

describe('config.json', () => {
  const refused: readonly (readonly [string, Readonly<Record<string, unknown>>, string])[] = [
    ['mistral', { rope_theta: 5 }, 'rope_theta must be 10000 for mistral, found 5'],
    ['mistral', { rope_theta: 'x' }, 'rope_theta must be 10000 for mistral, found "x"'],
    ['mistral', { sliding_window: 0 }, 'sliding_window must be an integer of at least 1, found 0'],
    ['mistral', { sliding_window: 2.5 }, 'sliding_window must be an integer of at least 1, found 2.5'],
    ['mistral', { head_dim: 15 }, 'the head dimension must be an even integer for rotary embedding, found 15'],
    ['ministral3', { 'rope_parameters.factor': 0 }, 'rope factor must be a number above 0, found 0'],
    ['ministral3', { 'rope_parameters.factor': 1e-320 }, 'must give finite frequencies, found Infinity'],
    ['ministral3', { 'rope_parameters.rope_theta': 1 }, 'rope theta 1 with scaling yarn must give finite frequencies, found NaN'],
    ['ministral3', { 'rope_parameters.beta_fast': 0 }, 'rope beta_fast must be a number above 0, found 0'],
    [
      'ministral3', { 'rope_parameters.original_max_position_embeddings': 1.5 },
      'rope original_max_position_embeddings must be an integer of at least 2, found 1.5',
    ],
    ['ministral3', { 'rope_parameters.attention_factor': -1 }, 'rope attention_factor must be a number above 0, found -1'],
    ['ministral3', { 'rope_parameters.llama_4_scaling_beta': -1 }, 'llama_4_scaling_beta must be a number of at least 0, found -1'],
    ['qwen2_window', { layer_types: undefined, max_window_layers: 'x' }, 'max_window_layers must be a number, found "x"'],
    ['qwen2_window', { layer_types: undefined, max_window_layers: 1.5 }, 'max_window_layers must be an integer of at least 0, found 1.5'],
    ['qwen2_window', { layer_types: ['sliding_attention'] }, 'layer_types must be an array of 3 names, one a layer, found an array of 1'],
    ['smollm3', { no_rope_layers: [1, 0] }, 'no_rope_layers must be an array of 3 numbers'],
    ['phi3', { partial_rotary_factor: 1.5 }, 'from 2 to the head dimension 16, found 24 (partial_rotary_factor times the head dimension'],
    ['phi3', { partial_rotary_factor: 0 }, 'from 2 to the head dimension 16, found 0 (partial_rotary_factor'],
    ['phi3_longrope', { 'rope_scaling.long_factor': [1] }, 'longrope must have 6 factors, one a frequency, found 1'],
    ['phi3_longrope', { 'rope_scaling.factor': -1 }, 'rope factor must be a number above 0, found -1'],
    [
      'phi3_longrope', { original_max_position_embeddings: 1 },
      'original_max_position_embeddings must be an integer of at least 2, found 1',
    ],
    ['gemma3', { layer_types: undefined, sliding_window_pattern: 0 }, 'sliding_window_pattern must be an integer of at least 1, found 0'],
    ['gemma3', { layer_types: undefined, sliding_window_pattern: 'x' }, 'sliding_window_pattern must be a number, found "x"'],
    ['gemma3', { rope_local_base_freq: 7 }, 'rope_local_base_freq must be 10000 for gemma3_text, found 7'],
    ['gemma4', { num_kv_shared_layers: 6 }, 'num_kv_shared_layers must be a number of layers from 0 to 5, of 6, found 6'],
    ['gemma4', { num_kv_shared_layers: 7 }, 'num_kv_shared_layers must be a number of layers from 0 to 5, of 6, found 7'],
    ['gemma4', { hidden_size_per_layer_input: 16.5 }, 'hidden_size_per_layer_input must be an integer from 0 to 1048576, found 16.5'],
    ['gemma4', { hidden_size_per_layer_input: -1 }, 'hidden_size_per_layer_input must be an integer from 0 to 1048576, found -1'],
    [
      'gemma4', { 'rope_parameters.full_attention.partial_rotary_factor': 1.5 },
      'partial_rotary_factor must be a number above 0 of at most 1',
    ],
    ['gemma4', { 'rope_parameters.full_attention.rope_type': 'default' }, 'and 1 where rope_type is not "proportional", found 0.25'],
    ['gemma4', { rope_theta: 5 }, 'rope_theta must be 1000000 for gemma4_text, found 5'],
    ['olmo3', { 'rope_scaling.factor': 0 }, 'rope factor must be a number above 0, found 0'],
    ['embedding_gemma', { is_causal: true }, 'is_causal must be false for a model of embeddings'],
    ['bert', { vocab_size: 100 }, 'vocab_size must be 101 for bert, found 100'],
    ['bert', { type_vocab_size: 9 }, 'type_vocab_size must be 2 for bert, found 9'],
    ['bert', { is_decoder: true }, 'is_decoder must be absent for bert, found true'],
    ['bert', { is_causal: true }, 'is_causal must be absent for bert, found true'],
    ['bert', { head_dim: 8 }, 'head_dim must be 12 for bert, found 8'],
    ['bert', { num_key_value_heads: 2 }, 'num_key_value_heads must be 4 for bert, found 2'],
    ['bert', { rope_scaling: { type: 'linear', factor: 2 } }, 'rope_scaling.type must be absent for bert'],
    ['bert', { rms_norm_eps: 1 }, 'rms_norm_eps must be absent for bert, found 1'],
    [
      'bert', { layer_types: ['sliding_attention', 'full_attention'] },
      'layer_types must be "full_attention" for bert, found an array of 2',
    ],
    ['nomic_bert', { n_embd: 47 }, 'n_embd must be 48 for nomic_bert, found 47'],
    ['nomic_bert', { layer_norm_epsilon: 0 }, 'layer_norm_epsilon must be 1e-12 for nomic_bert, found 0'],
    ['nomic_bert', { rotary_emb_base: -1 }, 'rotary_emb_base must be 500 for nomic_bert, found -1'],
    ['nomic_bert', { scale_attn_weights: false }, 'scale_attn_weights must be true for nomic_bert, found false'],
    ['nomic_bert', { vocab_size: 9, pad_vocab_size_multiple: 64 }, 'vocab_size must be 51 for nomic_bert, found 9'],
    ['nomic_bert', { max_trained_positions: 0 }, 'max_trained_positions must be an integer from 1'],
  ];
  it.for(refused)('of %s with %j', async ([name, change, message], { skip }) => {
    if (!isHere(name)) skip(`${name} is in ../shared/golden`);
    const checkpoint = await openFiles(filesOf(name));
    await openDecoder(checkpoint);
    const opening = openDecoder({ ...checkpoint, config: changed(checkpoint.config ?? {}, change) });
    await expect(opening).rejects.toThrow(FormatError);
    await expect(opening).rejects.toThrow(message);
  });

  it.skipIf(!isHere('phi3_longrope'))("tells of LongRoPE's factors without the type that uses them", async () => {
    const checkpoint = await openFiles(filesOf('phi3_longrope'));
    const { warnings } = await openDecoder({ ...checkpoint, config: changed(checkpoint.config ?? {}, { 'rope_scaling.type': null }) });
    expect(warnings.join()).toContain('rope_scaling.long_factor (an array of 6)');
  });

  it('takes a vocabulary that was filled up to a multiple', async () => {
    const checkpoint = await openFiles(filesOf('nomic_bert'));
    const config = { ...checkpoint.config, vocab_size: 50, pad_vocab_size_multiple: 17 };
    expect((await openDecoder({ ...checkpoint, config })).config.vocabSize).toBe(51);
  });
});

describe('the metadata of a GGUF file', () => {
  let folder: string;
  const made = new Map<string, Checkpoint>();
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ingot-settings-'));
  });
  afterAll(async () => {
    for (const checkpoint of made.values()) await checkpoint.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function ggufOf(name: string): Promise<Checkpoint> {
    const known = made.get(name);
    if (known !== undefined) return known;
    const path = join(folder, `${name}.gguf`);
    await convert(await openFiles(filesOf(name)), await fileSink(path), { type: 'f32' });
    const checkpoint = await openCheckpoint(await locate(path));
    made.set(name, checkpoint);
    return checkpoint;
  }

  const refused: readonly (readonly [string, string, MetadataValue, string])[] = [
    ['gemma3', 'rope.freq_base_swa', -1, 'rope theta must be a number above 0, found -1'],
    ['gemma3', 'rope.freq_base_swa', NaN, 'rope theta must be a number above 0, found NaN'],
    ['gemma3', 'rope.scaling.factor', NaN, 'rope factor must be a number above 0, found NaN'],
    ['gemma3', 'attention.sliding_window_pattern', -1, 'sliding_window_pattern must be an array of 4 booleans'],
    ['gemma4', 'rope.freq_base_swa', 0, 'rope theta must be a number above 0, found 0'],
    ['gemma4', 'attention.shared_kv_layers', 6, 'gemma4.attention.shared_kv_layers must be a number of layers from 0 to 5, of 6, found 6'],
    ['gemma4', 'embedding_length_per_layer_input', 1.5, 'embedding_length_per_layer_input must be an integer from 0 to 1048576, found 1.5'],
    ['smollm3', 'attention.rope_pattern', [true, false], 'smollm3.attention.rope_pattern must be an array of 3 numbers'],
    ['ministral3', 'rope.scaling.original_context_length', 0, 'must be an integer of at least 2, found 0'],
    ['embedding_gemma', 'attention.causal', true, 'gemma-embedding.attention.causal must be false for a model of embeddings'],
    ['embedding_gemma', 'dense_2_feat_in', 3, 'gemma-embedding.dense_2_feat_in must be 64, as dense_2.weight has it, found 3'],
    ['embedding_gemma', 'pooling_type', 9, 'pooling_type must be 0 (none), 1 (mean), 2 (cls) or 3 (last), found 9'],
    ['bert', 'attention.causal', true, 'bert.attention.causal must be absent for bert, found true'],
    ['bert', 'attention.causal', 'x', 'bert.attention.causal must be absent for bert, found "x"'],
    ['bert', 'attention.head_count_kv', 2, 'bert.attention.head_count_kv must be 4 for bert, found 2'],
    ['bert', 'rope.freq_base', 500, 'bert.rope.freq_base must be absent for bert, found 500'],
    ['nomic_bert', 'attention.value_length', 3, 'nomic-bert.attention.value_length must be 12 for nomic-bert, found 3'],
  ];
  it.for(refused)('of %s: %s %j', async ([name, key, value, message], { skip }) => {
    if (!isHere(name)) skip(`${name} is in ../shared/golden`);
    const checkpoint = await ggufOf(name);
    await openDecoder(checkpoint);
    const metadata = new Map([...checkpoint.metadata, [`${checkpoint.architecture}.${key}`, value]]);
    const opening = openDecoder({ ...checkpoint, metadata });
    await expect(opening).rejects.toThrow(FormatError);
    await expect(opening).rejects.toThrow(message);
  });
});

it('the nearest names of a family that is not known share its name', async () => {
  const checkpoint = await openFiles(filesOf('bert'));
  const near = (architecture: string) => openDecoder({ ...checkpoint, architecture });
  await expect(near('gemma9')).rejects.toThrow('The nearest known: gemma3_text, gemma4_text.');
  await expect(near('phi4')).rejects.toThrow('The nearest known: phi3.');
  await expect(near('mixtral')).rejects.toThrow('The nearest known: mistral');
});
