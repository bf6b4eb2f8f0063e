import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fixturesPath, hasShared, sharedPath } from '../../test/fixture-tensors.ts';
import { goldenPath, hasGolden } from '../../test/goldens.ts';
import { decodeBytes, prefillMultiplyAdds, readModelWork } from './model-work.ts';
import { bundledModelPath } from '../node/package-root.ts';

const { signal } = new AbortController();

describe('readModelWork', () => {
  it('counts a small llama as its config says', async () => {
    const work = await readModelWork(`${fixturesPath}golden/llama`, { signal });
    const config = JSON.parse(readFileSync(`${fixturesPath}golden/llama/config.json`, 'utf8')) as Record<string, number>;
    const {
      hidden_size: dim,
      intermediate_size: ffn,
      num_hidden_layers: layers,
      num_attention_heads: heads,
      num_key_value_heads: kvHeads,
      vocab_size: vocab,
    } = config;
    const headDim = config['head_dim'] ?? dim! / heads!;
    const layer = 2 * dim! * heads! * headDim + 2 * dim! * kvHeads! * headDim + 3 * dim! * ffn!;
    expect(work.rowMultiplyAdds).toBe(layers! * layer);
    expect(work.headMultiplyAdds).toBe(dim! * vocab!);
    expect(work.keyMultiplyAdds).toBe(layers! * 2 * heads! * headDim);
    expect(work.kvBytes).toBe(layers! * 2 * kvHeads! * headDim * 4);
    const norms = (2 * layers! + 1) * dim!;
    const embedding = config['tie_word_embeddings'] ? 0 : dim!;
    expect(work.weightBytes).toBe(4 * (layers! * layer + dim! * vocab! + norms + embedding));
    expect(decodeBytes(work, 10)).toBe(work.weightBytes + 10 * work.kvBytes);
    expect(prefillMultiplyAdds(work, 3)).toBe(3 * work.rowMultiplyAdds + work.headMultiplyAdds + (1 + 2 + 3) * work.keyMultiplyAdds);
  });

  it('counts quantised weights by their blocks, and keys and values in f16', async () => {
    const work = await readModelWork(bundledModelPath(), { signal });
    expect([work.kvType, work.sees]).toEqual(['f16', false]);
    expect(work.weightBytes).toBeGreaterThan(0.9 * 11.2e6);
    expect(work.weightBytes).toBeLessThan(12e6);
  });

  it.skipIf(!hasShared('golden/lfm2_vl/golden.json'))('says whether a model sees', async () => {
    expect((await readModelWork(`${sharedPath}/golden/lfm2_vl`, { signal })).sees).toBe(true);
  });

  it.skipIf(!hasGolden('qwen3_moe'))('counts the experts that a token goes to', async () => {
    const { weightBytes, rowMultiplyAdds } = await readModelWork(goldenPath('qwen3_moe'), { signal });
    const config = JSON.parse(readFileSync(`${goldenPath('qwen3_moe')}/config.json`, 'utf8')) as Record<string, number>;
    const { hidden_size: dim, moe_intermediate_size: ffn, num_local_experts: experts, num_experts_per_tok: used } = config;
    const { num_hidden_layers: layers, num_attention_heads: heads, num_key_value_heads: kvHeads, head_dim: headDim } = config;
    const attention = 2 * dim! * heads! * headDim! + 2 * dim! * kvHeads! * headDim!;
    // Its first layer has an MLP.
    const mixture = experts! * dim! + used! * 3 * dim! * ffn!;
    const matrices = layers! * attention + (layers! - 1) * mixture + 3 * dim! * config['intermediate_size']!;
    expect(rowMultiplyAdds).toBe(matrices);
    const gains = layers! * (2 * dim! + 2 * headDim!) + dim!;
    const table = dim! * config['vocab_size']! + (config['tie_word_embeddings'] ? 0 : dim!);
    expect(weightBytes).toBe(4 * (matrices + gains + table));
  });
});
