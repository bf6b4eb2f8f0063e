/** Rotary frequencies and their scaling rules. */
import type { RopeTable } from '../graph/ops/rope.ts';
import type { Checkpoint, JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { metadataBoolean, metadataNumber, metadataString } from '../tensor/metadata.ts';
import { jsonBoolean, jsonNumber, jsonObject, shownJson } from './config-fields.ts';

/** Peng et al. 2023. */
export interface YarnScaling {
  readonly kind: 'yarn';
  readonly factor: number;
  readonly originalContextLength: number;
  readonly betaFast: number;
  readonly betaSlow: number;
  /** Whether the edges of the ramp are whole dimensions. */
  readonly truncate: boolean;
  /** Factor of what turns. */
  readonly magnitude: number;
}

/** Ding et al. 2024: divisors of their own for contexts within and beyond the original length, as Phi-3 has them. */
export interface LongRopeScaling {
  readonly kind: 'longrope';
  readonly originalContextLength: number;
  /** One for each frequency. Absent where a GGUF file has them as tensors. */
  readonly shortFactors?: readonly number[] | undefined;
  readonly longFactors?: readonly number[] | undefined;
  readonly magnitude: number;
}

/**
 * The first pairs of a head turn as they do without it, and the others not at all (Gemma 4). Unlike a rotation of a part of the head, its
 * pairs are those of the whole head: i and i + headDim / 2.
 */
export interface ProportionalScaling {
  readonly kind: 'proportional';
  /** Share of the pairs that turn. */
  readonly share: number;
  readonly factor: number;
}

export type RopeScaling =
  | { readonly kind: 'none' }
  | { readonly kind: 'linear'; readonly factor: number }
  | {
      readonly kind: 'llama3';
      readonly factor: number;
      readonly lowFreqFactor: number;
      readonly highFreqFactor: number;
      readonly originalContextLength: number;
    }
  | YarnScaling
  | LongRopeScaling
  | ProportionalScaling;

export interface RopeConfig {
  readonly theta: number;
  readonly scaling: RopeScaling;
  /** Dimensions of a head that turn, where they are not all. */
  readonly rotaryDim?: number | undefined;
  /** Multiplies queries and keys as they are rotated, beside what the scaling does; absent: 1. */
  readonly attentionFactor?: number | undefined;
}

export interface RopeTableOptions {
  readonly id: string;
  readonly headDim: number;
  /** Most positions of a sequence: which of LongRoPE's two sets of factors holds, for all of its positions. */
  readonly contextLength: number;
  /** Contents of GGUF's rope_freqs.weight; linear scaling comes on top of them, as in llama.cpp. */
  readonly divisors?: Float32Array | undefined;
}

/** The table that all layers of one rotation share. */
export function ropeTable(rope: RopeConfig, { id, headDim, contextLength, divisors }: RopeTableOptions): RopeTable {
  const { scaling, rotaryDim = headDim, attentionFactor = 1 } = rope;
  const magnitude = attentionFactor * ('magnitude' in scaling ? scaling.magnitude : 1);
  const frequencies = ropeFrequencies(rope, rotaryDim, contextLength).map((frequency, i) => frequency / (divisors?.[i] ?? 1));
  return { id, frequencies, ...(magnitude === 1 ? {} : { magnitude }) };
}

/** Radians per position, length rotaryDim / 2: theta^(-2i / rotaryDim), scaled. */
export function ropeFrequencies({ theta, scaling }: RopeConfig, rotaryDim: number, contextLength: number): Float64Array {
  const plain = Float64Array.from({ length: rotaryDim / 2 }, (_, i) => theta ** ((-2 * i) / rotaryDim));
  switch (scaling.kind) {
    case 'none':
      return plain;
    case 'linear':
      return plain.map((frequency) => frequency / scaling.factor);
    case 'llama3':
      return plain.map((frequency) => scaleLlama3(frequency, scaling));
    case 'yarn':
      return scaleYarn(plain, theta, scaling);
    case 'proportional': {
      const turning = Math.trunc(scaling.share * plain.length);
      return plain.map((frequency, i) => (i < turning ? frequency / scaling.factor : 0));
    }
    case 'longrope': {
      const factors = contextLength > scaling.originalContextLength ? scaling.longFactors : scaling.shortFactors;
      return plain.map((frequency, i) => frequency / (factors?.[i] ?? 1));
    }
    default:
      throw new Error(`rope scaling without a rule: ${JSON.stringify(scaling satisfies never)}`);
  }
}

/** What a GGUF file of Llama calls the tensor of llama3's scaling. */
export const ROPE_DIVISORS = 'rope_freqs.weight';

/** What plain frequencies are divided by to be the scaled ones, f32 [headDim / 2]. */
export function ropeDivisors(rope: RopeConfig, headDim: number): Float32Array {
  const scaled = ropeFrequencies(rope, headDim, 0);
  return Float32Array.from(ropeFrequencies({ ...rope, scaling: { kind: 'none' } }, headDim, 0), (plain, i) => plain / scaled[i]!);
}

/** The ends of the spectrum are kept or stretched by `factor`, and a ramp over the dimensions leads from one to the other. */
function scaleYarn(plain: Float64Array, theta: number, scaling: YarnScaling): Float64Array {
  const { factor, originalContextLength, betaFast, betaSlow, truncate } = scaling;
  const width = plain.length * 2;
  const edge = (turns: number) => (width * Math.log(originalContextLength / (2 * Math.PI * turns))) / (2 * Math.log(theta));
  const [from, to] = [edge(betaFast), edge(betaSlow)];
  const low = Math.max(truncate ? Math.floor(from) : from, 0);
  const high = Math.min(truncate ? Math.ceil(to) : to, width - 1);
  const length = high === low ? 0.001 : high - low;
  return plain.map((frequency, i) => {
    const ramp = Math.min(1, Math.max(0, (i - low) / length));
    return (ramp * frequency) / factor + (1 - ramp) * frequency;
  });
}

/** YaRN's factor of what turns, at `scale` times its usual strength. */
export function yarnMagnitude(factor: number, scale = 1): number {
  return factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1;
}

/** Llama 3.1's rule: long wavelengths are stretched by `factor`, short ones kept, those between blended. */
function scaleLlama3(frequency: number, scaling: RopeScaling & { kind: 'llama3' }): number {
  const { factor, lowFreqFactor, highFreqFactor, originalContextLength } = scaling;
  const wavelength = (2 * Math.PI) / frequency;
  if (wavelength > originalContextLength / lowFreqFactor) return frequency / factor;
  if (wavelength < originalContextLength / highFreqFactor) return frequency;
  const smooth = (originalContextLength / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}

/** What llama.cpp takes where a file names no base, and transformers for most families. */
const DEFAULT_THETA = 10_000;

export interface RopeOptions {
  readonly headDim: number;
  /** Where config.json names no base. Default 10,000, which is also that of every GGUF file that names none. */
  readonly defaultTheta?: number | undefined;
  /** The object of `rope_parameters` that newer folders have for each type of layer: `full_attention`. */
  readonly layerType?: string | undefined;
  /** True: config.json may name a part of each head (`partial_rotary_factor`). */
  readonly isPartial?: boolean | undefined;
}

export function parseRope(checkpoint: Checkpoint, options: RopeOptions): RopeConfig {
  const rope = checkpoint.format === 'gguf' ? parseGgufRope(checkpoint, options) : parseHfRope(checkpoint, options);
  return checkedRope(checkpoint.name, rope, options.headDim);
}

function parseGgufRope(checkpoint: Checkpoint, { headDim }: RopeOptions): RopeConfig {
  const { metadata, architecture, name } = checkpoint;
  const key = (own: string) => `${architecture}.rope.${own}`;
  const number = (own: string) => metadataNumber(metadata, key(own), name);
  // Without a type a factor is linear, and files of 2023 have it as scale_linear; 0 stands for none.
  const type = metadataString(metadata, key('scaling.type'), name) ?? 'linear';
  const theta = number('freq_base') ?? DEFAULT_THETA;
  const rotaryDim = number('dimension_count');
  const attentionFactor = number('scaling.attn_factor') ?? 1;
  const rest = {
    ...(rotaryDim === undefined || rotaryDim === headDim ? {} : { rotaryDim }),
    ...(attentionFactor === 1 ? {} : { attentionFactor }),
  };
  if (type === 'yarn') return { theta, scaling: ggufYarn(checkpoint, number), ...rest };
  if (type !== 'none' && type !== 'linear' && type !== 'longrope')
    throw unsupported(name, type, 'none, linear, yarn, longrope (and rope_freqs.weight)');
  const original = number('scaling.original_context_length');
  const hasFactors = checkpoint.tensors.has('rope_factors_long.weight');
  if (type === 'longrope' || hasFactors) {
    if (original === undefined || !hasFactors)
      throw new FormatError(`${name}: longrope needs ${key('scaling.original_context_length')} and the tensor rope_factors_long.weight.`);
    return { theta, scaling: { kind: 'longrope', originalContextLength: original, magnitude: 1 }, ...rest };
  }
  const factor = (type === 'linear' ? (number('scaling.factor') ?? number('scale_linear')) : undefined) ?? 0;
  return { theta, scaling: factor === 0 || factor === 1 ? { kind: 'none' } : { kind: 'linear', factor }, ...rest };
}

/** The factor on what turns is llama.cpp's: reckoned anew from `yarn_log_multiplier`, whatever `yarn_attn_factor` says. */
function ggufYarn({ metadata, architecture, name }: Checkpoint, number: (own: string) => number | undefined): YarnScaling {
  const required = (own: string): number => {
    const value = number(own);
    if (value === undefined) throw new FormatError(`${name}: rope scaling yarn needs ${architecture}.rope.${own}, found nothing.`);
    return value;
  };
  const factor = required('scaling.factor');
  const strength = number('scaling.yarn_log_multiplier') ?? 0;
  return {
    kind: 'yarn',
    factor,
    originalContextLength: required('scaling.original_context_length'),
    betaFast: number('scaling.yarn_beta_fast') ?? 32,
    betaSlow: number('scaling.yarn_beta_slow') ?? 1,
    truncate: metadataBoolean(metadata, `${architecture}.rope.scaling.truncate`, name) ?? true,
    magnitude: yarnMagnitude(factor) / (strength === 0 ? 1 : yarnMagnitude(factor, strength)),
  };
}

/** Newer folders keep theta and scaling under rope_parameters, older ones under rope_theta and rope_scaling. */
function parseHfRope(checkpoint: Checkpoint, options: RopeOptions): RopeConfig {
  const { headDim, layerType, isPartial = false, defaultTheta = DEFAULT_THETA } = options;
  const config = checkpoint.config ?? {};
  const { name } = checkpoint;
  const older = jsonObject(config, 'rope_scaling', name);
  // transformers takes the older form where it says anything.
  const all = (older && Object.keys(older).length > 0 ? older : jsonObject(config, 'rope_parameters', name)) ?? {};
  const object = (layerType === undefined ? undefined : jsonObject(all, layerType, name)) ?? all;
  const theta = jsonNumber(object, 'rope_theta', name) ?? jsonNumber(config, 'rope_theta', name) ?? defaultTheta;
  const share = jsonNumber(object, 'partial_rotary_factor', name) ?? jsonNumber(config, 'partial_rotary_factor', name) ?? 1;
  const rotaryDim = isPartial ? Math.trunc(headDim * share) : headDim;
  return { theta, scaling: parseHfScaling(object, config, name), ...(rotaryDim === headDim ? {} : { rotaryDim }) };
}

function parseHfScaling(object: JsonObject, config: JsonObject, where: string): RopeScaling {
  const kind = object['rope_type'] ?? object['type'] ?? 'default';
  const required = (key: string): number => {
    const value = jsonNumber(object, key, where);
    if (value === undefined) throw new FormatError(`${where}: rope scaling ${String(kind)} needs ${key}, found nothing.`);
    return value;
  };
  const originalContextLength = () =>
    jsonNumber(config, 'original_max_position_embeddings', where) ??
    jsonNumber(object, 'original_max_position_embeddings', where) ??
    jsonNumber(config, 'max_position_embeddings', where) ??
    required('original_max_position_embeddings');
  switch (kind) {
    case 'default':
      return { kind: 'none' };
    case 'linear':
      return { kind: 'linear', factor: required('factor') };
    case 'llama3':
      return {
        kind: 'llama3', factor: required('factor'), lowFreqFactor: required('low_freq_factor'),
        highFreqFactor: required('high_freq_factor'), originalContextLength: originalContextLength(),
      };
    case 'yarn':
      // The first long Phi-3 have LongRoPE's factors under this name.
      if (object['short_factor'] !== undefined)
        return hfLongRope(object, config, { where, originalContextLength: originalContextLength() });
      return hfYarn(object, config, { where, originalContextLength: originalContextLength() });
    case 'longrope':
    case 'su':
      return hfLongRope(object, config, { where, originalContextLength: originalContextLength() });
    default:
      throw unsupported(where, kind, 'default, linear, llama3, yarn, longrope');
  }
}

interface ScalingPlace {
  readonly where: string;
  readonly originalContextLength: number;
}

function hfYarn(object: JsonObject, config: JsonObject, { where, originalContextLength }: ScalingPlace): YarnScaling {
  const number = (key: string) => jsonNumber(object, key, where);
  const most = jsonNumber(config, 'max_position_embeddings', where) ?? originalContextLength;
  const factor = number('factor') ?? most / originalContextLength;
  const [scale, scaleOfAll] = [number('mscale') || 0, number('mscale_all_dim') || 0];
  const usual = scale !== 0 && scaleOfAll !== 0 ? yarnMagnitude(factor, scale) / yarnMagnitude(factor, scaleOfAll) : yarnMagnitude(factor);
  return {
    kind: 'yarn', factor, originalContextLength,
    betaFast: number('beta_fast') ?? 32,
    betaSlow: number('beta_slow') ?? 1,
    truncate: jsonBoolean(object, 'truncate', where) ?? true,
    magnitude: number('attention_factor') ?? usual,
  };
}

function hfLongRope(object: JsonObject, config: JsonObject, { where, originalContextLength }: ScalingPlace): LongRopeScaling {
  const factors = (key: string): readonly number[] => {
    const values = object[key];
    if (Array.isArray(values) && values.every((value) => typeof value === 'number' && Number.isFinite(value) && value > 0))
      return values as number[];
    throw new FormatError(`${where}: rope scaling longrope needs ${key}, an array of numbers above 0, found ${shownJson(values)}.`);
  };
  const most = jsonNumber(config, 'max_position_embeddings', where) ?? originalContextLength;
  const stretch = jsonNumber(object, 'factor', where) ?? most / originalContextLength;
  if (!(stretch > 0)) throw new FormatError(`${where}: rope factor must be a number above 0, found ${stretch}.`);
  const usual = stretch <= 1 ? 1 : Math.sqrt(1 + Math.log(stretch) / Math.log(originalContextLength));
  return {
    kind: 'longrope', originalContextLength, shortFactors: factors('short_factor'), longFactors: factors('long_factor'),
    magnitude: jsonNumber(object, 'attention_factor', where) ?? usual,
  };
}

/** What folders and GGUF files call the numbers of a rotation. */
const NUMBER_NAMES: Readonly<Record<string, string>> = {
  attentionFactor: 'attn_factor', magnitude: 'attention_factor',
  originalContextLength: 'original_max_position_embeddings', betaFast: 'beta_fast', betaSlow: 'beta_slow',
  lowFreqFactor: 'low_freq_factor', highFreqFactor: 'high_freq_factor', share: 'partial_rotary_factor',
};

/** @throws FormatError for numbers that give no rotation of heads of `headDim` */
export function checkedRope(where: string, rope: RopeConfig, headDim: number): RopeConfig {
  const { scaling, rotaryDim = headDim } = rope;
  const original = 'originalContextLength' in scaling ? scaling.originalContextLength : undefined;
  if (original !== undefined && !(Number.isSafeInteger(original) && original >= 2))
    throw new FormatError(`${where}: rope ${NUMBER_NAMES['originalContextLength']} must be an integer of at least 2, found ${original}.`);
  for (const [key, value] of Object.entries({ theta: rope.theta, attentionFactor: rope.attentionFactor, ...scaling })) {
    if (typeof value === 'number' && !(Number.isFinite(value) && value > 0))
      throw new FormatError(`${where}: rope ${NUMBER_NAMES[key] ?? key} must be a number above 0, found ${value}.`);
  }
  // A head of no whole or of an odd width is told of by who knows all widths.
  if (!Number.isInteger(headDim) || (rotaryDim === headDim && headDim % 2 !== 0)) return rope;
  if (!(Number.isInteger(rotaryDim) && rotaryDim % 2 === 0 && rotaryDim >= 2 && rotaryDim <= headDim)) {
    throw new FormatError(
      `${where}: the rotary dimension must be an even integer from 2 to the head dimension ${headDim}, found ${rotaryDim} ` +
        '(partial_rotary_factor times the head dimension in config.json, rope.dimension_count in GGUF).',
    );
  }
  for (const factors of scaling.kind === 'longrope' ? [scaling.shortFactors, scaling.longFactors] : [])
    if (factors !== undefined && factors.length !== rotaryDim / 2)
      throw new FormatError(`${where}: longrope must have ${rotaryDim / 2} factors, one a frequency, found ${factors.length}.`);
  for (const contextLength of [1, Infinity]) {
    const bad = ropeFrequencies(rope, rotaryDim, contextLength).find((frequency) => !Number.isFinite(frequency));
    if (bad !== undefined)
      throw new FormatError(`${where}: rope theta ${rope.theta} with scaling ${scaling.kind} must give finite frequencies, found ${bad}.`);
  }
  return rope;
}

function unsupported(where: string, found: JsonValue, known: string): FormatError {
  return new FormatError(`${where}: rope scaling of type ${shownJson(found)} is not supported; supported: ${known}.`);
}
