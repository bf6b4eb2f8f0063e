/**
 * Gemma 3, text. Gemma Team 2025; names as transformers' `gemma3_text` and GGUF's `gemma3`.
 * Attention and a gated MLP, each between two norms. Every query and key head has a norm. Five layers of six see a window and turn by a
 * base of their own. Gains are 1 + w in Hugging Face's folders (MLX's too), and GGUF files hold that sum.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import { add } from '../graph/ops/add.ts';
import { rope } from '../graph/ops/rope.ts';
import type { RopeTable } from '../graph/ops/rope.ts';
import type { Value } from '../graph/value.ts';
import type { Checkpoint, JsonObject } from '../tensor/checkpoint.ts';
import { float32 } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from '../tensor/half.ts';
import type { Architecture } from './architecture.ts';
import type { WindowRule } from './attention-visibility.ts';
import { configFields } from './config-fields.ts';
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
import { plus } from './weight-expression.ts';
import type { SkipRule, WeightSpec } from './weight-spec.ts';

// Config.

export interface Gemma3Config extends DecoderConfig, LayerTypeRopes {
  /** Factor of a query's product with a key. */
  readonly attentionScale: number;
  /** sqrt(dim), as the file's readers round it. */
  readonly embeddingScale: number;
  /** Bound of the logits; undefined: none. */
  readonly logitSoftcap: number | undefined;
}

/** What transformers' class has, and the folders of 4B and more leave out of their `text_config`. */
const CLASS_DEFAULTS: JsonObject = {
  num_attention_heads: 8, num_key_value_heads: 4, head_dim: 256, max_position_embeddings: 131_072, query_pre_attn_scalar: 256,
  tie_word_embeddings: true,
};

const USUAL_PERIOD = 6;
const LOCAL_THETA = 10_000;

/** Every sixth layer sees all, or the last of each `sliding_window_pattern`. */
export const GEMMA3_WINDOWS: WindowRule = {
  defaultSize: 4096,
  counts: { sliding_window_pattern: 1 },
  slides(layer, config) {
    const period = config?.['sliding_window_pattern'];
    return (layer + 1) % (typeof period === 'number' ? period : USUAL_PERIOD) !== 0;
  },
};

export function parseGemma3Config(whole: Checkpoint, windows: WindowRule = GEMMA3_WINDOWS): Gemma3Config {
  const checkpoint = whole.config === undefined ? whole : { ...whole, config: { ...CLASS_DEFAULTS, ...whole.config } };
  const base = parseDecoderConfig(checkpoint, { rmsEps: 1e-6, windows, linears: BLOCK_LINEARS });
  const ropes = parseLayerTypeRopes(checkpoint, {
    headDim: base.headDim, fullTheta: 1e6, slidingTheta: LOCAL_THETA, slidingKey: 'rope_local_base_freq', ggufSlidingTheta: LOCAL_THETA,
  });
  const fields = configFields(checkpoint);
  return {
    ...base,
    ...ropes,
    attentionScale: scaleOf(checkpoint, base),
    embeddingScale: embeddingScaleOf(checkpoint, base.dim),
    logitSoftcap: fields.positive({ hf: 'final_logit_softcapping', gguf: 'final_logit_softcapping' }),
  };
}

/** llama.cpp knows the model of 27B, whose scale is not that of a head's width, by its number of layers. */
function ggufScale({ layers, dim, heads, headDim }: Pick<DecoderConfig, 'layers' | 'dim' | 'heads' | 'headDim'>): number {
  return (layers === 62 ? dim / heads : headDim) ** -0.5;
}

function scaleOf(checkpoint: Checkpoint, base: DecoderConfig): number {
  const fields = configFields(checkpoint);
  if (checkpoint.format === 'gguf') return fields.positive({ hf: '', gguf: 'attention.scale' }) ?? ggufScale(base);
  return fields.requiredPositive({ hf: 'query_pre_attn_scalar', gguf: '' }) ** -0.5;
}

