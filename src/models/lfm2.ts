/**
 * LFM2 and LFM2.5, dense. Liquid AI 2025; names as transformers' `lfm2` and GGUF's `lfm2`.
 * Most layers have a short convolution between two gates where the others have attention; every layer ends in a gated MLP. Every query and
 * key head has a norm. What files call the norm of the embeddings is the one before the output matrix.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import { multiply } from '../graph/ops/activation.ts';
import { add } from '../graph/ops/add.ts';
import { columns } from '../graph/ops/columns.ts';
import { rope } from '../graph/ops/rope.ts';
import type { RopeTable } from '../graph/ops/rope.ts';
import { shortConvolution } from '../graph/ops/short-convolution.ts';
import type { Value } from '../graph/value.ts';
import type { Checkpoint, JsonObject } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { int32s, uint32 } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import type { Architecture } from './architecture.ts';
import { WINDOWS_EVERYWHERE } from './attention-visibility.ts';
import { configFields, jsonBoolean, jsonNumber, shownJson } from './config-fields.ts';
import { MOST_LAYERS, parseDecoderConfig } from './decoder-config.ts';
import type { DecoderConfig, LinearTable } from './decoder-config.ts';
import { attend, attentionOptions, decoderGraph, gatedMlp, norm, product } from './decoder-graph.ts';
import type { LayerInput } from './decoder-graph.ts';
import { decoderMetadata } from './decoder-metadata.ts';
import { decoderSettings } from './decoder-settings.ts';
import type { FamilySettings } from './decoder-settings.ts';
import { DECODER_SKIPS, layerSpec, linearSpecs, outerSpecs } from './decoder-weights.ts';
import { ropeTable } from './rope-frequencies.ts';
import { checkSettings } from './setting-table.ts';
import { reshape, tensor } from './weight-expression.ts';
import { tensorSpec } from './weight-spec.ts';
import type { WeightSpec } from './weight-spec.ts';

// Config.

/** `biases` names `in`, `out` and `convolution`, or none of them. */
export interface Lfm2Config extends DecoderConfig {
  /** Which layers have attention; the others have a convolution. */
  readonly attends: readonly boolean[];
  /** Rows that the convolution sees: its own and those before it. */
  readonly convolutionWidth: number;
  /** MLX's folders have the convolution's weight as [dim, width, 1], others as [dim, 1, width]. */
  readonly isChannelLast: boolean;
}

const GGUF_KV_HEADS = 'attention.head_count_kv';

/** Config of the layers' attention and convolutions, which a family with experts has too. */
export function parseLfm2Config(checkpoint: Checkpoint): Lfm2Config {
  const { format, name, architecture } = checkpoint;
  const fields = configFields(checkpoint);
  const layers = fields.requiredCount({ hf: 'num_hidden_layers', gguf: 'block_count' }, MOST_LAYERS);
  const attends = format === 'gguf' ? ggufAttends(checkpoint, layers) : hfAttends(checkpoint, layers);
  const base = parseDecoderConfig(format === 'gguf' ? withSameHeads(checkpoint) : withUsualKeys(checkpoint), {
    rmsEps: 1e-5, ropeTheta: 1e6, windows: format === 'gguf' ? WINDOWS_EVERYWHERE : undefined, linears: {},
  });
  if (!base.causal || isBidirectional(checkpoint))
    throw new FormatError(`${name}: convolutions without causality are not supported for ${architecture}.`);
  const convolutionWidth = fields.count({ hf: 'conv_L_cache', gguf: 'shortconv.l_cache' }) ?? (format === 'gguf' ? undefined : 3);
  if (convolutionWidth === undefined || convolutionWidth < 2) {
    const key = format === 'gguf' ? `${architecture}.shortconv.l_cache` : 'conv_L_cache';
    throw new FormatError(`${name}: ${key} must be at least 2, found ${convolutionWidth ?? 'nothing'}.`);
  }
  const first = attends.indexOf(false);
  return {
    ...base,
    attends,
    convolutionWidth,
    isChannelLast: checkpoint.tensors.get(`model.layers.${first}.conv.conv.weight`)?.shape[2] === 1,
    biases: hasBiases(checkpoint, first) ? ['in', 'out', 'convolution'] : [],
  };
}

