/**
 * Gemma 4, dense, its text part. Google 2026; names as transformers' `gemma4_text` and GGUF's `gemma4`.
 * Norms before and after each block. Layers with a window and layers that see all have heads of two widths and rotations of their own; the
 * last ones may read the keys and values of a layer before them. Every token has an embedding of its own for each layer, which a gate
 * brings in at the layer's end.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import { DECODER } from '../graph/model-graphs.ts';
import { gated } from '../graph/ops/activation.ts';
import { add } from '../graph/ops/add.ts';
import { attention } from '../graph/ops/attention.ts';
import { columns } from '../graph/ops/columns.ts';
import { embed } from '../graph/ops/embed.ts';
import { rmsNorm } from '../graph/ops/rms-norm.ts';
import { rope } from '../graph/ops/rope.ts';
import type { RopeTable } from '../graph/ops/rope.ts';
import { scale } from '../graph/ops/scale.ts';
import { storedAttention } from '../graph/ops/stored-attention.ts';
import type { PagedState } from '../graph/state.ts';
import type { Value } from '../graph/value.ts';
import type { Checkpoint, JsonObject } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { bools, float32, int32s, uint32 } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import { metadataNumber } from '../tensor/metadata.ts';
import type { Architecture, GraphSetting } from './architecture.ts';
import { parseVisibility } from './attention-visibility.ts';
import type { AttentionVisibility } from './attention-visibility.ts';
import { configFields, jsonBoolean, jsonNumber, jsonObject, shownJson } from './config-fields.ts';
import { biasesOf, isTied, MOST_LAYERS, vocabSizeOf } from './decoder-config.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { decoderGraph, gatedMlp, norm, product } from './decoder-graph.ts';
import type { LayerInput } from './decoder-graph.ts';
import { decoderMetadata } from './decoder-metadata.ts';
import { decoderSettings } from './decoder-settings.ts';
import type { FamilySettings } from './decoder-settings.ts';
import { BLOCK_LINEARS, DECODER_SKIPS, layerSpec, linearSpecs, outerSpecs } from './decoder-weights.ts';
import { embeddingScaleOf } from './gemma3.ts';
import { checkedRope, parseRope, ROPE_DIVISORS, ropeDivisors, ropeTable } from './rope-frequencies.ts';
import type { RopeConfig } from './rope-frequencies.ts';
import { checkSettings } from './setting-table.ts';
import { tensorSpec } from './weight-spec.ts';
import type { WeightSpec } from './weight-spec.ts';

// Config.

export interface Gemma4Layer {
  /** Whether it has the window. */
  readonly slides: boolean;
  readonly headDim: number;
  readonly kvHeads: number;
  readonly ffnDim: number;
  /** There is no matrix of values: they are the keys as they come from theirs, before norm and rotation. */
  readonly valuesAreKeys: boolean;
  /** The layer before it whose keys and values it reads; undefined: it has its own. */
  readonly owner: number | undefined;
}

/** `headDim`, `kvHeads` and `ffnDim` are those of config.json; `rope` is that of the layers without a window. */
export interface Gemma4Config extends DecoderConfig {
  readonly each: readonly Gemma4Layer[];
  /** Head width of the layers without a window. */
  readonly fullHeadDim: number;
  readonly slidingRope: RopeConfig;
  /** Width of a layer's own embedding; 0: there is none. */
  readonly perLayerDim: number;
  readonly logitSoftcap: number | undefined;
  /** sqrt(dim), as the file's readers round it. */
  readonly embeddingScale: number;
  /** Each layer's result is multiplied by a number of the file. */
  readonly hasLayerScale: boolean;
}

/** Five layers with a window and then one without. */
const WINDOWS = { defaultSize: 512, slides: (n: number) => (n + 1) % 6 !== 0 };

const FULL_ROPE: RopeConfig = { theta: 1e6, scaling: { kind: 'proportional', share: 0.25, factor: 1 } };

