/**
 * Parakeet: speech to text. NVIDIA's NeMo; names as transformers' `parakeet_ctc`, `parakeet_rnnt` and `parakeet_tdt`. One encoder
 * (`conformer.ts`) and three heads. CTC (Graves et al. 2006) gives logits of every frame. The transducers (Graves 2012; TDT: Xu et al.
 * 2023) have a network that predicts from the tokens so far, and one that joins a frame with that: its logits say which token comes, or
 * that none does (the blank), and in TDT for how many frames.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import { buildModel } from '../graph/model-graphs.ts';
import type { ModelGraphs } from '../graph/model-graphs.ts';
import { activation } from '../graph/ops/activation.ts';
import { add } from '../graph/ops/add.ts';
import { embed } from '../graph/ops/embed.ts';
import { gatherRows } from '../graph/ops/gather-rows.ts';
import { lstm } from '../graph/ops/lstm.ts';
import type { SlotState } from '../graph/state.ts';
import type { Checkpoint, JsonValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { float32, int32s, uint32 } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import { isJsonObject } from '../tensor/json.ts';
import type { Architecture } from './architecture.ts';
import { configFields } from './config-fields.ts';
import { conformer, CONFORMER_SKIPS, conformerWeights, transformersNames } from './conformer.ts';
import type { ConformerConfig } from './conformer.ts';
import { MOST_LAYERS } from './decoder-config.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { product } from './decoder-graph.ts';
import { decoderSettings } from './decoder-settings.ts';
import type { FamilySettings } from './decoder-settings.ts';
import { checkSettings } from './setting-table.ts';
import type { SettingTable } from './setting-table.ts';
import { added, reshape, tensor } from './weight-expression.ts';
import type { WeightExpression } from './weight-expression.ts';
import type { WeightSpec } from './weight-spec.ts';

// Config. What DecoderConfig says of layers and widths is the encoder's.

export const PARAKEET_HEADS = ['parakeet_ctc', 'parakeet_rnnt', 'parakeet_tdt'] as const;
export type ParakeetHead = (typeof PARAKEET_HEADS)[number];

export function isParakeet(architecture: string): architecture is ParakeetHead {
  return (PARAKEET_HEADS as readonly string[]).includes(architecture);
}

/** What a transducer has beside the encoder. */
export interface TransducerConfig {
  /** Width of the network that predicts, and of the one that joins. */
  readonly width: number;
  /** Of the network that predicts. */
  readonly layers: number;
  /** Frames that a token may take, by the index of their logits; none in RNN-T. */
  readonly durations: readonly number[];
  /** Most tokens of one frame. */
  readonly mostSymbols: number;
}

export interface ParakeetConfig extends DecoderConfig {
  readonly encoder: ConformerConfig;
  /** The token that is none. */
  readonly blankId: number;
  /** Undefined for CTC. */
  readonly transducer: TransducerConfig | undefined;
}

const LARGEST_DURATION = 64;

/** The settings of the encoder as if they were all there is. */
function encoderCheckpoint(checkpoint: Checkpoint): Checkpoint {
  if (checkpoint.format === 'gguf') return checkpoint;
  const config = checkpoint.config?.['encoder_config'];
  if (config === undefined || !isJsonObject(config))
    throw new FormatError(`${checkpoint.name}: expected encoder_config, an object, in config.json, found ${JSON.stringify(config)}.`);
  return { ...checkpoint, name: `${checkpoint.name} (encoder_config)`, config };
}

function parseEncoder(checkpoint: Checkpoint): ConformerConfig {
  const encoder = encoderCheckpoint(checkpoint);
  const fields = configFields(encoder);
  const { config, name } = encoder;
  const dim = fields.requiredCount({ hf: 'hidden_size', gguf: 'embedding_length' });
  const heads = fields.requiredCount({ hf: 'num_attention_heads', gguf: 'attention.head_count' });
  const factor = fields.requiredCount({ hf: 'subsampling_factor', gguf: 'subsampling.factor' }, 64);
  const taps = fields.requiredCount({ hf: 'conv_kernel_size', gguf: 'convolution.taps' });
  if (dim % heads !== 0) throw new FormatError(`${name}: the width (${dim}) must be a multiple of the attention heads (${heads}).`);
  if (!Number.isInteger(Math.log2(factor)) || factor < 2)
    throw new FormatError(`${name}: subsampling_factor must be a power of 2, found ${factor}.`);
  if (taps % 2 === 0) throw new FormatError(`${name}: conv_kernel_size must be odd, found ${taps}.`);
  const isGguf = checkpoint.format === 'gguf';
  const has = (tensorName: string) => checkpoint.tensors.has(tensorName);
  // Both are true where a folder does not say it.
  const flag = (key: string, inGguf: boolean) => (isGguf ? inGguf : config?.[key] !== false);
  return {
    dim, heads, taps,
    bins: fields.requiredCount({ hf: 'num_mel_bins', gguf: 'mel_count' }),
    planes: fields.requiredCount({ hf: 'subsampling_conv_channels', gguf: 'subsampling.planes' }),
    halvings: Math.log2(factor),
    ffnDim: fields.requiredCount({ hf: 'intermediate_size', gguf: 'feed_forward_length' }),
    layers: fields.requiredCount({ hf: 'num_hidden_layers', gguf: 'block_count' }, MOST_LAYERS),
    inputScale: isGguf ? fields.requiredPositive({ hf: '', gguf: 'input_scale' }) : flag('scale_input', true) ? Math.sqrt(dim) : 1,
    biases: {
      products: flag('attention_bias', has('encoder.layers.0.attn.q.bias')),
      convolutions: flag('convolution_bias', has('encoder.layers.0.conv.up.bias')),
    },
  };
}

