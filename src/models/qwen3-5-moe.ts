/**
 * Qwen3.5 and Qwen3.6 with experts (Qwen3.5-35B-A3B and its kin), the text part. Qwen Team 2026; names as transformers' `qwen3_5_moe_text`
 * and GGUF's `qwen35moe`. Qwen3.5's mixers; a mixture of experts takes the place of every layer's MLP, and beside it an expert that all
 * rows go to, whose share a gate of its own says.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import { activation } from '../graph/ops/activation.ts';
import { add } from '../graph/ops/add.ts';
import { scaleRows } from '../graph/ops/scale-rows.ts';
import type { Value } from '../graph/value.ts';
import type { Checkpoint, JsonValue } from '../tensor/checkpoint.ts';
import { uint32 } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import type { Architecture } from './architecture.ts';
import { configFields } from './config-fields.ts';
import { gatedMlp, norm, product } from './decoder-graph.ts';
import { decoderSettings } from './decoder-settings.ts';
import type { FamilySettings } from './decoder-settings.ts';
import { DECODER_SKIPS, layerSpec } from './decoder-weights.ts';
import { expertSpecs, mixtureMetadata, mixtureOfExperts, parseMixture, SOFTMAX_OF_CHOSEN } from './mixture.ts';
import type { Mixture } from './mixture.ts';
import { parseQwen35Config, postNormSpec, QWEN35_SETTINGS, qwen35Graphs, qwen35Metadata, qwen35Weights } from './qwen3-5.ts';
import type { Qwen35Config } from './qwen3-5.ts';
import { QWEN_EXPERT_KEYS, QWEN_EXPERTS } from './qwen3-moe.ts';
import { checkSettings } from './setting-table.ts';
import { reshape } from './weight-expression.ts';
import type { WeightSpec } from './weight-spec.ts';

// Config. `ffnDim` is the width of the expert that all rows go to.

export interface Qwen35MoeConfig extends Qwen35Config {
  readonly mixture: Mixture;
  /** The gate of the shared expert is a vector in GGUF files that llama.cpp has rewritten, and a matrix of one row in others. */
  readonly isShareVector: boolean;
}

const SHARED_WIDTH = { hf: 'shared_expert_intermediate_size', gguf: 'expert_shared_feed_forward_length' } as const;

/** What transformers' class has. */
const CLASS_DEFAULTS: Readonly<Record<string, JsonValue>> = {
  num_experts: 256, num_experts_per_tok: 8, moe_intermediate_size: 512, shared_expert_intermediate_size: 512, num_key_value_heads: 2,
};

function parseConfig(whole: Checkpoint): Qwen35MoeConfig {
  const checkpoint = whole.config === undefined ? whole : { ...whole, config: { ...CLASS_DEFAULTS, ...whole.config } };
  const ffnDim = configFields(checkpoint).requiredCount(SHARED_WIDTH);
  const decoder = parseQwen35Config(withWidth(checkpoint, ffnDim));
  const layers = Array.from({ length: decoder.layers }, () => true);
  return {
    ...decoder,
    mixture: parseMixture(checkpoint, { keys: QWEN_EXPERT_KEYS, names: QWEN_EXPERTS, layers }),
    isShareVector: whole.tensors.get('blk.0.ffn_gate_inp_shexp.weight')?.shape.length === 1,
  };
}

/** These files say nothing of an MLP's width. */
function withWidth(checkpoint: Checkpoint, ffnDim: number): Checkpoint {
  const { config, metadata, architecture } = checkpoint;
  if (config !== undefined) return { ...checkpoint, config: { ...config, intermediate_size: ffnDim } };
  return { ...checkpoint, metadata: new Map([...metadata, [`${architecture}.feed_forward_length`, ffnDim]]) };
}

