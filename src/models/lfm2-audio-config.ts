/** What an LFM2-Audio checkpoint says of itself. */
import type { Checkpoint, JsonObject } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { configFields, jsonNumber } from './config-fields.ts';
import { MOST_LAYERS } from './decoder-config.ts';
import type { ConformerConfig } from './conformer.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { backbonePart, objectOf, parseVocoder } from './lfm2-audio-parts.ts';
import { parseLfm2Config } from './lfm2.ts';
import type { Lfm2Config } from './lfm2.ts';

/** Codes of a frame, and of each of them the last one, which ends the sound. */
export const CODEBOOKS = 8;

/** Sizes of what makes the codes of a frame. */
export interface Lfm2AudioDepth {
  readonly layers: number;
  readonly dim: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly ffnDim: number;
  readonly rmsEps: number;
  readonly theta: number;
}

/** What {@link DecoderConfig} says is the backbone's. */
export interface Lfm2AudioConfig extends DecoderConfig {
  readonly backbone: Lfm2Config;
  /** What hears. */
  readonly ears: ConformerConfig;
  readonly depth: Lfm2AudioDepth;
  /** Behind the table of codes; its window is in every layer with attention. */
  readonly vocoder: Lfm2Config;
  /** Codes of one codebook, the end of the sound among them. */
  readonly audioVocab: number;
  /** Bins of a spectrum of the vocoder: half the window's samples and one. */
  readonly bins: number;
  /** Text tokens and frames of sound that follow each other where both are made at once. */
  readonly interleaved: { readonly text: number; readonly audio: number };
}

const THETA = 1e6;
const RMS_EPS = 1e-5;

/** Names of the tensors that sizes are told by, which no key says. */
const SHAPES = {
  codes: { safetensors: 'depth_embeddings.0.embedding.weight', gguf: 'depth.codes.0.weight' },
  headNorm: { safetensors: 'depthformer.layers.0.operator.bounded_attention.q_layernorm.weight', gguf: 'depth.blk.0.attn_q_norm.weight' },
  keys: { safetensors: 'depthformer.layers.0.operator.qkv_proj.weight', gguf: 'depth.blk.0.attn_k.weight' },
  gate: { safetensors: 'depthformer.layers.0.feed_forward.w1.weight', gguf: 'depth.blk.0.ffn_gate.weight' },
  spectrum: { safetensors: 'audio_detokenizer.lin.weight', gguf: 'vocoder.spectrum.weight' },
  planes: { safetensors: 'conformer.pre_encode.conv.0.weight', gguf: 'ears.halving.0.bias' },
} as const;

function rowsOf({ format, tensors, name }: Checkpoint, of: keyof typeof SHAPES): number {
  const wanted = SHAPES[of][format];
  const rows = tensors.get(wanted)?.shape[0];
  if (rows === undefined) throw new FormatError(`${name}: expected tensor ${wanted}, found none. The files are incomplete.`);
  return rows;
}

export function parseLfm2AudioConfig(checkpoint: Checkpoint): Lfm2AudioConfig {
  const { name } = checkpoint;
  const backbone = parseLfm2Config(backbonePart(checkpoint));
  const spectrum = rowsOf(checkpoint, 'spectrum');
  if (spectrum % 2 !== 0) throw new FormatError(`${name}: expected magnitudes and phases of as many bins, found ${spectrum} rows of both.`);
  return {
    ...backbone,
    architecture: 'lfm2-audio',
    backbone,
    ears: parseEars(checkpoint),
    depth: parseDepth(checkpoint),
    vocoder: parseVocoder(checkpoint),
    audioVocab: rowsOf(checkpoint, 'codes'),
    bins: spectrum / 2,
    interleaved: parseInterleaved(checkpoint),
  };
}

/** The settings of one object of config.json as those of a checkpoint; of a GGUF file the whole. */
function partFields(checkpoint: Checkpoint, key: string) {
  if (checkpoint.format === 'gguf') return configFields(checkpoint);
  return configFields({ ...checkpoint, config: objectOf(checkpoint.config ?? {}, key, checkpoint.name) });
}

