/**
 * Qwen3.5 and Qwen3.6, dense, the text part. Qwen Team 2026; names as transformers' `qwen3_5_text` and GGUF's `qwen35`.
 * Most layers have Gated DeltaNet (Yang et al. 2024) where the others have attention, whose heads have norms, turn in part, and end at a
 * gate of their own; every layer ends in a gated MLP. Gains are 1 + w in Hugging Face's folders but for the norm behind the delta rule;
 * GGUF files and folders of MLX hold that sum. GGUF files have the value heads in another order.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import type { ModelGraphs } from '../graph/model-graphs.ts';
import { activation, gated } from '../graph/ops/activation.ts';
import { add } from '../graph/ops/add.ts';
import { deltaRule } from '../graph/ops/delta-rule.ts';
import type { KeyHeadMap } from '../graph/ops/delta-rule.ts';
import { rope } from '../graph/ops/rope.ts';
import type { RopeTable } from '../graph/ops/rope.ts';
import { shortConvolution } from '../graph/ops/short-convolution.ts';
import type { Value } from '../graph/value.ts';
import type { Checkpoint, JsonObject } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { bools, int32s, uint32 } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import type { Architecture, GraphSetting } from './architecture.ts';
import { configFields, shownJson } from './config-fields.ts';
import { parseDecoderConfig } from './decoder-config.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { attend, attentionOptions, decoderGraph, gatedMlp, norm, product } from './decoder-graph.ts';
import type { LayerInput } from './decoder-graph.ts';
import { decoderMetadata } from './decoder-metadata.ts';
import { decoderSettings } from './decoder-settings.ts';
import type { FamilySettings } from './decoder-settings.ts';
import { BLOCK_LINEARS, DECODER_SKIPS, layerSpec, linearSpecs, outerSpecs } from './decoder-weights.ts';
import type { TensorNames } from './decoder-weights.ts';
import { ropeTable } from './rope-frequencies.ts';
import { interleavedAxes, ropeSectionsOf } from './rope-sections.ts';
import { checkSettings } from './setting-table.ts';
import { draftLayersOf } from './text-part.ts';
import { apply, plus, reshape, slice, stack, tensor, transposeHeads } from './weight-expression.ts';
import type { WeightExpression } from './weight-expression.ts';
import { sliceOfHeads } from './weight-shape.ts';
import type { WeightSpec } from './weight-spec.ts';

// Config.

/** Of a layer with Gated DeltaNet. */
export interface DeltaSizes {
  readonly keyHeads: number;
  /** A multiple of keyHeads. */
  readonly valueHeads: number;
  readonly keyDim: number;
  readonly valueDim: number;
  /** Rows that the convolution sees: its own and those before it. */
  readonly convolutionWidth: number;
}

export interface Qwen35Config extends DecoderConfig {
  /** Which layers have attention; the others have Gated DeltaNet. */
  readonly attends: readonly boolean[];
  readonly delta: DeltaSizes;
  /** The order of value heads: by their key heads in folders, and GGUF's. */
  readonly keyHeadMap: KeyHeadMap;
  /** Whether the file's gains lack their 1. */
  readonly gainsLessOne: boolean;
  /** MLX's folders have the convolution's weight as [channels, width, 1], others as [channels, 1, width]. */
  readonly isChannelLast: boolean;
  /** How the rotation of images is divided; every part turns by the one position of a text. */
  readonly ropeSections: readonly number[];
}

/** What transformers' class has. */
const CLASS_DEFAULTS: JsonObject = {
  num_attention_heads: 16, num_key_value_heads: 4, head_dim: 256, max_position_embeddings: 32_768, partial_rotary_factor: 0.25,
  linear_conv_kernel_dim: 4, linear_key_head_dim: 128, linear_value_head_dim: 128, linear_num_key_heads: 16, linear_num_value_heads: 32,
};

const USUAL_PERIOD = 4;
const USUAL_SECTIONS = [11, 11, 10];

