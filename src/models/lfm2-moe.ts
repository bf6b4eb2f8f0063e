/**
 * LFM2 with experts (LFM2-8B-A1B). Liquid AI 2025; names as transformers' `lfm2_moe` and GGUF's `lfm2moe`. LFM2's layers; the first ones
 * have an MLP, the others a mixture of experts whose router takes sigmoids, chosen with a bias that does not count for their weight.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import { add } from '../graph/ops/add.ts';
import type { RopeTable } from '../graph/ops/rope.ts';
import type { Value } from '../graph/value.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { bool, float32, uint32 } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import { metadataBoolean, metadataNumber } from '../tensor/metadata.ts';
import type { Architecture } from './architecture.ts';
import { jsonBoolean, jsonNumber } from './config-fields.ts';
import { decoderGraph, norm, product } from './decoder-graph.ts';
import type { LayerInput } from './decoder-graph.ts';
import { decoderSettings } from './decoder-settings.ts';
import type { FamilySettings } from './decoder-settings.ts';
import { DECODER_SKIPS, layerSpec } from './decoder-weights.ts';
import {
  lfm2Metadata, lfm2Mixer, lfm2MixerWeights, lfm2Mlp, lfm2MlpWeights, lfm2OuterWeights, lfm2Settings, parseLfm2Config,
} from './lfm2.ts';
import type { Lfm2Config } from './lfm2.ts';
import { expertSpecs, mixtureMetadata, mixtureOfExperts, parseMixture } from './mixture.ts';
import type { ExpertNames, Mixture } from './mixture.ts';
import { ropeTable } from './rope-frequencies.ts';
import { checkSettings } from './setting-table.ts';
import type { WeightSpec } from './weight-spec.ts';

// Config. `ffnDim` is the width of the first layers' MLP.

export interface Lfm2MoeConfig extends Lfm2Config {
  readonly mixture: Mixture;
  /** A bias of each expert counts for the choice. */
  readonly hasSelectionBias: boolean;
  /** The weights of the experts chosen sum to `routedScale`. */
  readonly normalised: boolean;
  readonly routedScale: number;
}

const EXPERTS: ExpertNames = {
  single: { prefix: 'feed_forward.experts', gate: 'w1.weight', up: 'w3.weight', down: 'w2.weight' },
  stacked: {
    gate: 'feed_forward.switch_mlp.gate_proj.weight', up: 'feed_forward.switch_mlp.up_proj.weight',
    down: 'feed_forward.switch_mlp.down_proj.weight',
  },
  fused: { gateUp: 'feed_forward.experts.gate_up_proj', down: 'feed_forward.experts.down_proj' },
};

const KEYS = { experts: ['num_experts', 'num_local_experts'], used: ['num_experts_per_tok'], ffnDim: ['moe_intermediate_size'] } as const;

/** llama.cpp's number of sigmoid scores. */
const SIGMOID = 2;

function parseConfig(checkpoint: Checkpoint): Lfm2MoeConfig {
  const { format, name, config = {}, tensors, metadata, architecture } = checkpoint;
  // The width is that of the file: unlike LFM2's it is not adjusted.
  const base = parseLfm2Config(format === 'gguf' ? checkpoint : { ...checkpoint, config: { ...config, block_auto_adjust_ff_dim: false } });
  const dense = leadingDense(checkpoint, base.layers);
  const layers = Array.from({ length: base.layers }, (_, n) => n >= dense);
  const mixture = { ...parseMixture(checkpoint, { keys: KEYS, names: EXPERTS, layers }), layers };
  if (format !== 'gguf') {
    return {
      ...base, mixture, hasSelectionBias: jsonBoolean(config, 'use_expert_bias', name) ?? true,
      normalised: jsonBoolean(config, 'norm_topk_prob', name) ?? true,
      routedScale: positive(jsonNumber(config, 'routed_scaling_factor', name) ?? 1, 'routed_scaling_factor', name),
    };
  }
  const gating = metadataNumber(metadata, `${architecture}.expert_gating_func`, name);
  if (gating !== SIGMOID)
    throw new FormatError(`${name}: ${architecture}.expert_gating_func must be ${SIGMOID} (sigmoid), found ${gating ?? 'nothing'}.`);
  const scaleKey = `${architecture}.expert_weights_scale`;
  const scale = metadataNumber(metadata, scaleKey, name) ?? 1;
  return {
    ...base, mixture, hasSelectionBias: layers.some((_, n) => tensors.has(`blk.${n}.exp_probs_b.bias`)),
    normalised: metadataBoolean(metadata, `${architecture}.expert_weights_norm`, name) ?? true,
    // llama.cpp writes 0 where there is none.
    routedScale: positive(scale === 0 ? 1 : scale, scaleKey, name),
  };
}

function positive(value: number, key: string, name: string): number {
  if (Number.isFinite(value) && value > 0) return value;
  throw new FormatError(`${name}: ${key} must be a number above 0, found ${value}.`);
}

/** How many of the first layers have an MLP. */
function leadingDense({ format, metadata, architecture, config = {}, name }: Checkpoint, layers: number): number {
  const key = format === 'gguf' ? `${architecture}.leading_dense_block_count` : 'num_dense_layers';
  const count = (format === 'gguf' ? metadataNumber(metadata, key, name) : jsonNumber(config, key, name)) ?? (format === 'gguf' ? 0 : 2);
  if (Number.isSafeInteger(count) && count >= 0 && count < layers) return count;
  throw new FormatError(`${name}: ${key} must be a number of layers below ${layers}, found ${count}.`);
}

