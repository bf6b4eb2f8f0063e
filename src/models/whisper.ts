/**
 * Whisper: speech to text and translation. Radford et al. 2022; names as transformers' `whisper`, and as OpenAI's checkpoints, which ggml
 * files keep.
 * The encoder takes a log mel spectrogram of 30 s through two convolutions, the second of which halves the frames, and adds a table of
 * positions; its layers see all frames. The decoder adds a table of its own positions, and reads the keys and values that the encoder left.
 * Keys have no bias.
 */
import { conv1d } from '../graph/conv1d.ts';
import type { GraphBuilder } from '../graph/graph-builder.ts';
import { buildModel, DECODER, LISTENER } from '../graph/model-graphs.ts';
import type { ModelGraphs } from '../graph/model-graphs.ts';
import { activation } from '../graph/ops/activation.ts';
import { add } from '../graph/ops/add.ts';
import { attention } from '../graph/ops/attention.ts';
import { embed } from '../graph/ops/embed.ts';
import { fullAttention } from '../graph/ops/full-attention.ts';
import { gatherRows } from '../graph/ops/gather-rows.ts';
import { layerNorm } from '../graph/ops/layer-norm.ts';
import { linear } from '../graph/ops/linear.ts';
import { storedAttention } from '../graph/ops/stored-attention.ts';
import { outputFrames } from '../graph/ops/windows.ts';
import { writeMemory } from '../graph/ops/write-memory.ts';
import type { PagedState } from '../graph/state.ts';
import { widthOf } from '../graph/value.ts';
import type { Value } from '../graph/value.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { uint32 } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import type { Architecture } from './architecture.ts';
import { configFields } from './config-fields.ts';
import { MOST_LAYERS } from './decoder-config.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { product } from './decoder-graph.ts';
import { decoderSettings } from './decoder-settings.ts';
import type { FamilySettings } from './decoder-settings.ts';
import { checkSettings } from './setting-table.ts';
import { reshape, tensor, transpose } from './weight-expression.ts';
import { tensorSpec } from './weight-spec.ts';
import type { WeightSpec } from './weight-spec.ts';

// Config. What DecoderConfig says of layers, heads and the MLP is the decoder's.

export interface WhisperConfig extends DecoderConfig {
  readonly melBands: number;
  /** Positions of the encoder: half the frames of a window. */
  readonly soundPositions: number;
  readonly encoderLayers: number;
  readonly encoderHeads: number;
  readonly encoderFfnDim: number;
}

const NORM_EPS = 1e-5;
const TAPS = 3;
/** The second convolution's: the frames of two positions. */
const STRIDE = 2;

function parseConfig(checkpoint: Checkpoint): WhisperConfig {
  const { name, tensors, format, architecture } = checkpoint;
  const fields = configFields(checkpoint);
  const dim = fields.requiredCount({ hf: 'd_model', gguf: 'decoder.embedding_length' });
  const heads = fields.requiredCount({ hf: 'decoder_attention_heads', gguf: 'decoder.attention.head_count' });
  const encoderHeads = fields.requiredCount({ hf: 'encoder_attention_heads', gguf: 'encoder.attention.head_count' });
  for (const count of [heads, encoderHeads])
    if (dim % count !== 0) throw new FormatError(`${name}: the width (${dim}) must be a multiple of the attention heads (${count}).`);
  const table = format === 'gguf' ? 'decoder.token_embedding.weight' : 'model.decoder.embed_tokens.weight';
  const vocabSize = tensors.get(table)?.shape[0];
  if (vocabSize === undefined) throw new FormatError(`${name}: expected tensor ${table}, found none. The file is incomplete.`);
  return {
    architecture, dim, heads, kvHeads: heads, headDim: dim / heads, vocabSize, encoderHeads,
    melBands: fields.requiredCount({ hf: 'num_mel_bins', gguf: 'encoder.mels_count' }),
    soundPositions: fields.requiredCount({ hf: 'max_source_positions', gguf: 'encoder.context_length' }),
    contextLength: fields.requiredCount({ hf: 'max_target_positions', gguf: 'decoder.context_length' }),
    layers: fields.requiredCount({ hf: 'decoder_layers', gguf: 'decoder.block_count' }, MOST_LAYERS),
    encoderLayers: fields.requiredCount({ hf: 'encoder_layers', gguf: 'encoder.block_count' }, MOST_LAYERS),
    ffnDim: fields.requiredCount({ hf: 'decoder_ffn_dim', gguf: 'decoder.feed_forward_length' }),
    encoderFfnDim: fields.requiredCount({ hf: 'encoder_ffn_dim', gguf: 'encoder.feed_forward_length' }),
    rmsEps: NORM_EPS,
    rope: { theta: 10_000, scaling: { kind: 'none' } },
    causal: true,
    tiedEmbeddings: true,
    biases: BIASES,
  };
}