/**
 * transformers rounds the factor to the type of the embedding table, so that a folder of bf16 has 34 for a width of 1152; MLX's folders of
 * floats are such too. llama.cpp takes the root as f32, whatever the file's type.
 */
export function embeddingScaleOf({ format, tensors }: Checkpoint, dim: number): number {
  const root = Math.fround(Math.sqrt(dim));
  const type = format === 'gguf' ? 'f32' : tensors.get('model.embed_tokens.weight')?.type;
  if (type === 'bf16') return bf16ToF32(f32ToBf16(root));
  return type === 'f16' ? f16ToF32(f32ToF16(root)) : root;
}

const GELU = ['gelu_pytorch_tanh'];

function settings(config: Gemma3Config): FamilySettings {
  const acts = { hidden_act: GELU, hidden_activation: GELU, activation_function: GELU };
  return {
    safetensors: {
      obeyed: [
        'sliding_window', 'sliding_window_pattern', 'query_pre_attn_scalar', 'final_logit_softcapping',
        ...layerTypeKeys(config),
      ],
      neutral: { ...acts, rope_local_base_freq: [config.slidingRope.theta] },
    },
    gguf: {
      obeyed: ['attention.scale', 'final_logit_softcapping', 'rope.freq_base_swa'],
      // Of the vision tower, in files that hold both.
      harmless: ['vision.*', 'mm.*'],
      neutral: { hidden_activation: GELU },
    },
  };
}

// Weights.

/** A gain that files of Hugging Face's hold less 1. */
function gain(n: number, id: string, size: number, names: { readonly gguf: string; readonly safetensors: string }): WeightSpec {
  return lessOne(layerSpec(n, id, [size], { gguf: `${names.gguf}.weight`, safetensors: `${names.safetensors}.weight` }));
}

function lessOne(spec: WeightSpec): WeightSpec {
  return { ...spec, safetensors: plus(spec.safetensors, 1) };
}

function layerWeights(config: Gemma3Config, n: number): readonly WeightSpec[] {
  const { dim, heads, kvHeads, headDim, ffnDim, biases } = config;
  const matrix = (name: keyof typeof BLOCK_LINEARS, ...shape: [number, number]) =>
    linearSpecs(n, BLOCK_LINEARS[name], { shape, hasBias: biases.includes(name) });
  return [
    gain(n, 'attn.norm', dim, { gguf: 'attn_norm', safetensors: 'input_layernorm' }),
    ...matrix('q', heads * headDim, dim),
    ...matrix('k', kvHeads * headDim, dim),
    ...matrix('v', kvHeads * headDim, dim),
    ...matrix('o', dim, heads * headDim),
    gain(n, 'attn.q_norm', headDim, { gguf: 'attn_q_norm', safetensors: 'self_attn.q_norm' }),
    gain(n, 'attn.k_norm', headDim, { gguf: 'attn_k_norm', safetensors: 'self_attn.k_norm' }),
    gain(n, 'attn.post_norm', dim, { gguf: 'post_attention_norm', safetensors: 'post_attention_layernorm' }),
    gain(n, 'mlp.norm', dim, { gguf: 'ffn_norm', safetensors: 'pre_feedforward_layernorm' }),
    ...matrix('gate', ffnDim, dim),
    ...matrix('up', ffnDim, dim),
    ...matrix('down', dim, ffnDim),
    gain(n, 'mlp.post_norm', dim, { gguf: 'post_ffw_norm', safetensors: 'post_feedforward_layernorm' }),
  ];
}

export function gemma3Weights(config: Gemma3Config): readonly WeightSpec[] {
  const outer = outerSpecs(config).map((spec) => (spec.id === 'norm' ? lessOne(spec) : spec));
  return [...outer, ...Array.from({ length: config.layers }, (_, n) => layerWeights(config, n)).flat()];
}

