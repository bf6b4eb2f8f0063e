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

/** How a family says which of its layers have a window. */
export interface WindowRule {
  /** config.json's key of the size. Default `sliding_window`. */
  readonly sizeKey?: string | undefined;
  /** Taken where config.json leaves the size out (null says that there is none). Default: no windows. */
  readonly defaultSize?: number | undefined;
  /** Key of config.json that must be true, where files name windows that they do not use. */
  readonly switch?: string | undefined;
  /** Keys of config.json that {@link slides} reads, integers where they are there, and the least that each may be. */
  readonly counts?: Readonly<Record<string, number>> | undefined;
  /** Whether a layer slides, where neither `layer_types` nor GGUF's pattern says it; `config` is undefined for a GGUF file. */
  slides(layer: number, config: JsonObject | undefined): boolean;
  /** True: rows that see what follows them have windows too, on both sides. */
  readonly bothSides?: boolean | undefined;
}

/** Every layer slides, where the file names a size. */
export const WINDOWS_EVERYWHERE: WindowRule = { slides: () => true };

/** Qwen2 and Qwen3: off unless `use_sliding_window`, then in the layers from `max_window_layers` on. */
export const QWEN_WINDOWS: WindowRule = {
  defaultSize: 4096,
  switch: 'use_sliding_window',
  counts: { max_window_layers: 0 },
  slides(layer, config) {
    const first = config?.['max_window_layers'];
    return config === undefined || layer >= (typeof first === 'number' ? first : 28);
  },
};

/**
 * `rule`: undefined where the family's attention has no windows.
 * @throws FormatError for a window of another family, of no length, or without causality where the family has none on both sides
 */
export function parseVisibility(checkpoint: Checkpoint, layers: number, rule: WindowRule | undefined): AttentionVisibility {
  const isGguf = checkpoint.format === 'gguf';
  const config = checkpoint.config ?? {};
  const causal = (isGguf
    ? metadataBoolean(checkpoint.metadata, `${checkpoint.architecture}.attention.causal`, checkpoint.name)
    : jsonBoolean(config, 'is_causal', checkpoint.name)) ?? true;
  const window = isGguf ? ggufWindow(checkpoint, layers, rule) : hfWindow(config, { layers, rule, where: checkpoint.name });
  if (window === undefined || !window.layers.includes(true)) return { causal };
  if (!causal && rule?.bothSides !== true)
    throw new FormatError(`${checkpoint.name}: attention with a sliding window and without causality is not supported.`);
  return { causal, window };
}

function checkedSize(size: number, key: string, where: string): number {
  if (!(Number.isSafeInteger(size) && size >= 1))
    throw new FormatError(`${where}: ${key} must be an integer of at least 1, found ${size}.`);
  return size;
}

/**
 * `attention.sliding_window` for all layers, or for those that `attention.sliding_window_pattern` names: an array of booleans or
 * of 0 and 1, or a period, the last layer of which sees all (0: none does).
 */
function ggufWindow(
  { metadata, architecture, name }: Checkpoint,
  layers: number,
  rule: WindowRule | undefined,
): AttentionWindow | undefined {
  const key = `${architecture}.attention.sliding_window`;
  const size = metadataNumber(metadata, key, name);
  const pattern = layerFlags(metadata.get(`${key}_pattern`), layers);
  if (size === undefined || size === 0) {
    if (pattern?.includes(true) === true)
      throw new FormatError(`${name}: ${key}_pattern names layers, and ${key} gives their window no size.`);
    return undefined;
  }
  checkedSize(size, key, name);
  if (metadata.has(`${key}_pattern`) && pattern?.length !== layers)
    throw new FormatError(`${name}: ${key}_pattern must be an array of ${layers} booleans, one a layer, or their period.`);
  return { size, layers: pattern ?? Array.from({ length: layers }, (_, layer) => rule?.slides(layer, undefined) ?? true) };
}

/** Undefined for what is no list of flags, and no period. */
function layerFlags(pattern: MetadataValue | undefined, layers: number): readonly boolean[] | undefined {
  if (typeof pattern === 'number' && Number.isSafeInteger(pattern) && pattern >= 0)
    return Array.from({ length: layers }, (_, layer) => pattern === 0 || (layer + 1) % pattern !== 0);
  if (!Array.isArray(pattern) && !ArrayBuffer.isView(pattern)) return undefined;
  const flags = Array.from(pattern as ArrayLike<unknown>);
  return flags.every((flag) => flag === true || flag === false || flag === 0 || flag === 1) ? flags.map(Boolean) : undefined;
}

interface HfWindowOptions {
  readonly layers: number;
  readonly rule: WindowRule | undefined;
  readonly where: string;
}

function hfWindow(config: JsonObject, { layers, rule, where }: HfWindowOptions): AttentionWindow | undefined {
  const types = layerTypes(config, layers, where);
  const isAsked = jsonBoolean(config, 'use_sliding_window', where) ?? false;
  if (rule === undefined) {
    if (!isAsked && types?.includes(true) !== true) return undefined;
    throw new FormatError(
      `${where}: ${isAsked ? 'use_sliding_window' : 'layer_types'} asks for a sliding window, ` +
        "which this architecture's attention does not have.",
    );
  }
  const { sizeKey = 'sliding_window' } = rule;
  for (const [key, least] of Object.entries(rule.counts ?? {})) {
    const count = jsonNumber(config, key, where) ?? least;
    if (!(Number.isSafeInteger(count) && count >= least))
      throw new FormatError(`${where}: ${key} must be an integer of at least ${least}, found ${count}.`);
  }
  const isOn = rule.switch === undefined || (jsonBoolean(config, rule.switch, where) ?? false);
  const size = config[sizeKey] === undefined ? rule.defaultSize : jsonNumber(config, sizeKey, where);
  if (!isOn || size === undefined) {
    if (types?.includes(true) !== true) return undefined;
    const wanted = `${rule.switch === undefined ? '' : `${rule.switch} true and `}a number as ${sizeKey}`;
    throw new FormatError(`${where}: layer_types names sliding_attention, which needs ${wanted}.`);
  }
  checkedSize(size, sizeKey, where);
  return { size, layers: types ?? Array.from({ length: layers }, (_, layer) => rule.slides(layer, config)) };
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