function settings({ vocabSize, encoderLayers, contextLength }: WhisperConfig): FamilySettings {
  return {
    safetensors: {
      obeyed: [
        'd_model', 'num_mel_bins', 'max_source_positions', 'max_target_positions', 'encoder_layers', 'decoder_layers',
        'encoder_attention_heads', 'decoder_attention_heads', 'encoder_ffn_dim', 'decoder_ffn_dim',
      ],
      // Training, a head for classes, and what generation_config.json says again.
      harmless: [
        'mask_*', 'apply_spec_augment', 'dropout', 'activation_dropout', 'encoder_layerdrop', 'decoder_layerdrop', 'init_std',
        'classifier_proj_size', 'median_filter_width', 'forced_decoder_ids', 'alignment_heads', 'lang_to_id', 'task_to_id',
      ],
      neutral: {
        activation_function: ['gelu'], is_encoder_decoder: [true], scale_embedding: [false], use_weighted_layer_sum: [false],
        vocab_size: [vocabSize], tie_word_embeddings: [true], num_hidden_layers: [encoderLayers], max_position_embeddings: [contextLength],
      },
    },
    gguf: {
      obeyed: [
        'encoder.mels_count', 'mel_filters',
        ...['context_length', 'block_count', 'embedding_length', 'attention.head_count', 'feed_forward_length']
          .flatMap((key) => [`encoder.${key}`, `decoder.${key}`]),
      ],
      neutral: {},
    },
  };
}

// Weights.

const BIASES = ['q', 'v', 'o', 'up', 'down'];
/** What OpenAI calls the parts of attention, and transformers. */
const PARTS = {
  q: { gguf: 'query', safetensors: 'q_proj' }, k: { gguf: 'key', safetensors: 'k_proj' }, v: { gguf: 'value', safetensors: 'v_proj' },
  o: { gguf: 'out', safetensors: 'out_proj' },
} as const;

interface Names {
  readonly id: string;
  readonly gguf: string;
  readonly safetensors: string;
}

function weightAndBias({ id, gguf, safetensors }: Names, shape: readonly [number] | readonly [number, number]): readonly WeightSpec[] {
  return [
    tensorSpec(id, shape, { gguf: `${gguf}.weight`, safetensors: `${safetensors}.weight` }),
    tensorSpec(`${id}.bias`, [shape[0]], { gguf: `${gguf}.bias`, safetensors: `${safetensors}.bias` }),
  ];
}

function attentionWeights(dim: number, { id, gguf, safetensors }: Names): readonly WeightSpec[] {
  return (['q', 'k', 'v', 'o'] as const).flatMap((part): readonly WeightSpec[] => {
    const names = { id: `${id}.${part}`, gguf: `${gguf}.${PARTS[part].gguf}`, safetensors: `${safetensors}.${PARTS[part].safetensors}` };
    const both = weightAndBias(names, [dim, dim]);
    return part === 'k' ? both.slice(0, 1) : both;
  });
}

