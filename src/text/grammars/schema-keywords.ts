/** The keywords of one schema object that need no other schema to be understood, as facts. */
import type { JsonObject, JsonValue } from '../../tensor/checkpoint.ts';
import { InputError } from '../../tensor/errors.ts';
import { describeJson, isJsonObject } from '../../tensor/json.ts';
import { shortPath } from './plain-json.ts';
import { ALL_TYPES, anyFacts } from './schema-facts.ts';
import type { JsonType, ObjectPart, SchemaFacts, SchemaPlace, TextRule } from './schema-facts.ts';
import { STRING_FORMATS } from './string-formats.ts';

/** Keywords that say nothing of what is valid. */
const NOTES = new Set([
  'title', 'description', 'default', 'examples', 'example', '$comment', '$schema', '$id', 'id', '$defs', 'definitions', 'deprecated',
    'readOnly',
  'writeOnly', 'contentMediaType', 'contentEncoding', 'contentSchema',
]);
/** Keywords that the reader of schemas joins. */
const JOINING = new Set(['$ref', 'allOf', 'anyOf', 'oneOf', 'not', 'if', 'then', 'else']);
const MEMBERS = [
  'properties', 'patternProperties', 'additionalProperties', 'required', 'minProperties', 'maxProperties', 'propertyNames',
    'dependentRequired',
  'dependencies',
];
const ITEMS = ['items', 'prefixItems', 'additionalItems', 'minItems', 'maxItems', 'uniqueItems'];
const LEAVES = [
  'type', 'enum', 'const', 'minLength', 'maxLength', 'pattern', 'format', 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum',
    'multipleOf',
];
const OBEYED = new Set([...LEAVES, ...MEMBERS, ...ITEMS]);
/** All that say what is valid and are obeyed, older drafts' own among them. */
export const OBEYED_KEYWORDS: ReadonlySet<string> = new Set([...OBEYED, ...JOINING]);
const TYPE_NAMES = new Set<JsonType>([...ALL_TYPES, 'integer']);

/** A multiple of a number this large has too many remainders. */
const MOST_MULTIPLE = 1000;

export function schemaError(path: string, what: string): InputError {
  return new InputError(`The schema at ${shortPath(path)}: ${what}`);
}

export const below = (path: string, ...names: readonly (string | number)[]): string =>
  [path, ...names.map((name) => String(name).replaceAll('~', '~0').replaceAll('/', '~1'))].join('/');

export const placeAt = (schema: JsonValue | undefined, path: string): SchemaPlace => ({ schema, path, isNot: false });

/** Keywords other than notes. @throws InputError for one that is not obeyed, with its path */
export function keywordsOf(schema: JsonObject, path: string): string[] {
  return Object.keys(schema).filter((name) => {
    if (schema[name] === undefined || NOTES.has(name)) {
      if ((name === '$id' || name === 'id') && path !== '#' && typeof schema[name] === 'string')
        throw schemaError(below(path, name), 'a name of a part of a schema is not obeyed: refer to it by its path, as in #/$defs/name.');
      return false;
    }
    if (OBEYED_KEYWORDS.has(name)) return true;
    throw schemaError(below(path, name),
      `the keyword ${JSON.stringify(name)} cannot be obeyed token by token, and is not ignored. Take it out, or say the same by others.`);
  });
}

export const isJoining = (keyword: string): boolean => JOINING.has(keyword);

/** Facts of one keyword; those of members and items are read at once, from the first of theirs. */
export function factsOfKeyword(schema: JsonObject, keyword: string, path: string): SchemaFacts {
  const any = anyFacts(path);
  const value = schema[keyword];
  const at = below(path, keyword);
  switch (keyword) {
    case 'type': return { ...any, types: typesOf(value, at) };
    case 'enum':
      if (!Array.isArray(value)) throw schemaError(at, `expected an array of values, found ${describeJson(value)}.`);
      return { ...any, values: value };
    case 'const': return { ...any, values: [value as JsonValue] };
    case 'minLength': return { ...any, strings: { ...any.strings, min: count(value, at) } };
    case 'maxLength': return { ...any, strings: { ...any.strings, max: count(value, at) } };
    case 'pattern':
    case 'format': return { ...any, strings: { ...any.strings, rules: [textRule(keyword, value, at)] } };
    case 'minimum': return { ...any, numbers: { ...any.numbers, min: number(value, at) } };
    case 'maximum': return { ...any, numbers: { ...any.numbers, max: number(value, at) } };
    case 'exclusiveMinimum': return { ...any, numbers: { ...any.numbers, min: number(value, at), isMinOut: true } };
    case 'exclusiveMaximum': return { ...any, numbers: { ...any.numbers, max: number(value, at), isMaxOut: true } };
    case 'multipleOf': return { ...any, numbers: { ...any.numbers, multipleOf: multiple(value, at) } };
    default: return MEMBERS.includes(keyword) ? memberFacts(schema, keyword, path) : itemFacts(schema, keyword, path);
  }
}

function typesOf(value: JsonValue | undefined, at: string): ReadonlySet<JsonType> {
  const names = Array.isArray(value) ? value : [value];
  for (const name of names)
    if (!TYPE_NAMES.has(name as JsonType)) throw schemaError(at,
      `expected one of ${[...TYPE_NAMES].join(', ')}, found ${describeJson(name as JsonValue)}.`);
  return new Set(names as JsonType[]);
}

