/**
 * Nomic's BERT as a model of embeddings. Nussbaum et al. 2024; sizes as transformers' `nomic_bert` or as the published files name them,
 * GGUF's `nomic-bert`. BERT's layers without biases: queries and keys turn by their positions, and the MLP is gated. One tensor holds the
 * rows of q, k and v.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import { add } from '../graph/ops/add.ts';
import { rope } from '../graph/ops/rope.ts';
import type { RopeTable } from '../graph/ops/rope.ts';
import type { Value } from '../graph/value.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { bool, float32, uint32 } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import type { Architecture } from './architecture.ts';
import { BERT_NAMES, bertStates, encoderNeutral, layerNormWarnings, norm, withBias } from './bert.ts';
import { configFields, jsonBoolean, jsonNumber } from './config-fields.ts';
import type { ConfigFields } from './config-fields.ts';
import { MOST_LAYERS } from './decoder-config.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { attend, attentionOptions, encoderModel, gatedMlp, product } from './decoder-graph.ts';
import type { LayerInput } from './decoder-graph.ts';
import type { FamilySettings } from './decoder-settings.ts';
import { denseSpecs, embeddingMetadata, requiredEmbeddingHead } from './embedding-head.ts';
import type { EmbeddingHead } from './embedding-head.ts';
import { parseRope, ropeTable } from './rope-frequencies.ts';
import { slice, tensor } from './weight-expression.ts';
import { tensorSpec } from './weight-spec.ts';
import type { SkipRule, WeightSpec } from './weight-spec.ts';

// Config.

export interface NomicBertConfig extends DecoderConfig {
  readonly embedding: EmbeddingHead;
  /** Of its layer norms. */
  readonly normEps: number;
  /** Rows of the table of token types. */
  readonly types: number;
  /** Before tensors' names: `nomic_bert.` or `bert.` where the folder is of a model with a head, else nothing. */
  readonly prefix: string;
}

const TABLE = { gguf: 'token_embd.weight', safetensors: 'embeddings.word_embeddings.weight' };
const TYPES = { gguf: 'token_types.weight', safetensors: 'embeddings.token_type_embeddings.weight' };
/** What transformers and the model's own code take where config.json has none. */
const DEFAULT_CONTEXT = 2048;
const DEFAULT_THETA = 1000;

function parseConfig(checkpoint: Checkpoint): NomicBertConfig {
  const { format, name, tensors, architecture, config = {} } = checkpoint;
  const fields = configFields(checkpoint);
  const prefix = ['nomic_bert.', 'bert.'].find((head) => tensors.has(`${head}${TABLE.safetensors}`)) ?? '';
  const rowsOf = (names: typeof TABLE) => {
    const own = format === 'gguf' ? names.gguf : `${prefix}${names.safetensors}`;
    const rows = tensors.get(own)?.shape[0];
    if (rows === undefined) throw new FormatError(`${name}: expected tensor ${own}, found none. The file is incomplete.`);
    return rows;
  };
  const dim = sizeOf(fields, ['hidden_size', 'n_embd'], 'embedding_length');
  const heads = sizeOf(fields, ['num_attention_heads', 'n_head'], 'attention.head_count');
  const headDim = fields.count({ hf: 'head_dim', gguf: 'attention.key_length' }) ?? dim / heads;
  if (!Number.isInteger(headDim) || headDim % 2 !== 0)
    throw new FormatError(`${name}: the head dimension must be an even integer for rotary embedding, found ${headDim}.`);
  if (jsonBoolean(config, 'scale_attn_weights', name) === false)
    throw new FormatError(`${name}: scale_attn_weights must be true for ${architecture}, found false.`);
  const normEps = fields.positive({ hf: 'layer_norm_eps', gguf: 'attention.layer_norm_epsilon' }) ??
    fields.positive({ hf: 'layer_norm_epsilon', gguf: 'attention.layer_norm_epsilon' }) ?? 1e-12;
  const defaultTheta = jsonNumber(config, 'rotary_emb_base', name) ?? DEFAULT_THETA;
  return {
    architecture, dim, heads, headDim, normEps, prefix,
    vocabSize: rowsOf(TABLE),
    types: rowsOf(TYPES),
    contextLength: contextOf(fields, format),
    layers: sizeOf(fields, ['num_hidden_layers', 'n_layer'], 'block_count', MOST_LAYERS),
    kvHeads: heads,
    ffnDim: sizeOf(fields, ['intermediate_size', 'n_inner'], 'feed_forward_length'),
    rmsEps: normEps,
    rope: parseRope(checkpoint, { headDim, defaultTheta }),
    causal: false,
    tiedEmbeddings: true,
    biases: [],
    embedding: requiredEmbeddingHead(checkpoint),
  };
}

