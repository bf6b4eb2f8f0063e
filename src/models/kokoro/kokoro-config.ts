/** Settings of a Kokoro model: config.json of hexgrad/Kokoro-82M, and what only the shapes of its tensors say. */
import type { Checkpoint, JsonObject, JsonValue } from '../../tensor/checkpoint.ts';
import { FormatError } from '../../tensor/errors.ts';
import { jsonBoolean, jsonNumber, jsonObject, shownJson } from '../config-fields.ts';
import { checkSettings } from '../setting-table.ts';

export interface KokoroConfig {
  /** Phonemes and what each is called by: one character of an input, one number. */
  readonly vocab: ReadonlyMap<string, number>;
  readonly vocabSize: number;
  readonly hidden: number;
  /** Values of each of the two styles of a voice. */
  readonly style: number;
  /** Layers of the duration encoder, and of the text encoder. */
  readonly layers: number;
  readonly textTaps: number;
  /** Numbers that are added up to a duration, in frames. */
  readonly mostDuration: number;
  readonly bert: BertSizes;
  readonly decoderWidth: number;
  /** What is left of the text beside what the decoder makes of it. */
  readonly residualWidth: number;
  readonly generator: GeneratorSizes;
  readonly warnings: readonly string[];
}

export interface BertSizes {
  readonly embedding: number;
  readonly hidden: number;
  readonly heads: number;
  readonly inner: number;
  readonly positions: number;
  readonly layers: number;
}

export interface GeneratorSizes {
  /** Channels of what it is given; each stage halves them. */
  readonly channels: number;
  readonly stages: readonly { readonly rate: number; readonly taps: number }[];
  readonly blocks: readonly { readonly taps: number; readonly dilations: readonly number[] }[];
  readonly fftSize: number;
  readonly hop: number;
  /** Sines of the source: the pitch and its multiples. */
  readonly harmonics: number;
}

/** Samples a second; the model has no setting for it. */
export const KOKORO_RATE = 24_000;

/** @throws FormatError for settings that are missing, wrong, or of a model that is not supported */
export function parseKokoroConfig(checkpoint: Checkpoint): KokoroConfig {
  const { name } = checkpoint;
  const config = checkpoint.config ?? {};
  const count = (of: JsonObject, key: string, where = name) => requiredCount(of, key, where);
  const inner = (key: string) => required(jsonObject(config, key, name), `${name}: config.json has no ${key}`);
  const [bert, net] = [inner('plbert'), inner('istftnet')];
  if (jsonBoolean(config, 'multispeaker', name) === false)
    throw new FormatError(`${name}: multispeaker must be true, found false: a model of one speaker is not supported.`);
  const shapeOf = (tensor: string, axis: number) => {
    const size = checkpoint.tensors.get(tensor)?.shape[axis];
    return required(size, `${name}: expected tensor ${tensor} among the weights`);
  };
  return {
    vocab: vocabOf(inner('vocab'), count(config, 'n_token'), name),
    vocabSize: count(config, 'n_token'),
    hidden: count(config, 'hidden_dim'),
    style: count(config, 'style_dim'),
    layers: count(config, 'n_layer'),
    textTaps: count(config, 'text_encoder_kernel_size'),
    mostDuration: count(config, 'max_dur'),
    bert: {
      embedding: shapeOf('bert.embeddings.word_embeddings.weight', 1),
      hidden: count(bert, 'hidden_size', `${name}: plbert`),
      heads: count(bert, 'num_attention_heads', `${name}: plbert`),
      inner: count(bert, 'intermediate_size', `${name}: plbert`),
      positions: count(bert, 'max_position_embeddings', `${name}: plbert`),
      layers: count(bert, 'num_hidden_layers', `${name}: plbert`),
    },
    decoderWidth: shapeOf('decoder.encode.conv1.bias', 0),
    residualWidth: shapeOf('decoder.asr_res.0.bias', 0),
    generator: generatorOf(net, `${name}: istftnet`, shapeOf('decoder.generator.m_source.l_linear.weight', 1)),
    warnings: checkSettings(checkpoint, {
      obeyed: [
        'vocab', 'n_token', 'hidden_dim', 'style_dim', 'n_layer', 'text_encoder_kernel_size', 'max_dur', 'plbert', 'istftnet',
        'multispeaker',
      ],
      harmless: ['dropout', 'max_conv_dim', 'n_mels', 'dim_in', 'model_type', 'architectures'],
      neutral: {},
    }),
  };
}