/**
 * LFM2.5's models of embeddings see what follows, in their convolutions too. Their folders say it by the name of their class alone
 * (llama.cpp's conversion/lfm2.py), GGUF files by `attention.causal`.
 */
function isBidirectional({ config = {} }: Checkpoint): boolean {
  const classes = config['architectures'];
  return Array.isArray(classes) && classes.includes('Lfm2BidirectionalModel');
}

function hasBiases({ format, config = {}, name, tensors }: Checkpoint, firstConvolution: number): boolean {
  if (format === 'gguf') return tensors.has(`blk.${firstConvolution}.shortconv.in_proj.bias`);
  return jsonBoolean(config, 'conv_bias', name) ?? false;
}

/** A layer without heads of keys has a convolution. */
function ggufAttends({ metadata, architecture, name }: Checkpoint, layers: number): readonly boolean[] {
  const heads = metadata.get(`${architecture}.${GGUF_KV_HEADS}`);
  if (!ArrayBuffer.isView(heads) && !Array.isArray(heads)) return Array.from({ length: layers }, () => true);
  const attends = Array.from(heads as ArrayLike<unknown>, (count) => count !== 0);
  if (attends.length === layers) return attends;
  const key = `${architecture}.${GGUF_KV_HEADS}`;
  throw new FormatError(`${name}: ${key} must have a number for each of ${layers} layers, found ${attends.length}.`);
}

/** The file as one whose heads of keys are those of its layers with attention. */
function withSameHeads(checkpoint: Checkpoint): Checkpoint {
  const key = `${checkpoint.architecture}.${GGUF_KV_HEADS}`;
  const heads = checkpoint.metadata.get(key);
  if (!ArrayBuffer.isView(heads) && !Array.isArray(heads)) return checkpoint;
  const counts = Array.from(heads as ArrayLike<number>).filter((count) => count !== 0);
  const other = counts.find((count) => count !== counts[0]);
  if (other !== undefined)
    throw new FormatError(`${checkpoint.name}: ${key} must be 0 or the same for all layers, found both ${counts[0]} and ${other}.`);
  const metadata = new Map(checkpoint.metadata);
  if (counts[0] === undefined) metadata.delete(key);
  else metadata.set(key, counts[0]);
  return { ...checkpoint, metadata };
}

/** `layer_types`, or the numbers of the layers with attention; all have it where the folder says neither (transformers). */
function hfAttends({ config = {}, name }: Checkpoint, layers: number): readonly boolean[] {
  const [types, indices] = [config['layer_types'] ?? undefined, config['full_attn_idxs'] ?? undefined];
  if (types !== undefined) {
    const isType = (type: unknown) => type === 'conv' || type === 'full_attention';
    if (!Array.isArray(types) || types.length !== layers || !types.every(isType)) {
      const found = Array.isArray(types) ? shownJson(types.find((type) => !isType(type)) ?? types) : shownJson(types);
      throw new FormatError(`${name}: layer_types must be "conv" or "full_attention" for each of ${layers} layers, found ${found}.`);
    }
    return types.map((type) => type === 'full_attention');
  }
  const isLayer = (index: unknown) => Number.isInteger(index) && (index as number) >= 0 && (index as number) < layers;
  if (indices !== undefined && (!Array.isArray(indices) || !indices.every(isLayer)))
    throw new FormatError(`${name}: full_attn_idxs must be numbers of layers below ${layers}, found ${shownJson(indices)}.`);
  return Array.from({ length: layers }, (_, n) => indices === undefined || (indices as readonly unknown[]).includes(n));
}

/** config.json with what is said here under other names, and with its class's defaults. */
function withUsualKeys(checkpoint: Checkpoint): Checkpoint {
  const { config = {}, name } = checkpoint;
  const usual: JsonObject = {
    max_position_embeddings: 128_000,
    ...config,
    rms_norm_eps: configFields(checkpoint).positive({ hf: 'norm_eps', gguf: '' }) ?? null,
    intermediate_size: ffnWidth(config, name) ?? null,
    tie_word_embeddings: jsonBoolean(config, 'tie_embedding', name) ?? jsonBoolean(config, 'tie_word_embeddings', name) ?? true,
    layer_types: null,
  };
  return { ...checkpoint, config: usual };
}

