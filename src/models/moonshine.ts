/**
 * Moonshine: speech to text. Jeffries et al. 2024; names as transformers' `moonshine`.
 * The encoder takes samples at 16 kHz as they are through three convolutions, of which a group norm over the whole sound follows the first;
 * its layers see all frames. The decoder predicts tokens over the keys and values that the encoder leaves. Norms have no bias, and a part
 * of each head turns, in pairs of neighbours.
 */
import { conv1d } from '../graph/conv1d.ts';
import type { GraphBuilder } from '../graph/graph-builder.ts';
import { buildModel, DECODER, LISTENER } from '../graph/model-graphs.ts';
import type { ModelGraphs } from '../graph/model-graphs.ts';
import { activation, gated } from '../graph/ops/activation.ts';
import { add } from '../graph/ops/add.ts';
import { attention } from '../graph/ops/attention.ts';
import { embed } from '../graph/ops/embed.ts';
import { fullAttention } from '../graph/ops/full-attention.ts';
import { gatherRows } from '../graph/ops/gather-rows.ts';
import { groupNorm } from '../graph/ops/group-norm.ts';
import { layerNorm } from '../graph/ops/layer-norm.ts';
import { linear } from '../graph/ops/linear.ts';
import { rope } from '../graph/ops/rope.ts';
import type { RopeTable } from '../graph/ops/rope.ts';
import { storedAttention } from '../graph/ops/stored-attention.ts';
import { outputFrames } from '../graph/ops/windows.ts';
import { writeMemory } from '../graph/ops/write-memory.ts';
import type { PagedState } from '../graph/state.ts';
import { widthOf } from '../graph/value.ts';
import type { Value } from '../graph/value.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { float32, uint32 } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import type { Architecture } from './architecture.ts';
import { configFields } from './config-fields.ts';
import { MOST_LAYERS } from './decoder-config.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { product } from './decoder-graph.ts';
import { decoderSettings } from './decoder-settings.ts';
import type { FamilySettings } from './decoder-settings.ts';
import { parseRope, ropeTable } from './rope-frequencies.ts';
import { checkSettings } from './setting-table.ts';
import { permuteHeads, reshape, slice, stack, tensor, transpose } from './weight-expression.ts';
import type { WeightExpression } from './weight-expression.ts';
import { sliceOfHeads } from './weight-shape.ts';
import { tensorSpec } from './weight-spec.ts';
import type { WeightSpec } from './weight-spec.ts';

// Config. What DecoderConfig says of layers and heads is the decoder's.

export interface MoonshineConfig extends DecoderConfig {
  readonly encoderLayers: number;
  readonly encoderHeads: number;
  readonly encoderKvHeads: number;
}

const NORM_EPS = 1e-5;
/** Taps and strides of the three convolutions: constants of the architecture. */
const STEM = [
  { taps: 127, stride: 64 },
  { taps: 7, stride: 3 },
  { taps: 3, stride: 2 },
] as const;