function settings(config: Lfm2MoeConfig): FamilySettings {
  const { safetensors, gguf } = lfm2Settings(config);
  return {
    safetensors: {
      ...safetensors,
      obeyed: [
        ...(safetensors?.obeyed ?? []), 'num_experts', 'num_local_experts', 'num_experts_per_tok', 'moe_intermediate_size',
        'num_dense_layers', 'use_expert_bias', 'norm_topk_prob', 'routed_scaling_factor',
      ],
    },
    gguf: {
      ...gguf,
      obeyed: [
        ...(gguf?.obeyed ?? []), 'expert_count', 'expert_used_count', 'expert_feed_forward_length', 'leading_dense_block_count',
        'expert_gating_func', 'expert_weights_norm', 'expert_weights_scale',
      ],
    },
  };
}

// Weights.

function mixtureWeights({ dim, mixture, hasSelectionBias }: Lfm2MoeConfig, n: number): readonly WeightSpec[] {
  const { experts } = mixture;
  const bias = layerSpec(n, 'moe.selection_bias', [experts], { gguf: 'exp_probs_b.bias', safetensors: 'feed_forward.expert_bias' });
  return [
    layerSpec(n, 'moe.norm', [dim], { gguf: 'ffn_norm.weight', safetensors: 'ffn_norm.weight' }),
    layerSpec(n, 'moe.router', [experts, dim], { gguf: 'ffn_gate_inp.weight', safetensors: 'feed_forward.gate.weight' }),
    ...(hasSelectionBias ? [bias] : []),
    ...expertSpecs(n, dim, mixture, EXPERTS),
  ];
}

/** As mlx-lm calls the matrices of the layers without experts, too. */
const MLX_MLP = { gate: 'feed_forward.gate_proj', up: 'feed_forward.up_proj', down: 'feed_forward.down_proj' };

function weights(config: Lfm2MoeConfig): readonly WeightSpec[] {
  const names = config.mixture.stored.safetensors === 'stacked' ? MLX_MLP : undefined;
  const layers = config.mixture.layers.map((isMixture, n) => [
    ...lfm2MixerWeights(config, n),
    ...(isMixture ? mixtureWeights(config, n) : lfm2MlpWeights(config, n, names)),
  ]);
  return [...lfm2OuterWeights(config), ...layers.flat()];
}

// Layer. Values are [rows, dim]; the router's logits are [rows, experts].

function feedForward(g: GraphBuilder, config: Lfm2MoeConfig, x: Value): Value {
  const { rmsEps, mixture, hasSelectionBias, normalised, routedScale } = config;
  const normed = norm(g, 'norm', x, { eps: rmsEps });
  const logits = product(g, 'router', normed, { out: mixture.experts, biases: [] });
  const selectionBias = hasSelectionBias ? g.weight(g.path('selection_bias'), [mixture.experts]) : undefined;
  return mixtureOfExperts(g, [normed, logits], {
    mixture, activation: 'silu',
    routing: { scores: 'sigmoid', selectionBias, normalise: normalised ? { eps: 1e-6 } : undefined, scale: routedScale },
  });
}

function layer(g: GraphBuilder, config: Lfm2MoeConfig, input: LayerInput, table: RopeTable): Value {
  const h = lfm2Mixer(g, config, input, table);
  if (config.mixture.layers[input.n] !== true) return add(g, 'mlp.residual', h, g.scope('mlp', () => lfm2Mlp(g, config, h)));
  return add(g, 'moe.residual', h, g.scope('moe', () => feedForward(g, config, h)));
}

// Graph.

function ggufMetadata(config: Lfm2MoeConfig): GgufMetadata {
  const { mixture, normalised, routedScale } = config;
  const keys = new Map([...lfm2Metadata('lfm2moe', config), ...mixtureMetadata('lfm2moe', mixture)]);
  keys.set('lfm2moe.leading_dense_block_count', uint32(mixture.layers.indexOf(true)));
  keys.set('lfm2moe.expert_gating_func', uint32(SIGMOID));
  if (!normalised) keys.set('lfm2moe.expert_weights_norm', bool(false));
  if (routedScale !== 1) keys.set('lfm2moe.expert_weights_scale', float32(routedScale));
  return keys;
}

/** llama.cpp (80fb11a, src/models/lfm2moe.cpp) reads neither key: it takes 1, and weights that sum to 1. */
function exportWarnings({ normalised, routedScale }: Lfm2MoeConfig): readonly string[] {
  const reads = 'is in the file and obeyed here, but llama.cpp does not read it for lfm2moe and computes something else';
  return [
    ...(routedScale === 1 ? [] : [`routed_scaling_factor ${routedScale} ${reads}.`]),
    ...(normalised ? [] : [`norm_topk_prob false ${reads}.`]),
  ];
}

export const lfm2Moe: Architecture<Lfm2MoeConfig> = {
  gguf: 'lfm2moe',
  safetensors: ['lfm2_moe'],
  parseConfig,
  checkSettings: (checkpoint, config) => checkSettings(checkpoint, decoderSettings(checkpoint, config, settings(config))),
  weights,
  skips: DECODER_SKIPS,
  metadata: ggufMetadata,
  exportWarnings,
  graphs(config, { contextLength }) {
    const table = ropeTable(config.rope, { id: 'rope', headDim: config.headDim, contextLength });
    return decoderGraph(config, (g, input) => layer(g, config, input, table));
  },
};
