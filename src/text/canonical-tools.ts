/** Descriptions of tools in one order, whatever order a client lists them and their keys in: equal tools then make equal prompts. */
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { isJsonObject } from '../tensor/json.ts';

/** As models were shown them; other keys follow by name. */
const FIRST = [
  'type', 'function', 'name', 'title', 'description', 'parameters', '$ref', 'const', 'enum', 'format', 'properties', 'required', 'items',
  'default',
];

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function rankOf(key: string): number {
  const at = FIRST.indexOf(key);
  return at < 0 ? FIRST.length : at;
}

/** Names that the caller chose, in the object under one of these keys. */
const NAMED = new Set(['properties', '$defs', 'definitions', 'patternProperties']);

function canonical(value: JsonValue | undefined, holds: 'keys' | 'names' = 'keys'): JsonValue | undefined {
  if (Array.isArray(value)) return value.map((item) => canonical(item as JsonValue) as JsonValue);
  if (!isJsonObject(value)) return value;
  const order = holds === 'names' ? compare : (a: string, b: string) => rankOf(a) - rankOf(b) || compare(a, b);
  const keys = Object.keys(value).sort(order);
  return Object.fromEntries(keys.map((key) => {
    const own = value[key];
    // A set, though JSON writes it as a list.
    if (holds === 'keys' && key === 'required' && Array.isArray(own)) return [key, [...own].sort()];
    return [key, canonical(own, holds === 'keys' && NAMED.has(key) ? 'names' : 'keys')];
  })) as JsonObject;
}

function nameOf({ function: own, name }: JsonObject): string {
  const found = isJsonObject(own) ? own['name'] : name;
  return typeof found === 'string' ? found : '';
}

/** By name, and each with its keys in one order. What a schema lists in order (enum, items of a tuple, anyOf) stays as it is. */
export function canonicalTools(tools: readonly JsonObject[]): readonly JsonObject[] {
  const each = tools.map((tool) => canonical(tool) as JsonObject);
  return each.sort((a, b) => compare(nameOf(a), nameOf(b)) || compare(JSON.stringify(a), JSON.stringify(b)));
}
