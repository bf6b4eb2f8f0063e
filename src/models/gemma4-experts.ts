/**
 * The feed-forward block of Gemma 4's layers that have experts (26B-A4B): an MLP and a mixture side by side, each with norms of its own
 * before and after it. The router reads the layer's state, normed without a gain and weighted by dimension.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import { add } from '../graph/ops/add.ts';
import { rmsNorm } from '../graph/ops/rms-norm.ts';
import { scale } from '../graph/ops/scale.ts';
import type { Value } from '../graph/value.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { jsonBoolean } from './config-fields.ts';
import { norm, product } from './decoder-graph.ts';
import { layerSpec } from './decoder-weights.ts';
import { expertSpecs, mixtureOfExperts, parseMixture } from './mixture.ts';
import type { ExpertNames, Mixture } from './mixture.ts';
import type { WeightSpec } from './weight-spec.ts';

const EXPERTS: ExpertNames = {
  single: { prefix: 'experts', gate: 'gate_proj.weight', up: 'up_proj.weight', down: 'down_proj.weight' },
  stacked: {
    gate: 'experts.switch_glu.gate_proj.weight', up: 'experts.switch_glu.up_proj.weight', down: 'experts.switch_glu.down_proj.weight',
  },
  fused: { gateUp: 'experts.gate_up_proj', down: 'experts.down_proj' },
};

const KEYS = {
  experts: ['num_experts', 'num_local_experts'], used: ['top_k_experts'], ffnDim: ['moe_intermediate_size', 'expert_intermediate_size'],
} as const;

/** Undefined where the layers have none. */
export function parseGemma4Mixture(checkpoint: Checkpoint, layers: number): Mixture | undefined {
  const { format, config, name, tensors } = checkpoint;
  const all = Array.from({ length: layers }, () => true);
  const has = (own: string) => all.some((_, n) => tensors.has(`blk.${n}.${own}`));
  const hasExperts =
    format === 'gguf'
      ? has('ffn_gate_inp.weight') || has('ffn_down_exps.weight')
      : jsonBoolean(config ?? {}, 'enable_moe_block', name) === true;
  if (!hasExperts) return undefined;
  return parseMixture(checkpoint, { keys: KEYS, names: EXPERTS, layers: all, gguf: 'fused' });
}

/** Beside those of the MLP, whose own norms keep their names. */
export function gemma4ExpertWeights(n: number, dim: number, mixture: Mixture): readonly WeightSpec[] {
  const gain = (id: string, gguf: string, safetensors: string) =>
    layerSpec(n, id, [dim], { gguf: `${gguf}.weight`, safetensors: `${safetensors}.weight` });
  return [
    gain('mlp.own_norm', 'post_ffw_norm_1', 'post_feedforward_layernorm_1'),
    gain('moe.norm', 'pre_ffw_norm_2', 'pre_feedforward_layernorm_2'),
    gain('moe.post_norm', 'post_ffw_norm_2', 'post_feedforward_layernorm_2'),
    layerSpec(n, 'moe.router_norm', [dim], { gguf: 'ffn_gate_inp.scale', safetensors: 'router.scale' }),
    layerSpec(n, 'moe.router', [mixture.experts, dim], { gguf: 'ffn_gate_inp.weight', safetensors: 'router.proj.weight' }),
    layerSpec(n, 'moe.scale', [mixture.experts], { gguf: 'ffn_down_exps.scale', safetensors: 'router.per_expert_scale' }),
    ...expertSpecs(n, dim, mixture, EXPERTS),
  ];
}

/** The mixture's share of what a layer adds to h [rows, dim]. */
function mixed(g: GraphBuilder, h: Value, { mixture, eps, dim }: { mixture: Mixture; eps: number; dim: number }): Value {
  const weighted = rmsNorm(g, 'router_norm', h, { weight: g.weight(g.path('router_norm'), [dim]), eps });
  const logits = scale(g, 'logits', product(g, 'router', weighted, { out: mixture.experts, biases: [] }), dim ** -0.5);
  const expertScale = g.weight(g.path('scale'), [mixture.experts]);
  const sum = mixtureOfExperts(g, [norm(g, 'norm', h, { eps }), logits], {
    mixture, routing: { scores: 'softmax', normalise: { eps: 0 }, expertScale }, activation: 'geluTanh',
  });
  return norm(g, 'post_norm', sum, { eps });
}

export interface Gemma4ExpertsInput {
  /** [rows, dim], before any norm. */
  readonly h: Value;
  /** What the MLP makes of it. */
  readonly mlp: Value;
  readonly mixture: Mixture;
  readonly eps: number;
  readonly dim: number;
}

/** The sum of MLP and mixture, each normed; the norm behind the whole block is the layer's. */
export function gemma4Experts(g: GraphBuilder, { h, mlp, mixture, eps, dim }: Gemma4ExpertsInput): Value {
  const own = g.scope('mlp', () => norm(g, 'own_norm', mlp, { eps }));
  return add(g, 'moe.sum', own, g.scope('moe', () => mixed(g, h, { mixture, eps, dim })));
}