function parseConfig(checkpoint: Checkpoint): MoonshineConfig {
  const { name, tensors, format, architecture } = checkpoint;
  const fields = configFields(checkpoint);
  const dim = fields.requiredCount({ hf: 'hidden_size', gguf: 'embedding_length' });
  const heads = fields.requiredCount({ hf: 'decoder_num_attention_heads', gguf: 'attention.head_count' });
  const encoderHeads = fields.requiredCount({ hf: 'encoder_num_attention_heads', gguf: 'encoder.attention.head_count' });
  const kvHeads = fields.count({ hf: 'decoder_num_key_value_heads', gguf: 'attention.head_count_kv' }) ?? heads;
  const encoderKvHeads = fields.count({ hf: 'encoder_num_key_value_heads', gguf: 'encoder.attention.head_count_kv' }) ?? encoderHeads;
  const headDim = dim / heads;
  if (!Number.isInteger(headDim) || heads !== encoderHeads)
    throw new FormatError(
      `${name}: expected as many attention heads in encoder and decoder, which divide the width (${dim}), found ${encoderHeads} and ` +
        `${heads}.`,
    );
  if (heads !== kvHeads || encoderHeads !== encoderKvHeads)
    throw new FormatError(`${name}: expected a key head for each of ${heads} attention heads, found ${kvHeads} and ${encoderKvHeads}.`);
  const vocabSize = tensors.get(format === 'gguf' ? 'token_embd.weight' : 'model.decoder.embed_tokens.weight')?.shape[0];
  if (vocabSize === undefined)
    throw new FormatError(`${name}: expected the decoder's table of embeddings, found none. The file is incomplete.`);
  return {
    architecture, dim, heads, kvHeads, headDim, vocabSize, encoderHeads, encoderKvHeads,
    contextLength: fields.requiredCount({ hf: 'max_position_embeddings', gguf: 'context_length' }),
    layers: fields.requiredCount({ hf: 'decoder_num_hidden_layers', gguf: 'block_count' }, MOST_LAYERS),
    encoderLayers: fields.requiredCount({ hf: 'encoder_num_hidden_layers', gguf: 'encoder.block_count' }, MOST_LAYERS),
    ffnDim: fields.requiredCount({ hf: 'intermediate_size', gguf: 'feed_forward_length' }),
    rmsEps: NORM_EPS,
    rope: parseRope(checkpoint, { headDim, isPartial: true }),
    causal: true,
    tiedEmbeddings: true,
    biases: ['up', 'gate', 'down'],
  };
}

/** Rows of a head that turn: pairs of an odd width end in a row more. */
function rotaryRows({ rope: { rotaryDim }, headDim }: Pick<MoonshineConfig, 'rope' | 'headDim'>): number {
  return 2 * Math.ceil((rotaryDim ?? headDim) / 2);
}

function settings({ encoderHeads, vocabSize }: MoonshineConfig): FamilySettings {
  return {
    safetensors: {
      obeyed: [
        'decoder_num_attention_heads', 'decoder_num_key_value_heads', 'decoder_num_hidden_layers', 'encoder_num_attention_heads',
        'encoder_num_key_value_heads', 'encoder_num_hidden_layers', 'partial_rotary_factor', 'rope_parameters.partial_rotary_factor',
        'rope_scaling.partial_rotary_factor', 'rope_theta',
      ],
      // Zeros behind each head, for others' kernels.
      harmless: ['pad_head_dim_to_multiple_of'],
      neutral: {
        encoder_hidden_act: ['gelu'], decoder_hidden_act: ['silu'], is_encoder_decoder: [true], num_attention_heads: [encoderHeads],
        num_key_value_heads: [encoderHeads], vocab_size: [vocabSize], tie_word_embeddings: [true], attention_bias: [false],
      },
    },
    gguf: {
      obeyed: ['encoder.block_count', 'encoder.attention.head_count', 'encoder.attention.head_count_kv'],
      neutral: { 'attention.layer_norm_rms_epsilon': [] },
    },
  };
}

// Weights.

/** Heads whose first `turning` rows turn as pairs of neighbours, in the order in which the graph turns them: halves. */
function turned(of: WeightExpression, { heads, headDim, dim, turning }: Record<'heads' | 'headDim' | 'dim' | 'turning', number>) {
  const first = permuteHeads(sliceOfHeads(of, heads, 0, turning), heads, 'halves');
  if (turning === headDim) return first;
  const rest = reshape(sliceOfHeads(of, heads, turning, headDim), [heads, headDim - turning, dim]);
  return reshape(stack([reshape(first, [heads, turning, dim]), rest]), [heads * headDim, dim]);
}

interface AttentionNames {
  readonly id: string;
  readonly gguf: string;
  readonly safetensors: string;
  /** Whether queries and keys turn. */
  readonly turns: boolean;
}

