/**
 * BERT as a model of embeddings. Devlin et al. 2018; names as transformers' `bert` and GGUF's `bert`.
 * Every row sees all of its text. Attention and an MLP, each added to what it read and normed behind that; positions and token types are
 * tables, of which texts alone have the first type.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import { ENCODER } from '../graph/model-graphs.ts';
import { activation } from '../graph/ops/activation.ts';
import { add } from '../graph/ops/add.ts';
import { embed } from '../graph/ops/embed.ts';
import { gatherRows } from '../graph/ops/gather-rows.ts';
import { layerNorm } from '../graph/ops/layer-norm.ts';
import { widthOf } from '../graph/value.ts';
import type { Value } from '../graph/value.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { bool, float32, uint32 } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import type { Architecture } from './architecture.ts';
import { configFields } from './config-fields.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { attend, attentionOptions, encoderModel, product } from './decoder-graph.ts';
import type { LayerInput } from './decoder-graph.ts';
import { decoderSettings } from './decoder-settings.ts';
import type { FamilySettings } from './decoder-settings.ts';
import { denseSpecs, embeddingMetadata, requiredEmbeddingHead } from './embedding-head.ts';
import type { EmbeddingHead } from './embedding-head.ts';
import { checkSettings } from './setting-table.ts';
import type { SettingTable } from './setting-table.ts';
import { tensorSpec } from './weight-spec.ts';
import type { SkipRule, WeightSpec } from './weight-spec.ts';

// Config.

export interface BertConfig extends DecoderConfig {
  readonly embedding: EmbeddingHead;
  /** Of its layer norms. */
  readonly normEps: number;
  /** Rows of the table of positions, and of that of token types. */
  readonly positions: number;
  readonly types: number;
  /** Before tensors' names: `bert.` where the folder is of a model with a head, else nothing. */
  readonly prefix: string;
}

const TABLE = { gguf: 'token_embd.weight', safetensors: 'embeddings.word_embeddings.weight' };

function parseConfig(checkpoint: Checkpoint): BertConfig {
  const { format, name, tensors, architecture } = checkpoint;
  const isGguf = format === 'gguf';
  const fields = configFields(checkpoint);
  const prefix = !isGguf && tensors.has(`bert.${TABLE.safetensors}`) ? 'bert.' : '';
  const rowsOf = (tensor: string) => {
    const rows = tensors.get(isGguf ? tensor : `${prefix}${tensor}`)?.shape[0];
    if (rows === undefined) throw new FormatError(`${name}: expected tensor ${prefix}${tensor}, found none. The file is incomplete.`);
    return rows;
  };
  const dim = fields.requiredCount({ hf: 'hidden_size', gguf: 'embedding_length' });
  const heads = fields.requiredCount({ hf: 'num_attention_heads', gguf: 'attention.head_count' });
  if (dim % heads !== 0) throw new FormatError(`${name}: the width (${dim}) must be a multiple of the attention heads (${heads}).`);
  const normEps = fields.positive({ hf: 'layer_norm_eps', gguf: 'attention.layer_norm_epsilon' }) ?? 1e-12;
  const contextLength = fields.requiredCount({ hf: 'max_position_embeddings', gguf: 'context_length' });
  const positions = rowsOf(isGguf ? 'position_embd.weight' : 'embeddings.position_embeddings.weight');
  if (positions < contextLength)
    throw new FormatError(`${name}: the table of positions must have ${contextLength} rows, as many as the context, found ${positions}.`);
  return {
    architecture, dim, heads, normEps, positions, prefix, contextLength,
    vocabSize: rowsOf(isGguf ? TABLE.gguf : TABLE.safetensors),
    types: rowsOf(isGguf ? 'token_types.weight' : 'embeddings.token_type_embeddings.weight'),
    layers: fields.requiredCount({ hf: 'num_hidden_layers', gguf: 'block_count' }, 4096),
    kvHeads: heads,
    headDim: dim / heads,
    ffnDim: fields.requiredCount({ hf: 'intermediate_size', gguf: 'feed_forward_length' }),
    rmsEps: normEps,
    rope: { theta: 10_000, scaling: { kind: 'none' } },
    causal: false,
    tiedEmbeddings: true,
    biases: Object.keys(LINEARS),
    embedding: requiredEmbeddingHead(checkpoint),
  };
}

const GELU = ['gelu'];

/** What a config says that the tensors of such a model say too, or that no such model has. */
export function encoderNeutral({ heads, headDim, vocabSize, types }: Pick<BertConfig, 'heads' | 'headDim' | 'vocabSize' | 'types'>) {
  return {
    safetensors: {
      vocab_size: [vocabSize], type_vocab_size: [types], num_key_value_heads: [heads], layer_types: ['full_attention'], is_decoder: [],
      is_causal: [], use_sliding_window: [], sliding_window: [], rms_norm_eps: [],
    },
    gguf: {
      vocab_size: [vocabSize], token_type_count: [types], 'attention.head_count_kv': [heads], 'attention.value_length': [headDim],
      'attention.causal': [], 'attention.sliding_window': [0], 'attention.sliding_window_pattern': [],
      'attention.layer_norm_rms_epsilon': [],
    },
  } as const satisfies Record<Checkpoint['format'], SettingTable['neutral']>;
}