export function parseQwen35Config(whole: Checkpoint): Qwen35Config {
  const { config } = whole;
  const checkpoint = config === undefined ? whole : { ...whole, config: { ...CLASS_DEFAULTS, ...config } };
  const base = parseDecoderConfig(withoutLayerTypes(checkpoint), { rmsEps: 1e-6, partialRotation: true, linears: {} });
  if (!base.causal) throw new FormatError(`${whole.name}: a delta rule without causality is not supported for ${whole.architecture}.`);
  const layers = base.layers - draftLayersOf(whole);
  const attends = whole.format === 'gguf' ? ggufAttends(whole, base.layers).slice(0, layers) : hfAttends(checkpoint, layers);
  const isChannelLast = hasChannelLast(whole);
  return {
    ...base,
    layers,
    attends,
    delta: deltaSizesOf(checkpoint),
    keyHeadMap: whole.format === 'gguf' ? 'tiled' : 'grouped',
    gainsLessOne: whole.format !== 'gguf' && (!isChannelLast || hasDraftHead(whole)),
    isChannelLast,
    ropeSections: ropeSectionsOf(checkpoint, USUAL_SECTIONS),
  };
}

/** What kinds of layers there are is read here, and means nothing to attention's windows. */
function withoutLayerTypes(checkpoint: Checkpoint): Checkpoint {
  if (checkpoint.config === undefined) return checkpoint;
  const { layer_types: _, ...config } = checkpoint.config;
  return { ...checkpoint, config };
}

/** As mlx-lm tells its own folders from Hugging Face's: by the convolution, and by the head that drafts, which its own have not. */
function hasChannelLast({ tensors }: Checkpoint): boolean {
  const convolution = [...tensors].find(([name]) => name.endsWith('.linear_attn.conv1d.weight'))?.[1];
  return convolution?.shape.at(-1) === 1;
}

function hasDraftHead({ superseded = [] }: Checkpoint): boolean {
  return superseded.some(({ name }) => /^(model\.)?mtp\./.test(name));
}

function deltaSizesOf(checkpoint: Checkpoint): DeltaSizes {
  const { format, name, architecture } = checkpoint;
  const fields = configFields(checkpoint);
  const keyHeads = fields.requiredCount({ hf: 'linear_num_key_heads', gguf: 'ssm.group_count' });
  const valueHeads = fields.requiredCount({ hf: 'linear_num_value_heads', gguf: 'ssm.time_step_rank' });
  const keyDim = fields.requiredCount({ hf: 'linear_key_head_dim', gguf: 'ssm.state_size' });
  const values = fields.requiredCount({ hf: 'linear_value_head_dim', gguf: 'ssm.inner_size' });
  const valueDim = format === 'gguf' ? values / valueHeads : values;
  const convolutionWidth = fields.requiredCount({ hf: 'linear_conv_kernel_dim', gguf: 'ssm.conv_kernel' });
  if (valueHeads % keyHeads !== 0) {
    throw new FormatError(
      `${name}: the value heads of linear attention (${valueHeads}) must be a multiple of its key heads (${keyHeads}).`,
    );
  }
  if (!Number.isInteger(valueDim))
    throw new FormatError(`${name}: ${architecture}.ssm.inner_size must be a multiple of ${valueHeads} value heads, found ${values}.`);
  if (convolutionWidth < 2) throw new FormatError(`${name}: the convolution of linear attention must see 2 rows or more, found 1.`);
  return { keyHeads, valueHeads, keyDim, valueDim, convolutionWidth };
}

/** The last of each `period` layers. */
function lastOfEach(period: number, layers: number): readonly boolean[] {
  return Array.from({ length: layers }, (_, n) => (n + 1) % period === 0);
}

function hfAttends(checkpoint: Checkpoint, layers: number): readonly boolean[] {
  const { config = {}, name } = checkpoint;
  const types = config['layer_types'] ?? undefined;
  if (types === undefined)
    return lastOfEach(configFields(checkpoint).count({ hf: 'full_attention_interval', gguf: '' }) ?? USUAL_PERIOD, layers);
  const isType = (type: unknown) => type === 'linear_attention' || type === 'full_attention';
  if (Array.isArray(types) && types.length === layers && types.every(isType)) return types.map((type) => type === 'full_attention');
  const found = Array.isArray(types) ? shownJson(types.find((type) => !isType(type)) ?? types) : shownJson(types);
  throw new FormatError(
    `${name}: layer_types must be "linear_attention" or "full_attention" for each of ${layers} layers, found ${found}.`,
  );
}

