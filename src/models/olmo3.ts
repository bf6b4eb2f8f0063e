/**
 * OLMo 2 and 3. OLMo Team 2025; names as transformers' `olmo2` and `olmo3`, and as GGUF's `olmo2`, which is both.
 * A block reads the stream as it is and has its norm behind it. Queries and keys have a norm of their whole rows, before they are heads.
 * OLMo 3: three layers of four see a window, and turn without the scaling of the others. Files of both formats store all tensors alike.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import { add } from '../graph/ops/add.ts';
import { rope } from '../graph/ops/rope.ts';
import type { RopeTable } from '../graph/ops/rope.ts';
import type { Value } from '../graph/value.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { bools, float32 } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import type { Architecture } from './architecture.ts';
import type { WindowRule } from './attention-visibility.ts';
import { parseDecoderConfig } from './decoder-config.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { attend, attentionOptions, decoderGraph, gatedMlp, norm, product } from './decoder-graph.ts';
import type { LayerInput } from './decoder-graph.ts';
import { decoderMetadata } from './decoder-metadata.ts';
import { decoderSettings } from './decoder-settings.ts';
import type { FamilySettings } from './decoder-settings.ts';
import { BLOCK_LINEARS, DECODER_SKIPS, layerSpec, linearSpecs, outerSpecs } from './decoder-weights.ts';
import { layerTypeKeys, layerTypeTables, parseLayerTypeRopes } from './layer-type-ropes.ts';
import type { LayerTypeRopes, LayerTypeTables } from './layer-type-ropes.ts';
import { checkSettings } from './setting-table.ts';
import type { WeightSpec } from './weight-spec.ts';

// Config.

interface OlmoConfig extends DecoderConfig, LayerTypeRopes {}

const USUAL_PERIOD = 4;
const THETA = 500_000;

const WINDOWS: WindowRule = { defaultSize: 4096, slides: (n) => (n + 1) % USUAL_PERIOD !== 0 };

/** transformers' `olmo2` has no windows, and one rotation. */
function isOlmo2({ format, architecture }: Checkpoint): boolean {
  return format === 'safetensors' && architecture === 'olmo2';
}

function parseConfig(checkpoint: Checkpoint): OlmoConfig {
  const windows = isOlmo2(checkpoint) ? undefined : WINDOWS;
  const base = parseDecoderConfig(checkpoint, { rmsEps: 1e-5, windows, linears: BLOCK_LINEARS });
  if (isOlmo2(checkpoint)) return { ...base, slidingRope: base.rope };
  // The base that an older folder names is not that of the layers with a window (transformers).
  return { ...base, ...parseLayerTypeRopes(checkpoint, { headDim: base.headDim, fullTheta: THETA, slidingTheta: THETA }) };
}

function warnings(checkpoint: Checkpoint, config: OlmoConfig): readonly string[] {
  const safetensors = isOlmo2(checkpoint) ? {} : { obeyed: ['sliding_window', ...layerTypeKeys(config)] };
  const settings: FamilySettings = { safetensors, gguf: { obeyed: ['rope.freq_base_swa'] } };
  return checkSettings(checkpoint, decoderSettings(checkpoint, config, settings));
}

// Weights.

function layerWeights(config: OlmoConfig, n: number): readonly WeightSpec[] {
  const { dim, heads, kvHeads, headDim, ffnDim, biases } = config;
  const matrix = (name: keyof typeof BLOCK_LINEARS, ...shape: [number, number]) =>
    linearSpecs(n, BLOCK_LINEARS[name], { shape, hasBias: biases.includes(name) });
  return [
    ...matrix('q', heads * headDim, dim),
    ...matrix('k', kvHeads * headDim, dim),
    ...matrix('v', kvHeads * headDim, dim),
    ...matrix('o', dim, heads * headDim),
    layerSpec(n, 'attn.q_norm', [heads * headDim], { gguf: 'attn_q_norm.weight', safetensors: 'self_attn.q_norm.weight' }),
    layerSpec(n, 'attn.k_norm', [kvHeads * headDim], { gguf: 'attn_k_norm.weight', safetensors: 'self_attn.k_norm.weight' }),
    layerSpec(n, 'attn.post_norm', [dim], { gguf: 'post_attention_norm.weight', safetensors: 'post_attention_layernorm.weight' }),
    ...matrix('gate', ffnDim, dim),
    ...matrix('up', ffnDim, dim),
    ...matrix('down', dim, ffnDim),
    layerSpec(n, 'mlp.post_norm', [dim], { gguf: 'post_ffw_norm.weight', safetensors: 'post_feedforward_layernorm.weight' }),
  ];
}

// Layer. Values are [rows, width]; q is [rows, heads * headDim], k and v are [rows, kvHeads * headDim].

function attention(g: GraphBuilder, config: OlmoConfig, { n, x, positions }: LayerInput, table: RopeTable): Value {
  const { dim, heads, kvHeads, headDim, rmsEps, biases } = config;
  const q = norm(g, 'q_norm', product(g, 'q', x, { out: heads * headDim, biases }), { eps: rmsEps });
  const k = norm(g, 'k_norm', product(g, 'k', x, { out: kvHeads * headDim, biases }), { eps: rmsEps });
  const v = product(g, 'v', x, { out: kvHeads * headDim, biases });
  const turnedQ = rope(g, 'q_rope', q, { heads, headDim, table, positions });
  const turnedK = rope(g, 'k_rope', k, { heads: kvHeads, headDim, table, positions });
  const mixed = attend(g, [turnedQ, turnedK, v], { positions, ...attentionOptions(config, n) });
  return norm(g, 'post_norm', product(g, 'o', mixed, { out: dim, biases }), { eps: rmsEps });
}

function mlp(g: GraphBuilder, { ffnDim, rmsEps, biases }: OlmoConfig, x: Value): Value {
  return norm(g, 'post_norm', gatedMlp(g, x, { ffnDim, activation: 'silu', biases }), { eps: rmsEps });
}

function layer(g: GraphBuilder, config: OlmoConfig, input: LayerInput, tables: LayerTypeTables): Value {
  const table = config.window?.layers[input.n] === true ? tables.sliding : tables.full;
  const h = add(g, 'attn.residual', input.x, g.scope('attn', () => attention(g, config, input, table)));
  return add(g, 'mlp.residual', h, g.scope('mlp', () => mlp(g, config, h)));
}

// Graph.

function metadata(config: OlmoConfig): GgufMetadata {
  const { rope: full, slidingRope, window } = config;
  const keys = new Map(decoderMetadata('olmo2', config, USUAL_PERIOD));
  const pattern = 'olmo2.attention.sliding_window_pattern';
  // llama.cpp's own script lists what llama.cpp takes without being told.
  if (window !== undefined && !keys.has(pattern)) keys.set(pattern, bools(window.layers));
  if (window !== undefined && slidingRope.theta !== full.theta) keys.set('olmo2.rope.freq_base_swa', float32(slidingRope.theta));
  return keys;
}

export const olmo3: Architecture<OlmoConfig> = {
  gguf: 'olmo2',
  safetensors: ['olmo3', 'olmo2'],
  parseConfig,
  checkSettings: warnings,
  weights: (config) => [...outerSpecs(config), ...Array.from({ length: config.layers }, (_, n) => layerWeights(config, n)).flat()],
  skips: DECODER_SKIPS,
  metadata,
  graphs(config, { contextLength }) {
    const tables = layerTypeTables(config, contextLength);
    return decoderGraph(config, (g, input) => layer(g, config, input, tables));
  },
};