const SETTINGS: FamilySettings = {
  safetensors: {
    ...QWEN35_SETTINGS.safetensors,
    obeyed: [
      ...QWEN35_SETTINGS.safetensors.obeyed, 'num_experts', 'num_local_experts', 'num_experts_per_tok', 'moe_intermediate_size',
      SHARED_WIDTH.hf,
    ],
    neutral: { ...QWEN35_SETTINGS.safetensors.neutral, norm_topk_prob: [true], decoder_sparse_step: [1] },
  },
  gguf: {
    obeyed: [...QWEN35_SETTINGS.gguf.obeyed, 'expert_count', 'expert_used_count', 'expert_feed_forward_length', SHARED_WIDTH.gguf],
    // One expert for all.
    neutral: { ...SOFTMAX_OF_CHOSEN, expert_shared_count: [0, 1] },
  },
};

// Weights.

function mixtureWeights(config: Qwen35MoeConfig, n: number): readonly WeightSpec[] {
  const { dim, ffnDim, mixture, isShareVector } = config;
  const shared = (part: 'gate' | 'up' | 'down', ...shape: [number, number]) =>
    layerSpec(n, `moe.shared.${part}`, shape, {
      gguf: `ffn_${part}_shexp.weight`, safetensors: `mlp.shared_expert.${part}_proj.weight`,
    });
  const names = { gguf: 'ffn_gate_inp_shexp.weight', safetensors: 'mlp.shared_expert_gate.weight' };
  const share = layerSpec(n, 'moe.shared.share', [1, dim], names);
  const asVector = reshape(layerSpec(n, 'moe.shared.share', [dim], names).gguf, [1, dim]);
  return [
    postNormSpec(config, n, 'moe.norm'),
    layerSpec(n, 'moe.router', [mixture.experts, dim], { gguf: 'ffn_gate_inp.weight', safetensors: 'mlp.gate.weight' }),
    ...expertSpecs(n, dim, mixture, QWEN_EXPERTS),
    shared('gate', ffnDim, dim),
    shared('up', ffnDim, dim),
    shared('down', dim, ffnDim),
    isShareVector ? { ...share, gguf: asVector } : share,
  ];
}

// What follows the mixer. Values are [rows, dim]; the router's logits are [rows, experts].

function mixtureOf(g: GraphBuilder, { rmsEps, mixture, ffnDim }: Qwen35MoeConfig, x: Value): Value {
  const normed = norm(g, 'norm', x, { eps: rmsEps });
  const logits = product(g, 'router', normed, { out: mixture.experts, biases: [] });
  const routing = { scores: 'softmax', normalise: { eps: 0 } } as const;
  const chosen = mixtureOfExperts(g, [normed, logits], { mixture, routing, activation: 'silu' });
  return add(g, 'sum_shared', chosen, g.scope('shared', () => sharedExpert(g, ffnDim, normed)));
}

function sharedExpert(g: GraphBuilder, ffnDim: number, x: Value): Value {
  const share = activation(g, 'share_act', 'sigmoid', product(g, 'share', x, { out: 1, biases: [] }));
  return scaleRows(g, 'scale', gatedMlp(g, x, { ffnDim, activation: 'silu', biases: [] }), share);
}

// Graph.

function metadataOf(config: Qwen35MoeConfig): GgufMetadata {
  const { mixture, ffnDim } = config;
  const keys = new Map([...qwen35Metadata('qwen35moe', config), ...mixtureMetadata('qwen35moe', mixture)]);
  keys.delete('qwen35moe.feed_forward_length');
  return keys.set(`qwen35moe.${SHARED_WIDTH.gguf}`, uint32(ffnDim));
}

export const qwen35Moe: Architecture<Qwen35MoeConfig> = {
  gguf: 'qwen35moe',
  safetensors: ['qwen3_5_moe_text', 'qwen3_5_moe'],
  parseConfig,
  checkSettings: (checkpoint, config) => checkSettings(checkpoint, decoderSettings(checkpoint, config, SETTINGS)),
  weights: (config) => qwen35Weights(config, mixtureWeights),
  skips: DECODER_SKIPS,
  metadata: metadataOf,
  sees: ['qwen-vl'],
  graphs: (config, setting) => qwen35Graphs(config, setting, ['moe', (g, x) => mixtureOf(g, config, x)]),
};