/** `attention.recurrent_layers` names the layers without attention; else the last of each `full_attention_interval` has it. */
function ggufAttends(checkpoint: Checkpoint, layers: number): readonly boolean[] {
  const { metadata, architecture, name } = checkpoint;
  const key = `${architecture}.attention.recurrent_layers`;
  const value = metadata.get(key);
  if (value === undefined)
    return lastOfEach(configFields(checkpoint).count({ hf: '', gguf: 'full_attention_interval' }) ?? USUAL_PERIOD, layers);
  const flags = Array.isArray(value) || ArrayBuffer.isView(value) ? Array.from(value as ArrayLike<unknown>, Number) : [];
  if (flags.length === layers && flags.every((flag) => flag === 0 || flag === 1)) return flags.map((flag) => flag === 0);
  throw new FormatError(`${name}: ${key} must be true or false for each of ${layers} layers, found ${flags.length || 'no list'}.`);
}

const ROPE_KEYS = ['rope_scaling', 'rope_parameters'];

export const QWEN35_SETTINGS = {
  safetensors: {
    obeyed: [
      'linear_conv_kernel_dim', 'linear_key_head_dim', 'linear_value_head_dim', 'linear_num_key_heads', 'linear_num_value_heads',
      'full_attention_interval', 'partial_rotary_factor', ...ROPE_KEYS.map((object) => `${object}.partial_rotary_factor`),
      ...ROPE_KEYS.map((object) => `${object}.mrope_section`),
    ],
    // Of images, of the head that drafts tokens, and the type of a state that is f32 here.
    harmless: [...ROPE_KEYS.map((object) => `${object}.mrope_interleaved`), 'mtp_*', 'mamba_ssm_dtype'],
    neutral: { attn_output_gate: [true], output_gate_type: ['swish', 'silu'], attention_bias: [], mlp_only_layers: [] },
  },
  gguf: {
    obeyed: [
      'ssm.conv_kernel', 'ssm.state_size', 'ssm.group_count', 'ssm.time_step_rank', 'ssm.inner_size', 'full_attention_interval',
      'attention.recurrent_layers', 'nextn_predict_layers', 'rope.dimension_sections',
    ],
  },
} as const satisfies FamilySettings;

// Weights.

interface Sizes {
  readonly keys: number;
  readonly values: number;
  /** Of the convolution: queries, keys and values. */
  readonly channels: number;
}

function sizesOf({ keyHeads, valueHeads, keyDim, valueDim }: DeltaSizes): Sizes {
  const [keys, values] = [keyHeads * keyDim, valueHeads * valueDim];
  return { keys, values, channels: 2 * keys + values };
}

/** A gain that the file may hold less 1. */
function gain({ gainsLessOne }: Qwen35Config, spec: WeightSpec): WeightSpec {
  return gainsLessOne ? { ...spec, safetensors: plus(spec.safetensors, 1) } : spec;
}

/** Rows of value heads, of a GGUF file, in the order of the config. */
function headsInOrder({ keyHeadMap, delta: { keyHeads, valueHeads } }: Qwen35Config, of: WeightExpression): WeightExpression {
  return keyHeadMap === 'tiled' || keyHeads === valueHeads ? of : transposeHeads(of, valueHeads / keyHeads, keyHeads);
}

/** Rows of queries and keys, and then of values, of a GGUF file. */
function channelsInOrder(config: Qwen35Config, of: WeightExpression): WeightExpression {
  const { keys, channels } = sizesOf(config.delta);
  const values = slice(of, 2 * keys, channels);
  const ordered = headsInOrder(config, values);
  return ordered === values ? of : stack([slice(of, 0, 2 * keys), ordered]);
}