function attentionWeights(config: MoonshineConfig, names: AttentionNames): readonly WeightSpec[] {
  const { dim, heads, headDim } = config;
  const shape = [dim, dim] as const;
  const turning = rotaryRows(config);
  return (['q', 'k', 'v', 'o'] as const).map((part): WeightSpec => {
    const stored = tensor(`${names.safetensors}.${part}_proj.weight`, shape);
    return {
      id: `${names.id}.${part}`, shape,
      gguf: tensor(`${names.gguf}_${part === 'o' ? 'output' : part}.weight`, shape),
      safetensors: names.turns && (part === 'q' || part === 'k') ? turned(stored, { heads, headDim, dim, turning }) : stored,
    };
  });
}

function gain(id: string, dim: number, gguf: string, safetensors: string): WeightSpec {
  return tensorSpec(id, [dim], { gguf: `${gguf}.weight`, safetensors: `model.${safetensors}.weight` });
}

function encoderLayer(config: MoonshineConfig, n: number): readonly WeightSpec[] {
  const { dim, ffnDim } = config;
  const [id, gguf, safetensors] = [`encoder.layers.${n}`, `enc.blk.${n}`, `encoder.layers.${n}`];
  return [
    gain(`${id}.norm`, dim, `${gguf}.attn_norm`, `${safetensors}.input_layernorm`),
    ...attentionWeights(config, { id: `${id}.attn`, gguf: `${gguf}.attn`, safetensors: `model.${safetensors}.self_attn`, turns: true }),
    gain(`${id}.mlp_norm`, dim, `${gguf}.ffn_norm`, `${safetensors}.post_attention_layernorm`),
    ...withBias(`${id}.mlp.up`, [ffnDim, dim], `${gguf}.ffn_up`, `${safetensors}.mlp.fc1`),
    ...withBias(`${id}.mlp.down`, [dim, ffnDim], `${gguf}.ffn_down`, `${safetensors}.mlp.fc2`),
  ];
}

function withBias(id: string, shape: readonly [number, number], gguf: string, safetensors: string): readonly WeightSpec[] {
  return [
    tensorSpec(id, shape, { gguf: `${gguf}.weight`, safetensors: `model.${safetensors}.weight` }),
    tensorSpec(`${id}.bias`, [shape[0]], { gguf: `${gguf}.bias`, safetensors: `model.${safetensors}.bias` }),
  ];
}

/** Both halves of fc1: what is gated, then the gate. */
function gatedWeights({ dim, ffnDim }: MoonshineConfig, id: string, gguf: string, safetensors: string): readonly WeightSpec[] {
  return (['up', 'gate'] as const).flatMap((part, i): WeightSpec[] => {
    const rows = (of: WeightExpression) => slice(of, i * ffnDim, (i + 1) * ffnDim);
    const [shape, bias] = [[ffnDim, dim], [ffnDim]];
    return [
      {
        id: `${id}.${part}`, shape, gguf: tensor(`${gguf}.ffn_${part}.weight`, shape),
        safetensors: rows(tensor(`model.${safetensors}.mlp.fc1.weight`, [2 * ffnDim, dim])),
      },
      {
        id: `${id}.${part}.bias`, shape: bias, gguf: tensor(`${gguf}.ffn_${part}.bias`, bias),
        safetensors: rows(tensor(`model.${safetensors}.mlp.fc1.bias`, [2 * ffnDim])),
      },
    ];
  });
}