function parseConfig(checkpoint: Checkpoint): Gemma4Config {
  const { format, name, tensors } = checkpoint;
  const fields = configFields(checkpoint);
  const layers = fields.requiredCount({ hf: 'num_hidden_layers', gguf: 'block_count' }, MOST_LAYERS);
  const visibility = visibilityOf(checkpoint, layers);
  const each = layersOf(checkpoint, Array.from({ length: layers }, (_, n) => visibility.window?.layers[n] === true));
  const heads = fields.requiredCount({ hf: 'num_attention_heads', gguf: 'attention.head_count' });
  const odd = each.find(({ kvHeads, headDim }) => heads % kvHeads !== 0 || headDim % 2 !== 0);
  if (odd !== undefined) {
    throw new FormatError(
      `${name}: expected an even head dimension and attention heads (${heads}) that are a multiple of the key/value heads, ` +
        `found ${odd.headDim} and ${odd.kvHeads}.`,
    );
  }
  const vocabSize = vocabSizeOf(checkpoint);
  const first = each[0] as Gemma4Layer;
  const sliding = each.find(({ slides }) => slides) ?? first;
  const full = each.find(({ slides }) => !slides) ?? first;
  const dim = fields.requiredCount({ hf: 'hidden_size', gguf: 'embedding_length' });
  return {
    architecture: checkpoint.architecture,
    vocabSize,
    contextLength: fields.requiredCount({ hf: 'max_position_embeddings', gguf: 'context_length' }, 2 ** 31),
    dim,
    layers,
    heads,
    kvHeads: sliding.kvHeads,
    headDim: sliding.headDim,
    ffnDim: first.ffnDim,
    rmsEps: fields.positive({ hf: 'rms_norm_eps', gguf: 'attention.layer_norm_rms_epsilon' }) ?? 1e-6,
    ...ropesOf(checkpoint, full.headDim, sliding.headDim),
    ...visibility,
    tiedEmbeddings: isTied(checkpoint),
    biases: biasesOf(checkpoint, BLOCK_LINEARS),
    each,
    fullHeadDim: full.headDim,
    perLayerDim: perLayerDimOf(checkpoint, vocabSize),
    logitSoftcap: fields.positive({ hf: 'final_logit_softcapping', gguf: 'final_logit_softcapping' }),
    embeddingScale: embeddingScaleOf(checkpoint, dim),
    hasLayerScale: format !== 'gguf' || tensors.has('blk.0.layer_output_scale.weight'),
  };
}

function visibilityOf(checkpoint: Checkpoint, layers: number): AttentionVisibility {
  const { causal, window } = parseVisibility(checkpoint, layers, WINDOWS);
  if (!causal) throw new FormatError(`${checkpoint.name}: attention without causality is not supported for ${checkpoint.architecture}.`);
  if (window === undefined || checkpoint.format === 'gguf') return { causal, window };
  // As transformers has it, whatever `layer_types` says of the last.
  return { causal, window: { ...window, layers: window.layers.map((slides, n) => slides && n < layers - 1) } };
}

