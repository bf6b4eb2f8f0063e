/** How a value without quotes is to be taken, by the schema of its argument. */
import type { JsonObject, JsonValue } from '../../tensor/checkpoint.ts';
import { isJsonObject } from '../../tensor/json.ts';

/** Text as it stands, JSON, or JSON where it is some. */
export type ValueKind = 'string' | 'json' | 'either';

function typesOf(schema: JsonObject): readonly JsonValue[] {
  const { type, enum: values, const: value } = schema as Readonly<Record<string, JsonValue | undefined>>;
  if (type !== undefined) return Array.isArray(type) ? (type as readonly JsonValue[]) : [type];
  const known = Array.isArray(values) ? (values as readonly JsonValue[]) : value === undefined ? [] : [value];
  if (known.length > 0) return [...new Set(known.map((each) => (typeof each === 'string' ? 'string' : 'other')))];
  const options = schema['anyOf'] ?? schema['oneOf'];
  return Array.isArray(options) ? (options as readonly JsonValue[]).flatMap((each) => (isJsonObject(each) ? typesOf(each) : ['any'])) : [];
}

/** @param parameters the schema of all arguments */
export function valueKind(parameters: JsonObject | undefined, key: string): ValueKind {
  const properties = parameters?.['properties'];
  const schema = isJsonObject(properties) && Object.hasOwn(properties, key) ? properties[key] : undefined;
  const types = isJsonObject(schema) ? typesOf(schema) : [];
  if (types.length === 0 || types.includes('any')) return 'either';
  if (!types.includes('string')) return 'json';
  return types.length === 1 ? 'string' : 'either';
}