function layerWeights(dim: number, ffnDim: number, { id, gguf, safetensors }: Names): readonly WeightSpec[] {
  return [
    ...weightAndBias({ id: `${id}.norm`, gguf: `${gguf}.attn_ln`, safetensors: `${safetensors}.self_attn_layer_norm` }, [dim]),
    ...attentionWeights(dim, { id: `${id}.attn`, gguf: `${gguf}.attn`, safetensors: `${safetensors}.self_attn` }),
    ...weightAndBias({ id: `${id}.mlp_norm`, gguf: `${gguf}.mlp_ln`, safetensors: `${safetensors}.final_layer_norm` }, [dim]),
    ...weightAndBias({ id: `${id}.mlp.up`, gguf: `${gguf}.mlp.0`, safetensors: `${safetensors}.fc1` }, [ffnDim, dim]),
    ...weightAndBias({ id: `${id}.mlp.down`, gguf: `${gguf}.mlp.2`, safetensors: `${safetensors}.fc2` }, [dim, ffnDim]),
  ];
}

/** Taps come before channels in the graph, behind them in files. */
function convolutionWeights(n: number, from: number, to: number): readonly WeightSpec[] {
  const shape = [to, TAPS * from];
  const tapsFirst = (name: string) => reshape(transpose(tensor(name, [to, from, TAPS])), shape);
  return [
    { id: `encoder.conv${n}`, shape, gguf: tapsFirst(`encoder.conv${n}.weight`), safetensors: tapsFirst(`model.encoder.conv${n}.weight`) },
    tensorSpec(`encoder.conv${n}.bias`, [to], { gguf: `encoder.conv${n}.bias`, safetensors: `model.encoder.conv${n}.bias` }),
  ];
}

function weights(config: WhisperConfig): readonly WeightSpec[] {
  const { dim, melBands, ffnDim, encoderFfnDim, layers, encoderLayers, soundPositions, contextLength, vocabSize } = config;
  const table = (id: string, rows: number, gguf: string, safetensors: string) =>
    tensorSpec(id, [rows, dim], { gguf, safetensors: `model.${safetensors}` });
  const names = (side: 'encoder' | 'decoder', n: number): Names =>
    ({ id: `${side}.layers.${n}`, gguf: `${side}.blocks.${n}`, safetensors: `model.${side}.layers.${n}` });
  return [
    ...convolutionWeights(1, melBands, dim),
    ...convolutionWeights(2, dim, dim),
    table('encoder.positions', soundPositions, 'encoder.positional_embedding', 'encoder.embed_positions.weight'),
    ...Array.from({ length: encoderLayers }, (_, n) => layerWeights(dim, encoderFfnDim, names('encoder', n))).flat(),
    ...weightAndBias({ id: 'encoder.norm', gguf: 'encoder.ln_post', safetensors: 'model.encoder.layer_norm' }, [dim]),
    table('embedding', vocabSize, 'decoder.token_embedding.weight', 'decoder.embed_tokens.weight'),
    table('positions', contextLength, 'decoder.positional_embedding', 'decoder.embed_positions.weight'),
    ...Array.from({ length: layers }, (_, n) => {
      const { id, gguf, safetensors } = names('decoder', n);
      const crossNorm = { id: `${id}.cross_norm`, gguf: `${gguf}.cross_attn_ln`, safetensors: `${safetensors}.encoder_attn_layer_norm` };
      return [
        ...layerWeights(dim, ffnDim, { id, gguf, safetensors }),
        ...weightAndBias(crossNorm, [dim]),
        ...attentionWeights(dim, { id: `${id}.cross`, gguf: `${gguf}.cross_attn`, safetensors: `${safetensors}.encoder_attn` }),
      ];
    }).flat(),
    ...weightAndBias({ id: 'norm', gguf: 'decoder.ln', safetensors: 'model.decoder.layer_norm' }, [dim]),
  ];
}

// Layers. Values are [frames, dim] or [rows, dim].