/** `slides`: of each layer. */
function layersOf(checkpoint: Checkpoint, slides: readonly boolean[]): readonly Gemma4Layer[] {
  const { format, name, tensors, config = {} } = checkpoint;
  const isGguf = format === 'gguf';
  const fields = configFields(checkpoint);
  const shared = sharedLayersOf(checkpoint, slides.length);
  const firstShared = slides.length - shared;
  const widths = fields.layerCounts({ hf: 'intermediate_size', gguf: 'feed_forward_length' }, slides.length);
  if (widths === undefined) throw new FormatError(`${name}: expected the width of the feed-forward blocks, found none.`);
  const isWide = !isGguf && shared > 0 && jsonBoolean(config, 'use_double_wide_mlp', name) === true;
  const valuesAreKeys = !isGguf && jsonBoolean(config, 'attention_k_eq_v', name) === true;
  const sizes = isGguf ? ggufHeads(checkpoint, slides) : hfHeads(checkpoint, slides);
  for (const kind of [true, false]) {
    const found = new Set(sizes.flatMap(({ headDim }, n) => (slides[n] === kind ? [headDim] : [])));
    const which = kind ? 'with' : 'without';
    if (found.size > 1)
      throw new FormatError(`${name}: expected one head dimension for layers ${which} a window, found ${[...found].join(', ')}.`);
  }
  return sizes.map(({ headDim, kvHeads }, n): Gemma4Layer => {
    const owner = n < firstShared ? undefined : slides.slice(0, firstShared).lastIndexOf(slides[n] as boolean);
    if (owner === -1) throw new FormatError(`${name}: layer ${n} shares keys and values, and no layer of its kind before it has any.`);
    return {
      slides: slides[n] as boolean,
      headDim,
      kvHeads: owner === undefined ? kvHeads : (sizes[owner]?.kvHeads ?? kvHeads),
      ffnDim: (widths[n] as number) * (isWide && owner !== undefined ? 2 : 1),
      valuesAreKeys: owner === undefined && slides[n] !== true && (isGguf ? !tensors.has(`blk.${n}.attn_v.weight`) : valuesAreKeys),
      owner,
    };
  });
}

/** How many of the last layers read the keys and values of others; the first of all has its own. */
function sharedLayersOf({ format, architecture, metadata, config = {}, name }: Checkpoint, layers: number): number {
  const key = format === 'gguf' ? `${architecture}.attention.shared_kv_layers` : 'num_kv_shared_layers';
  const count = (format === 'gguf' ? metadataNumber(metadata, key, name) : jsonNumber(config, key, name)) ?? 0;
  if (!(Number.isSafeInteger(count) && count >= 0 && count < layers))
    throw new FormatError(`${name}: ${key} must be a number of layers from 0 to ${layers - 1}, of ${layers}, found ${count}.`);
  return count;
}

type HeadSizes = Pick<Gemma4Layer, 'headDim' | 'kvHeads'>;

function ggufHeads(checkpoint: Checkpoint, slides: readonly boolean[]): readonly HeadSizes[] {
  const { architecture, name } = checkpoint;
  const fields = configFields(checkpoint);
  const counts = fields.layerCounts({ hf: '', gguf: 'attention.head_count_kv' }, slides.length);
  if (counts === undefined) throw new FormatError(`${name}: ${architecture}.attention.head_count_kv must be present, found nothing.`);
  const width = (suffix: string) => {
    const key = fields.requiredCount({ hf: '', gguf: `attention.key_length${suffix}` });
    const value = fields.count({ hf: '', gguf: `attention.value_length${suffix}` }) ?? key;
    if (key !== value) throw new FormatError(`${name}: widths of keys and values must be equal, found ${key} and ${value}.`);
    return key;
  };
  return slides.map((isSliding, n) => ({ headDim: width(isSliding ? '_swa' : ''), kvHeads: counts[n] as number }));
}

/**
 * What the layers without a window have of their own is said for all of them (`global_head_dim`, `num_global_key_value_heads`), or layer by
 * layer in `per_layer_config`, as transformers saves it since 5.18.
 */
