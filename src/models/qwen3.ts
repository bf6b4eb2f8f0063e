/**
 * Qwen3, dense. Yang et al. 2025; names as transformers' `qwen3` and GGUF's `qwen3`.
 * Llama's block with a norm of every query and key head before the rotation. Files of both formats store all tensors alike.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import { add } from '../graph/ops/add.ts';
import { rope } from '../graph/ops/rope.ts';
import type { RopeTable } from '../graph/ops/rope.ts';
import type { Value } from '../graph/value.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import type { Architecture } from './architecture.ts';
import { QWEN_WINDOWS } from './attention-visibility.ts';
import { parseDecoderConfig } from './decoder-config.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { attend, attentionOptions, decoderGraph, gatedMlp, norm, product } from './decoder-graph.ts';
import type { LayerInput } from './decoder-graph.ts';
import { decoderSettings } from './decoder-settings.ts';
import type { FamilySettings } from './decoder-settings.ts';
import { BLOCK_LINEARS, DECODER_SKIPS, layerSpec, linearSpecs, outerSpecs } from './decoder-weights.ts';
import { decoderMetadata } from './decoder-metadata.ts';
import { ropeTable } from './rope-frequencies.ts';
import { checkSettings } from './setting-table.ts';
import type { WeightSpec } from './weight-spec.ts';

// Config.

/** `ropeTheta`: where a folder names none. */
export function parseQwen3Config(checkpoint: Checkpoint, { ropeTheta }: { readonly ropeTheta?: number } = {}): DecoderConfig {
  return parseDecoderConfig(checkpoint, { rmsEps: 1e-6, headDim: 128, ropeTheta, windows: QWEN_WINDOWS, linears: BLOCK_LINEARS });
}

const SETTINGS: FamilySettings = {
  safetensors: { obeyed: ['sliding_window', 'max_window_layers'], neutral: { qk_norm: [true], use_qk_norm: [true], qk_layernorm: [true] } },
};

// Weights.

function matrixSpecs({ biases }: DecoderConfig, n: number) {
  return (name: keyof typeof BLOCK_LINEARS, ...shape: [number, number]) =>
    linearSpecs(n, BLOCK_LINEARS[name], { shape, hasBias: biases.includes(name) });
}

/** Those of the attention of layer `n`. */
export function qwen3AttentionWeights(config: DecoderConfig, n: number): readonly WeightSpec[] {
  const { dim, heads, kvHeads, headDim } = config;
  const matrix = matrixSpecs(config, n);
  return [
    layerSpec(n, 'attn.norm', [dim], { gguf: 'attn_norm.weight', safetensors: 'input_layernorm.weight' }),
    ...matrix('q', heads * headDim, dim),
    ...matrix('k', kvHeads * headDim, dim),
    ...matrix('v', kvHeads * headDim, dim),
    ...matrix('o', dim, heads * headDim),
    layerSpec(n, 'attn.q_norm', [headDim], { gguf: 'attn_q_norm.weight', safetensors: 'self_attn.q_norm.weight' }),
    layerSpec(n, 'attn.k_norm', [headDim], { gguf: 'attn_k_norm.weight', safetensors: 'self_attn.k_norm.weight' }),
  ];
}

/** Those of the gated MLP of layer `n`, and of the norm before it. */
export function qwen3MlpWeights(config: DecoderConfig, n: number): readonly WeightSpec[] {
  const { dim, ffnDim } = config;
  const matrix = matrixSpecs(config, n);
  return [
    layerSpec(n, 'mlp.norm', [dim], { gguf: 'ffn_norm.weight', safetensors: 'post_attention_layernorm.weight' }),
    ...matrix('gate', ffnDim, dim),
    ...matrix('up', ffnDim, dim),
    ...matrix('down', dim, ffnDim),
  ];
}

/** GGUF files of the dense family have the norms of heads behind the MLP. */
function inFileOrder(specs: readonly WeightSpec[]): readonly WeightSpec[] {
  const isHeadNorm = ({ id }: WeightSpec) => /\.attn\.[qk]_norm$/.test(id);
  return [...specs.filter((spec) => !isHeadNorm(spec)), ...specs.filter(isHeadNorm)];
}

/** Of the dense model. */
export function qwen3Weights(config: DecoderConfig): readonly WeightSpec[] {
  return [
    ...outerSpecs(config),
    ...Array.from({ length: config.layers }, (_, n) =>
      inFileOrder([...qwen3AttentionWeights(config, n), ...qwen3MlpWeights(config, n)])).flat(),
  ];
}

// Layer. Values are [rows, width]; q is [rows, heads * headDim], k and v are [rows, kvHeads * headDim].

/** With its norm before it. */
export function qwen3Attention(g: GraphBuilder, config: DecoderConfig, { n, x, positions, turns }: LayerInput, table: RopeTable): Value {
  const { dim, heads, kvHeads, headDim, rmsEps, biases } = config;
  const normed = norm(g, 'norm', x, { eps: rmsEps });
  const q = product(g, 'q', normed, { out: heads * headDim, biases });
  const k = product(g, 'k', normed, { out: kvHeads * headDim, biases });
  const v = product(g, 'v', normed, { out: kvHeads * headDim, biases });
  const normedQ = norm(g, 'q_norm', q, { eps: rmsEps, groups: heads });
  const normedK = norm(g, 'k_norm', k, { eps: rmsEps, groups: kvHeads });
  const turnedQ = rope(g, 'q_rope', normedQ, { heads, headDim, table, positions, ...turns });
  const turnedK = rope(g, 'k_rope', normedK, { heads: kvHeads, headDim, table, positions, ...turns });
  const mixed = attend(g, [turnedQ, turnedK, v], { positions, ...attentionOptions(config, n) });
  return product(g, 'o', mixed, { out: dim, biases });
}

/** With its norm before it. */
export function qwen3Mlp(g: GraphBuilder, { ffnDim, rmsEps, biases }: DecoderConfig, x: Value): Value {
  return gatedMlp(g, norm(g, 'norm', x, { eps: rmsEps }), { ffnDim, activation: 'silu', biases });
}

/** A layer of the dense model. */
export function qwen3Layer(g: GraphBuilder, config: DecoderConfig, input: LayerInput, table: RopeTable): Value {
  const h = add(g, 'attn.residual', input.x, g.scope('attn', () => qwen3Attention(g, config, input, table)));
  return add(g, 'mlp.residual', h, g.scope('mlp', () => qwen3Mlp(g, config, h)));
}

// Graph.

export const qwen3: Architecture = {
  gguf: 'qwen3',
  safetensors: ['qwen3'],
  parseConfig: (checkpoint) => parseQwen3Config(checkpoint),
  checkSettings: (checkpoint, config) => checkSettings(checkpoint, decoderSettings(checkpoint, config, SETTINGS)),
  weights: qwen3Weights,
  skips: DECODER_SKIPS,
  metadata: (config) => decoderMetadata('qwen3', config),
  graphs(config, { contextLength }) {
    const table = ropeTable(config.rope, { id: 'rope', headDim: config.headDim, contextLength });
    return decoderGraph(config, (g, input) => qwen3Layer(g, config, input, table));
  },
};
