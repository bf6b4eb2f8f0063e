/**
 * Qwen3 with experts (Qwen3-30B-A3B and its kin). Yang et al. 2025; names as transformers' `qwen3_moe` and GGUF's `qwen3moe`.
 * Qwen3's block; a mixture of experts takes the place of the MLP of all layers or of some.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import { add } from '../graph/ops/add.ts';
import type { RopeTable } from '../graph/ops/rope.ts';
import type { Value } from '../graph/value.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import type { Architecture } from './architecture.ts';
import { QWEN_WINDOWS } from './attention-visibility.ts';
import { configFields, jsonBoolean } from './config-fields.ts';
import { MOST_LAYERS, parseDecoderConfig } from './decoder-config.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { decoderGraph, norm, product } from './decoder-graph.ts';
import type { LayerInput } from './decoder-graph.ts';
import { decoderMetadata } from './decoder-metadata.ts';
import { decoderSettings } from './decoder-settings.ts';
import type { FamilySettings } from './decoder-settings.ts';
import { BLOCK_LINEARS, DECODER_SKIPS, layerSpec, outerSpecs } from './decoder-weights.ts';
import { expertSpecs, mixtureMetadata, mixtureOfExperts, parseMixture, SOFTMAX_OF_CHOSEN } from './mixture.ts';
import type { ExpertNames, Mixture } from './mixture.ts';
import { qwen3Attention, qwen3AttentionWeights, qwen3Mlp, qwen3MlpWeights } from './qwen3.ts';
import { ropeTable } from './rope-frequencies.ts';
import { checkSettings } from './setting-table.ts';
import type { WeightSpec } from './weight-spec.ts';

// Config. `ffnDim` is the width of the layers that have an MLP.

export interface Qwen3MoeConfig extends DecoderConfig {
  readonly mixture: Mixture;
  /** The weights of the experts chosen sum to 1. */
  readonly normalised: boolean;
}

/** Tensors of experts in folders of transformers, of its later versions, and of MLX. */
export const QWEN_EXPERTS: ExpertNames = {
  single: { prefix: 'mlp.experts', gate: 'gate_proj.weight', up: 'up_proj.weight', down: 'down_proj.weight' },
  stacked: { gate: 'mlp.switch_mlp.gate_proj.weight', up: 'mlp.switch_mlp.up_proj.weight', down: 'mlp.switch_mlp.down_proj.weight' },
  fused: { gateUp: 'mlp.experts.gate_up_proj', down: 'mlp.experts.down_proj' },
};

export const QWEN_EXPERT_KEYS = {
  experts: ['num_experts', 'num_local_experts'], used: ['num_experts_per_tok'], ffnDim: ['moe_intermediate_size'],
} as const;

function parseConfig(checkpoint: Checkpoint): Qwen3MoeConfig {
  const { format, name, config = {} } = checkpoint;
  const isGguf = format === 'gguf';
  const decoder = parseDecoderConfig(checkpoint, { rmsEps: 1e-6, headDim: 128, windows: QWEN_WINDOWS, linears: BLOCK_LINEARS });
  const layers = Array.from({ length: decoder.layers }, (_, n) => isGguf || isSparse(checkpoint, n, decoder.layers));
  const normalised = isGguf || jsonBoolean(config, 'norm_topk_prob', name) === true;
  return { ...decoder, mixture: parseMixture(checkpoint, { keys: QWEN_EXPERT_KEYS, names: QWEN_EXPERTS, layers }), normalised };
}

/** Every `decoder_sparse_step`-th layer, but for those of `mlp_only_layers`. */
function isSparse(checkpoint: Checkpoint, n: number, layers: number): boolean {
  const step = configFields(checkpoint).count({ hf: 'decoder_sparse_step', gguf: '' }, MOST_LAYERS) ?? 1;
  const dense = checkpoint.config?.['mlp_only_layers'] ?? [];
  if (!Array.isArray(dense) || dense.some((one) => !Number.isSafeInteger(one) || (one as number) < 0 || (one as number) >= layers)) {
    throw new FormatError(`${checkpoint.name}: mlp_only_layers must be a list of layers from 0 to ${layers - 1}.`);
  }
  return (n + 1) % step === 0 && !dense.includes(n);
}

