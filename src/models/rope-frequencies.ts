/** Rotary frequencies and their scaling rules. */
import type { Checkpoint, JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { metadataNumber, metadataString } from '../tensor/metadata.ts';
import { jsonNumber, jsonObject, shownJson } from './config-fields.ts';

export type RopeScaling =
  | { readonly kind: 'none' }
  | { readonly kind: 'linear'; readonly factor: number }
  | {
      readonly kind: 'llama3';
      readonly factor: number;
      readonly lowFreqFactor: number;
      readonly highFreqFactor: number;
      readonly originalContextLength: number;
    };

export interface RopeConfig {
  readonly theta: number;
  readonly scaling: RopeScaling;
  /** Multiplies queries and keys as they are rotated; absent: 1. */
  readonly attentionFactor?: number | undefined;
}

/**
 * Radians per position, length rotaryDim / 2: theta^(-2i / rotaryDim), scaled.
 * `divisors` are the contents of GGUF's rope_freqs.weight, which hold llama3's scaling; linear scaling comes on top of them, as in
 * llama.cpp.
 */
export function ropeFrequencies(rope: RopeConfig, rotaryDim: number, divisors?: Float32Array): Float64Array {
  return Float64Array.from({ length: rotaryDim / 2 }, (_, i) => {
    return scale(rope.theta ** ((-2 * i) / rotaryDim), rope.scaling) / (divisors?.[i] ?? 1);
  });
}

function scale(frequency: number, scaling: RopeScaling): number {
  switch (scaling.kind) {
    case 'none':
      return frequency;
    case 'linear':
      return frequency / scaling.factor;
    case 'llama3':
      return scaleLlama3(frequency, scaling);
    default:
      throw new Error(`rope scaling without a rule: ${JSON.stringify(scaling satisfies never)}`);
  }
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

/** What transformers and llama.cpp take where a file names no base. */
const DEFAULT_THETA = 10_000;

export function parseRope(checkpoint: Checkpoint): RopeConfig {
  return checkpoint.format === 'gguf' ? parseGgufRope(checkpoint) : parseHfRope(checkpoint);
}

function parseGgufRope(checkpoint: Checkpoint): RopeConfig {
  const { metadata, architecture, name } = checkpoint;
  const key = (own: string) => `${architecture}.rope.${own}`;
  const number = (own: string) => metadataNumber(metadata, key(own), name);
  // Without a type a factor is linear, and files of 2023 have it as scale_linear; 0 stands for none.
  const type = metadataString(metadata, key('scaling.type'), name) ?? 'linear';
  if (type !== 'none' && type !== 'linear') throw unsupported(name, type, 'none, linear (and rope_freqs.weight)');
  const factor = (type === 'linear' ? (number('scaling.factor') ?? number('scale_linear')) : undefined) || 1;
  const attentionFactor = number('scaling.attn_factor') ?? 1;
  return checkedRope(name, {
    theta: number('freq_base') ?? DEFAULT_THETA,
    scaling: factor === 1 ? { kind: 'none' } : { kind: 'linear', factor },
    ...(attentionFactor === 1 ? {} : { attentionFactor }),
  });
}

/** Newer folders keep theta and scaling under rope_parameters, older ones under rope_theta and rope_scaling. */
function parseHfRope(checkpoint: Checkpoint): RopeConfig {
  const config = checkpoint.config ?? {};
  const { name } = checkpoint;
  const older = jsonObject(config, 'rope_scaling', name);
  // transformers takes the older form where it says anything.
  const scalingObject = (older && Object.keys(older).length > 0 ? older : jsonObject(config, 'rope_parameters', name)) ?? {};
  const theta = jsonNumber(scalingObject, 'rope_theta', name) ?? jsonNumber(config, 'rope_theta', name) ?? DEFAULT_THETA;
  return checkedRope(name, { theta, scaling: parseHfScaling(scalingObject, config, name) });
}

function parseHfScaling(object: JsonObject, config: JsonObject, where: string): RopeScaling {
  const kind = object['rope_type'] ?? object['type'] ?? 'default';
  const required = (key: string): number => {
    const value = jsonNumber(object, key, where);
    if (value === undefined) throw new FormatError(`${where}: rope scaling ${String(kind)} needs ${key}, found nothing.`);
    return value;
  };
  if (kind === 'default') return { kind: 'none' };
  if (kind === 'linear') return { kind: 'linear', factor: required('factor') };
  if (kind !== 'llama3') throw unsupported(where, kind, 'default, linear, llama3');
  return {
    kind: 'llama3',
    factor: required('factor'),
    lowFreqFactor: required('low_freq_factor'),
    highFreqFactor: required('high_freq_factor'),
    originalContextLength:
      jsonNumber(config, 'original_max_position_embeddings', where) ??
      jsonNumber(object, 'original_max_position_embeddings', where) ??
      jsonNumber(config, 'max_position_embeddings', where) ??
      required('original_max_position_embeddings'),
  };
}

function checkedRope(where: string, rope: RopeConfig): RopeConfig {
  const numbers = { theta: rope.theta, attention_factor: rope.attentionFactor, ...rope.scaling };
  for (const [key, value] of Object.entries(numbers)) {
    if (typeof value === 'number' && !(Number.isFinite(value) && value > 0)) {
      throw new FormatError(`${where}: rope ${key} must be a number above 0, found ${value}.`);
    }
  }
  return rope;
}

function unsupported(where: string, found: JsonValue, known: string): FormatError {
  return new FormatError(`${where}: rope scaling of type ${shownJson(found)} is not supported; supported: ${known}.`);
}