/** The width that a folder names is that of a block without gates, unless it says otherwise: two thirds of it, in whole multiples. */
function ffnWidth(config: JsonObject, name: string): number | undefined {
  const number = (key: string) => jsonNumber(config, key, name);
  const key = (config['block_ff_dim'] ?? undefined) === undefined ? 'intermediate_size' : 'block_ff_dim';
  const named = number(key);
  if (named === undefined) return undefined;
  const width = adjustedWidth(config, name, named);
  if (Number.isInteger(width) && width >= 1) return width;
  const keys = width === named ? key : `the width by ${key} ${named}, block_ffn_dim_multiplier and block_multiple_of`;
  throw new FormatError(`${name}: ${keys} must be an integer of at least 1, found ${width}.`);
}

function adjustedWidth(config: JsonObject, name: string, named: number): number {
  const number = (key: string) => jsonNumber(config, key, name);
  if (jsonBoolean(config, 'block_auto_adjust_ff_dim', name) === false) return named;
  const width = Math.trunc((2 * named) / 3);
  // transformers leaves the multiple out where there is no factor.
  if (config['block_ffn_dim_multiplier'] === null) return width;
  const multiple = number('block_multiple_of') ?? 256;
  if (!(multiple >= 1)) throw new FormatError(`${name}: block_multiple_of must be at least 1, found ${multiple}.`);
  return Math.ceil(Math.trunc((number('block_ffn_dim_multiplier') ?? 1) * width) / multiple) * multiple;
}

export function lfm2Settings({ dim, heads, rmsEps, rope: { theta } }: Lfm2Config): FamilySettings {
  return {
    safetensors: {
      obeyed: [
        'norm_eps', 'block_ff_dim', 'block_auto_adjust_ff_dim', 'block_ffn_dim_multiplier', 'block_multiple_of', 'tie_embedding',
        'conv_L_cache', 'conv_bias', 'full_attn_idxs',
      ],
      harmless: ['block_mlp_init_scale', 'block_out_init_scale', 'block_use_xavier_init', 'conv_use_xavier_init', 'model_name'],
      neutral: {
        block_dim: [dim], conv_dim: [dim], conv_dim_out: [dim], num_heads: [heads], block_norm_eps: [rmsEps], block_use_swiglu: [true],
        use_pos_enc: [true], theta: [theta],
      },
    },
    gguf: { obeyed: ['shortconv.l_cache'] },
  };
}

// Weights.

const ATTENTION_LINEARS = {
  q: { id: 'attn.q', gguf: 'attn_q', safetensors: 'self_attn.q_proj', biasKey: '' },
  k: { id: 'attn.k', gguf: 'attn_k', safetensors: 'self_attn.k_proj', biasKey: '' },
  v: { id: 'attn.v', gguf: 'attn_v', safetensors: 'self_attn.v_proj', biasKey: '' },
  o: { id: 'attn.o', gguf: 'attn_output', safetensors: 'self_attn.out_proj', biasKey: '' },
} as const satisfies LinearTable;

const CONVOLUTION_LINEARS = {
  in: { id: 'conv.in', gguf: 'shortconv.in_proj', safetensors: 'conv.in_proj', biasKey: 'conv_bias' },
  out: { id: 'conv.out', gguf: 'shortconv.out_proj', safetensors: 'conv.out_proj', biasKey: 'conv_bias' },
} as const satisfies LinearTable;

const MLP_LINEARS = {
  gate: { id: 'mlp.gate', gguf: 'ffn_gate', safetensors: 'feed_forward.w1', biasKey: '' },
  up: { id: 'mlp.up', gguf: 'ffn_up', safetensors: 'feed_forward.w3', biasKey: '' },
  down: { id: 'mlp.down', gguf: 'ffn_down', safetensors: 'feed_forward.w2', biasKey: '' },
} as const satisfies LinearTable;

