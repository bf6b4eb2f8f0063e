/** What files say wrongly of their experts is an error that names the tensor or setting, what was expected and what was found. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { goldenPath, hasGolden } from '../../test/goldens.ts';
import type { GoldenName } from '../../test/goldens.ts';
import { MXFP4 } from '../../test/published-configs/other-families.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import { openDecoder } from '../models/open-decoder.ts';
import type { Checkpoint, JsonObject, JsonValue, MetadataValue, TensorEntry } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { convert, convertFile } from './convert.ts';
import { fileSink } from './file-sink.ts';
import { locate } from './open-path.ts';

interface Wrong {
  /** Undefined: without the key. */
  readonly config?: Readonly<Record<string, JsonValue | undefined>>;
  /** Tensors of another shape; undefined: without them. */
  readonly tensors?: Readonly<Record<string, readonly number[] | undefined>>;
}

interface WrongGguf extends Pick<Wrong, 'tensors'> {
  /** Without the architecture's name; undefined: without the key. */
  readonly metadata?: Readonly<Record<string, MetadataValue | undefined>>;
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ingot-wrong-mixtures-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The golden as `convert` writes it. */
async function ggufOf(golden: GoldenName): Promise<string> {
  const path = join(folder, `${golden}.gguf`);
  if (!existsSync(path)) await convertFile(goldenPath(golden), path, { type: 'f32' });
  return path;
}

async function messageOf(path: string, { config, metadata, tensors = {} }: Wrong & WrongGguf): Promise<string> {
  const checkpoint = await openCheckpoint(await locate(path));
  try {
    const keys = new Map(checkpoint.metadata);
    for (const [key, value] of Object.entries(metadata ?? {})) {
      if (value === undefined) keys.delete(`${checkpoint.architecture}.${key}`);
      else keys.set(`${checkpoint.architecture}.${key}`, value);
    }
    const entries = new Map<string, TensorEntry>(checkpoint.tensors);
    for (const [name, shape] of Object.entries(tensors)) {
      const entry = entries.get(name);
      expect(entry, name).toBeDefined();
      if (shape === undefined) entries.delete(name);
      else entries.set(name, { ...(entry as TensorEntry), shape });
    }
    const settings = Object.entries({ ...checkpoint.config, ...config }).filter(([, value]) => value !== undefined);
    const own = checkpoint.config && (Object.fromEntries(settings) as JsonObject);
    const wrong: Checkpoint = { ...checkpoint, tensors: entries, metadata: keys, config: own };
    const error: unknown = await openDecoder(wrong).then(() => undefined, (thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(FormatError);
    return (error as FormatError).message;
  } finally {
    await checkpoint.close();
  }
}

const CASES: readonly (readonly [string, GoldenName, Wrong, RegExp])[] = [
  ['more chosen than there are', 'qwen3_moe', { config: { num_experts_per_tok: 9 } },
    /num_experts_per_tok must be at most the number of experts \(8\), found 9/],
  ['more chosen than there are', 'gpt_oss', { config: { num_experts_per_tok: 7 } },
    /num_experts_per_tok must be at most the number of experts \(6\), found 7/],
  ['more chosen than there are', 'gemma4_moe', { config: { top_k_experts: 7 } },
    /top_k_experts must be at most the number of experts \(6\), found 7/],
  ['none chosen', 'lfm2_moe', { config: { num_experts_per_tok: 0 } }, /num_experts_per_tok must be .*, found 0/],
  ['an expert of which one matrix is missing', 'qwen3_moe', { tensors: { 'model.layers.2.mlp.experts.5.up_proj.weight': undefined } },
    /expected tensor model\.layers\.2\.mlp\.experts\.5\.up_proj\.weight.*\[32, 64\].*, found none/],
  ['a router of too few experts', 'qwen3_moe', { tensors: { 'model.layers.1.mlp.gate.weight': [7, 64] } },
    /expected tensor model\.layers\.1\.mlp\.gate\.weight.*\[8, 64\].*, found shape \[7, 64\]/],
  ['stacked matrices of too few experts', 'gpt_oss', { tensors: { 'model.layers.1.mlp.experts.down_proj': [5, 32, 64] } },
    /expected tensor model\.layers\.1\.mlp\.experts\.down_proj.*\[6, 32, 64\].*, found shape \[5, 32, 64\]/],
  ['stacked matrices that are missing', 'gemma4_moe', { tensors: { 'model.layers.2.experts.down_proj': undefined } },
    /expected tensor model\.layers\.2\.experts\.down_proj.*\[6, 64, 32\].*, found none/],
  ['a bias of the choice of the wrong length', 'lfm2_moe', { tensors: { 'model.layers.2.feed_forward.expert_bias': [5] } },
    /expected tensor model\.layers\.2\.feed_forward\.expert_bias.*\[6\].*, found shape \[5\]/],
  ['a bias of the router of the wrong length', 'gpt_oss', { tensors: { 'model.layers.2.mlp.router.bias': [7] } },
    /expected tensor model\.layers\.2\.mlp\.router\.bias.*\[6\].*, found shape \[7\]/],
  ['biases of experts of the wrong length', 'gpt_oss', { tensors: { 'model.layers.0.mlp.experts.gate_up_proj_bias': [6, 32] } },
    /expected tensor model\.layers\.0\.mlp\.experts\.gate_up_proj_bias.*\[6, 64\].*, found shape \[6, 32\]/],
  ['factors of experts of the wrong length', 'gemma4_moe', { tensors: { 'model.layers.2.router.per_expert_scale': [5] } },
    /expected tensor model\.layers\.2\.router\.per_expert_scale.*\[6\].*, found shape \[5\]/],
  ['no experts', 'qwen3_moe', { config: { num_local_experts: 0 } }, /num_local_experts must be an integer from 1 .*, found 0/],
  ['more experts than tensors', 'lfm2_moe', { config: { num_experts: 2 ** 24 } },
    /num_experts must be the number of experts in the file, which has \d+ tensors in all, found 16777216: each needs 3 .* of 3 layers/],
  ['more experts than tensors', 'qwen3_moe', { config: { num_local_experts: 2 ** 24 } }, /num_local_experts must be .*, found 16777216/],
  ['more experts than a tensor of all has', 'gpt_oss', { config: { num_local_experts: 2 ** 24 } },
    /expected tensor model\.layers\.0\.mlp\.router\.weight.*\[16777216, 64\].*, found shape \[6, 64\]/],
  ['fewer than no experts', 'qwen3_5_moe', { config: { num_experts: -1 } }, /num_experts must be an integer from 1 .*, found -1/],
  ['half an expert', 'gpt_oss', { config: { num_local_experts: 5.5 } }, /num_local_experts must be an integer from 1 .*, found 5\.5/],
  ['one and a half chosen', 'gemma4_moe', { config: { top_k_experts: 1.5 } }, /top_k_experts must be an integer from 1 .*, found 1\.5/],
  ['a number of experts that is a text', 'lfm2_moe', { config: { num_experts: '6' } }, /num_experts must be a number, found "6"/],
  ['a number of experts that is not there', 'gemma4_moe', { config: { num_experts: null } }, /num_experts must be present, found nothing/],
  ['two numbers of chosen', 'gpt_oss', { config: { experts_per_token: 3 } },
    /num_experts_per_tok and experts_per_token must be the same, found 2 and 3/],
  ['experts without a width', 'lfm2_moe', { config: { moe_intermediate_size: undefined } }, /moe_intermediate_size must be present, found/],
  ['a shared expert without a width', 'qwen3_5_moe', { config: { shared_expert_intermediate_size: 0 } },
    /shared_expert_intermediate_size must be an integer from 1 .*, found 0/],
  ['a norm that is a text', 'qwen3_moe', { config: { norm_topk_prob: 'yes' } }, /norm_topk_prob must be true or false, found "yes"/],
  ['a norm that is a number', 'lfm2_moe', { config: { norm_topk_prob: 1 } }, /norm_topk_prob must be true or false, found 1/],
  ['weights that do not sum to 1', 'qwen3_5_moe', { config: { norm_topk_prob: false } }, /norm_topk_prob must be true for .*, found false/],
  ['no biases of attention', 'gpt_oss', { config: { attention_bias: false } }, /attention_bias must be true for gpt_oss, found false/],
  ['biases of attention', 'qwen3_5_moe', { config: { attention_bias: true } }, /attention_bias must be absent for .*, found true/],
  ['a factor of nothing', 'lfm2_moe', { config: { routed_scaling_factor: 0 } }, /routed_scaling_factor must be a number above 0, found 0/],
  ['a bias that may be', 'lfm2_moe', { config: { use_expert_bias: 'x' } }, /use_expert_bias must be true or false, found "x"/],
  ['a bias that is said not to be', 'lfm2_moe', { config: { use_expert_bias: false } },
    /found model\.layers\.1\.feed_forward\.expert_bias \[6\]/],
  ['as many dense layers as layers', 'lfm2_moe', { config: { num_dense_layers: 4 } }, /num_dense_layers must be .* below 4, found 4/],
  ['dense layers that there are not', 'qwen3_moe', { config: { mlp_only_layers: [7] } },
    /mlp_only_layers must be a list of layers from 0 to 2/],
  ['a step of nothing', 'qwen3_moe', { config: { decoder_sparse_step: 0 } }, /decoder_sparse_step must be an integer from 1 .*, found 0/],
  ['a bound of the gate of its own', 'gpt_oss', { config: { swiglu_limit: 5 } }, /swiglu_limit must be 7, found 5/],
  ['experts in MXFP4', 'gpt_oss', { config: { quantization_config: MXFP4 } },
    /quantization_config must be absent for gpt_oss, found quant_method "mxfp4": a model that needs it is not supported/],
  ['no router', 'lfm2_moe', { tensors: { 'model.layers.2.feed_forward.gate.weight': undefined } },
    /expected tensor model\.layers\.2\.feed_forward\.gate\.weight.*\[6, 64\].*, found none/],
];

const IN_GGUF: readonly (readonly [string, GoldenName, WrongGguf, RegExp])[] = [
  ['more chosen than there are', 'qwen3_moe', { metadata: { expert_used_count: 9 } },
    /qwen3moe\.expert_used_count must be at most the number of experts \(8\), found 9/],
  ['none chosen', 'gemma4_moe', { metadata: { expert_used_count: 0 } }, /gemma4\.expert_used_count must be an integer from 1 .*, found 0/],
  ['a number of experts that is not there', 'gpt_oss', { metadata: { expert_count: undefined } }, /gpt-oss\.expert_count must be present/],
  ['other numbers of chosen by layer', 'qwen3_moe', { metadata: { expert_used_count: Int32Array.of(0, 2, 3) } },
    /qwen3moe\.expert_used_count must be the same for all layers with experts, found both 2 and 3/],
  ['none chosen in a layer with experts', 'qwen3_moe', { metadata: { expert_used_count: Int32Array.of(2, 0, 2) } },
    /qwen3moe\.expert_used_count must be an integer from 1 to \d+ for layers with experts, found 0/],
  ['numbers of chosen for fewer layers', 'qwen3_moe', { metadata: { expert_used_count: Int32Array.of(2, 2) } },
    /qwen3moe\.expert_used_count must be a number, or one for each of 3 layers, found 2 of them/],
  ['another width', 'qwen3_moe', { metadata: { expert_feed_forward_length: 33 } },
    /expected tensor blk\.1\.ffn_gate_exps\.weight of shape \[8, 33, 64\], found shape \[8, 32, 64\]/],
  ['scores that are not known', 'qwen3_moe', { metadata: { expert_gating_func: 9 } },
    /qwen3moe\.expert_gating_func must be 1 for .*, found 9/],
  ['scores of another family', 'gemma4_moe', { metadata: { expert_gating_func: 2 } },
    /gemma4\.expert_gating_func must be 1 for .*, found 2/],
  ['scores of another family', 'gpt_oss', { metadata: { expert_gating_func: 2 } },
    /gpt-oss\.expert_gating_func must be 1 or 3 for .*, found 2/],
  ['scores of another family', 'lfm2_moe', { metadata: { expert_gating_func: 1 } }, /lfm2moe\.expert_gating_func must be 2 .*, found 1/],
  ['scores that it does not name', 'lfm2_moe', { metadata: { expert_gating_func: undefined } },
    /expert_gating_func must be 2 .*, found nothing/],
  ['weights that do not sum to 1', 'qwen3_moe', { metadata: { expert_weights_norm: false } },
    /qwen3moe\.expert_weights_norm must be true for qwen3moe, found false/],
  ['weights that do not sum to 1', 'qwen3_5_moe', { metadata: { expert_weights_norm: false } },
    /expert_weights_norm must be true for .*, found false/],
  ['weights that do not sum to 1', 'gemma4_moe', { metadata: { expert_weights_norm: false } },
    /expert_weights_norm must be true for .*, found false/],
  ['a factor', 'qwen3_moe', { metadata: { expert_weights_scale: 2 } }, /qwen3moe\.expert_weights_scale must be 0 or 1 for .*, found 2/],
  ['a factor below nothing', 'lfm2_moe', { metadata: { expert_weights_scale: -1 } },
    /expert_weights_scale must be a number above 0, found -1/],
  ['a factor that is no number', 'lfm2_moe', { metadata: { expert_weights_scale: NaN } },
    /expert_weights_scale must be .* above 0, found NaN/],
  ['groups of experts', 'qwen3_moe', { metadata: { expert_group_count: 4 } },
    /qwen3moe\.expert_group_count must be 0 or 1 for .*, found 4/],
  ['two shared experts', 'qwen3_5_moe', { metadata: { expert_shared_count: 2 } }, /expert_shared_count must be 0 or 1 for .*, found 2/],
  ['no router', 'qwen3_moe', { tensors: { 'blk.2.ffn_gate_inp.weight': undefined } },
    /expected tensor blk\.2\.ffn_gate_inp\.weight of shape \[8, 64\], found none/],
  ['no router', 'gemma4_moe', { tensors: { 'blk.0.ffn_gate_inp.weight': undefined } },
    /expected tensor blk\.0\.ffn_gate_inp\.weight of shape \[6, 64\], found none/],
  ['experts without a matrix', 'lfm2_moe', { tensors: { 'blk.3.ffn_up_exps.weight': undefined } },
    /expected tensor blk\.3\.ffn_up_exps\.weight of shape \[6, 32, 64\], found none/],
  ['too few experts', 'qwen3_5_moe', { tensors: { 'blk.1.ffn_down_exps.weight': [5, 64, 32] } },
    /expected tensor blk\.1\.ffn_down_exps\.weight of shape \[6, 64, 32\], found shape \[5, 64, 32\]/],
  ['a bias of the choice in some layers', 'lfm2_moe', { tensors: { 'blk.1.exp_probs_b.bias': undefined } },
    /expected tensor blk\.1\.exp_probs_b\.bias of shape \[6\], found none/],
  ['a bias of the wrong length', 'gpt_oss', { tensors: { 'blk.1.ffn_gate_exps.bias': [6, 31] } },
    /expected tensor blk\.1\.ffn_gate_exps\.bias of shape \[6, 32\], found shape \[6, 31\]/],
  ['factors of the wrong length', 'gemma4_moe', { tensors: { 'blk.1.ffn_down_exps.scale': [5] } },
    /expected tensor blk\.1\.ffn_down_exps\.scale of shape \[6\], found shape \[5\]/],
  ['a gate of the shared expert of the wrong length', 'qwen3_5_moe', { tensors: { 'blk.1.ffn_gate_inp_shexp.weight': [63] } },
    /expected tensor blk\.1\.ffn_gate_inp_shexp\.weight of shape \[1, 64\], found shape \[63\]/],
];

describe.each(CASES)('%s in %s', (_, golden, wrong, message) => {
  test.skipIf(!hasGolden(golden))('is refused', async () => {
    expect(await messageOf(goldenPath(golden), wrong)).toMatch(message);
  });
});

describe.each(IN_GGUF)('%s in a GGUF file of %s', (_, golden, wrong, message) => {
  test.skipIf(!hasGolden(golden))('is refused', async () => {
    expect(await messageOf(await ggufOf(golden), wrong)).toMatch(message);
  });
});

test.skipIf(!hasGolden('qwen3_moe'))('what all layers with experts say alike may be a list with an entry for each layer', async () => {
  const checkpoint = await openCheckpoint(await locate(await ggufOf('qwen3_moe')));
  const lists = [['expert_used_count', Int32Array.of(0, 2, 2)], ['expert_feed_forward_length', [0, 32, 32]]] as const;
  const metadata = new Map([...checkpoint.metadata, ...lists.map(([key, list]) => [`qwen3moe.${key}`, list] as const)]);
  const [plain, listed] = [await openDecoder(checkpoint), await openDecoder({ ...checkpoint, metadata })];
  expect(listed.config).toEqual(plain.config);
  expect(listed.config).toMatchObject({ mixture: { used: 2, ffnDim: 32, layers: [false, true, true] } });
  await checkpoint.close();
});

test.skipIf(!hasGolden('qwen3_moe'))('a folder whose experts do not sum to 1 is not written as a GGUF file', async () => {
  const checkpoint = await openCheckpoint(await locate(goldenPath('qwen3_moe')));
  const config = { ...checkpoint.config, norm_topk_prob: false };
  const converting = convert({ ...checkpoint, config }, await fileSink(join(folder, 'none.gguf')), { type: 'f32' });
  await expect(converting).rejects.toThrow('GGUF cannot say that the weights of the experts are not normalised');
  await checkpoint.close();
});

test.skipIf(!hasGolden('lfm2_moe'))('what llama.cpp does not read of LFM2-MoE is told when a folder is converted', async () => {
  const checkpoint = await openCheckpoint(await locate(goldenPath('lfm2_moe')));
  const warningsOf = async (more: JsonObject) => {
    const config = { ...checkpoint.config, ...more };
    const sink = await fileSink(join(folder, 'told.gguf'));
    const { warnings } = await convert({ ...checkpoint, config, close: async () => {} }, sink, { type: 'f32', vocabulary: 'none' });
    return warnings;
  };
  expect(await warningsOf({ routed_scaling_factor: 1.0, norm_topk_prob: true })).toEqual([]);
  expect(await warningsOf({ routed_scaling_factor: 1.5, norm_topk_prob: true })).toEqual([
    expect.stringContaining('routed_scaling_factor 1.5 is in the file and obeyed here, but llama.cpp does not read it for lfm2moe'),
  ]);
  const unnormalised = await warningsOf({ routed_scaling_factor: 1.0, norm_topk_prob: false });
  expect(unnormalised).toEqual([expect.stringContaining('norm_topk_prob false')]);
  await checkpoint.close();
});
