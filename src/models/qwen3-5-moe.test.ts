import { describe, expect, it } from 'vitest';
import { memoryCheckpoint } from '../../test/memory-checkpoint.ts';
import type { JsonObject, MetadataValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { qwen35Moe } from './qwen3-5-moe.ts';
import { printExpression } from './weight-expression.ts';

function hf(settings: JsonObject) {
  const tensors = { 'model.embed_tokens.weight': { shape: [20, 64] } };
  const config = { hidden_size: 64, num_hidden_layers: 4, ...settings };
  return memoryCheckpoint({ format: 'safetensors', architecture: 'qwen3_5_moe_text', config, tensors });
}

function gguf(settings: Readonly<Record<string, MetadataValue>>, share: readonly number[]) {
  const keys = {
    block_count: 4, context_length: 512, embedding_length: 64, 'attention.head_count': 4, 'attention.head_count_kv': 2,
    'attention.key_length': 32, 'attention.layer_norm_rms_epsilon': 1e-6, 'rope.freq_base': 1e7, 'rope.dimension_count': 8,
    'ssm.conv_kernel': 4, 'ssm.state_size': 16, 'ssm.group_count': 2, 'ssm.time_step_rank': 4, 'ssm.inner_size': 96,
    expert_count: 6, expert_used_count: 2, expert_feed_forward_length: 32, expert_shared_feed_forward_length: 40, ...settings,
  };
  const metadata = Object.fromEntries(Object.entries(keys).map(([key, value]) => [`qwen35moe.${key}`, value as MetadataValue]));
  const tensors = { 'token_embd.weight': { shape: [20, 64] }, 'blk.0.ffn_gate_inp_shexp.weight': { shape: share } };
  return memoryCheckpoint({ format: 'gguf', architecture: 'qwen35moe', metadata, tensors });
}

function read(checkpoint: ReturnType<typeof memoryCheckpoint>) {
  const config = qwen35Moe.parseConfig(checkpoint);
  return { config, warnings: qwen35Moe.checkSettings(checkpoint, config) };
}

describe('qwen3_5_moe', () => {
  it('may leave out what transformers takes for granted', () => {
    const { config, warnings } = read(hf({}));
    expect(warnings).toEqual([]);
    expect(config).toMatchObject({ kvHeads: 2, ffnDim: 512, mixture: { experts: 256, used: 8, ffnDim: 512 } });
  });

  it.each([
    [[64], 'reshape(blk.0.ffn_gate_inp_shexp.weight, [1, 64])'],
    [[1, 64], 'blk.0.ffn_gate_inp_shexp.weight'],
  ] as const)('the gate of the shared expert may be %j in a GGUF file', (share, printed) => {
    const { config, warnings } = read(gguf({}, share));
    expect(warnings).toEqual([]);
    expect(config).toMatchObject({ ffnDim: 40, mixture: { experts: 6, used: 2, ffnDim: 32 } });
    const spec = qwen35Moe.weights(config).find(({ id }) => id === 'layers.0.moe.shared.share')!;
    expect(printExpression(spec.gguf)).toBe(printed);
    expect([...qwen35Moe.metadata(config)].filter(([key]) => /feed_forward/.test(key)).map(([key, { value }]) => [key, value])).toEqual([
      ['qwen35moe.expert_feed_forward_length', 32], ['qwen35moe.expert_shared_feed_forward_length', 40],
    ]);
  });

  it.each<[JsonObject, RegExp]>([
    [{ num_experts_per_tok: 300 }, /num_experts_per_tok must be at most the number of experts \(256\), found 300/],
    [{ decoder_sparse_step: 2 }, /decoder_sparse_step must be 1/],
    [{ mlp_only_layers: [0] }, /mlp_only_layers must be absent/],
  ])('%j is refused', (settings, message) => {
    expect(() => read(hf(settings))).toThrow(message);
    expect(() => read(hf(settings))).toThrow(FormatError);
  });
});