/** A size by transformers' name or, where that is absent, by the published one. */
function sizeOf(fields: ConfigFields, [hf, published]: readonly [string, string], gguf: string, most?: number): number {
  return fields.count({ hf, gguf }, most) ?? fields.requiredCount({ hf: published, gguf }, most);
}

/** The published `n_positions` is a length of stretched rotations; up to the length of training none is stretched. */
function contextOf(fields: ConfigFields, format: Checkpoint['format']): number {
  const gguf = 'context_length';
  if (format === 'gguf') return fields.requiredCount({ hf: '', gguf });
  const trained = fields.count({ hf: 'max_trained_positions', gguf });
  return fields.count({ hf: 'max_position_embeddings', gguf }) ?? trained ?? DEFAULT_CONTEXT;
}

function settings({ config = {} }: Checkpoint, own: NomicBertConfig): FamilySettings {
  const { dim, heads, layers, ffnDim, normEps, rope: { theta }, vocabSize } = own;
  const { safetensors, gguf } = encoderNeutral(own);
  const { vocab_size: said, pad_vocab_size_multiple: multiple } = config;
  // The published code fills the table up to a multiple of rows.
  const isFilled = typeof said === 'number' && typeof multiple === 'number' && Math.ceil(said / multiple) * multiple === vocabSize;
  return {
    safetensors: {
      obeyed: ['max_trained_positions'],
      harmless: [
        'n_positions', 'rotary_scaling_factor', 'pad_vocab_size_multiple', 'dense_seq_output', 'last_layer_subset', 'use_xentropy',
        'reorder_and_upcast_attn', 'summary_*', 'scale_attn_weights',
      ],
      neutral: {
        ...safetensors, vocab_size: isFilled ? [vocabSize, said] : [vocabSize], layer_norm_eps: [normEps], layer_norm_epsilon: [normEps],
        n_embd: [dim], n_head: [heads], n_layer: [layers], n_inner: [ffnDim], rotary_emb_base: [theta],
        activation_function: ['swiglu'], position_embedding_type: ['rotary', 'rope'], causal: [], prenorm: [],
        parallel_block: [], parallel_block_tied_norm: [], use_rms_norm: [], qkv_proj_bias: [], mlp_fc1_bias: [], mlp_fc2_bias: [],
        rotary_emb_fraction: [1], rotary_emb_interleaved: [], rotary_emb_scale_base: [],
        scale_attn_by_inverse_layer_idx: [], moe_every_n_layers: [0], ffn_div: [1],
      },
    },
    gguf: { obeyed: ['attention.layer_norm_epsilon'], neutral: gguf },
  };
}

// Weights.

function layerWeights({ dim, heads, headDim, ffnDim, prefix }: NomicBertConfig, n: number): readonly WeightSpec[] {
  const width = heads * headDim;
  const [id, gguf, safetensors] = [`layers.${n}`, `blk.${n}`, `${prefix}encoder.layers.${n}`];
  const matrix = (own: string, shape: readonly number[], ggufName: string, hfName: string) =>
    tensorSpec(`${id}.${own}`, shape, { gguf: `${gguf}.${ggufName}.weight`, safetensors: `${safetensors}.${hfName}.weight` });
  const fused = (own: string, part: number): WeightSpec => {
    const rows = (name: string) => slice(tensor(name, [3 * width, dim]), part * width, (part + 1) * width);
    return {
      id: `${id}.attn.${own}`, shape: [width, dim],
      gguf: rows(`${gguf}.attn_qkv.weight`), safetensors: rows(`${safetensors}.attn.Wqkv.weight`),
    };
  };
  return [
    fused('q', 0),
    fused('k', 1),
    fused('v', 2),
    matrix('attn.o', [dim, width], 'attn_output', 'attn.out_proj'),
    ...withBias({ id: `${id}.attn_norm`, gguf: `${gguf}.attn_output_norm`, safetensors: `${safetensors}.norm1` }, [dim]),
    matrix('mlp.up', [ffnDim, dim], 'ffn_up', 'mlp.fc11'),
    matrix('mlp.gate', [ffnDim, dim], 'ffn_gate', 'mlp.fc12'),
    matrix('mlp.down', [dim, ffnDim], 'ffn_down', 'mlp.fc2'),
    ...withBias({ id: `${id}.mlp_norm`, gguf: `${gguf}.layer_output_norm`, safetensors: `${safetensors}.norm2` }, [dim]),
  ];
}