function norm(g: GraphBuilder, name: string, x: Value): Value {
  const width = widthOf(x);
  return layerNorm(g, name, x, { weight: g.weight(g.path(name), [width]), bias: g.weight(g.path(`${name}.bias`), [width]), eps: NORM_EPS });
}

/** x and its norm through two products. */
function mlp(g: GraphBuilder, x: Value, ffnDim: number): Value {
  const out = widthOf(x);
  const m = norm(g, 'mlp_norm', x);
  const made = g.scope('mlp', () =>
    product(g, 'down', activation(g, 'act', 'gelu', product(g, 'up', m, { out: ffnDim, biases: BIASES })), { out, biases: BIASES }));
  return add(g, 'mlp.residual', x, made);
}

function stem(g: GraphBuilder, { melBands, dim }: WhisperConfig): Value {
  const sound = g.input(LISTENER.sound, 'f32', [LISTENER.rows, melBands]);
  const span = { taps: TAPS, before: 1 };
  const frames = g.derivedDim('frames', (sizes) => outputFrames(sizes[LISTENER.rows] as number, { ...span, after: 1 }));
  const memory = g.derivedDim(LISTENER.memory, (sizes) => outputFrames(sizes['frames'] as number, { ...span, stride: STRIDE, after: 1 }));
  const weightsOf = (name: string, from: number) =>
    ({ weight: g.weight(g.path(name), [dim, TAPS * from]), bias: g.weight(g.path(`${name}.bias`), [dim]) });
  const first = activation(g, 'act1', 'gelu', conv1d(g, 'conv1', sound, { ...span, ...weightsOf('conv1', melBands), frames }));
  return activation(g, 'act2', 'gelu', conv1d(g, 'conv2', first, { ...span, ...weightsOf('conv2', dim), stride: STRIDE, frames: memory }));
}

function encoder(g: GraphBuilder, config: WhisperConfig, memories: readonly PagedState[]): void {
  const { dim, encoderHeads: heads, encoderFfnDim, encoderLayers, soundPositions } = config;
  const width = dim / heads;
  const sizes = { heads, kvHeads: heads, keyDim: width, valueDim: width, scale: width ** -0.5 };
  const heard = g.scope('encoder', () => {
    const frames = stem(g, config);
    const positions = g.input(LISTENER.positions, 'i32', [LISTENER.memory]);
    let x = add(g, 'placed', frames, embed(g, 'embed_positions', positions, g.weight(g.path('positions'), [soundPositions, dim])));
    g.tap('hidden.0', x);
    for (let n = 0; n < encoderLayers; n++) {
      x = g.scope(`layers.${n}`, () => {
        const normed = norm(g, 'norm', x);
        const attended = g.scope('attn', () => {
          const qkv = ['q', 'k', 'v'].map((part) => product(g, part, normed, { out: dim, biases: BIASES })) as [Value, Value, Value];
          return product(g, 'o', fullAttention(g, 'attend', qkv, sizes), { out: dim, biases: BIASES });
        });
        return mlp(g, add(g, 'attn.residual', x, attended), encoderFfnDim);
      });
      g.tap(`hidden.${n + 1}`, x);
    }
    const last = norm(g, 'norm', x);
    g.output(LISTENER.encoded, last);
    return { last, positions };
  });
  // What cross attention reads is made once, where the sound is heard.
  memories.forEach((memory, n) => g.scope(`decoder.layers.${n}.cross`, () => {
    const [k, v] = ['k', 'v'].map((part) => product(g, part, heard.last, { out: dim, biases: BIASES })) as [Value, Value];
    writeMemory(g, 'write', [k, v, heard.positions], memory);
  }));
}

interface DecoderParts {
  readonly memory: PagedState;
  readonly state: PagedState;
  readonly positions: Value;
}