function hfHeads(checkpoint: Checkpoint, slides: readonly boolean[]): readonly HeadSizes[] {
  const { config = {}, name } = checkpoint;
  const own = jsonObject(config, 'per_layer_config', name);
  const stranger = Object.keys(own ?? {}).find((key) => !(/^\d+$/.test(key) && Number(key) < slides.length));
  if (stranger !== undefined)
    throw new FormatError(`${name}: per_layer_config must name layers by number, of ${slides.length}, found ${shownJson(stranger)}.`);
  const kvHeads = config['attention_k_eq_v'] === true ? (config['num_global_key_value_heads'] ?? undefined) : undefined;
  const ofFull = { head_dim: config['global_head_dim'] ?? 512, ...(kvHeads === undefined ? {} : { num_key_value_heads: kvHeads }) };
  return slides.map((isSliding, n) => {
    const ofKind: JsonObject = isSliding ? {} : ofFull;
    const said = own === undefined ? ofKind : (jsonObject(own, String(n), `${name}: per_layer_config`) ?? {});
    const other = Object.keys(said).find((key) => !['head_dim', 'num_key_value_heads'].includes(key));
    if (other !== undefined) throw new FormatError(`${name}: per_layer_config.${n}.${other} is not supported.`);
    const fields = configFields({ ...checkpoint, config: { ...config, ...said } });
    return {
      headDim: fields.count({ hf: 'head_dim', gguf: '' }) ?? 256,
      kvHeads: fields.requiredCount({ hf: 'num_key_value_heads', gguf: '' }),
    };
  });
}

/** GGUF has the proportional rotation as divisors, which must be there. */
function ropesOf(checkpoint: Checkpoint, fullDim: number, slidingDim: number): Pick<Gemma4Config, 'rope' | 'slidingRope'> {
  const { format, metadata, architecture, config = {}, name, tensors } = checkpoint;
  const plain = (rotation: RopeConfig, what: string) => {
    if (rotation.scaling.kind === 'none') return rotation;
    throw new FormatError(`${name}: rope scaling ${rotation.scaling.kind} ${what} is not supported for ${architecture}.`);
  };
  if (format === 'gguf') {
    if (!tensors.has(ROPE_DIVISORS))
      throw new FormatError(`${name}: expected tensor ${ROPE_DIVISORS}, found none. The file is incomplete.`);
    const full = plain(parseRope(checkpoint, { headDim: fullDim, defaultTheta: 1e6 }), 'of its keys');
    if (full.rotaryDim !== undefined)
      throw new FormatError(`${name}: ${architecture}.rope.dimension_count must be ${fullDim}, found ${full.rotaryDim}.`);
    const theta = metadataNumber(metadata, `${architecture}.rope.freq_base_swa`, name) ?? 10_000;
    return { rope: full, slidingRope: checkedRope(name, { ...full, theta }, slidingDim) };
  }
  const all = jsonObject(config, 'rope_parameters', name);
  if (all === undefined) return { rope: FULL_ROPE, slidingRope: { theta: 10_000, scaling: { kind: 'none' } } };
  const full = jsonObject(all, 'full_attention', name);
  if (full === undefined || jsonObject(all, 'sliding_attention', name) === undefined)
    throw new FormatError(`${name}: rope_parameters must have full_attention and sliding_attention.`);
  const slidingRope = plain(parseRope(checkpoint, { headDim: slidingDim, layerType: 'sliding_attention' }), 'of sliding_attention');
  const share = jsonNumber(full, 'partial_rotary_factor', name) ?? 1;
  if (!(share > 0 && share <= 1) || (share !== 1 && full['rope_type'] !== 'proportional')) {
    throw new FormatError(
      `${name}: rope_parameters.full_attention.partial_rotary_factor must be a number above 0 of at most 1, and 1 where rope_type is not ` +
        `"proportional", found ${share}.`,
    );
  }
  if (full['rope_type'] !== 'proportional')
    return { slidingRope, rope: plain(parseRope(checkpoint, { headDim: fullDim, layerType: 'full_attention' }), 'of full_attention') };
  const number = (key: string, otherwise: number) => {
    const value = jsonNumber(full, key, name) ?? otherwise;
    if (Number.isFinite(value) && value > 0) return value;
    throw new FormatError(`${name}: rope_parameters.full_attention.${key} must be a number above 0, found ${value}.`);
  };
  const scaling = { kind: 'proportional', share, factor: number('factor', 1) } as const;
  return { slidingRope, rope: checkedRope(name, { theta: number('rope_theta', 1e6), scaling }, fullDim) };
}