function attentionWeights({ dim, heads, kvHeads, headDim }: Lfm2Config, n: number): readonly WeightSpec[] {
  const matrix = (name: keyof typeof ATTENTION_LINEARS, ...shape: [number, number]) =>
    linearSpecs(n, ATTENTION_LINEARS[name], { shape, hasBias: false });
  return [
    layerSpec(n, 'attn.norm', [dim], { gguf: 'attn_norm.weight', safetensors: 'operator_norm.weight' }),
    ...matrix('q', heads * headDim, dim),
    ...matrix('k', kvHeads * headDim, dim),
    ...matrix('v', kvHeads * headDim, dim),
    ...matrix('o', dim, heads * headDim),
    layerSpec(n, 'attn.q_norm', [headDim], { gguf: 'attn_q_norm.weight', safetensors: 'self_attn.q_layernorm.weight' }),
    layerSpec(n, 'attn.k_norm', [headDim], { gguf: 'attn_k_norm.weight', safetensors: 'self_attn.k_layernorm.weight' }),
  ];
}

function convolutionWeights({ dim, biases, convolutionWidth, isChannelLast }: Lfm2Config, n: number): readonly WeightSpec[] {
  const hasBias = biases.length > 0;
  const shape = [dim, convolutionWidth];
  const names = { gguf: 'shortconv.conv', safetensors: 'conv.conv' };
  const inFolder = tensor(`model.layers.${n}.conv.conv.weight`, isChannelLast ? [...shape, 1] : [dim, 1, convolutionWidth]);
  const bias = layerSpec(n, 'conv.convolution.bias', [dim], {
    gguf: `${names.gguf}.bias`, safetensors: `${names.safetensors}.bias`,
  });
  return [
    layerSpec(n, 'conv.norm', [dim], { gguf: 'attn_norm.weight', safetensors: 'operator_norm.weight' }),
    ...linearSpecs(n, CONVOLUTION_LINEARS.in, { shape: [3 * dim, dim], hasBias }),
    {
      id: `layers.${n}.conv.convolution`, shape,
      gguf: tensor(`blk.${n}.${names.gguf}.weight`, shape), safetensors: reshape(inFolder, shape),
    },
    ...(hasBias ? [bias] : []),
    ...linearSpecs(n, CONVOLUTION_LINEARS.out, { shape: [dim, dim], hasBias }),
  ];
}

/** Of the first half of layer `n`. */
export function lfm2MixerWeights(config: Lfm2Config, n: number): readonly WeightSpec[] {
  return config.attends[n] === true ? attentionWeights(config, n) : convolutionWeights(config, n);
}

/** Of the second half. `names`: of its matrices in folders, where they are not LFM2's own. */
export function lfm2MlpWeights({ dim, ffnDim }: Lfm2Config, n: number, names?: Readonly<Record<string, string>>): readonly WeightSpec[] {
  const matrix = (name: keyof typeof MLP_LINEARS, ...shape: [number, number]) =>
    linearSpecs(n, { ...MLP_LINEARS[name], safetensors: names?.[name] ?? MLP_LINEARS[name].safetensors }, { shape, hasBias: false });
  return [
    layerSpec(n, 'mlp.norm', [dim], { gguf: 'ffn_norm.weight', safetensors: 'ffn_norm.weight' }),
    ...matrix('gate', ffnDim, dim),
    ...matrix('up', ffnDim, dim),
    ...matrix('down', dim, ffnDim),
  ];
}

/** Of what lies before and behind the layers. */
export function lfm2OuterWeights(config: Lfm2Config): readonly WeightSpec[] {
  const last = tensorSpec('norm', [config.dim], { gguf: 'token_embd_norm.weight', safetensors: 'model.embedding_norm.weight' });
  return outerSpecs(config).map((spec) => (spec.id === 'norm' ? last : spec));
}

/** Of the whole. */
export function lfm2Weights(config: Lfm2Config): readonly WeightSpec[] {
  const layers = Array.from({ length: config.layers }, (_, n) => [...lfm2MixerWeights(config, n), ...lfm2MlpWeights(config, n)]);
  return [...lfm2OuterWeights(config), ...layers.flat()];
}

// Layer. Values are [rows, width]; q is [rows, heads * headDim], k and v are [rows, kvHeads * headDim].