function decoderLayer(g: GraphBuilder, config: WhisperConfig, x: Value, { memory, state, positions }: DecoderParts): Value {
  const { dim, heads, headDim, ffnDim } = config;
  const scores = { heads, scale: headDim ** -0.5 };
  const out = { out: dim, biases: BIASES };
  const normed = norm(g, 'norm', x);
  const own = g.scope('attn', () => {
    const qkv = ['q', 'k', 'v'].map((part) => product(g, part, normed, out)) as [Value, Value, Value];
    return product(g, 'o', attention(g, 'attend', qkv, { ...scores, state, positions }), out);
  });
  const h = add(g, 'attn.residual', x, own);
  const crossNormed = norm(g, 'cross_norm', h);
  const crossed = g.scope('cross', () =>
    product(g, 'o', storedAttention(g, 'attend', product(g, 'q', crossNormed, out), { ...scores, state: memory }), out));
  return mlp(g, add(g, 'cross.residual', h, crossed), ffnDim);
}

function decoder(g: GraphBuilder, config: WhisperConfig, memories: readonly PagedState[]): void {
  const { vocabSize, dim, heads, headDim, contextLength } = config;
  const tokens = g.input(DECODER.tokens, 'i32', ['rows']);
  const positions = g.input(DECODER.positions, 'i32', ['rows']);
  const outIndices = g.input(DECODER.outIndices, 'i32', ['outRows']);
  const table = g.weight('embedding', [vocabSize, dim]);
  const placed = embed(g, 'embed_positions', positions, g.weight('positions', [contextLength, dim]));
  let x = add(g, 'placed', embed(g, 'embed', tokens, table), placed);
  g.tap('hidden.0', x);
  memories.forEach((memory, n) => {
    const state = g.pagedState({ heads, keyDim: headDim, valueDim: headDim });
    x = g.scope(`decoder.layers.${n}`, () => decoderLayer(g, config, x, { memory, state, positions }));
    g.tap(`hidden.${n + 1}`, x);
  });
  g.output(DECODER.logits, linear(g, 'output', norm(g, 'norm', gatherRows(g, 'last', x, outIndices)), table));
}

// Graphs.

function graphs(config: WhisperConfig): ModelGraphs {
  const { layers, heads, headDim } = config;
  return buildModel(config.architecture, (m) => {
    const memories = Array.from({ length: layers }, () => m.pagedState({ heads, keyDim: headDim, valueDim: headDim, memory: true }));
    m.graph(LISTENER.graph, (g) => encoder(g, config, memories));
    m.graph(DECODER.graph, (g) => decoder(g, config, memories));
  }, { decoder: DECODER, listener: LISTENER });
}

/** Keys of ggml's docs/gguf.md, and widths of MLPs, which it lacks. */
function metadata(config: WhisperConfig): GgufMetadata {
  const { dim, layers, encoderLayers, contextLength, soundPositions, heads, encoderHeads, ffnDim, encoderFfnDim, melBands } = config;
  const side = (name: string, sizes: Readonly<Record<string, number>>) =>
    Object.entries(sizes).map(([key, size]) => [`whisper.${name}.${key}`, uint32(size)] as const);
  return new Map([
    ...side('encoder', {
      context_length: soundPositions, embedding_length: dim, block_count: encoderLayers, mels_count: melBands,
      'attention.head_count': encoderHeads, feed_forward_length: encoderFfnDim,
    }),
    ...side('decoder', {
      context_length: contextLength, embedding_length: dim, block_count: layers, 'attention.head_count': heads, feed_forward_length: ffnDim,
    }),
  ]);
}

export const whisper: Architecture<WhisperConfig> = {
  gguf: 'whisper',
  safetensors: ['whisper'],
  parseConfig,
  // The norms' epsilon is one in all of them, and no file says it.
  checkSettings: (checkpoint, config) =>
    checkSettings(checkpoint, { ...decoderSettings(checkpoint, config, settings(config)), expected: undefined }),
  weights,
  skips: [{ pattern: /^proj_out\.weight$/, reason: 'the table of embeddings, again' }],
  metadata,
  graphs,
};