/** Columns of value heads of a GGUF file's matrix [dim, values]: rows of [dim, valueHeads, valueDim], which only floats allow. */
function columnsInOrder(config: Qwen35Config, of: WeightExpression): WeightExpression {
  const { dim, delta: { valueHeads, valueDim } } = config;
  const heads = reshape(of, [dim, valueHeads, valueDim]);
  const ordered = headsInOrder(config, heads);
  return ordered === heads ? of : reshape(ordered, [dim, valueHeads * valueDim]);
}

function deltaWeights(config: Qwen35Config, n: number): readonly WeightSpec[] {
  const { dim, delta, isChannelLast } = config;
  const { valueHeads, valueDim, convolutionWidth: width } = delta;
  const { channels, values } = sizesOf(delta);
  const spec = (id: string, shape: readonly number[], names: TensorNames) => layerSpec(n, `delta.${id}`, shape, names);
  const qkv = spec('qkv', [channels, dim], { gguf: 'attn_qkv.weight', safetensors: 'linear_attn.in_proj_qkv.weight' });
  const convolution = spec('convolution', [channels, width], { gguf: 'ssm_conv1d.weight', safetensors: '' });
  const convolutionShape = isChannelLast ? [channels, width, 1] : [channels, 1, width];
  const decay = spec('decay', [valueHeads], { gguf: 'ssm_a', safetensors: 'linear_attn.A_log' });
  const out = spec('out', [dim, values], { gguf: 'ssm_out.weight', safetensors: 'linear_attn.out_proj.weight' });
  const ofHeads = [
    spec('z', [values, dim], { gguf: 'attn_gate.weight', safetensors: 'linear_attn.in_proj_z.weight' }),
    spec('b', [valueHeads, dim], { gguf: 'ssm_beta.weight', safetensors: 'linear_attn.in_proj_b.weight' }),
    spec('a', [valueHeads, dim], { gguf: 'ssm_alpha.weight', safetensors: 'linear_attn.in_proj_a.weight' }),
    spec('dt_bias', [valueHeads], { gguf: 'ssm_dt.bias', safetensors: 'linear_attn.dt_bias' }),
    { ...decay, safetensors: apply(decay.safetensors, 'minusExp') },
  ];
  return [
    gain(config, spec('norm', [dim], { gguf: 'attn_norm.weight', safetensors: 'input_layernorm.weight' })),
    { ...qkv, gguf: channelsInOrder(config, qkv.gguf) },
    {
      ...convolution,
      gguf: channelsInOrder(config, convolution.gguf),
      safetensors: reshape(tensor(`model.layers.${n}.linear_attn.conv1d.weight`, convolutionShape), [channels, width]),
    },
    ...ofHeads.map((each) => ({ ...each, gguf: headsInOrder(config, each.gguf) })),
    spec('y_norm', [valueDim], { gguf: 'ssm_norm.weight', safetensors: 'linear_attn.norm.weight' }),
    { ...out, gguf: columnsInOrder(config, out.gguf) },
  ];
}

/** The rows of a head's queries, and then those of its gate, are one tensor with those of all heads. */
function attentionWeights(config: Qwen35Config, n: number): readonly WeightSpec[] {
  const { dim, heads, kvHeads, headDim } = config;
  const both = layerSpec(n, 'attn.q', [heads * 2 * headDim, dim], { gguf: 'attn_q.weight', safetensors: 'self_attn.q_proj.weight' });
  const half = (id: string, start: number): WeightSpec => ({
    id: `layers.${n}.attn.${id}`,
    shape: [heads * headDim, dim],
    gguf: sliceOfHeads(both.gguf, heads, start, start + headDim),
    safetensors: sliceOfHeads(both.safetensors, heads, start, start + headDim),
  });
  const matrix = (name: 'k' | 'v' | 'o', ...shape: [number, number]) => linearSpecs(n, BLOCK_LINEARS[name], { shape, hasBias: false });
  return [
    gain(config, layerSpec(n, 'attn.norm', [dim], { gguf: 'attn_norm.weight', safetensors: 'input_layernorm.weight' })),
    half('q', 0),
    half('gate', headDim),
    ...matrix('k', kvHeads * headDim, dim),
    ...matrix('v', kvHeads * headDim, dim),
    ...matrix('o', dim, heads * headDim),
    gain(config, layerSpec(n, 'attn.q_norm', [headDim], { gguf: 'attn_q_norm.weight', safetensors: 'self_attn.q_norm.weight' })),
    gain(config, layerSpec(n, 'attn.k_norm', [headDim], { gguf: 'attn_k_norm.weight', safetensors: 'self_attn.k_norm.weight' })),
  ];
}