function parseTransducer(checkpoint: Checkpoint, head: ParakeetHead): TransducerConfig | undefined {
  if (head === 'parakeet_ctc') return undefined;
  const fields = configFields(checkpoint);
  return {
    width: fields.requiredCount({ hf: 'decoder_hidden_size', gguf: 'decoder.embedding_length' }),
    layers: fields.requiredCount({ hf: 'num_decoder_layers', gguf: 'decoder.block_count' }, MOST_LAYERS),
    durations: head === 'parakeet_tdt' ? durationsOf(checkpoint) : [],
    mostSymbols: fields.requiredCount({ hf: 'max_symbols_per_step', gguf: 'decoder.most_symbols' }),
  };
}

function durationsOf(checkpoint: Checkpoint): readonly number[] {
  const { name, format, config, metadata, architecture } = checkpoint;
  const found: JsonValue | unknown = format === 'gguf' ? metadata.get(`${architecture}.durations`) : config?.['durations'];
  const values = Array.isArray(found) || ArrayBuffer.isView(found) ? Array.from(found as ArrayLike<unknown>) : [];
  const isDuration = (value: unknown) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= LARGEST_DURATION;
  if (values.length === 0 || !values.every(isDuration))
    throw new FormatError(`${name}: durations must be frames from 0 to ${LARGEST_DURATION}, found ${JSON.stringify(found)}.`);
  return values as readonly number[];
}

function parseConfig(checkpoint: Checkpoint, head: ParakeetHead): ParakeetConfig {
  const { name, architecture } = checkpoint;
  const fields = configFields(checkpoint);
  const encoder = parseEncoder(checkpoint);
  const { dim, heads, layers, ffnDim } = encoder;
  const vocabSize = fields.requiredCount({ hf: 'vocab_size', gguf: 'vocab_size' });
  // CTC's blank is its padding. It is the last token in every model; another place would be another model.
  const blank = head === 'parakeet_ctc' ? 'pad_token_id' : 'blank_token_id';
  const blankId = fields.count({ hf: blank, gguf: 'blank_token_id' }) ?? vocabSize - 1;
  if (blankId >= vocabSize) throw new FormatError(`${name}: ${blank} must be less than vocab_size (${vocabSize}), found ${blankId}.`);
  return {
    architecture, encoder, vocabSize, blankId, dim, heads, layers, ffnDim, kvHeads: heads, headDim: dim / heads,
    transducer: parseTransducer(checkpoint, head),
    contextLength: 1, rmsEps: 1e-5, rope: { theta: 10_000, scaling: { kind: 'none' } }, causal: false, tiedEmbeddings: false, biases: [],
  };
}

/** Of a head, without what all have. */
function headSettings(head: ParakeetHead): Omit<SettingTable, 'expected'> {
  if (head === 'parakeet_ctc') return { obeyed: ['pad_token_id'], harmless: ['ctc_loss_reduction', 'ctc_zero_infinity'], neutral: {} };
  return {
    obeyed: [
      'decoder_hidden_size', 'num_decoder_layers', 'max_symbols_per_step', 'blank_token_id',
      ...(head === 'parakeet_tdt' ? ['durations'] : []),
    ],
    harmless: [], neutral: { hidden_act: ['relu'], is_encoder_decoder: [true] },
  };
}

