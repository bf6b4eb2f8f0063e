/**
 * One way to read an architecture's settings from config.json or from GGUF metadata.
 * Each setting is named in both; values are checked where they are read.
 */
import type { Checkpoint, JsonObject, JsonValue, MetadataValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { metadataNumber } from '../tensor/metadata.ts';

export interface FieldName {
  /** Key of config.json. */
  readonly hf: string;
  /** Key of GGUF metadata without the architecture's prefix. */
  readonly gguf: string;
}

export interface ConfigFields {
  /** A positive integer of at most `most`; undefined where the file has none. */
  count(name: FieldName, most?: number): number | undefined;
  requiredCount(name: FieldName, most?: number): number;
  /** As {@link count}; the file may also say it layer by layer, where all say the same. */
  layerCount(name: FieldName, layers: number): number | undefined;
  /** As {@link count}, for each layer; a file that says it once says it for all. */
  layerCounts(name: FieldName, layers: number): readonly number[] | undefined;
  /** As {@link count}; the file may also say it layer by layer, where all layers that it is for say the same. */
  countWhere(name: FieldName, layers: LayersWith): number | undefined;
  /** A finite number above 0. */
  positive(name: FieldName): number | undefined;
  requiredPositive(name: FieldName): number;
}

/** The layers that a setting is for. */
export interface LayersWith {
  /** What they have: `experts`. */
  readonly what: string;
  readonly has: readonly boolean[];
}

/** No dimension of a model that could be computed here comes near this; a larger one is a damaged file. */
const MOST = 2 ** 24;

export function configFields(checkpoint: Checkpoint): ConfigFields {
  const keyOf = (name: FieldName) => (checkpoint.format === 'gguf' ? `${checkpoint.architecture}.${name.gguf}` : name.hf);
  const read = (name: FieldName): number | undefined =>
    checkpoint.format === 'gguf'
      ? metadataNumber(checkpoint.metadata, keyOf(name), checkpoint.name)
      : jsonNumber(checkpoint.config ?? {}, name.hf, checkpoint.name);
  const bad = (name: FieldName, expected: string, found: unknown) =>
    new FormatError(`${checkpoint.name}: ${keyOf(name)} must be ${expected}, found ${String(found)}.`);
  const count = (name: FieldName, most = MOST) => {
    const value = read(name);
    if (value === undefined) return undefined;
    if (!Number.isInteger(value) || value < 1 || value > most) throw bad(name, `an integer from 1 to ${most}`, value);
    return value;
  };
  const listed = (name: FieldName) =>
    listOf(checkpoint.format === 'gguf' ? checkpoint.metadata.get(keyOf(name)) : checkpoint.config?.[name.hf]);
  const countWhere = (name: FieldName, { what, has }: LayersWith) => {
    const values = listed(name);
    if (values === undefined) return count(name);
    if (values.length !== has.length) throw bad(name, `a number, or one for each of ${has.length} layers`, `${values.length} of them`);
    const own = values.filter((_, n) => has[n]);
    const wrong = own.findIndex((value) => !isCount(value));
    if (wrong >= 0) throw bad(name, `an integer from 1 to ${MOST} for layers with ${what}`, own[wrong]);
    const other = own.find((value) => value !== own[0]);
    if (other !== undefined) throw bad(name, `the same for all layers with ${what}`, `both ${String(own[0])} and ${String(other)}`);
    return own[0] as number | undefined;
  };
  const layerCounts = (name: FieldName, layers: number) => {
    const values = listed(name);
    if (values === undefined) {
      const same = count(name);
      return same === undefined ? undefined : Array.from({ length: layers }, () => same);
    }
    if (values.length !== layers) throw bad(name, `a number, or one for each of ${layers} layers`, `${values.length} of them`);
    const wrong = values.findIndex((value) => !isCount(value));
    if (wrong >= 0) throw bad(name, `integers from 1 to ${MOST}`, values[wrong]);
    return values as readonly number[];
  };
  const layerCount = (name: FieldName, layers: number) => {
    const values = layerCounts(name, layers);
    const other = values?.find((value) => value !== values[0]);
    if (other !== undefined) throw bad(name, 'the same for all layers', `both ${values?.[0]} and ${other}`);
    return values?.[0];
  };
  const positive = (name: FieldName) => {
    const value = read(name);
    if (value === undefined) return undefined;
    if (!Number.isFinite(value) || value <= 0) throw bad(name, 'a number above 0', value);
    return value;
  };
  return {
    count, layerCount, layerCounts, countWhere, positive,
    requiredCount: (name, most) => count(name, most) ?? raise(bad(name, 'present', 'nothing')),
    requiredPositive: (name) => positive(name) ?? raise(bad(name, 'present', 'nothing')),
  };
}

function isCount(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MOST;
}

function listOf(value: JsonValue | MetadataValue | undefined): readonly unknown[] | undefined {
  return Array.isArray(value) || ArrayBuffer.isView(value) ? Array.from(value as ArrayLike<unknown>) : undefined;
}

function raise(error: Error): never {
  throw error;
}

/** A value of someone else's JSON in a message: short, and never a walk through what may be nested without end. */
export function shownJson(value: JsonValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  return JSON.stringify(typeof value === 'string' ? value.slice(0, 80) : value);
}

/** A number of a JSON object; null counts as absent. @throws FormatError for another type. */
export function jsonNumber(object: JsonObject, key: string, where: string): number | undefined {
  const value = object[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number') throw new FormatError(`${where}: ${key} must be a number, found ${shownJson(value)}.`);
  return value;
}

export function jsonBoolean(object: JsonObject, key: string, where: string): boolean | undefined {
  const value = object[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'boolean') throw new FormatError(`${where}: ${key} must be true or false, found ${shownJson(value)}.`);
  return value;
}

export function jsonObject(object: JsonObject, key: string, where: string): JsonObject | undefined {
  const value: JsonValue | undefined = object[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new FormatError(`${where}: ${key} must be an object, found ${shownJson(value)}.`);
  }
  return value as JsonObject;
}