/** The norm before what follows the mixer: files call it by what it comes after. */
export function postNormSpec(config: Qwen35Config, n: number, id: string): WeightSpec {
  const names = { gguf: 'post_attention_norm.weight', safetensors: 'post_attention_layernorm.weight' };
  return gain(config, layerSpec(n, id, [config.dim], names));
}

function mlpWeights(config: Qwen35Config, n: number): readonly WeightSpec[] {
  const { dim, ffnDim } = config;
  const matrix = (name: 'gate' | 'up' | 'down', ...shape: [number, number]) =>
    linearSpecs(n, BLOCK_LINEARS[name], { shape, hasBias: false });
  return [
    postNormSpec(config, n, 'mlp.norm'),
    ...matrix('gate', ffnDim, dim),
    ...matrix('up', ffnDim, dim),
    ...matrix('down', dim, ffnDim),
  ];
}

/** `after`: the weights of what follows the mixer of layer n. */
export function qwen35Weights<Config extends Qwen35Config>(
  config: Config, after: (config: Config, n: number) => readonly WeightSpec[],
): readonly WeightSpec[] {
  const outer = outerSpecs(config).map((spec) => (spec.id === 'norm' ? gain(config, spec) : spec));
  const ofLayer = (attends: boolean, n: number) =>
    [...(attends ? attentionWeights(config, n) : deltaWeights(config, n)), ...after(config, n)];
  return [...outer, ...config.attends.flatMap(ofLayer)];
}

// Layer. Values are [rows, width]; q and gate are [rows, heads * headDim], k and v [rows, kvHeads * headDim], z [rows, values].

function attention(g: GraphBuilder, config: Qwen35Config, { n, x, positions, turns }: LayerInput, table: RopeTable): Value {
  const { dim, heads, kvHeads, headDim, rmsEps, biases } = config;
  const normed = norm(g, 'norm', x, { eps: rmsEps });
  const q = product(g, 'q', normed, { out: heads * headDim, biases });
  const gate = product(g, 'gate', normed, { out: heads * headDim, biases });
  const k = product(g, 'k', normed, { out: kvHeads * headDim, biases });
  const v = product(g, 'v', normed, { out: kvHeads * headDim, biases });
  const normedQ = norm(g, 'q_norm', q, { eps: rmsEps, groups: heads });
  const normedK = norm(g, 'k_norm', k, { eps: rmsEps, groups: kvHeads });
  const turnedQ = rope(g, 'q_rope', normedQ, { heads, headDim, table, positions, ...turns });
  const turnedK = rope(g, 'k_rope', normedK, { heads: kvHeads, headDim, table, positions, ...turns });
  const mixed = attend(g, [turnedQ, turnedK, v], { positions, ...attentionOptions(config, n) });
  return product(g, 'o', gated(g, 'gated', 'sigmoid', [gate, mixed]), { out: dim, biases });
}

