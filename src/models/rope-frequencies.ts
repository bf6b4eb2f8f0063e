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
}

/**
 * Radians per position, length rotaryDim / 2: theta^(-2i / rotaryDim), scaled.
 * `divisors` are the contents of GGUF's rope_freqs.weight, which already hold the scaling; the rule is then not applied again.
 */
export function ropeFrequencies(rope: RopeConfig, rotaryDim: number, divisors?: Float32Array): Float64Array {
  return Float64Array.from({ length: rotaryDim / 2 }, (_, i) => {
    const frequency = rope.theta ** ((-2 * i) / rotaryDim);
    return divisors === undefined ? scale(frequency, rope.scaling) : frequency / (divisors[i] as number);
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
  const theta = metadataNumber(metadata, `${architecture}.rope.freq_base`, name) ?? DEFAULT_THETA;
  const type = metadataString(metadata, `${architecture}.rope.scaling.type`, name) ?? 'none';
  const factor = metadataNumber(metadata, `${architecture}.rope.scaling.factor`, name);
  if (type === 'none') return checkedRope(name, { theta, scaling: { kind: 'none' } });
  if (type === 'linear') return checkedRope(name, { theta, scaling: { kind: 'linear', factor: factor ?? 1 } });
  throw unsupported(name, type, 'none, linear (and rope_freqs.weight)');
}

/** Newer folders keep theta and scaling under rope_parameters, older ones under rope_theta and rope_scaling. */
function parseHfRope(checkpoint: Checkpoint): RopeConfig {
  const config = checkpoint.config ?? {};
  const { name } = checkpoint;
  const parameters = jsonObject(config, 'rope_parameters', name);
  const scalingObject = parameters ?? jsonObject(config, 'rope_scaling', name) ?? {};
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
      jsonNumber(object, 'original_max_position_embeddings', where) ??
      jsonNumber(config, 'max_position_embeddings', where) ??
      required('original_max_position_embeddings'),
  };
}

function checkedRope(where: string, rope: RopeConfig): RopeConfig {
  const numbers = { theta: rope.theta, ...rope.scaling };
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