function weights(config: NomicBertConfig): readonly WeightSpec[] {
  const { vocabSize, dim, types, prefix, embedding, layers } = config;
  const table = (id: string, rows: number, { gguf, safetensors }: typeof TABLE) =>
    tensorSpec(id, [rows, dim], { gguf, safetensors: `${prefix}${safetensors}` });
  return [
    table('embedding', vocabSize, TABLE),
    table('types', types, TYPES),
    ...withBias({ id: 'norm', gguf: 'token_embd_norm', safetensors: `${prefix}emb_ln` }, [dim]),
    ...Array.from({ length: layers }, (_, n) => layerWeights(config, n)).flat(),
    ...denseSpecs(embedding),
  ];
}

const SKIPS: readonly SkipRule[] = [
  { pattern: /^(nomic_bert\.|bert\.)?pooler\./, reason: 'of the head that tells next sentences' },
  { pattern: /^cls\./, reason: 'of the heads of pre-training' },
  { pattern: /\.inv_freq$/, reason: 'rotary frequencies are reckoned' },
];

// Layer. Values are [rows, width].

function attention(g: GraphBuilder, config: NomicBertConfig, { n, x, positions }: LayerInput, table: RopeTable): Value {
  const { dim, heads, headDim, biases } = config;
  const out = heads * headDim;
  const turned = (name: string) => rope(g, `${name}_rope`, product(g, name, x, { out, biases }), { heads, headDim, table, positions });
  const qkv = [turned('q'), turned('k'), product(g, 'v', x, { out, biases })] as const;
  return product(g, 'o', attend(g, qkv, { positions, ...attentionOptions(config, n) }), { out: dim, biases });
}

function layer(g: GraphBuilder, config: NomicBertConfig, input: LayerInput, table: RopeTable): Value {
  const { ffnDim, biases } = config;
  const attended = add(g, 'attn.residual', input.x, g.scope('attn', () => attention(g, config, input, table)));
  const h = norm(g, 'attn_norm', attended, config);
  const mlp = g.scope('mlp', () => gatedMlp(g, h, { ffnDim, activation: 'silu', biases }));
  return norm(g, 'mlp_norm', add(g, 'mlp.residual', h, mlp), config);
}

// Graph.

function metadata(config: NomicBertConfig): GgufMetadata {
  const { layers, contextLength, dim, ffnDim, heads, headDim, normEps, rope: { theta }, embedding } = config;
  return new Map([
    ['nomic-bert.block_count', uint32(layers)],
    ['nomic-bert.context_length', uint32(contextLength)],
    ['nomic-bert.embedding_length', uint32(dim)],
    ['nomic-bert.feed_forward_length', uint32(ffnDim)],
    ['nomic-bert.attention.head_count', uint32(heads)],
    ['nomic-bert.attention.key_length', uint32(headDim)],
    ['nomic-bert.attention.value_length', uint32(headDim)],
    ['nomic-bert.attention.layer_norm_epsilon', float32(normEps)],
    ['nomic-bert.attention.causal', bool(false)],
    ['nomic-bert.rope.freq_base', float32(theta)],
    ...embeddingMetadata('nomic-bert', embedding),
  ]);
}

export const nomicBert: Architecture<NomicBertConfig> = {
  gguf: 'nomic-bert',
  safetensors: ['nomic_bert'],
  parseConfig,
  checkSettings: (checkpoint, config) => layerNormWarnings(checkpoint, config, settings(checkpoint, config)),
  weights,
  skips: SKIPS,
  metadata,
  graphs(config, { contextLength }) {
    const table = ropeTable(config.rope, { id: 'rope', headDim: config.headDim, contextLength });
    return encoderModel(config, (g) => bertStates(g, config, (inner, input) => layer(inner, config, input, table)), BERT_NAMES);
  },
};