const SETTINGS: FamilySettings = {
  safetensors: {
    obeyed: [
      'sliding_window', 'max_window_layers', 'num_experts', 'num_local_experts', 'num_experts_per_tok', 'moe_intermediate_size',
      'norm_topk_prob', 'decoder_sparse_step', 'mlp_only_layers',
    ],
    neutral: { qk_norm: [true], use_qk_norm: [true], qk_layernorm: [true], shared_expert_intermediate_size: [0] },
  },
  gguf: {
    obeyed: ['expert_count', 'expert_used_count', 'expert_feed_forward_length'],
    neutral: SOFTMAX_OF_CHOSEN,
  },
};

// Weights.

function layerWeights(config: Qwen3MoeConfig, n: number): readonly WeightSpec[] {
  const { dim, mixture } = config;
  const attention = qwen3AttentionWeights(config, n);
  if (mixture.layers[n] !== true) return [...attention, ...qwen3MlpWeights(config, n)];
  return [
    ...attention,
    layerSpec(n, 'moe.norm', [dim], { gguf: 'ffn_norm.weight', safetensors: 'post_attention_layernorm.weight' }),
    layerSpec(n, 'moe.router', [mixture.experts, dim], { gguf: 'ffn_gate_inp.weight', safetensors: 'mlp.gate.weight' }),
    ...expertSpecs(n, dim, mixture, QWEN_EXPERTS),
  ];
}

// Layer. Values are [rows, dim]; the router's logits are [rows, experts].

function feedForward(g: GraphBuilder, { rmsEps, mixture: sizes, normalised }: Qwen3MoeConfig, x: Value): Value {
  const normed = norm(g, 'norm', x, { eps: rmsEps });
  const logits = product(g, 'router', normed, { out: sizes.experts, biases: [] });
  const routing = { scores: 'softmax', normalise: normalised ? { eps: 0 } : undefined } as const;
  return mixtureOfExperts(g, [normed, logits], { mixture: sizes, routing, activation: 'silu' });
}

function layer(g: GraphBuilder, config: Qwen3MoeConfig, input: LayerInput, table: RopeTable): Value {
  const h = add(g, 'attn.residual', input.x, g.scope('attn', () => qwen3Attention(g, config, input, table)));
  if (config.mixture.layers[input.n] !== true) return add(g, 'mlp.residual', h, g.scope('mlp', () => qwen3Mlp(g, config, h)));
  return add(g, 'moe.residual', h, g.scope('moe', () => feedForward(g, config, h)));
}

// Graph.

export const qwen3Moe: Architecture<Qwen3MoeConfig> = {
  gguf: 'qwen3moe',
  safetensors: ['qwen3_moe'],
  parseConfig,
  checkSettings: (checkpoint, config) => checkSettings(checkpoint, decoderSettings(checkpoint, config, SETTINGS)),
  weights: (config) => [...outerSpecs(config), ...Array.from({ length: config.layers }, (_, n) => layerWeights(config, n)).flat()],
  skips: DECODER_SKIPS,
  metadata(config) {
    if (!config.normalised)
      throw new FormatError('GGUF cannot say that the weights of the experts are not normalised: it cannot be written.');
    return new Map([...decoderMetadata('qwen3moe', config), ...mixtureMetadata('qwen3moe', config.mixture)]);
  },
  graphs(config, { contextLength }) {
    const table = ropeTable(config.rope, { id: 'rope', headDim: config.headDim, contextLength });
    return decoderGraph(config, (g, input) => layer(g, config, input, table));
  },
};