function decoderLayer(config: MoonshineConfig, n: number): readonly WeightSpec[] {
  const { dim, ffnDim } = config;
  const [id, gguf, safetensors] = [`decoder.layers.${n}`, `dec.blk.${n}`, `decoder.layers.${n}`];
  return [
    gain(`${id}.norm`, dim, `${gguf}.attn_norm`, `${safetensors}.input_layernorm`),
    ...attentionWeights(config, { id: `${id}.attn`, gguf: `${gguf}.attn`, safetensors: `model.${safetensors}.self_attn`, turns: true }),
    gain(`${id}.cross_norm`, dim, `${gguf}.cross_attn_norm`, `${safetensors}.post_attention_layernorm`),
    ...attentionWeights(config, {
      id: `${id}.cross`, gguf: `${gguf}.cross_attn`, safetensors: `model.${safetensors}.encoder_attn`, turns: false,
    }),
    gain(`${id}.mlp_norm`, dim, `${gguf}.ffn_norm`, `${safetensors}.final_layernorm`),
    ...gatedWeights(config, `${id}.mlp`, gguf, safetensors),
    ...withBias(`${id}.mlp.down`, [dim, ffnDim], `${gguf}.ffn_down`, `${safetensors}.mlp.fc2`),
  ];
}

/** Channels before and after each convolution of the stem. */
function stemChannels({ dim }: Pick<MoonshineConfig, 'dim'>): readonly (readonly [number, number])[] {
  return [[1, dim], [dim, 2 * dim], [2 * dim, dim]];
}

/** Taps come before channels in the graph, behind them in the folder's tensors. */
function stemWeights(config: MoonshineConfig): readonly WeightSpec[] {
  const { dim } = config;
  const matrices = stemChannels(config).map(([from, out], i): WeightSpec => {
    const { taps } = STEM[i] as (typeof STEM)[number];
    const shape = [out, taps * from];
    const stored = tensor(`model.encoder.conv${i + 1}.weight`, [out, from, taps]);
    return {
      id: `encoder.conv${i + 1}`, shape, gguf: tensor(`enc.conv${i + 1}.weight`, shape),
      safetensors: reshape(from === 1 ? stored : transpose(stored), shape),
    };
  });
  const vector = (id: string, length: number, name: string, part: string) =>
    tensorSpec(id, [length], { gguf: `enc.${name}.${part}`, safetensors: `model.encoder.${name}.${part}` });
  return [
    ...matrices,
    vector('encoder.conv2.bias', 2 * dim, 'conv2', 'bias'),
    vector('encoder.conv3.bias', dim, 'conv3', 'bias'),
    vector('encoder.groupnorm', dim, 'groupnorm', 'weight'),
    vector('encoder.groupnorm.bias', dim, 'groupnorm', 'bias'),
  ];
}

function weights(config: MoonshineConfig): readonly WeightSpec[] {
  const { vocabSize, dim, layers, encoderLayers } = config;
  return [
    ...stemWeights(config),
    ...Array.from({ length: encoderLayers }, (_, n) => encoderLayer(config, n)).flat(),
    gain('encoder.norm', dim, 'enc.output_norm', 'encoder.layer_norm'),
    tensorSpec('embedding', [vocabSize, dim], { gguf: 'token_embd.weight', safetensors: 'model.decoder.embed_tokens.weight' }),
    ...Array.from({ length: layers }, (_, n) => decoderLayer(config, n)).flat(),
    gain('norm', dim, 'dec.output_norm', 'decoder.norm'),
  ];
}

// Layers. Values are [frames, dim] or [rows, dim].

function norm(g: GraphBuilder, name: string, x: Value): Value {
  return layerNorm(g, name, x, { weight: g.weight(g.path(name), [widthOf(x)]), eps: NORM_EPS });
}

interface Turning {
  readonly table: RopeTable;
  readonly positions: Value;
}

/** Queries, keys and values of x; with `turning` queries and keys turn. */
function qkv(g: GraphBuilder, { dim, heads, headDim }: MoonshineConfig, x: Value, { table, positions }: Turning): [Value, Value, Value] {
  const part = (name: string) => product(g, name, x, { out: dim, biases: [] });
  const turn = (name: string) => rope(g, `${name}.rope`, part(name), { heads, headDim, table, positions });
  return [turn('q'), turn('k'), part('v')];
}