export function textRule(keyword: string, value: JsonValue | undefined, at: string): TextRule {
  if (typeof value !== 'string') throw schemaError(at, `expected a text, found ${describeJson(value)}.`);
  if (keyword === 'pattern') return { pattern: value, isSearch: true, isNot: false };
  const pattern = Object.hasOwn(STRING_FORMATS, value) ? STRING_FORMATS[value] : undefined;
  if (pattern === undefined)
    throw schemaError(at,
      `the format ${JSON.stringify(value)} is not known. Known are ${Object.keys(STRING_FORMATS).join(', ')}; `
      + 'others may be said by pattern.');
  return { pattern, isSearch: false, isNot: false };
}

function number(value: JsonValue | undefined, at: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw schemaError(at, `expected a number, found ${describeJson(value)}.`);
  return value;
}

function count(value: JsonValue | undefined, at: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw schemaError(at,
    `expected a whole number of at least 0, found ${describeJson(value)}.`);
  return value as number;
}

function multiple(value: JsonValue | undefined, at: string): number {
  const factor = number(value, at);
  if (Number.isInteger(factor) && factor >= 1 && factor <= MOST_MULTIPLE) return factor;
  throw schemaError(at, `only multiples of whole numbers from 1 to ${MOST_MULTIPLE} can be obeyed, found ${factor}.`);
}

/** What all keywords of members say; only the first of them in the object does. */
function memberFacts(schema: JsonObject, keyword: string, path: string): SchemaFacts {
  const any = anyFacts(path);
  const first = MEMBERS.find((name) => schema[name] !== undefined);
  if (keyword !== first) return any;
  const { required = [], minProperties, maxProperties, propertyNames } = schema;
  return {
    ...any,
    objects: {
      parts: objectParts(schema, path),
      required: new Set(namesOf(required, below(path, 'required'))),
      dependent: dependents(schema, path),
      names: propertyNames === undefined ? [] : [placeAt(propertyNames, below(path, 'propertyNames'))],
      min: minProperties === undefined ? 0 : count(minProperties, below(path, 'minProperties')),
      max: maxProperties === undefined ? Infinity : count(maxProperties, below(path, 'maxProperties')),
    },
  };
}

function namesOf(value: JsonValue | undefined, at: string): string[] {
  if (!Array.isArray(value)) throw schemaError(at, `expected an array of names, found ${describeJson(value)}.`);
  const bad = value.findIndex((name: JsonValue) => typeof name !== 'string');
  if (bad >= 0) throw schemaError(below(at, bad), `expected a name, found ${describeJson(value[bad])}.`);
  return value as string[];
}

function objectOf(schema: JsonObject, keyword: string, path: string): JsonObject {
  const { [keyword]: value = {} } = schema;
  if (!isJsonObject(value)) throw schemaError(below(path, keyword), `expected an object, found ${describeJson(value)}.`);
  return value;
}

function objectParts(schema: JsonObject, path: string): ObjectPart[] {
  const { properties, patternProperties, additionalProperties } = schema;
  if (properties === undefined && patternProperties === undefined && additionalProperties === undefined) return [];
  return [{
    properties: new Map(Object.entries(objectOf(schema, 'properties', path)).map(([name, value]) => [name, placeAt(value,
      below(path, 'properties', name))])),
    patterns: Object.entries(objectOf(schema, 'patternProperties', path))
      .map(([pattern, value]) => ({ pattern, place: placeAt(value, below(path, 'patternProperties', pattern)) })),
    additional: additionalProperties === undefined ? undefined : placeAt(additionalProperties, below(path, 'additionalProperties')),
  }];
}

function dependents(schema: JsonObject, path: string): { name: string; needs: string[] }[] {
  return ['dependentRequired', 'dependencies'].flatMap((keyword) => Object.entries(objectOf(schema, keyword, path)).map(([name, needs]) => {
    return { name, needs: namesOf(needs, below(path, keyword, name)) };
  }));
}

function itemFacts(schema: JsonObject, keyword: string, path: string): SchemaFacts {
  const any = anyFacts(path);
  const first = ITEMS.find((name) => schema[name] !== undefined);
  if (keyword !== first) return any;
  const { items, prefixItems, additionalItems, minItems, maxItems, uniqueItems } = schema;
  // Drafts before 2020-12 have the first items in `items`, and the rest in `additionalItems`.
  const isOld = Array.isArray(items);
  const prefixName = isOld ? 'items' : 'prefixItems';
  const prefix = isOld ? items : (prefixItems ?? []);
  const [rest, restName] = isOld ? [additionalItems, 'additionalItems'] : [items, 'items'];
  if (!Array.isArray(prefix)) throw schemaError(below(path, prefixName),
    `expected an array of schemas, found ${describeJson(prefix as JsonValue)}.`);
  if (uniqueItems !== undefined && typeof uniqueItems !== 'boolean')
    throw schemaError(below(path, 'uniqueItems'), `expected true or false, found ${describeJson(uniqueItems)}.`);
  const hasPart = prefix.length > 0 || rest !== undefined;
  return {
    ...any,
    arrays: {
      parts: hasPart ? [{
        prefix: prefix.map((item: JsonValue, i: number) => placeAt(item, below(path, prefixName, i))),
        rest: rest === undefined ? undefined : placeAt(rest as JsonValue, below(path, restName)),
      }] : [],
      min: minItems === undefined ? 0 : count(minItems, below(path, 'minItems')),
      max: maxItems === undefined ? Infinity : count(maxItems, below(path, 'maxItems')),
      isUnique: uniqueItems === true,
    },
  };
}