/** Three halvings make the eighth of the frames that `subsampling_factor` says. */
function parseEars(checkpoint: Checkpoint): ConformerConfig {
  const fields = partFields(checkpoint, 'encoder');
  const dim = fields.requiredCount({ hf: 'd_model', gguf: 'ears.embedding_length' });
  const factor = fields.count({ hf: 'ff_expansion_factor', gguf: '' });
  const has = (safetensors: string, gguf: string) => checkpoint.tensors.has(checkpoint.format === 'gguf' ? gguf : safetensors);
  return {
    dim,
    bins: fields.requiredCount({ hf: 'feat_in', gguf: 'ears.bands' }),
    halvings: 3,
    inputScale: 1,
    biases: {
      products: has('conformer.layers.0.feed_forward1.linear1.bias', 'ears.layers.0.ffn1.up.bias'),
      convolutions: has('conformer.layers.0.conv.pointwise_conv1.bias', 'ears.layers.0.conv.up.bias'),
    },
    layers: fields.requiredCount({ hf: 'n_layers', gguf: 'ears.block_count' }, MOST_LAYERS),
    heads: fields.requiredCount({ hf: 'n_heads', gguf: 'ears.attention.head_count' }),
    ffnDim: factor === undefined ? fields.requiredCount({ hf: 'ff_expansion_factor', gguf: 'ears.feed_forward_length' }) : factor * dim,
    taps: fields.requiredCount({ hf: 'conv_kernel_size', gguf: 'ears.convolution_taps' }),
    planes: rowsOf(checkpoint, 'planes'),
  };
}

/** The number of heads and the width of the MLP are told by shapes alone (liquid_audio has literals). */
function parseDepth(checkpoint: Checkpoint): Lfm2AudioDepth {
  const { format, name } = checkpoint;
  const fields = partFields(checkpoint, 'depthformer');
  const dim = fields.requiredCount({ hf: 'dim', gguf: 'depth.embedding_length' });
  const headDim = rowsOf(checkpoint, 'headNorm');
  const heads = dim / headDim;
  const kvHeads = format === 'gguf' ? rowsOf(checkpoint, 'keys') / headDim : (rowsOf(checkpoint, 'keys') / headDim - heads) / 2;
  const isWhole = [heads, kvHeads, heads / kvHeads, headDim / 2].every((value) => Number.isInteger(value) && value >= 1);
  if (!isWhole)
    throw new FormatError(`${name}: expected heads that fill the depth transformer's width, found ${heads} and ${kvHeads} of ${headDim}.`);
  return {
    dim, heads, kvHeads, headDim, layers: fields.requiredCount({ hf: 'layers', gguf: 'depth.block_count' }, MOST_LAYERS),
    ffnDim: rowsOf(checkpoint, 'gate'), rmsEps: RMS_EPS, theta: THETA,
  };
}

function parseInterleaved(checkpoint: Checkpoint): Lfm2AudioConfig['interleaved'] {
  const fields = configFields(checkpoint);
  return {
    text: fields.count({ hf: 'interleaved_n_text', gguf: 'interleaved_n_text' }) ?? 6,
    audio: fields.count({ hf: 'interleaved_n_audio', gguf: 'interleaved_n_audio' }) ?? 12,
  };
}

/** What the front end computes, and no other way of it: keys of `preprocessor`. */
const PREPROCESSOR: Readonly<Record<string, readonly (number | string | boolean)[]>> = {
  sample_rate: [16_000], normalize: ['per_feature'], window_size: [0.025], window_stride: [0.01], window: ['hann'], n_fft: [512],
  log: [true], frame_splicing: [1], pad_to: [0], pad_value: [0],
};

/** Keys of `encoder` that choose a computation. */
const ENCODER: Readonly<Record<string, readonly (number | string | boolean | null)[]>> = {
  feat_out: [-1], subsampling: ['dw_striding'], subsampling_factor: [8], causal_downsampling: [false], reduction: [null],
  self_attention_model: ['rel_pos'], xscaling: [false], untie_biases: [true], conv_norm_type: ['batch_norm'], conv_context_size: [null],
};

/**
 * What of the whole, beside its language models, is as it is computed here.
 * @throws FormatError by name for a setting that is not obeyed
 */
export function checkAudioSettings({ format, config = {}, name }: Checkpoint): void {
  if (format === 'gguf') return;
  const codebooks = jsonNumber(config, 'codebooks', name);
  if (codebooks !== undefined && codebooks !== CODEBOOKS)
    throw new FormatError(`${name}: codebooks must be ${CODEBOOKS}, the codes of a frame, found ${codebooks}.`);
  checkObject(objectOf(config, 'preprocessor', name), PREPROCESSOR, `${name}: preprocessor`);
  const encoder = objectOf(config, 'encoder', name);
  checkObject(encoder, ENCODER, `${name}: encoder`);
  const context = encoder['att_context_size'];
  if (context !== undefined && JSON.stringify(context) !== '[-1,-1]')
    throw new FormatError(`${name}: encoder.att_context_size must be [-1, -1], all of the sound, found ${JSON.stringify(context)}.`);
}

function checkObject(object: JsonObject, table: Readonly<Record<string, readonly unknown[]>>, where: string): void {
  for (const [key, allowed] of Object.entries(table)) {
    const value = object[key];
    if (value === undefined || allowed.includes(value)) continue;
    throw new FormatError(`${where}.${key} must be ${JSON.stringify(allowed[0])}, found ${JSON.stringify(value)}, which is not supported.`);
  }
}
