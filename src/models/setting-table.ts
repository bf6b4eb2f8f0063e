/**
 * The rule for settings: each key of config.json, and each key of GGUF metadata under the architecture's name, is obeyed, is known to say
 * nothing about what is computed, has a value that changes nothing, or is refused by name. What no table knows is told as a warning.
 */
import type { Checkpoint, JsonValue, MetadataValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { isJsonObject } from '../tensor/json.ts';
import { shownJson } from './config-fields.ts';

/** Keys of one format; GGUF's without the architecture's prefix. A name may end in `*`. */
export interface SettingTable {
  /** What the parser reads; it refuses what it cannot obey. */
  readonly obeyed: readonly string[];
  /** Names, training, text and tools. */
  readonly harmless: readonly string[];
  /**
   * What changes the result, with the values that do not. Null and nothing at all (`[]`, `{}`, `""`) are always among them, and false is
   * unless true is.
   */
  readonly neutral: Readonly<Record<string, readonly (number | string | boolean)[]>>;
  /** What a file ought to say, and what is taken where it does not. */
  readonly expected?: Readonly<Record<string, number>> | undefined;
}

type SettingValue = JsonValue | MetadataValue | undefined;

/** Objects of config.json whose own keys, and those of objects in them, are settings; in tables as `rope_scaling.factor`. */
const NESTED = ['rope_scaling', 'rope_parameters', 'encoder_config'];
const QUANTIZATION_KEYS = ['quantization', 'quantization_config', 'compression_config'];
const MOST_NAMED = 6;

/**
 * What a user should know of settings that are absent, or that no table knows: nothing, or a warning each.
 * @throws FormatError for a setting that is not obeyed and changes the result
 */
export function checkSettings(checkpoint: Checkpoint, table: SettingTable): readonly string[] {
  const prefix = checkpoint.format === 'gguf' ? `${checkpoint.architecture}.` : '';
  const isListed = matcherOf([...table.obeyed, ...table.harmless]);
  const unknown: string[] = [];
  for (const [key, value] of settingsOf(checkpoint, prefix)) {
    if (isListed(key)) continue;
    // How weights are packed was obeyed where the folder was opened.
    if (checkpoint.packing !== undefined && QUANTIZATION_KEYS.includes(key)) continue;
    const rule = Object.keys(table.neutral).find((name) => matches(name, key));
    const neutral = (rule === undefined ? undefined : table.neutral[rule]) ?? [];
    if (asksForNothing(value) && !(value === false && neutral.includes(true))) continue;
    if (rule === undefined) unknown.push(`${prefix}${key.slice(0, 80)} (${shownSetting(value)})`);
    else if (!isNeutral(value, neutral)) throw refused(checkpoint, `${prefix}${key}`, neutral, value);
  }
  const assumed = Object.entries(table.expected ?? {}).filter(([key]) => !checkpoint.metadata.has(`${prefix}${key}`));
  return [
    ...assumed.map(([key, value]) => `${checkpoint.name} has no ${prefix}${key}: ${value} is assumed.`),
    ...unknownWarning(checkpoint, unknown),
  ];
}

function unknownWarning({ name }: Checkpoint, unknown: readonly string[]): readonly string[] {
  if (unknown.length === 0) return [];
  const more = unknown.length > MOST_NAMED ? ` and ${unknown.length - MOST_NAMED} more` : '';
  const [is, it] = unknown.length === 1 ? ['a setting that is', 'it changes'] : ['settings that are', 'they change'];
  const named = `${unknown.slice(0, MOST_NAMED).join(', ')}${more}`;
  return [`${name} has ${is} not known here and not used: ${named}. If ${it} what the model computes, its answers will be off.`];
}

function* settingsOf({ format, metadata, config }: Checkpoint, prefix: string): Generator<readonly [string, SettingValue]> {
  if (format === 'gguf') {
    for (const [key, value] of metadata) if (key.startsWith(prefix)) yield [key.slice(prefix.length), value];
    return;
  }
  for (const [key, value] of Object.entries(config ?? {})) {
    if (!NESTED.includes(key)) yield [key, value];
    else yield* innerSettings(key, value);
  }
}

function* innerSettings(key: string, value: JsonValue | undefined): Generator<readonly [string, SettingValue]> {
  if (value === undefined || !isJsonObject(value)) yield [key, value];
  else for (const [own, inner] of Object.entries(value)) yield* innerSettings(`${key}.${own}`, inner);
}

function matches(name: string, key: string): boolean {
  return name.endsWith('*') ? key.startsWith(name.slice(0, -1)) : key === name;
}

/** Whether one of `names`, which may end in `*`, stands for a key. */
export function matcherOf(names: readonly string[]): (key: string) => boolean {
  const exact = new Set(names.filter((name) => !name.endsWith('*')));
  const open = names.filter((name) => name.endsWith('*'));
  return (key) => exact.has(key) || open.some((name) => matches(name, key));
}

function asksForNothing(value: SettingValue): boolean {
  if (value === undefined || value === null || value === false || value === '') return true;
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return value.length === 0;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** A list of values is neutral where each of them is. Numbers may have been rounded to f32 on their way. */
function isNeutral(value: SettingValue, neutral: readonly (number | string | boolean)[]): boolean {
  if (Array.isArray(value) || ArrayBuffer.isView(value))
    return Array.from(value as ArrayLike<JsonValue>).every((item) => isNeutral(item, neutral));
  return neutral.some(
    (wanted) =>
      value === wanted || (typeof wanted === 'number' && typeof value === 'number' && Math.abs(value - wanted) <= 1e-6 * Math.abs(wanted)),
  );
}

function refused(
  { name, architecture }: Checkpoint,
  key: string,
  neutral: readonly (number | string | boolean)[],
  value: SettingValue,
): FormatError {
  const expected = neutral.length === 0 ? 'absent' : neutral.map((item) => JSON.stringify(item)).join(' or ');
  const instead = QUANTIZATION_KEYS.includes(key)
    ? ' Get the model unquantised, as GGUF, or as MLX, GPTQ, AWQ, FP8 or compressed-tensors pack it.'
    : '';
  return new FormatError(
    `${name}: ${key.slice(0, 120)} must be ${expected} for ${architecture}, found ${shownSetting(value)}: ` +
      `a model that needs it is not supported.${instead}`,
  );
}

/** A value in short; of a quantisation its method. */
function shownSetting(value: SettingValue): string {
  if (isJsonObject(value as JsonValue)) {
    const method = (value as Record<string, JsonValue>)['quant_method'];
    return typeof method === 'string' ? `quant_method ${JSON.stringify(method.slice(0, 40))}` : 'an object';
  }
  if (typeof value === 'bigint') return String(value);
  if (ArrayBuffer.isView(value)) return `an array of ${value.length}`;
  return shownJson(value as JsonValue);
}