function settings({ heads }: ParakeetConfig, head: ParakeetHead): FamilySettings {
  const inEncoder = (names: readonly string[]) => names.map((name) => `encoder_config.${name}`);
  const ofHead = headSettings(head);
  return {
    safetensors: {
      obeyed: [
        ...ofHead.obeyed,
        ...inEncoder([
          'hidden_size', 'num_hidden_layers', 'num_attention_heads', 'intermediate_size', 'attention_bias', 'convolution_bias',
          'conv_kernel_size', 'subsampling_factor', 'subsampling_conv_channels', 'num_mel_bins', 'scale_input',
        ]),
      ],
      // Training; positions are reckoned for any number of frames.
      harmless: [
        ...ofHead.harmless, 'initializer_range',
        ...inEncoder([
          'dropout', 'dropout_positions', 'activation_dropout', 'attention_dropout', 'layerdrop', 'initializer_range',
          'max_position_embeddings', 'model_type', 'dtype', 'torch_dtype', 'transformers_version', 'architectures', '_*', 'output_*',
          'return_dict', 'use_cache', 'id2label', 'label2id', 'problem_type', 'chunk_size_feed_forward', 'is_encoder_decoder',
        ]),
      ],
      neutral: {
        ...ofHead.neutral,
        'encoder_config.hidden_act': ['silu', 'swish'], 'encoder_config.num_key_value_heads': [heads],
        'encoder_config.subsampling_conv_kernel_size': [3], 'encoder_config.subsampling_conv_stride': [2],
      },
    },
    gguf: {
      obeyed: [
        'mel_count', 'subsampling.*', 'convolution.taps', 'input_scale', 'blank_token_id', 'decoder.*', 'durations',
      ],
      neutral: {},
    },
  };
}

// Weights.

const ID = { encoder: 'encoder', out: 'out', embedding: 'embedding', predicted: 'predicted', head: 'head' } as const;

function own(id: string, shape: readonly number[], stored: WeightExpression): WeightSpec {
  return { id, shape, gguf: tensor(id, shape), safetensors: stored };
}

function weightAndBias(id: string, name: string, [out, from]: readonly [number, number]): readonly WeightSpec[] {
  return [own(id, [out, from], tensor(`${name}.weight`, [out, from])), own(`${id}.bias`, [out], tensor(`${name}.bias`, [out]))];
}

function transducerWeights({ dim, vocabSize }: ParakeetConfig, { width, layers, durations }: TransducerConfig): readonly WeightSpec[] {
  const gates = 4 * width;
  const memories = Array.from({ length: layers }, (_, n) => {
    const stored = (part: string, shape: readonly number[]) => tensor(`decoder.lstm.${part}_l${n}`, shape);
    return [
      own(`memory.${n}.input`, [gates, width], stored('weight_ih', [gates, width])),
      own(`memory.${n}.input.bias`, [gates], added([stored('bias_ih', [gates]), stored('bias_hh', [gates])])),
      own(`memory.${n}`, [gates, width], stored('weight_hh', [gates, width])),
    ];
  });
  return [
    ...weightAndBias(ID.out, 'encoder_projector', [width, dim]),
    own(ID.embedding, [vocabSize, width], tensor('decoder.embedding.weight', [vocabSize, width])),
    ...memories.flat(),
    ...weightAndBias(ID.predicted, 'decoder.decoder_projector', [width, width]),
    ...weightAndBias(ID.head, 'joint.head', [vocabSize + durations.length, width]),
  ];
}

function ctcWeights({ dim, vocabSize }: ParakeetConfig): readonly WeightSpec[] {
  return [
    own(ID.head, [vocabSize, dim], reshape(tensor('ctc_head.weight', [vocabSize, dim, 1]), [vocabSize, dim])),
    own(`${ID.head}.bias`, [vocabSize], tensor('ctc_head.bias', [vocabSize])),
  ];
}

function weights(config: ParakeetConfig): readonly WeightSpec[] {
  const { encoder, transducer } = config;
  return [
    ...conformerWeights(encoder, ID.encoder, transformersNames('encoder.')),
    ...(transducer === undefined ? ctcWeights(config) : transducerWeights(config, transducer)),
  ];
}

// Graphs.

/** Names of the graphs, and of what goes in and comes out; the encoder's inputs are `conformerInputs`. */
export const PARAKEET = {
  /** To `encoded` [frames, dim], and `logits` [frames, vocab] of CTC, or `heard` [frames, width] of transducers. */
  encoder: { graph: 'encoder', encoded: 'encoded', logits: 'logits', heard: 'heard' },
  /** tokens [tokens], one for each sound, with the memories of those before them, to `predicted` [tokens, width]. */
  predictor: { graph: 'predictor', tokens: 'tokens', predicted: 'predicted' },
  /** `heard` [pairs, width], and which row of `predicted` [sounds, width] each goes with, to `logits` [pairs, vocab + durations]. */
  joint: { graph: 'joint', heard: 'heard', pairs: 'pairs', predicted: 'predicted', sounds: 'sounds', of: 'of', logits: 'logits' },
} as const;