const MOST_OWN_WIDTH = 2 ** 20;

function perLayerDimOf({ format, architecture, metadata, config = {}, name }: Checkpoint, vocabSize: number): number {
  const isGguf = format === 'gguf';
  const key = isGguf ? `${architecture}.embedding_length_per_layer_input` : 'hidden_size_per_layer_input';
  const said = isGguf ? metadataNumber(metadata, key, name) : jsonNumber(config, key, name);
  const width = said ?? (isGguf || config[key] === null ? 0 : 256);
  if (!(Number.isSafeInteger(width) && width >= 0 && width <= MOST_OWN_WIDTH))
    throw new FormatError(`${name}: ${key} must be an integer from 0 to ${MOST_OWN_WIDTH}, found ${width}.`);
  if (isGguf) return width;
  const rows = jsonNumber(config, 'vocab_size_per_layer_input', name) ?? 262_144;
  if (width > 0 && rows !== vocabSize)
    throw new FormatError(`${name}: vocab_size_per_layer_input must be the vocabulary's ${vocabSize}, found ${rows}.`);
  return width;
}

const SETTINGS: FamilySettings = {
  safetensors: {
    obeyed: [
      'sliding_window', 'global_head_dim', 'num_global_key_value_heads', 'per_layer_config', 'attention_k_eq_v', 'num_kv_shared_layers',
      'use_double_wide_mlp', 'hidden_size_per_layer_input', 'vocab_size_per_layer_input', 'final_logit_softcapping',
      ...['rope_type', 'rope_theta', 'factor', 'partial_rotary_factor'].map((key) => `rope_parameters.full_attention.${key}`),
      ...['rope_type', 'rope_theta'].map((key) => `rope_parameters.sliding_attention.${key}`),
    ],
    // Read where there are experts.
    harmless: ['num_experts', 'top_k_experts', 'moe_intermediate_size', 'expert_intermediate_size'],
    neutral: {
      hidden_activation: ['gelu_pytorch_tanh'], hidden_act: ['gelu_pytorch_tanh'], enable_moe_block: [],
      // Rows of images alone see each other.
      use_bidirectional_attention: ['vision'],
    },
  },
  gguf: {
    obeyed: [
      'attention.key_length_swa', 'attention.value_length_swa', 'attention.shared_kv_layers', 'rope.freq_base_swa',
      'embedding_length_per_layer_input', 'final_logit_softcapping',
    ],
    neutral: { 'attention.scale': [0, 1] },
  },
};

// Weights.

function layerWeights(config: Gemma4Config, n: number): readonly WeightSpec[] {
  const { dim, heads, biases, perLayerDim, hasLayerScale } = config;
  const { headDim, kvHeads, ffnDim, valuesAreKeys, owner } = config.each[n] as Gemma4Layer;
  const matrix = (name: keyof typeof BLOCK_LINEARS, ...shape: [number, number]) =>
    linearSpecs(n, BLOCK_LINEARS[name], { shape, hasBias: biases.includes(name) });
  const gain = (id: string, width: number, gguf: string, safetensors: string) =>
    layerSpec(n, id, [width], { gguf: `${gguf}.weight`, safetensors: `${safetensors}.weight` });
  const own = (id: string, shape: [number, number], gguf: string, safetensors: string) =>
    layerSpec(n, id, shape, { gguf: `${gguf}.weight`, safetensors: `${safetensors}.weight` });
  const keys = [
    ...matrix('k', kvHeads * headDim, dim),
    ...(valuesAreKeys ? [] : matrix('v', kvHeads * headDim, dim)),
    gain('attn.k_norm', headDim, 'attn_k_norm', 'self_attn.k_norm'),
  ];
  const perLayer = [
    own('own.gate', [perLayerDim, dim], 'inp_gate', 'per_layer_input_gate'),
    own('own.projection', [dim, perLayerDim], 'proj', 'per_layer_projection'),
    gain('own.norm', dim, 'post_norm', 'post_per_layer_input_norm'),
  ];
  return [
    gain('attn.norm', dim, 'attn_norm', 'input_layernorm'),
    ...matrix('q', heads * headDim, dim),
    gain('attn.q_norm', headDim, 'attn_q_norm', 'self_attn.q_norm'),
    ...(owner === undefined ? keys : []),
    ...matrix('o', dim, heads * headDim),
    gain('attn.post_norm', dim, 'post_attention_norm', 'post_attention_layernorm'),
    gain('mlp.norm', dim, 'ffn_norm', 'pre_feedforward_layernorm'),
    ...matrix('gate', ffnDim, dim),
    ...matrix('up', ffnDim, dim),
    ...matrix('down', dim, ffnDim),
    gain('mlp.post_norm', dim, 'post_ffw_norm', 'post_feedforward_layernorm'),
    ...(perLayerDim > 0 ? perLayer : []),
    ...(hasLayerScale ? [layerSpec(n, 'scale', [1], { gguf: 'layer_output_scale.weight', safetensors: 'layer_scalar' })] : []),
  ];
}

