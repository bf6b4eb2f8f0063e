/**
 * Llama 2 to 3.x. Touvron et al. 2023, Grattafiori et al. 2024; names as transformers' `llama` and GGUF's `llama`.
 * Attention with rotation and then a gated MLP, each after a norm and each added to what it read.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import { add } from '../graph/ops/add.ts';
import { rope } from '../graph/ops/rope.ts';
import type { RopeTable } from '../graph/ops/rope.ts';
import type { Value } from '../graph/value.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import type { Architecture } from './architecture.ts';
import { parseDecoderConfig } from './decoder-config.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { attend, attentionOptions, decoderGraph, gatedMlp, norm, product } from './decoder-graph.ts';
import type { LayerInput } from './decoder-graph.ts';
import { decoderSettings } from './decoder-settings.ts';
import { BLOCK_LINEARS, DECODER_SKIPS, layerSpec, linearSpecs, outerSpecs } from './decoder-weights.ts';
import { decoderMetadata } from './decoder-metadata.ts';
import { ROPE_DIVISORS, ropeDivisors, ropeTable } from './rope-frequencies.ts';
import { checkSettings } from './setting-table.ts';
import { permuteHeads } from './weight-expression.ts';
import type { WeightSpec } from './weight-spec.ts';

// Config.

function parseConfig(checkpoint: Checkpoint): DecoderConfig {
  return parseDecoderConfig(checkpoint, { rmsEps: 1e-6, linears: BLOCK_LINEARS });
}

function warnings(checkpoint: Checkpoint, config: DecoderConfig): readonly string[] {
  const { sliding_window: window, use_sliding_window: isUsed } = checkpoint.config ?? {};
  // Transformers' Llama has no windows, whatever the file says: a length that a prompt may reach is worth a warning.
  const isIdle = isUsed === false || (typeof window === 'number' && window >= config.contextLength);
  const safetensors = { harmless: isIdle ? ['sliding_window'] : [], neutral: { qk_norm: [], use_qk_norm: [], qk_layernorm: [] } };
  // What GGUF calls the order of the rows of q and k (below).
  const gguf = { neutral: { tensor_data_layout: ['Meta AI original pth'] } };
  return checkSettings(checkpoint, decoderSettings(checkpoint, config, { safetensors, gguf }));
}

// Weights.

function layerWeights(config: DecoderConfig, n: number): readonly WeightSpec[] {
  const { dim, heads, kvHeads, headDim, ffnDim, biases } = config;
  const matrix = (name: keyof typeof BLOCK_LINEARS, ...shape: [number, number]) =>
    linearSpecs(n, BLOCK_LINEARS[name], { shape, hasBias: biases.includes(name) });
  // GGUF has the rows of q and k, and their biases, in the order of interleaved rotation.
  const rotated = (specs: readonly WeightSpec[], count: number) =>
    specs.map((spec): WeightSpec => ({ ...spec, gguf: permuteHeads(spec.gguf, count, 'halves') }));
  return [
    layerSpec(n, 'attn.norm', [dim], { gguf: 'attn_norm.weight', safetensors: 'input_layernorm.weight' }),
    ...rotated(matrix('q', heads * headDim, dim), heads),
    ...rotated(matrix('k', kvHeads * headDim, dim), kvHeads),
    ...matrix('v', kvHeads * headDim, dim),
    ...matrix('o', dim, heads * headDim),
    layerSpec(n, 'mlp.norm', [dim], { gguf: 'ffn_norm.weight', safetensors: 'post_attention_layernorm.weight' }),
    ...matrix('gate', ffnDim, dim),
    ...matrix('up', ffnDim, dim),
    ...matrix('down', dim, ffnDim),
  ];
}

// Layer. Values are [rows, width]; q is [rows, heads * headDim], k and v are [rows, kvHeads * headDim].

function attention(g: GraphBuilder, config: DecoderConfig, { n, x, positions }: LayerInput, table: RopeTable): Value {
  const { dim, heads, kvHeads, headDim, rmsEps, biases } = config;
  const normed = norm(g, 'norm', x, { eps: rmsEps });
  const q = product(g, 'q', normed, { out: heads * headDim, biases });
  const k = product(g, 'k', normed, { out: kvHeads * headDim, biases });
  const v = product(g, 'v', normed, { out: kvHeads * headDim, biases });
  const turnedQ = rope(g, 'q_rope', q, { heads, headDim, table, positions });
  const turnedK = rope(g, 'k_rope', k, { heads: kvHeads, headDim, table, positions });
  const mixed = attend(g, [turnedQ, turnedK, v], { positions, ...attentionOptions(config, n) });
  return product(g, 'o', mixed, { out: dim, biases });
}

function mlp(g: GraphBuilder, { ffnDim, rmsEps, biases }: DecoderConfig, x: Value): Value {
  return gatedMlp(g, norm(g, 'norm', x, { eps: rmsEps }), { ffnDim, activation: 'silu', biases });
}

function layer(g: GraphBuilder, config: DecoderConfig, input: LayerInput, table: RopeTable): Value {
  const h = add(g, 'attn.residual', input.x, g.scope('attn', () => attention(g, config, input, table)));
  return add(g, 'mlp.residual', h, g.scope('mlp', () => mlp(g, config, h)));
}

// Graph.

export const llama: Architecture = {
  gguf: 'llama',
  safetensors: ['llama'],
  parseConfig,
  checkSettings: warnings,
  weights: (config) => [...outerSpecs(config), ...Array.from({ length: config.layers }, (_, n) => layerWeights(config, n)).flat()],
  skips: DECODER_SKIPS,
  // GGUF has Llama 3's scaling of the frequencies as divisors.
  constants: ({ headDim }) => [{ name: ROPE_DIVISORS, length: headDim / 2 }],
  exportedConstants: ({ rope: rotation, headDim }) =>
    new Map(rotation.scaling.kind === 'llama3' ? [[ROPE_DIVISORS, ropeDivisors(rotation, headDim)]] : []),
  metadata: (config) => decoderMetadata('llama', config),
  graphs(config, { constants, contextLength }) {
    const table = ropeTable(config.rope, { id: 'rope', headDim: config.headDim, contextLength, divisors: constants.get(ROPE_DIVISORS) });
    return decoderGraph(config, (g, input) => layer(g, config, input, table));
  },
};
