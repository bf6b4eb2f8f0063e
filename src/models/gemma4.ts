/**
 * Gemma 4, its text part, dense or with experts. Google 2026; names as transformers' `gemma4_text` and GGUF's `gemma4`.
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
import { bools, float32, int32s, uint32 } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import type { Architecture, GraphSetting } from './architecture.ts';
import { decoderGraph, gatedMlp, norm, product } from './decoder-graph.ts';
import type { LayerInput } from './decoder-graph.ts';
import { decoderMetadata } from './decoder-metadata.ts';
import { decoderSettings } from './decoder-settings.ts';
import { BLOCK_LINEARS, DECODER_SKIPS, layerSpec, linearSpecs, outerSpecs } from './decoder-weights.ts';
import { gemma4ExpertWeights, gemma4Experts } from './gemma4-experts.ts';
import { mixtureMetadata } from './mixture.ts';
import { ROPE_DIVISORS, ropeDivisors, ropeTable } from './rope-frequencies.ts';
import { GEMMA4_SETTINGS, parseGemma4Config } from './gemma4-config.ts';
import type { Gemma4Config, Gemma4Layer } from './gemma4-config.ts';
import { checkSettings } from './setting-table.ts';
import { tensorSpec } from './weight-spec.ts';
import type { WeightSpec } from './weight-spec.ts';

// Weights.

function layerWeights(config: Gemma4Config, n: number): readonly WeightSpec[] {
  const { dim, heads, biases, perLayerDim, hasLayerScale, mixture } = config;
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
    ...(mixture === undefined ? [] : gemma4ExpertWeights(n, dim, mixture)),
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

function feedForward(g: GraphBuilder, { dim, rmsEps: eps, biases, each, mixture }: Gemma4Config, h: Value, n: number): Value {
  const { ffnDim } = each[n] as Gemma4Layer;
  const mlp = g.scope('mlp', () => gatedMlp(g, norm(g, 'norm', h, { eps }), { ffnDim, activation: 'geluTanh', biases }));
  const sum = mixture === undefined ? mlp : gemma4Experts(g, { h, mlp, mixture, eps, dim });
  return g.scope('mlp', () => norm(g, 'post_norm', sum, { eps }));
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
  const f = add(g, 'mlp.residual', h, feedForward(g, config, h, n));
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
  const mixture = config.mixture === undefined ? [] : mixtureMetadata('gemma4', config.mixture);
  return new Map([...decoderMetadata('gemma4', config), ...own, ...mixture]);
}

/** What llama.cpp divides the frequencies by that do not turn. */
const NO_TURN = 1e30;

export const gemma4: Architecture<Gemma4Config> = {
  gguf: 'gemma4',
  safetensors: ['gemma4_text'],
  parseConfig: parseGemma4Config,
  checkSettings: (checkpoint, config) => checkSettings(checkpoint, decoderSettings(checkpoint, config, GEMMA4_SETTINGS)),
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
