import { FormatError } from '../tensor/errors.ts';
import { isJsonObject } from '../tensor/json.ts';
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';

/** Decodes bytes that must be UTF-8; a byte order mark is dropped. */
export function decodeUtf8(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new FormatError(`${name} is not valid UTF-8 text. The file is damaged.`);
  }
}

/** Parses text that must be a JSON object; `name` says which in the error. */
export function parseJsonObject(text: string, name: string): JsonObject {
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch (error) {
    throw new FormatError(`${name} is not valid JSON: ${(error as Error).message}. The file is damaged.`, { cause: error });
  }
  if (isJsonObject(value)) return value;
  throw new FormatError(`${name} must be a JSON object, found ${value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value}.`);
}
