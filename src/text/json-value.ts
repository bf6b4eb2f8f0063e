/** JSON of files that others wrote. */
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @param where the file, for messages. @throws FormatError */
export function parseJsonObject(text: string, where: string): JsonObject {
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch (error) {
    throw new FormatError(`${where} is not JSON: ${(error as Error).message.slice(0, 200)}.`, { cause: error });
  }
  if (!isObject(value)) throw new FormatError(`${where} should hold a JSON object, but holds ${describeJson(value)}.`);
  return value;
}

export function describeJson(value: JsonValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return isObject(value) ? 'an object' : JSON.stringify(value).slice(0, 60);
}

/** Ids out of a number or a list of numbers; anything else counts as none. */
export function idList(value: JsonValue | undefined): number[] {
  const items: readonly JsonValue[] = Array.isArray(value) ? value : value === undefined ? [] : [value as JsonValue];
  return items.filter((item): item is number => typeof item === 'number' && Number.isInteger(item) && item >= 0);
}