function settings(config: BertConfig): FamilySettings {
  const { safetensors, gguf } = encoderNeutral(config);
  return {
    safetensors: {
      obeyed: ['layer_norm_eps'],
      harmless: ['pooler_*', 'directionality'],
      neutral: {
        ...safetensors, hidden_act: GELU, hidden_activation: GELU, position_embedding_type: ['absolute'], head_dim: [config.headDim],
        rope_theta: [], 'rope_scaling*': [], 'rope_parameters*': [],
      },
    },
    gguf: {
      obeyed: ['attention.layer_norm_epsilon'],
      neutral: { ...gguf, hidden_activation: GELU, 'attention.key_length': [config.headDim], 'rope.*': [] },
    },
  };
}

/** Warnings of a family whose norms are layer norms. @throws as `checkSettings` does */
export function layerNormWarnings(
  checkpoint: Checkpoint,
  config: DecoderConfig & Pick<BertConfig, 'normEps'>,
  own: FamilySettings,
): readonly string[] {
  const table = decoderSettings(checkpoint, config, own);
  const isGguf = checkpoint.format === 'gguf';
  return checkSettings(checkpoint, { ...table, expected: isGguf ? { 'attention.layer_norm_epsilon': config.normEps } : undefined });
}

// Weights.

const LINEARS = {
  q: { id: 'attn.q', gguf: 'attn_q', safetensors: 'attention.self.query' },
  k: { id: 'attn.k', gguf: 'attn_k', safetensors: 'attention.self.key' },
  v: { id: 'attn.v', gguf: 'attn_v', safetensors: 'attention.self.value' },
  o: { id: 'attn.o', gguf: 'attn_output', safetensors: 'attention.output.dense' },
  up: { id: 'mlp.up', gguf: 'ffn_up', safetensors: 'intermediate.dense' },
  down: { id: 'mlp.down', gguf: 'ffn_down', safetensors: 'output.dense' },
} as const;

interface Names {
  readonly id: string;
  readonly gguf: string;
  readonly safetensors: string;
}

/** A tensor and its bias. */
export function withBias({ id, gguf, safetensors }: Names, shape: readonly [number] | readonly [number, number]): WeightSpec[] {
  return [
    tensorSpec(id, shape, { gguf: `${gguf}.weight`, safetensors: `${safetensors}.weight` }),
    tensorSpec(`${id}.bias`, [shape[0]], { gguf: `${gguf}.bias`, safetensors: `${safetensors}.bias` }),
  ];
}

function layerWeights({ dim, ffnDim, prefix }: BertConfig, n: number): readonly WeightSpec[] {
  const within = ({ id, gguf, safetensors }: Names): Names =>
    ({ id: `layers.${n}.${id}`, gguf: `blk.${n}.${gguf}`, safetensors: `${prefix}encoder.layer.${n}.${safetensors}` });
  const shapes: Readonly<Record<keyof typeof LINEARS, readonly [number, number]>> = {
    q: [dim, dim], k: [dim, dim], v: [dim, dim], o: [dim, dim], up: [ffnDim, dim], down: [dim, ffnDim],
  };
  return [
    ...Object.entries(shapes).flatMap(([name, shape]) => withBias(within(LINEARS[name as keyof typeof LINEARS]), shape)),
    ...withBias(within({ id: 'attn_norm', gguf: 'attn_output_norm', safetensors: 'attention.output.LayerNorm' }), [dim]),
    ...withBias(within({ id: 'mlp_norm', gguf: 'layer_output_norm', safetensors: 'output.LayerNorm' }), [dim]),
  ];
}

function weights(config: BertConfig): readonly WeightSpec[] {
  const { vocabSize, dim, positions, types, prefix, embedding, layers } = config;
  const table = (id: string, rows: number, names: Omit<Names, 'id'>) =>
    tensorSpec(id, [rows, dim], { gguf: names.gguf, safetensors: `${prefix}${names.safetensors}` });
  return [
    table('embedding', vocabSize, TABLE),
    table('positions', positions, { gguf: 'position_embd.weight', safetensors: 'embeddings.position_embeddings.weight' }),
    table('types', types, { gguf: 'token_types.weight', safetensors: 'embeddings.token_type_embeddings.weight' }),
    ...withBias({ id: 'norm', gguf: 'token_embd_norm', safetensors: `${prefix}embeddings.LayerNorm` }, [dim]),
    ...Array.from({ length: layers }, (_, n) => layerWeights(config, n)).flat(),
    ...denseSpecs(embedding),
  ];
}