function generatorOf(net: JsonObject, where: string, harmonics: number): GeneratorSizes {
  const rates = counts(net, 'upsample_rates', where);
  const taps = counts(net, 'upsample_kernel_sizes', where);
  const kernels = counts(net, 'resblock_kernel_sizes', where);
  const dilations = required(listOf(net['resblock_dilation_sizes']), `${where}: expected lists of resblock_dilation_sizes`);
  if (rates.length !== 2 || taps.length !== 2)
    throw new FormatError(
      `${where}: expected two stages (upsample_rates, upsample_kernel_sizes), found ${rates.length} and ${taps.length}.`,
    );
  if (dilations.length !== kernels.length)
    throw new FormatError(`${where}: expected resblock_dilation_sizes for ${kernels.length} kernels, found ${dilations.length}.`);
  const stages = rates.map((rate, i) => ({ rate, taps: taps[i] as number }));
  const uneven = stages.find((stage) => stage.taps < stage.rate || (stage.taps - stage.rate) % 2 !== 0);
  if (uneven !== undefined)
    throw new FormatError(`${where}: a kernel must reach as far before as behind, found ${uneven.taps} taps at rate ${uneven.rate}.`);
  return {
    channels: requiredCount(net, 'upsample_initial_channel', where),
    stages,
    blocks: kernels.map((each, i) => ({ taps: each, dilations: counts({ it: dilations[i] as JsonValue }, 'it', where) })),
    fftSize: requiredCount(net, 'gen_istft_n_fft', where),
    hop: requiredCount(net, 'gen_istft_hop_size', where),
    harmonics,
  };
}

function vocabOf(vocab: JsonObject, size: number, name: string): ReadonlyMap<string, number> {
  const symbols = new Map<string, number>();
  for (const [symbol, id] of Object.entries(vocab)) {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 1 || id >= size)
      throw new FormatError(`${name}: vocab must have numbers from 1 to ${size - 1}, found ${shownJson(id)} of ${JSON.stringify(symbol)}.`);
    symbols.set(symbol, id);
  }
  if (symbols.size === 0) throw new FormatError(`${name}: vocab has no phonemes.`);
  return symbols;
}

function listOf(value: JsonValue | undefined): readonly JsonValue[] | undefined {
  return Array.isArray(value) ? (value as readonly JsonValue[]) : undefined;
}

const MOST = 2 ** 16;

function requiredCount(of: JsonObject, key: string, where: string): number {
  const value = jsonNumber(of, key, where);
  if (value === undefined || !Number.isInteger(value) || value < 1 || value > MOST)
    throw new FormatError(`${where}: ${key} must be an integer from 1 to ${MOST}, found ${value ?? 'nothing'}.`);
  return value;
}

function counts(of: JsonObject, key: string, where: string): readonly number[] {
  const list = listOf(of[key]);
  const isSize = (each: JsonValue) => typeof each === 'number' && Number.isInteger(each) && each >= 1 && each <= MOST;
  if (list === undefined || list.length === 0 || !list.every(isSize))
    throw new FormatError(`${where}: ${key} must be a list of integers from 1 to ${MOST}, found ${shownJson(of[key])}.`);
  return list as readonly number[];
}

function required<Value>(value: Value | undefined, what: string): Value {
  if (value === undefined) throw new FormatError(`${what}. The folder is incomplete, or of another model: expected that of Kokoro-82M.`);
  return value;
}