function modelWeights(config: Gemma4Config): readonly WeightSpec[] {
  const { layers, dim, vocabSize, perLayerDim } = config;
  const perLayer = (id: string, shape: readonly number[], gguf: string, safetensors: string) =>
    tensorSpec(`per_layer.${id}`, shape, { gguf: `${gguf}.weight`, safetensors: `model.${safetensors}.weight` });
  const shared = [
    perLayer('embedding', [vocabSize, layers * perLayerDim], 'per_layer_token_embd', 'embed_tokens_per_layer'),
    perLayer('projection', [layers * perLayerDim, dim], 'per_layer_model_proj', 'per_layer_model_projection'),
    perLayer('norm', [perLayerDim], 'per_layer_proj_norm', 'per_layer_projection_norm'),
  ];
  return [
    ...outerSpecs(config),
    ...(perLayerDim > 0 ? shared : []),
    ...Array.from({ length: layers }, (_, n) => layerWeights(config, n)).flat(),
  ];
}

const SHARED_KEYS = 'the layer reads keys and values of another, or values that are its keys';

const SKIPS = [
  ...DECODER_SKIPS,
  { pattern: /^model\.layers\.\d+\.self_attn\.(k_proj|v_proj|k_norm|v_norm)\.(weight|bias)$/, reason: SHARED_KEYS },
  { pattern: /^blk\.\d+\.attn_(k|v|k_norm)\.(weight|bias)$/, reason: SHARED_KEYS },
];

// Layer. Values are [rows, width]; q is [rows, heads * headDim], k and v are [rows, kvHeads * headDim].

/** What the layers of a graph have in common. */
interface Shared {
  readonly config: Gemma4Config;
  readonly tables: { readonly full: RopeTable; readonly sliding: RopeTable };
  /** Keys and values, by the number of the layer that owns them. */
  readonly states: Map<number, PagedState>;
  /** Every layer's own embeddings, side by side: [rows, layers * perLayerDim]. */
  own: Value | undefined;
}

