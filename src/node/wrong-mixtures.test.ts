/** What files say wrongly of their experts is an error that names the tensor or setting, what was expected and what was found. */
import { describe, expect, test } from 'vitest';
import { goldenPath, hasGolden } from '../../test/goldens.ts';
import type { GoldenName } from '../../test/goldens.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import { openDecoder } from '../models/open-decoder.ts';
import type { Checkpoint, JsonValue, TensorEntry } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { locate } from './open-path.ts';

interface Wrong {
  readonly config?: Readonly<Record<string, JsonValue>>;
  /** Tensors of another shape; undefined: without them. */
  readonly tensors?: Readonly<Record<string, readonly number[] | undefined>>;
}

async function messageOf(golden: GoldenName, { config, tensors = {} }: Wrong): Promise<string> {
  const checkpoint = await openCheckpoint(await locate(goldenPath(golden)));
  try {
    const entries = new Map<string, TensorEntry>(checkpoint.tensors);
    for (const [name, shape] of Object.entries(tensors)) {
      const entry = entries.get(name);
      expect(entry, name).toBeDefined();
      if (shape === undefined) entries.delete(name);
      else entries.set(name, { ...(entry as TensorEntry), shape });
    }
    const wrong: Checkpoint = { ...checkpoint, tensors: entries, config: { ...checkpoint.config, ...config } };
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
];

describe.each(CASES)('%s in %s', (_, golden, wrong, message) => {
  test.skipIf(!hasGolden(golden))('is refused', async () => {
    expect(await messageOf(golden, wrong)).toMatch(message);
  });
});
