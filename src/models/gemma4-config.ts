/** What config.json and GGUF metadata say of Gemma 4: sizes layer by layer, windows, rotations, shared keys and values, experts. */
import type { Checkpoint, JsonObject } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { metadataNumber } from '../tensor/metadata.ts';
import { parseVisibility } from './attention-visibility.ts';
import type { AttentionVisibility } from './attention-visibility.ts';
import { configFields, jsonBoolean, jsonNumber, jsonObject, shownJson } from './config-fields.ts';
import { biasesOf, isTied, MOST_LAYERS, vocabSizeOf } from './decoder-config.ts';
import type { DecoderConfig } from './decoder-config.ts';
import type { FamilySettings } from './decoder-settings.ts';
import { BLOCK_LINEARS } from './decoder-weights.ts';
import { embeddingScaleOf } from './gemma3.ts';
import { parseGemma4Mixture } from './gemma4-experts.ts';
import { SOFTMAX_OF_CHOSEN } from './mixture.ts';
import type { Mixture } from './mixture.ts';
import { checkedRope, parseRope, ROPE_DIVISORS } from './rope-frequencies.ts';
import type { RopeConfig } from './rope-frequencies.ts';

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
  /** Of every layer, beside its MLP. */
  readonly mixture: Mixture | undefined;
  /** Each layer's result is multiplied by a number of the file. */
  readonly hasLayerScale: boolean;
}

/** Five layers with a window and then one without. */
const WINDOWS = { defaultSize: 512, slides: (n: number) => (n + 1) % 6 !== 0 };

const FULL_ROPE: RopeConfig = { theta: 1e6, scaling: { kind: 'proportional', share: 0.25, factor: 1 } };

export function parseGemma4Config(checkpoint: Checkpoint): Gemma4Config {
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
    mixture: parseGemma4Mixture(checkpoint, layers),
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

export const GEMMA4_SETTINGS: FamilySettings = {
  safetensors: {
    obeyed: [
      'sliding_window', 'global_head_dim', 'num_global_key_value_heads', 'per_layer_config', 'attention_k_eq_v', 'num_kv_shared_layers',
      'use_double_wide_mlp', 'enable_moe_block', 'hidden_size_per_layer_input', 'vocab_size_per_layer_input', 'final_logit_softcapping',
      ...['rope_type', 'rope_theta', 'factor', 'partial_rotary_factor'].map((key) => `rope_parameters.full_attention.${key}`),
      ...['rope_type', 'rope_theta'].map((key) => `rope_parameters.sliding_attention.${key}`),
    ],
    // Read where there are experts.
    harmless: ['num_experts', 'num_local_experts', 'top_k_experts', 'moe_intermediate_size', 'expert_intermediate_size'],
    neutral: {
      hidden_activation: ['gelu_pytorch_tanh'], hidden_act: ['gelu_pytorch_tanh'],
      // Rows of images alone see each other.
      use_bidirectional_attention: ['vision'],
    },
  },
  gguf: {
    obeyed: [
      'attention.key_length_swa', 'attention.value_length_swa', 'attention.shared_kv_layers', 'rope.freq_base_swa',
      'embedding_length_per_layer_input', 'final_logit_softcapping', 'expert_count', 'expert_used_count', 'expert_feed_forward_length',
    ],
    neutral: { 'attention.scale': [0, 1], ...SOFTMAX_OF_CHOSEN },
  },
};