const SKIPS: readonly SkipRule[] = [
  { pattern: /^(bert\.)?pooler\./, reason: 'of the head that tells next sentences' },
  { pattern: /^cls\.(predictions|seq_relationship)\./, reason: 'of the heads of pre-training' },
  { pattern: /embeddings\.position_ids$/, reason: 'positions are counted' },
];

// Layer. Values are [rows, width].

/** Layer norm with the gain and the bias called `name`. */
export function norm(g: GraphBuilder, name: string, x: Value, { normEps }: Pick<BertConfig, 'normEps'>): Value {
  const id = g.path(name);
  return layerNorm(g, name, x, { weight: g.weight(id, [widthOf(x)]), bias: g.weight(`${id}.bias`, [widthOf(x)]), eps: normEps });
}

function attention(g: GraphBuilder, config: BertConfig, { n, x, positions }: LayerInput): Value {
  const { dim, biases } = config;
  const q = product(g, 'q', x, { out: dim, biases });
  const k = product(g, 'k', x, { out: dim, biases });
  const v = product(g, 'v', x, { out: dim, biases });
  return product(g, 'o', attend(g, [q, k, v], { positions, ...attentionOptions(config, n) }), { out: dim, biases });
}

function mlp(g: GraphBuilder, { dim, ffnDim, biases }: BertConfig, x: Value): Value {
  const up = product(g, 'up', x, { out: ffnDim, biases });
  return product(g, 'down', activation(g, 'act', 'gelu', up), { out: dim, biases });
}

function layer(g: GraphBuilder, config: BertConfig, input: LayerInput): Value {
  const attended = add(g, 'attn.residual', input.x, g.scope('attn', () => attention(g, config, input)));
  const h = norm(g, 'attn_norm', attended, config);
  return norm(g, 'mlp_norm', add(g, 'mlp.residual', h, g.scope('mlp', () => mlp(g, config, h))), config);
}

// Graph.

/** What the inputs of such a graph are called. */
export const BERT_NAMES = { ...ENCODER, tokenTypes: 'tokenTypes' };

/** Sizes of what becomes of tokens before the first layer; `positions` only where positions are a table. */
type BertFrame = Pick<BertConfig, 'vocabSize' | 'dim' | 'layers' | 'types' | 'normEps'> & Partial<Pick<BertConfig, 'positions'>>;

/** Embeddings and their norm, `layers` times `layer`, and of that the states of the wanted rows: [outRows, dim]. */
export function bertStates(g: GraphBuilder, frame: BertFrame, layerOf: (g: GraphBuilder, input: LayerInput) => Value): Value {
  const { vocabSize, dim, layers } = frame;
  const tokens = g.input(BERT_NAMES.tokens, 'i32', ['rows']);
  const positions = g.input(BERT_NAMES.positions, 'i32', ['rows']);
  const types = g.input(BERT_NAMES.tokenTypes, 'i32', ['rows']);
  const outIndices = g.input(BERT_NAMES.outIndices, 'i32', ['outRows']);
  const words = embed(g, 'embed', tokens, g.weight('embedding', [vocabSize, dim]));
  const placed =
    frame.positions === undefined
      ? words
      : add(g, 'placed', words, embed(g, 'embed_positions', positions, g.weight('positions', [frame.positions, dim])));
  const typed = add(g, 'typed', placed, embed(g, 'embed_types', types, g.weight('types', [frame.types, dim])));
  let x = norm(g, 'norm', typed, frame);
  g.tap('hidden.0', x);
  for (let n = 0; n < layers; n++) {
    x = g.scope(`layers.${n}`, () => layerOf(g, { n, x, positions }));
    g.tap(`hidden.${n + 1}`, x);
  }
  return gatherRows(g, 'last', x, outIndices);
}

function metadata({ layers, contextLength, dim, ffnDim, heads, normEps, embedding }: BertConfig): GgufMetadata {
  return new Map([
    ['bert.block_count', uint32(layers)],
    ['bert.context_length', uint32(contextLength)],
    ['bert.embedding_length', uint32(dim)],
    ['bert.feed_forward_length', uint32(ffnDim)],
    ['bert.attention.head_count', uint32(heads)],
    ['bert.attention.layer_norm_epsilon', float32(normEps)],
    ['bert.attention.causal', bool(false)],
    ...embeddingMetadata('bert', embedding),
  ]);
}

export const bert: Architecture<BertConfig> = {
  gguf: 'bert',
  safetensors: ['bert'],
  parseConfig,
  checkSettings: (checkpoint, config) => layerNormWarnings(checkpoint, config, settings(config)),
  weights,
  skips: SKIPS,
  metadata,
  graphs: (config) => encoderModel(config, (g) => bertStates(g, config, (inner, input) => layer(inner, config, input)), BERT_NAMES),
};
