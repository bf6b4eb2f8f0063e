/** Rotations of models whose layers with windows turn otherwise than those that see all (Gemma 3, OLMo 3). */
import type { RopeTable } from '../graph/ops/rope.ts';
import type { Checkpoint, JsonObject } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { metadataNumber } from '../tensor/metadata.ts';
import { jsonObject } from './config-fields.ts';
import { ropeKeys } from './decoder-settings.ts';
import { checkedRope, parseRope, ropeTable } from './rope-frequencies.ts';
import type { RopeConfig } from './rope-frequencies.ts';

/** What config.json says of both, in the newer form. */
export function layerTypeKeys({ rope, slidingRope }: LayerTypeRopes): readonly string[] {
  return [...ropeKeys('rope_parameters.full_attention', rope), ...ropeKeys('rope_parameters.sliding_attention', slidingRope)];
}

/** What a config has of both: a layer's type is whether it has a window. */
export interface LayerTypeRopes {
  /** Of layers that see all. */
  readonly rope: RopeConfig;
  /** Of layers with a window. */
  readonly slidingRope: RopeConfig;
}

export interface LayerTypeTables {
  readonly full: RopeTable;
  readonly sliding: RopeTable;
}

export function layerTypeTables(
  { rope, slidingRope, headDim }: LayerTypeRopes & { readonly headDim: number },
  contextLength: number,
): LayerTypeTables {
  return {
    full: ropeTable(rope, { id: 'rope', headDim, contextLength }),
    sliding: ropeTable(slidingRope, { id: 'sliding_rope', headDim, contextLength }),
  };
}

export interface LayerTypeRopeOptions {
  readonly headDim: number;
  /** Base of the layers that see all, where config.json names none; a GGUF file's is llama.cpp's 10,000. */
  readonly fullTheta: number;
  /** Base of the others, where config.json names none. */
  readonly slidingTheta: number;
  /** Key of older folders for the base of the others. */
  readonly slidingKey?: string | undefined;
  /** Base of the others, where a GGUF file has no `rope.freq_base_swa`. Default: that of the layers that see all. */
  readonly ggufSlidingTheta?: number | undefined;
}

const TYPES = ['full_attention', 'sliding_attention'];

/**
 * Newer folders have an object of `rope_parameters` for each type of layer. Older ones, and GGUF files, have a scaling for the layers that
 * see all, which the others go without.
 * @throws FormatError for a `rope_parameters` that is not of layer types, and where nothing says of which type a layer is
 */
export function parseLayerTypeRopes(checkpoint: Checkpoint, options: LayerTypeRopeOptions): LayerTypeRopes {
  const { headDim, fullTheta, slidingTheta, slidingKey, ggufSlidingTheta } = options;
  const { format, name, architecture, metadata, config = {} } = checkpoint;
  if (format === 'gguf') {
    const rope = parseRope(checkpoint, { headDim });
    const said = metadataNumber(metadata, `${architecture}.rope.freq_base_swa`, name) ?? 0;
    const theta = said === 0 ? (ggufSlidingTheta ?? rope.theta) : said;
    const { rotaryDim } = rope;
    const slidingRope: RopeConfig = { theta, scaling: { kind: 'none' }, ...(rotaryDim === undefined ? {} : { rotaryDim }) };
    return { rope, slidingRope: checkedRope(name, slidingRope, headDim) };
  }
  if (config['sliding_window'] === null && (config['layer_types'] ?? null) === null)
    throw new FormatError(`${name}: sliding_window of ${architecture} must be a number where no layer_types says that all layers see all.`);
  const byType = jsonObject(config, 'rope_parameters', name) ?? {};
  const stray = Object.keys(byType).find((key) => !TYPES.includes(key));
  if (stray !== undefined)
    throw new FormatError(`${name}: rope_parameters of ${architecture} must hold ${TYPES.join(' and ')}, found ${stray.slice(0, 80)}.`);
  const older = jsonObject(config, 'rope_scaling', name);
  const parse = (rope: JsonObject, theta: JsonObject[string], defaultTheta: number) => {
    const view = { ...config, rope_scaling: null, rope_parameters: rope, rope_theta: theta };
    return parseRope({ ...checkpoint, config: view }, { headDim, defaultTheta });
  };
  return {
    rope: parse({ ...jsonObject(byType, 'full_attention', name), ...older }, config['rope_theta'], fullTheta),
    slidingRope: parse(
      jsonObject(byType, 'sliding_attention', name) ?? {}, slidingKey === undefined ? undefined : config[slidingKey], slidingTheta,
    ),
  };
}