function attention(g: GraphBuilder, config: Lfm2Config, { n, x, positions }: LayerInput, table: RopeTable): Value {
  const { dim, heads, kvHeads, headDim, rmsEps } = config;
  const normed = norm(g, 'norm', x, { eps: rmsEps });
  const q = product(g, 'q', normed, { out: heads * headDim, biases: [] });
  const k = product(g, 'k', normed, { out: kvHeads * headDim, biases: [] });
  const v = product(g, 'v', normed, { out: kvHeads * headDim, biases: [] });
  const normedQ = norm(g, 'q_norm', q, { eps: rmsEps, groups: heads });
  const normedK = norm(g, 'k_norm', k, { eps: rmsEps, groups: kvHeads });
  const turnedQ = rope(g, 'q_rope', normedQ, { heads, headDim, table, positions });
  const turnedK = rope(g, 'k_rope', normedK, { heads: kvHeads, headDim, table, positions });
  const mixed = attend(g, [turnedQ, turnedK, v], { positions, ...attentionOptions(config, n) });
  return product(g, 'o', mixed, { out: dim, biases: [] });
}

/** out(after * convolution(before * inner)), all three of them parts of one product. */
function gatedConvolution(g: GraphBuilder, { dim, rmsEps, biases, convolutionWidth }: Lfm2Config, x: Value): Value {
  const parts = product(g, 'in', norm(g, 'norm', x, { eps: rmsEps }), { out: 3 * dim, biases });
  const [before, after, inner] = ['before', 'after', 'inner'].map((name, i) => columns(g, name, parts, { start: i * dim, width: dim }));
  const mixed = shortConvolution(g, 'convolve', multiply(g, 'gated', before as Value, inner as Value), {
    weight: g.weight(g.path('convolution'), [dim, convolutionWidth]),
    bias: biases.includes('convolution') ? g.weight(g.path('convolution.bias'), [dim]) : undefined,
    state: g.slotState({ shape: [convolutionWidth - 1, dim], dtype: 'f32' }),
  });
  return product(g, 'out', multiply(g, 'mixed', after as Value, mixed), { out: dim, biases });
}

/** With its norm before it. */
export function lfm2Mlp(g: GraphBuilder, { ffnDim, rmsEps }: Lfm2Config, x: Value): Value {
  return gatedMlp(g, norm(g, 'norm', x, { eps: rmsEps }), { ffnDim, activation: 'silu', biases: [] });
}

/** The first half of a layer: x and what attention, or a convolution, makes of it. */
export function lfm2Mixer(g: GraphBuilder, config: Lfm2Config, input: LayerInput, table: RopeTable): Value {
  const { n, x } = input;
  return config.attends[n] === true
    ? add(g, 'attn.residual', x, g.scope('attn', () => attention(g, config, input, table)))
    : add(g, 'conv.residual', x, g.scope('conv', () => gatedConvolution(g, config, x)));
}

/** A layer of the dense model. */
export function lfm2Layer(g: GraphBuilder, config: Lfm2Config, input: LayerInput, table: RopeTable): Value {
  const h = lfm2Mixer(g, config, input, table);
  return add(g, 'mlp.residual', h, g.scope('mlp', () => lfm2Mlp(g, config, h)));
}

// Graph.

export function lfm2Metadata(architecture: string, config: Lfm2Config): GgufMetadata {
  const keys = new Map(decoderMetadata(architecture, config));
  keys.set(`${architecture}.${GGUF_KV_HEADS}`, int32s(config.attends.map((attends) => (attends ? config.kvHeads : 0))));
  keys.set(`${architecture}.shortconv.l_cache`, uint32(config.convolutionWidth));
  return keys;
}

export const lfm2: Architecture<Lfm2Config> = {
  gguf: 'lfm2',
  safetensors: ['lfm2'],
  parseConfig: parseLfm2Config,
  checkSettings: (checkpoint, config) => checkSettings(checkpoint, decoderSettings(checkpoint, config, lfm2Settings(config))),
  weights: lfm2Weights,
  skips: DECODER_SKIPS,
  metadata: (config) => lfm2Metadata('lfm2', config),
  sees: ['lfm2-vl'],
  graphs(config, { contextLength, vision }) {
    const table = ropeTable(config.rope, { id: 'rope', headDim: config.headDim, contextLength });
    return decoderGraph(config, (g, input) => lfm2Layer(g, config, input, table), { vision: vision && { tower: vision } });
  },
};