function deltaNet(g: GraphBuilder, { dim, rmsEps, biases, delta, keyHeadMap }: Qwen35Config, x: Value): Value {
  const { convolutionWidth, ...heads } = delta;
  const { valueHeads, valueDim, keyDim } = heads;
  const { channels, values } = sizesOf(delta);
  const normed = norm(g, 'norm', x, { eps: rmsEps });
  const qkv = product(g, 'qkv', normed, { out: channels, biases });
  const z = product(g, 'z', normed, { out: values, biases });
  const b = product(g, 'b', normed, { out: valueHeads, biases });
  const a = product(g, 'a', normed, { out: valueHeads, biases });
  const convolved = shortConvolution(g, 'convolution', qkv, {
    weight: g.weight(g.path('convolution'), [channels, convolutionWidth]),
    state: g.slotState({ shape: [convolutionWidth - 1, channels], dtype: 'f32' }),
  });
  const y = deltaRule(g, 'rule', [activation(g, 'act', 'silu', convolved), a, b], {
    ...heads,
    keyHeadMap,
    decay: g.weight(g.path('decay'), [valueHeads]),
    dtBias: g.weight(g.path('dt_bias'), [valueHeads]),
    state: g.slotState({ shape: [valueHeads, valueDim, keyDim], dtype: 'f32' }),
  });
  const normedY = norm(g, 'y_norm', y, { eps: rmsEps, groups: valueHeads });
  return product(g, 'out', gated(g, 'gated', 'silu', [z, normedY]), { out: dim, biases });
}

function mlp(g: GraphBuilder, { ffnDim, rmsEps, biases }: Qwen35Config, x: Value): Value {
  return gatedMlp(g, norm(g, 'norm', x, { eps: rmsEps }), { ffnDim, activation: 'silu', biases });
}

// Graph.

/** `after`: what a layer adds to the sum behind its mixer, under the name of its scope. */
export function qwen35Graphs(
  config: Qwen35Config, { contextLength, vision }: Pick<GraphSetting, 'contextLength' | 'vision'>,
  after: readonly [scope: string, write: (g: GraphBuilder, x: Value) => Value],
): ModelGraphs {
  const table = ropeTable(config.rope, { id: 'rope', headDim: config.headDim, contextLength });
  const [scope, write] = after;
  return decoderGraph(config, (g, input) => {
    const { n, x } = input;
    const h = config.attends[n] === true
      ? add(g, 'attn.residual', x, g.scope('attn', () => attention(g, config, input, table)))
      : add(g, 'delta.residual', x, g.scope('delta', () => deltaNet(g, config, x)));
    return add(g, `${scope}.residual`, h, g.scope(scope, () => write(g, h)));
  }, { vision: vision && { tower: vision, table: interleavedAxes(table, config.ropeSections) } });
}

export function qwen35Metadata(architecture: string, config: Qwen35Config): GgufMetadata {
  const { attends, layers, delta, ropeSections } = config;
  const key = (name: string) => `${architecture}.${name}`;
  const period = attends.indexOf(true) + 1 || layers + 1;
  const isRegular = attends.join() === lastOfEach(period, layers).join();
  return new Map([
    ...decoderMetadata(architecture, config),
    [key('ssm.conv_kernel'), uint32(delta.convolutionWidth)],
    [key('ssm.state_size'), uint32(delta.keyDim)],
    [key('ssm.group_count'), uint32(delta.keyHeads)],
    [key('ssm.time_step_rank'), uint32(delta.valueHeads)],
    [key('ssm.inner_size'), uint32(delta.valueHeads * delta.valueDim)],
    isRegular
      ? [key('full_attention_interval'), uint32(period)]
      : [key('attention.recurrent_layers'), bools(attends.map((own) => !own))],
    [key('rope.dimension_sections'), int32s([...ropeSections, 0])],
  ]);
}

export const qwen35: Architecture<Qwen35Config> = {
  gguf: 'qwen35',
  safetensors: ['qwen3_5_text', 'qwen3_5'],
  parseConfig: parseQwen35Config,
  checkSettings: (checkpoint, config) => checkSettings(checkpoint, decoderSettings(checkpoint, config, QWEN35_SETTINGS)),
  weights: (config) => qwen35Weights(config, mlpWeights),
  skips: DECODER_SKIPS,
  metadata: (config) => qwen35Metadata('qwen35', config),
  sees: ['qwen-vl'],
  graphs: (config, setting) => qwen35Graphs(config, setting, ['mlp', (g, x) => mlp(g, config, x)]),
};