function attend(g: GraphBuilder, { config, tables, states }: Shared, { n, x, positions }: LayerInput): Value {
  const { heads, rmsEps: eps, biases, window } = config;
  const { headDim, kvHeads, slides, valuesAreKeys, owner } = config.each[n] as Gemma4Layer;
  const table = slides ? tables.sliding : tables.full;
  const q = product(g, 'q', x, { out: heads * headDim, biases });
  const turnedQ = () => rope(g, 'q_rope', norm(g, 'q_norm', q, { eps, groups: heads }), { heads, headDim, table, positions });
  if (owner !== undefined)
    return storedAttention(g, 'attend', turnedQ(), { heads, scale: 1, state: states.get(owner) as PagedState, positions });
  const k = product(g, 'k', x, { out: kvHeads * headDim, biases });
  const v = valuesAreKeys ? k : product(g, 'v', x, { out: kvHeads * headDim, biases });
  const turned = [
    turnedQ(),
    rope(g, 'k_rope', norm(g, 'k_norm', k, { eps, groups: kvHeads }), { heads: kvHeads, headDim, table, positions }),
    rmsNorm(g, 'v_norm', v, { weight: undefined, eps, groups: kvHeads }),
  ] as const;
  const state = g.pagedState({ heads: kvHeads, keyDim: headDim, valueDim: headDim, window: slides ? window?.size : undefined });
  states.set(n, state);
  return attention(g, 'attend', turned, { heads, scale: 1, state, positions });
}

function attentionBlock(g: GraphBuilder, shared: Shared, input: LayerInput): Value {
  const { dim, rmsEps: eps, biases } = shared.config;
  const mixed = attend(g, shared, { ...input, x: norm(g, 'norm', input.x, { eps }) });
  return norm(g, 'post_norm', product(g, 'o', mixed, { out: dim, biases }), { eps });
}

function mlp(g: GraphBuilder, { rmsEps: eps, biases, each }: Gemma4Config, x: Value, n: number): Value {
  const { ffnDim } = each[n] as Gemma4Layer;
  return norm(g, 'post_norm', gatedMlp(g, norm(g, 'norm', x, { eps }), { ffnDim, activation: 'geluTanh', biases }), { eps });
}

/** What layer `n` adds of its own embeddings. */
function ownEmbedding(g: GraphBuilder, config: Gemma4Config, [x, own]: readonly [Value, Value], n: number): Value {
  const { perLayerDim, dim, rmsEps: eps } = config;
  const gate = product(g, 'gate', x, { out: perLayerDim, biases: [] });
  const taken = columns(g, 'columns', own, { start: n * perLayerDim, width: perLayerDim });
  return norm(g, 'norm', product(g, 'projection', gated(g, 'act', 'geluTanh', [gate, taken]), { out: dim, biases: [] }), { eps });
}

function layer(g: GraphBuilder, shared: Shared, input: LayerInput): Value {
  const { config, own } = shared;
  const { n } = input;
  const h = add(g, 'attn.residual', input.x, g.scope('attn', () => attentionBlock(g, shared, input)));
  const f = add(g, 'mlp.residual', h, g.scope('mlp', () => mlp(g, config, h, n)));
  const out = own === undefined ? f : add(g, 'own.residual', f, g.scope('own', () => ownEmbedding(g, config, [f, own], n)));
  return config.hasLayerScale ? scale(g, 'scale', out, g.weight(g.path('scale'), [1])) : out;
}

const PER_LAYER_TABLE = 'per_layer.embedding';
/** Input of a graph whose host reads that table: its rows as the file has them, [rows, layers * perLayerDim]. */
const PER_LAYER_ROWS = 'perLayerRows';

interface PerLayerInput extends Pick<GraphSetting, 'perLayerTable'> {
  readonly tokens: Value;
  readonly x: Value;
}

/** A table's rows and a projection of the embeddings x, each of about unit size. */
function perLayerEmbeddings(g: GraphBuilder, config: Gemma4Config, { tokens, x, perLayerTable }: PerLayerInput): Value {
  const { layers, dim, vocabSize, perLayerDim, rmsEps: eps } = config;
  const width = layers * perLayerDim;
  const factor = Math.sqrt(perLayerDim);
  const own =
    perLayerTable === 'host'
      ? scale(g, 'embed', g.input(PER_LAYER_ROWS, 'f32', ['rows', width]), factor)
      : embed(g, 'embed', tokens, g.weight(PER_LAYER_TABLE, [vocabSize, width]), factor);
  const projected = scale(g, 'scaled', product(g, 'projection', x, { out: width, biases: [] }), dim ** -0.5);
  return scale(g, 'inputs', add(g, 'sum', norm(g, 'norm', projected, { eps, groups: layers }), own), Math.SQRT1_2);
}

