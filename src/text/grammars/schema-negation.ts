/** What breaks a keyword of a schema, as facts, one of which has to hold. */
import type { JsonObject, JsonValue } from '../../tensor/checkpoint.ts';
import { anyFacts } from './schema-facts.ts';
import type { JsonType, SchemaFacts, SchemaPlace } from './schema-facts.ts';
import { below, factsOfKeyword, schemaError } from './schema-keywords.ts';

/** @throws InputError for a keyword whose breach cannot be said by others */
export function negatedKeyword(schema: JsonObject, keyword: string, path: string): readonly SchemaFacts[] {
  const any = anyFacts(path);
  const value = schema[keyword];
  const facts = factsOfKeyword(schema, keyword, path);
  const of = (type: JsonType, change: Partial<SchemaFacts>): SchemaFacts => ({ ...any, types: new Set([type]), ...change });
  const { min, max } = facts.numbers;
  switch (keyword) {
    case 'type': return [{ ...any, types: otherTypes(facts.types, below(path, keyword)) }];
    case 'enum':
    case 'const': return [{ ...any, excluded: facts.values ?? [] }];
    case 'minLength': return facts.strings.min === 0 ? [] : [of('string', { strings: { ...any.strings, max: facts.strings.min - 1 } })];
    case 'maxLength': return [of('string', { strings: { ...any.strings, min: facts.strings.max + 1 } })];
    case 'pattern':
    case 'format': return [of('string', { strings: { ...any.strings, rules: facts.strings.rules.map((rule) =>
      ({ ...rule, isNot: true })) } })];
    case 'minimum': return [of('number', { numbers: { ...any.numbers, max: min, isMaxOut: true } })];
    case 'exclusiveMinimum': return [of('number', { numbers: { ...any.numbers, max: min } })];
    case 'maximum': return [of('number', { numbers: { ...any.numbers, min: max, isMinOut: true } })];
    case 'exclusiveMaximum': return [of('number', { numbers: { ...any.numbers, min: max } })];
    case 'minItems': return facts.arrays.min === 0 ? [] : [of('array', { arrays: { ...any.arrays, max: (value as number) - 1 } })];
    case 'maxItems': return [of('array', { arrays: { ...any.arrays, min: (value as number) + 1 } })];
    case 'minProperties': return value === 0 ? [] : [of('object', { objects: { ...any.objects, max: (value as number) - 1 } })];
    case 'maxProperties': return [of('object', { objects: { ...any.objects, min: (value as number) + 1 } })];
    case 'required': return (value as readonly JsonValue[]).map((name) =>
      of('object', { objects: { ...any.objects, parts: [partOf(String(name), { schema: false, path, isNot: false })] } }));
    case 'properties': return Object.entries(value as JsonObject).map(([name, property]) => {
      const place: SchemaPlace = { schema: property, path: below(path, keyword, name), isNot: true };
      return of('object', { objects: { ...any.objects, required: new Set([name]), parts: [partOf(name, place)] } });
    });
    default:
      throw schemaError(below(path, keyword),
        `what breaks ${JSON.stringify(keyword)} cannot be said token by token, and a not, an if or an overlapping oneOf asks for it.`);
  }
}

function partOf(name: string, place: SchemaPlace): SchemaFacts['objects']['parts'][number] {
  return { properties: new Map([[name, place]]), patterns: [], additional: undefined };
}

function otherTypes(types: ReadonlySet<JsonType>, path: string): ReadonlySet<JsonType> {
  if (types.has('integer') && !types.has('number')) throw schemaError(path,
    'numbers that are not whole cannot be asked for by what must not be.');
  return new Set((['null', 'boolean', 'object', 'array', 'number', 'string'] as const).filter((type) => !types.has(type)));
}