function stem(g: GraphBuilder, config: MoonshineConfig, sound: Value): Value {
  let x = sound;
  stemChannels(config).forEach(([from, out], i) => {
    const span = STEM[i] as (typeof STEM)[number];
    const name = `conv${i + 1}`;
    const before = i === 0 ? LISTENER.rows : `frames${i}`;
    const frames = g.derivedDim(i === 2 ? LISTENER.memory : `frames${i + 1}`, (sizes) => outputFrames(sizes[before] as number, span));
    const bias = i === 0 ? undefined : g.weight(g.path(`${name}.bias`), [out]);
    const made = conv1d(g, name, x, { ...span, frames, weight: g.weight(g.path(name), [out, span.taps * from]), bias });
    if (i > 0) x = activation(g, `act${i + 1}`, 'gelu', made);
    else {
      const [weight, shift] = ['groupnorm', 'groupnorm.bias'].map((id) => g.weight(g.path(id), [out]));
      x = groupNorm(g, 'groupnorm', activation(g, 'act1', 'tanh', made), { groups: 1, eps: NORM_EPS, weight, bias: shift });
    }
  });
  return x;
}

function encoderLayerGraph(g: GraphBuilder, config: MoonshineConfig, x: Value, turning: Turning): Value {
  const { dim, heads, kvHeads, headDim, ffnDim, biases } = config;
  const sizes = { heads, kvHeads, keyDim: headDim, valueDim: headDim, scale: headDim ** -0.5 };
  const normed = norm(g, 'norm', x);
  const attended = g.scope('attn', () =>
    product(g, 'o', fullAttention(g, 'attend', qkv(g, config, normed, turning), sizes), { out: dim, biases: [] }));
  const h = add(g, 'attn.residual', x, attended);
  const m = norm(g, 'mlp_norm', h);
  const mlp = g.scope('mlp', () =>
    product(g, 'down', activation(g, 'act', 'gelu', product(g, 'up', m, { out: ffnDim, biases })), { out: dim, biases }));
  return add(g, 'mlp.residual', h, mlp);
}

function encoder(g: GraphBuilder, config: MoonshineConfig, table: RopeTable, memories: readonly PagedState[]): void {
  const sound = g.input(LISTENER.sound, 'f32', [LISTENER.rows, 1]);
  const encoded = g.scope('encoder', () => {
    let x = stem(g, config, sound);
    const positions = g.input(LISTENER.positions, 'i32', [LISTENER.memory]);
    g.tap('stem', x);
    for (let n = 0; n < config.encoderLayers; n++) {
      x = g.scope(`layers.${n}`, () => encoderLayerGraph(g, config, x, { table, positions }));
      g.tap(`hidden.${n + 1}`, x);
    }
    const last = norm(g, 'norm', x);
    g.output(LISTENER.encoded, last);
    return { last, positions };
  });
  // What cross attention reads is made once, where the sound is heard.
  memories.forEach((memory, n) => g.scope(`decoder.layers.${n}.cross`, () => {
    const [k, v] = ['k', 'v'].map((part) => product(g, part, encoded.last, { out: config.dim, biases: [] })) as [Value, Value];
    writeMemory(g, 'write', [k, v, encoded.positions], memory);
  }));
}

interface DecoderParts extends Turning {
  readonly memory: PagedState;
  readonly state: PagedState;
}