function encode(g: GraphBuilder, { encoder, transducer, vocabSize }: ParakeetConfig): void {
  const encoded = g.scope(ID.encoder, () => conformer(g, encoder));
  const { encoded: name, logits, heard } = PARAKEET.encoder;
  g.output(name, encoded);
  if (transducer === undefined) g.output(logits, product(g, ID.head, encoded, { out: vocabSize, biases: [ID.head] }));
  else g.output(heard, product(g, ID.out, encoded, { out: transducer.width, biases: [ID.out] }));
}

function predict(g: GraphBuilder, { vocabSize }: ParakeetConfig, { width }: TransducerConfig, states: readonly SlotState[]): void {
  const { tokens: name, predicted } = PARAKEET.predictor;
  const tokens = g.input(name, 'i32', [name]);
  let x = embed(g, 'embed', tokens, g.weight(ID.embedding, [vocabSize, width]));
  states.forEach((state, n) => {
    const gates = product(g, `memory.${n}.input`, x, { out: 4 * width, biases: [`memory.${n}.input`] });
    x = lstm(g, `memory.${n}`, gates, { weight: g.weight(`memory.${n}`, [4 * width, width]), state });
  });
  g.output(predicted, product(g, ID.predicted, x, { out: width, biases: [ID.predicted] }));
}

function join(g: GraphBuilder, { vocabSize }: ParakeetConfig, { width, durations }: TransducerConfig): void {
  const names = PARAKEET.joint;
  const heard = g.input(names.heard, 'f32', [names.pairs, width]);
  const predicted = g.input(names.predicted, 'f32', [names.sounds, width]);
  const of = g.input(names.of, 'i32', [names.pairs]);
  const joined = activation(g, 'act', 'relu', add(g, 'add', heard, gatherRows(g, 'each', predicted, of)));
  g.output(names.logits, product(g, ID.head, joined, { out: vocabSize + durations.length, biases: [ID.head] }));
}

function graphs(config: ParakeetConfig): ModelGraphs {
  const { architecture, transducer } = config;
  return buildModel(architecture, (m) => {
    m.graph(PARAKEET.encoder.graph, (g) => encode(g, config));
    if (transducer === undefined) return;
    const states = Array.from({ length: transducer.layers }, () => m.slotState({ shape: [2, transducer.width], dtype: 'f32' }));
    m.graph(PARAKEET.predictor.graph, (g) => predict(g, config, transducer, states));
    m.graph(PARAKEET.joint.graph, (g) => join(g, config, transducer));
  }, {});
}

function ggufMetadata({ architecture, encoder, transducer, vocabSize, blankId }: ParakeetConfig): GgufMetadata {
  const { bins, planes, halvings, dim, heads, ffnDim, layers, taps, inputScale } = encoder;
  const of = (key: string) => `${architecture}.${key}`;
  return new Map([
    [of('block_count'), uint32(layers)], [of('embedding_length'), uint32(dim)], [of('feed_forward_length'), uint32(ffnDim)],
    [of('attention.head_count'), uint32(heads)], [of('mel_count'), uint32(bins)], [of('subsampling.planes'), uint32(planes)],
    [of('subsampling.factor'), uint32(2 ** halvings)], [of('convolution.taps'), uint32(taps)], [of('input_scale'), float32(inputScale)],
    [of('vocab_size'), uint32(vocabSize)], [of('blank_token_id'), uint32(blankId)],
    ...(transducer === undefined ? [] : transducerMetadata(of, transducer)),
  ]);
}

function transducerMetadata(of: (key: string) => string, { width, layers, mostSymbols, durations }: TransducerConfig) {
  return [
    [of('decoder.embedding_length'), uint32(width)], [of('decoder.block_count'), uint32(layers)],
    [of('decoder.most_symbols'), uint32(mostSymbols)], ...(durations.length === 0 ? [] : [[of('durations'), int32s(durations)] as const]),
  ] as const;
}

function parakeetOf(head: ParakeetHead): Architecture<ParakeetConfig> {
  return {
    gguf: head,
    safetensors: [head],
    parseConfig: (checkpoint) => parseConfig(checkpoint, head),
    // Its norms are no RMS norms, whose epsilon files of decoders say.
    checkSettings: (checkpoint, config) =>
      checkSettings(checkpoint, { ...decoderSettings(checkpoint, config, settings(config, head)), expected: undefined }),
    weights,
    skips: CONFORMER_SKIPS,
    metadata: ggufMetadata,
    graphs,
  };
}

export const PARAKEETS: readonly Architecture<ParakeetConfig>[] = PARAKEET_HEADS.map(parakeetOf);