// Graph.

function ggufMetadata(config: Gemma4Config): GgufMetadata {
  const key = (name: string) => `gemma4.${name}`;
  const { each, fullHeadDim, headDim, slidingRope, perLayerDim, logitSoftcap } = config;
  const list = (values: readonly number[]) => (new Set(values).size === 1 ? uint32(values[0] as number) : int32s(values));
  const own: GgufMetadata = new Map([
    [key('feed_forward_length'), list(each.map(({ ffnDim }) => ffnDim))],
    [key('attention.head_count_kv'), list(each.map(({ kvHeads }) => kvHeads))],
    [key('attention.key_length'), uint32(fullHeadDim)],
    [key('attention.value_length'), uint32(fullHeadDim)],
    [key('attention.key_length_swa'), uint32(headDim)],
    [key('attention.value_length_swa'), uint32(headDim)],
    [key('attention.shared_kv_layers'), uint32(each.filter(({ owner }) => owner !== undefined).length)],
    [key('attention.sliding_window_pattern'), bools(each.map(({ slides }) => slides))],
    [key('embedding_length_per_layer_input'), uint32(perLayerDim)],
    [key('rope.dimension_count'), uint32(fullHeadDim)],
    [key('rope.dimension_count_swa'), uint32(headDim)],
    [key('rope.freq_base_swa'), float32(slidingRope.theta)],
  ]);
  if (logitSoftcap !== undefined) own.set(key('final_logit_softcapping'), float32(logitSoftcap));
  return new Map([...decoderMetadata('gemma4', config), ...own]);
}

/** What llama.cpp divides the frequencies by that do not turn. */
const NO_TURN = 1e30;

export const gemma4: Architecture<Gemma4Config> = {
  gguf: 'gemma4',
  safetensors: ['gemma4_text'],
  parseConfig,
  checkSettings: (checkpoint, config) => checkSettings(checkpoint, decoderSettings(checkpoint, config, SETTINGS)),
  weights: modelWeights,
  skips: SKIPS,
  constants: ({ fullHeadDim }) => [{ name: ROPE_DIVISORS, length: fullHeadDim / 2 }],
  exportedConstants: ({ rope: rotation, fullHeadDim }) =>
    new Map([[ROPE_DIVISORS, ropeDivisors(rotation, fullHeadDim).map((divisor) => Math.min(divisor, NO_TURN))]]),
  metadata: ggufMetadata,
  perLayerTable: ({ perLayerDim }) => (perLayerDim > 0 ? PER_LAYER_TABLE : undefined),
  graphs(config, { constants, contextLength, perLayerTable }) {
    const { fullHeadDim, headDim, rope: rotation, slidingRope, perLayerDim, embeddingScale, logitSoftcap } = config;
    const full = ropeTable(rotation, { id: 'rope', headDim: fullHeadDim, contextLength, divisors: constants.get(ROPE_DIVISORS) });
    const sliding = ropeTable(slidingRope, { id: 'sliding_rope', headDim, contextLength });
    const shared: Shared = { config, tables: { full, sliding }, states: new Map(), own: undefined };
    const model = decoderGraph(config, (g, input) => layer(g, shared, input), {
      embeddingScale,
      logitSoftcap,
      before(g, tokens, x) {
        if (perLayerDim > 0) shared.own = g.scope('per_layer', () => perLayerEmbeddings(g, config, { tokens, x, perLayerTable }));
      },
    });
    if (perLayerTable !== 'host') return model;
    const table = { id: PER_LAYER_TABLE, shape: [config.vocabSize, config.layers * perLayerDim] };
    return { ...model, decoder: { ...DECODER, hostRows: { input: PER_LAYER_ROWS, table } } };
  },
};