function decoderLayerGraph(g: GraphBuilder, config: MoonshineConfig, x: Value, { memory, state, ...turning }: DecoderParts): Value {
  const { dim, heads, headDim, ffnDim, biases } = config;
  const scores = { heads, scale: headDim ** -0.5 };
  const out = { out: dim, biases: [] };
  const normed = norm(g, 'norm', x);
  const own = g.scope('attn', () =>
    product(g, 'o', attention(g, 'attend', qkv(g, config, normed, turning), { ...scores, state, positions: turning.positions }), out));
  const h = add(g, 'attn.residual', x, own);
  const crossNormed = norm(g, 'cross_norm', h);
  const crossed = g.scope('cross', () =>
    product(g, 'o', storedAttention(g, 'attend', product(g, 'q', crossNormed, out), { ...scores, state: memory }), out));
  const c = add(g, 'cross.residual', h, crossed);
  const m = norm(g, 'mlp_norm', c);
  const mlp = g.scope('mlp', () => {
    const [gate, up] = ['gate', 'up'].map((part) => product(g, part, m, { out: ffnDim, biases })) as [Value, Value];
    return product(g, 'down', gated(g, 'act', 'silu', [gate, up]), { out: dim, biases });
  });
  return add(g, 'mlp.residual', c, mlp);
}

function decoder(g: GraphBuilder, config: MoonshineConfig, table: RopeTable, memories: readonly PagedState[]): void {
  const { vocabSize, dim, heads, headDim } = config;
  const tokens = g.input(DECODER.tokens, 'i32', ['rows']);
  const positions = g.input(DECODER.positions, 'i32', ['rows']);
  const outIndices = g.input(DECODER.outIndices, 'i32', ['outRows']);
  const table0 = g.weight('embedding', [vocabSize, dim]);
  let x = embed(g, 'embed', tokens, table0);
  memories.forEach((memory, n) => {
    const state = g.pagedState({ heads, keyDim: headDim, valueDim: headDim });
    x = g.scope(`decoder.layers.${n}`, () => decoderLayerGraph(g, config, x, { memory, state, table, positions }));
    g.tap(`hidden.${n + 1}`, x);
  });
  g.output(DECODER.logits, linear(g, 'output', norm(g, 'norm', gatherRows(g, 'last', x, outIndices)), table0));
}

// Graphs.

function graphs(config: MoonshineConfig, contextLength: number): ModelGraphs {
  const { layers, heads, headDim, rope: rotation } = config;
  const table = ropeTable(rotation, { id: 'rope', headDim, contextLength });
  return buildModel(config.architecture, (m) => {
    const memories = Array.from({ length: layers }, () => m.pagedState({ heads, keyDim: headDim, valueDim: headDim, memory: true }));
    m.graph(LISTENER.graph, (g) => encoder(g, config, table, memories));
    m.graph(DECODER.graph, (g) => decoder(g, config, table, memories));
  }, { decoder: DECODER, listener: LISTENER });
}

function metadata(config: MoonshineConfig): GgufMetadata {
  const { layers, encoderLayers, contextLength, dim, ffnDim, heads, encoderHeads, rope: rotation, headDim } = config;
  const of = (key: string) => `moonshine.${key}`;
  return new Map([
    [of('block_count'), uint32(layers)],
    [of('encoder.block_count'), uint32(encoderLayers)],
    [of('context_length'), uint32(contextLength)],
    [of('embedding_length'), uint32(dim)],
    [of('feed_forward_length'), uint32(ffnDim)],
    [of('attention.head_count'), uint32(heads)],
    [of('encoder.attention.head_count'), uint32(encoderHeads)],
    [of('attention.layer_norm_epsilon'), float32(NORM_EPS)],
    [of('rope.dimension_count'), uint32(rotation.rotaryDim ?? headDim)],
    [of('rope.freq_base'), float32(rotation.theta)],
  ]);
}

export const moonshine: Architecture<MoonshineConfig> = {
  gguf: 'moonshine',
  safetensors: ['moonshine'],
  parseConfig,
  // What norms add to a variance is a constant of the architecture.
  checkSettings: (checkpoint, config) =>
    checkSettings(checkpoint, { ...decoderSettings(checkpoint, config, settings(config)), expected: undefined }),
  weights,
  skips: [{ pattern: /^proj_out\.weight$/, reason: 'the table of embeddings, again' }],
  metadata,
  graphs: (config, { contextLength }) => graphs(config, contextLength),
};
