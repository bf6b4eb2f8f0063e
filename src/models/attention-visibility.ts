/** Which positions attention sees, as config.json and GGUF metadata say it: causality and sliding windows. */
import type { Checkpoint, JsonObject, MetadataValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { metadataBoolean, metadataNumber } from '../tensor/metadata.ts';
import { jsonBoolean, jsonNumber, shownJson } from './config-fields.ts';

export interface AttentionWindow {
  /** A row at position p sees the positions above p - size. */
  readonly size: number;
  /** Which layers have the window; the others see all. */
  readonly layers: readonly boolean[];
}

export interface AttentionVisibility {
  /** False: every token of a prompt sees all of it. */
  readonly causal: boolean;
  readonly window?: AttentionWindow | undefined;
}

/** What transformers takes where a config.json that asks for windows leaves their numbers out. */
export interface HfWindowDefaults {
  readonly slidingWindow: number;
  /** The first layer with a window, where no `layer_types` says it. */
  readonly maxWindowLayers: number;
}

/**
 * `hfDefaults`: of a family whose config.json may ask for windows; undefined where its attention has none.
 * @throws FormatError for a window of another family, of no length, or without causality
 */
export function parseVisibility(checkpoint: Checkpoint, layers: number, hfDefaults: HfWindowDefaults | undefined): AttentionVisibility {
  const isGguf = checkpoint.format === 'gguf';
  const config = checkpoint.config ?? {};
  const causal = (isGguf
    ? metadataBoolean(checkpoint.metadata, `${checkpoint.architecture}.attention.causal`, checkpoint.name)
    : jsonBoolean(config, 'is_causal', checkpoint.name)) ?? true;
  const window = isGguf ? ggufWindow(checkpoint, layers) : hfWindow(config, { layers, defaults: hfDefaults, where: checkpoint.name });
  if (window === undefined || !window.layers.includes(true)) return { causal };
  if (!causal) throw new FormatError(`${checkpoint.name}: attention with a sliding window and without causality is not supported.`);
  return { causal, window };
}

function checkedSize(size: number, key: string, where: string): number {
  if (!(Number.isSafeInteger(size) && size >= 1))
    throw new FormatError(`${where}: ${key} must be an integer of at least 1, found ${size}.`);
  return size;
}

/**
 * `attention.sliding_window` for all layers, or for those that `attention.sliding_window_pattern`, an array of booleans or of 0 and 1,
 * names.
 */
function ggufWindow({ metadata, architecture, name }: Checkpoint, layers: number): AttentionWindow | undefined {
  const key = `${architecture}.attention.sliding_window`;
  const size = metadataNumber(metadata, key, name);
  const pattern = layerFlags(metadata.get(`${key}_pattern`));
  if (size === undefined || size === 0) {
    if (pattern?.includes(true) === true)
      throw new FormatError(`${name}: ${key}_pattern names layers, and ${key} gives their window no size.`);
    return undefined;
  }
  checkedSize(size, key, name);
  if (metadata.has(`${key}_pattern`) && pattern?.length !== layers)
    throw new FormatError(`${name}: ${key}_pattern must be an array of ${layers} booleans, one a layer.`);
  return { size, layers: pattern ?? Array.from({ length: layers }, () => true) };
}

/** Undefined for what is no list of flags. */
function layerFlags(pattern: MetadataValue | undefined): readonly boolean[] | undefined {
  if (!Array.isArray(pattern) && !ArrayBuffer.isView(pattern)) return undefined;
  const flags = Array.from(pattern as ArrayLike<unknown>);
  return flags.every((flag) => flag === true || flag === false || flag === 0 || flag === 1) ? flags.map(Boolean) : undefined;
}

interface HfWindowOptions {
  readonly layers: number;
  readonly defaults: HfWindowDefaults | undefined;
  readonly where: string;
}

function hfWindow(config: JsonObject, { layers, defaults, where }: HfWindowOptions): AttentionWindow | undefined {
  const types = layerTypes(config, layers, where);
  const isUsed = jsonBoolean(config, 'use_sliding_window', where) ?? false;
  if (defaults === undefined) {
    if (!isUsed && types?.includes(true) !== true) return undefined;
    throw new FormatError(
      `${where}: ${isUsed ? 'use_sliding_window' : 'layer_types'} asks for a sliding window, ` +
        "which this architecture's attention does not have.",
    );
  }
  const size = config['sliding_window'] === undefined ? defaults.slidingWindow : jsonNumber(config, 'sliding_window', where);
  if (!isUsed || size === undefined) {
    if (types?.includes(true) !== true) return undefined;
    throw new FormatError(
      `${where}: layer_types names sliding_attention, which needs use_sliding_window true and a number as sliding_window.`,
    );
  }
  checkedSize(size, 'sliding_window', where);
  const first = jsonNumber(config, 'max_window_layers', where) ?? defaults.maxWindowLayers;
  return { size, layers: types ?? Array.from({ length: layers }, (_, layer) => layer >= first) };
}

/** Whether each layer slides; undefined where the file does not say it layer by layer. */
function layerTypes(config: JsonObject, layers: number, where: string): readonly boolean[] | undefined {
  const types = config['layer_types'];
  if (types === undefined || types === null) return undefined;
  const wrong = () => new FormatError(`${where}: layer_types must be an array of ${layers} names, one a layer, found ${shownJson(types)}.`);
  if (!Array.isArray(types)) throw wrong();
  const slides = types.map((type) => {
    if (type === 'full_attention') return false;
    if (type === 'sliding_attention') return true;
    throw new FormatError(`${where}: layer_types may hold "full_attention" and "sliding_attention", found ${shownJson(type)}.`);
  });
  // A list of another length that names nothing but full attention leaves no doubt.
  if (!slides.includes(true)) return Array.from({ length: layers }, () => false);
  if (types.length !== layers) throw wrong();
  return slides;
}
