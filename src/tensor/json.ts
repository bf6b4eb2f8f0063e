/** Small questions asked of parsed JSON that others wrote. */
import type { JsonObject, JsonValue } from './checkpoint.ts';

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Token ids out of a number or a list of numbers; anything else counts as none. */
export function idList(value: JsonValue | undefined): number[] {
  const items: readonly (JsonValue | undefined)[] = Array.isArray(value) ? value : [value];
  return items.filter((item): item is number => typeof item === 'number' && Number.isInteger(item) && item >= 0);
}

/** A value for messages: `nothing`, `an array of 3`, `"a text cut to 60 characters"`. */
export function describeJson(value: JsonValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (isJsonObject(value)) return 'an object';
  return typeof value === 'number' ? String(value) : JSON.stringify(value).slice(0, 60);
}
