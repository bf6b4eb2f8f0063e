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
