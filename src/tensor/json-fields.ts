/** Reads an object that others wrote field by field, with errors that name the field; none is passed over in silence. */
import type { JsonObject, JsonValue } from './checkpoint.ts';
import { FormatError } from './errors.ts';
import { describeJson, isJsonObject } from './json.ts';

export interface JsonFields {
  /** File and path of the object, for messages. */
  readonly where: string;
  /** A fallback makes a field optional; null counts as absent. Each throws FormatError for another type. */
  flag(key: string, fallback?: boolean): boolean;
  text(key: string, fallback?: string): string;
  count(key: string, fallback?: number): number;
  oneOf<T extends string>(key: string, values: readonly T[], fallback?: T): T;
  optionalText(key: string): string | undefined;
  list(key: string): readonly JsonValue[];
  value(key: string): JsonValue | undefined;
  /** Names fields that change nothing here. */
  ignore(...keys: readonly string[]): void;
  /** @throws FormatError for a field that was neither read nor ignored */
  end(): void;
  fail(key: string, expected: string): never;
}

const shownChars = 80;

const maxDepth = 50;

/**
 * The fields of a part that may hold others of its kind; undefined for one that is absent or null.
 * @throws FormatError where the value is no object, or nested too deep
 */
export function nestedFields(value: JsonValue | undefined, where: string, depth: number): JsonFields | undefined {
  if (value === undefined || value === null) return undefined;
  if (depth > maxDepth) throw new FormatError(`${where}: nested deeper than ${maxDepth}.`);
  return jsonFields(value, where);
}

/** @throws FormatError where the value is no object */
export function jsonFields(value: JsonValue | undefined, where: string): JsonFields {
  if (!isJsonObject(value)) throw new FormatError(`${where}: expected an object, found ${describeJson(value)}.`);
  const object: JsonObject = value;
  const known = new Set<string>();
  const get = (key: string): JsonValue | undefined => {
    known.add(key);
    return Object.hasOwn(object, key) ? object[key] ?? undefined : undefined;
  };
  const fail = (key: string, expected: string): never => {
    throw new FormatError(`${where}.${key}: expected ${expected}, found ${describeJson(get(key))}.`);
  };
  const read = <T>(key: string, fallback: T | undefined, rule: { readonly expected: string; accepts(found: JsonValue): boolean }): T => {
    const found = get(key);
    if (found === undefined && fallback !== undefined) return fallback;
    return found !== undefined && rule.accepts(found) ? (found as T) : fail(key, rule.expected);
  };
  const textRule = { expected: 'a text', accepts: (found: JsonValue) => typeof found === 'string' };
  return {
    where,
    flag: (key, fallback) => read(key, fallback, { expected: 'true or false', accepts: (found) => typeof found === 'boolean' }),
    text: (key, fallback) => read(key, fallback, textRule),
    count: (key, fallback) =>
      read(key, fallback, {
        expected: 'a whole number from 0',
        accepts: (found) => Number.isSafeInteger(found) && (found as number) >= 0,
      }),
    oneOf: (key, values, fallback) =>
      read(key, fallback, {
        expected: `one of ${values.join(', ')}`,
        accepts: (found) => (values as readonly JsonValue[]).includes(found),
      }),
    optionalText: (key) => (get(key) === undefined ? undefined : read(key, undefined, textRule)),
    list: (key) => read<readonly JsonValue[]>(key, undefined, { expected: 'an array', accepts: (found) => Array.isArray(found) }),
    value: get,
    ignore: (...keys) => keys.forEach((key) => known.add(key)),
    end() {
      const unknown = Object.keys(object).find((key) => !known.has(key));
      if (unknown === undefined) return;
      const shown = JSON.stringify(unknown.slice(0, shownChars));
      throw new FormatError(`${where} has a field ${shown}, which is not known here; what comes of it might differ from what it means.`);
    },
    fail,
  };
}
