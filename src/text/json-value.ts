/** JSON of files that others wrote. */
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { isJsonObject } from '../tensor/json.ts';

/** @param where the file, for messages. @throws FormatError */
export function parseJsonObject(text: string, where: string): JsonObject {
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch (error) {
    throw new FormatError(`${where} is not JSON: ${(error as Error).message.slice(0, 200)}.`, { cause: error });
  }
  if (!isJsonObject(value)) throw new FormatError(`${where} should hold a JSON object, but holds ${describeJson(value)}.`);
  return value;
}

export function describeJson(value: JsonValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return isJsonObject(value) ? 'an object' : JSON.stringify(value).slice(0, 60);
}