export const GEMMA3_SKIPS: readonly SkipRule[] = [
  ...DECODER_SKIPS,
  { pattern: /^(v|mm)\./, reason: 'of the vision tower: only the text part is loaded' },
];

// Layer. Values are [rows, width]; q is [rows, heads * headDim], k and v are [rows, kvHeads * headDim].

function attention(g: GraphBuilder, config: Gemma3Config, { n, x, positions }: LayerInput, table: RopeTable): Value {
  const { dim, heads, kvHeads, headDim, rmsEps, biases, attentionScale } = config;
  const normed = norm(g, 'norm', x, { eps: rmsEps });
  const q = product(g, 'q', normed, { out: heads * headDim, biases });
  const k = product(g, 'k', normed, { out: kvHeads * headDim, biases });
  const v = product(g, 'v', normed, { out: kvHeads * headDim, biases });
  const normedQ = norm(g, 'q_norm', q, { eps: rmsEps, groups: heads });
  const normedK = norm(g, 'k_norm', k, { eps: rmsEps, groups: kvHeads });
  const turnedQ = rope(g, 'q_rope', normedQ, { heads, headDim, table, positions });
  const turnedK = rope(g, 'k_rope', normedK, { heads: kvHeads, headDim, table, positions });
  const mixed = attend(g, [turnedQ, turnedK, v], { positions, ...attentionOptions(config, n), scale: attentionScale });
  return norm(g, 'post_norm', product(g, 'o', mixed, { out: dim, biases }), { eps: rmsEps });
}

function mlp(g: GraphBuilder, { ffnDim, rmsEps, biases }: Gemma3Config, x: Value): Value {
  const made = gatedMlp(g, norm(g, 'norm', x, { eps: rmsEps }), { ffnDim, activation: 'geluTanh', biases });
  return norm(g, 'post_norm', made, { eps: rmsEps });
}

export function gemma3Layer(g: GraphBuilder, config: Gemma3Config, input: LayerInput, tables: LayerTypeTables): Value {
  const table = config.window?.layers[input.n] === true ? tables.sliding : tables.full;
  const h = add(g, 'attn.residual', input.x, g.scope('attn', () => attention(g, config, input, table)));
  return add(g, 'mlp.residual', h, g.scope('mlp', () => mlp(g, config, h)));
}

// Graph.

/** GGUF's keys, under the name of `architecture`. */
export function gemma3Metadata(architecture: string, config: Gemma3Config): GgufMetadata {
  const { slidingRope, attentionScale, logitSoftcap } = config;
  const metadata = new Map(decoderMetadata(architecture, config, USUAL_PERIOD));
  metadata.set(`${architecture}.rope.freq_base_swa`, float32(slidingRope.theta));
  if (attentionScale !== ggufScale(config)) metadata.set(`${architecture}.attention.scale`, float32(attentionScale));
  if (logitSoftcap !== undefined) metadata.set(`${architecture}.final_logit_softcapping`, float32(logitSoftcap));
  return metadata;
}

export function checkGemma3Settings(checkpoint: Checkpoint, config: Gemma3Config): readonly string[] {
  return checkSettings(checkpoint, decoderSettings(checkpoint, config, settings(config)));
}

export const gemma3: Architecture<Gemma3Config> = {
  gguf: 'gemma3',
  safetensors: ['gemma3_text'],
  parseConfig: (checkpoint) => parseGemma3Config(checkpoint),
  checkSettings: checkGemma3Settings,
  weights: gemma3Weights,
  skips: GEMMA3_SKIPS,
  metadata: (config) => gemma3Metadata('gemma3', config),
  graphs(config, { contextLength }) {
    const tables = layerTypeTables(config, contextLength);
    const frame = { embeddingScale: config.embeddingScale, logitSoftcap: config.logitSoftcap };
    return decoderGraph(config, (g, input) => gemma3Layer(g, config, input, tables), frame);
  },
};
