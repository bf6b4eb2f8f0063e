/** Schemas and values for them, made at random over the keywords that grammars obey; who judges is somebody else's validator. */
import type { JsonObject, JsonValue } from '../src/tensor/checkpoint.ts';
import { createRandom } from './fuzz-text.ts';

export interface SchemaMaker {
  schema(): JsonObject;
  /** A value that may be valid, or is nearly so. */
  value(schema: JsonValue | undefined, root: JsonValue): JsonValue;
}

const PATTERNS = ['^[a-c]+$', '^\\d{2,4}$', 'x', '^(foo|bar)(-[0-9])?$', '[^a-z]', '^.{0,3}$', 'ä|ö$', '^\\w+\\s\\w+$'];
const PATTERN_TEXTS = ['abc', 'a', '12', '12345', 'xx', 'foo', 'bar-7', 'foo-', 'Z', '', 'grünö', 'ä!', 'ab cd', 'a\nb', 'ab  cd', 'c'];
const FORMAT_TEXTS: Readonly<Record<string, readonly string[]>> = {
  date: ['2024-02-29', '2023-02-29', '1999-12-31', '2024-13-01', '24-01-01', '2000-02-29', '1900-02-29'],
  time: ['12:30:00Z', '23:59:59.5+01:00', '24:00:00Z', '12:30Z', '00:00:00-23:59'],
  'date-time': ['2024-02-29T12:00:00Z', '2024-02-30T12:00:00Z', '2024-01-01T00:00:00.123+02:00', '2024-01-01'],
  uuid: ['123e4567-e89b-12d3-a456-426614174000', '123e4567e89b12d3a456426614174000', 'zzze4567-e89b-12d3-a456-426614174000'],
  email: ['a@b.co', 'first.last@example.org', 'a@b', '@b.co', 'a..b@c.de', 'a b@c.de'],
  ipv4: ['127.0.0.1', '256.1.1.1', '1.2.3', '255.255.255.255', '01.2.3.4'],
  ipv6: ['::1', '2001:db8::ff00:42:8329', '1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7', '::ffff:1.2.3.4', '1::2::3'],
  hostname: ['example.org', '-a.org', 'a', 'a_b.c', 'x.y-z.w'],
  uri: ['https://example.org/a?b=c#d', 'mailto:a@b.co', 'example.org', 'http://', 'urn:isbn:123'],
  duration: ['P1D', 'PT5M', 'P1Y2M3DT4H5M6S', 'P', '1D', 'PT', 'P3W'],
  'json-pointer': ['', '/a/b', 'a', '/a~1b', '/a~2'],
};
const NAMES = ['a', 'b', 'name', 'größe', 'x"y', 'n_1', 's_2', 'tags'];
const WORDS = ['', 'a', 'hello', 'naïve', '日本', '🙂🙂', 'quote"', 'back\\slash', 'line\nend', 'abcdefghij', '\u2028', '\u007f'];
const NUMBERS = [0, 1, -1, 2.5, -0.5, 7, 10, 12, 100, 99.99, 1e21, 1e-7, 123456.789, -40, 3, 5, 15, 0.1];

export function createSchemaMaker(seed: number): SchemaMaker {
  const random = createRandom(seed);
  const below = (count: number): number => Math.floor(random() * count);
  const pick = <Item>(items: readonly Item[]): Item => items[below(items.length)] as Item;
  const some = <Item>(items: readonly Item[], most: number): Item[] => [...items].sort(() => random() - 0.5).slice(0, below(most + 1));
  const maybe = (chance: number, fields: JsonObject): JsonObject => (random() < chance ? fields : {});

  const leaf: readonly (() => JsonObject)[] = [
    () => ({ type: 'boolean' }),
    () => ({ type: 'null' }),
    () => ({ type: 'integer', ...maybe(0.5, { minimum: below(20) - 10 }), ...maybe(0.5, { maximum: below(30) }), ...maybe(0.2,
      { multipleOf: 1 + below(7) }) }),
    () => ({ type: 'number', ...maybe(0.4, { minimum: pick(NUMBERS) }), ...maybe(0.4, { exclusiveMaximum: pick(NUMBERS) }), ...maybe(0.2,
      { exclusiveMinimum: pick(NUMBERS) }) }),
    () => ({ type: 'string', ...maybe(0.4, { minLength: below(4) }), ...maybe(0.4, { maxLength: 1 + below(10) }) }),
    () => ({ type: 'string', pattern: pick(PATTERNS), ...maybe(0.3, { maxLength: 2 + below(5) }) }),
    () => ({ type: 'string', format: pick(Object.keys(FORMAT_TEXTS)) }),
    () => ({ enum: some<JsonValue>([...WORDS.slice(0, 6), 1, 2.5, null, true, [1], { a: 1 }], 5).concat('a') }),
    () => ({ const: pick<JsonValue>([...WORDS, 1, false, null, [1, 'a'], { b: [true] }]) }),
    () => ({ type: pick<JsonValue>([['string', 'null'], ['integer', 'boolean'], ['number', 'string']]), ...maybe(0.5, { minimum: 2 }),
      ...maybe(0.5, { minLength: 2 }) }),
    () => ({ not: pick<JsonObject>([{ type: 'string' }, { enum: ['a', true] }, { type: ['null', 'number'] }]), type: ['string', 'boolean',
      'null'] }),
    () => ({}),
  ];

  const object = (depth: number): JsonObject => {
    const names = some(NAMES, 4);
    const properties = Object.fromEntries(names.map((name) => [name, make(depth - 1)]));
    return {
      type: 'object', properties, required: names.filter(() => random() < 0.5),
      ...maybe(0.7, { additionalProperties: random() < 0.7 ? false : make(0) }),
      ...maybe(0.15, { patternProperties: { '^[ns]_': make(0) } }),
      ...maybe(0.15, { minProperties: below(2) + 1 > names.length + 1 ? 1 : below(Math.max(1, names.length)) + 1 }),
      ...maybe(0.15, { maxProperties: Math.max(names.length, 1) }),
      ...maybe(0.15, { propertyNames: { maxLength: 4 } }),
      ...(names.length > 1 ? maybe(0.2, { dependentRequired: { [names[0] as string]: [names[1] as string] } }) : {}),
    };
  };
  const array = (depth: number): JsonObject => ({
    type: 'array',
    ...maybe(0.7, { items: random() < 0.15 ? false : make(depth - 1) }),
    ...maybe(0.3, { prefixItems: [make(0), make(0)] }),
    ...maybe(0.4, { minItems: below(3) }),
    ...maybe(0.4, { maxItems: 2 + below(3) }),
  });
  const union = (depth: number): JsonObject => pick<() => JsonObject>([
    () => ({ anyOf: [make(depth - 1), make(depth - 1)] }),
    () => ({ oneOf: [{ type: 'string', maxLength: 3 }, { type: 'integer' }, { type: 'array', items: make(0), maxItems: 2 }] }),
    () => ({ allOf: [{ type: ['string', 'integer'], minLength: 1 }, { type: ['string', 'null'], maxLength: 6 }] }),
    () => ({ allOf: [object(depth - 1), object(depth - 1)] }),
    () => ({ oneOf: [{ type: 'number', minimum: 2 }, { type: 'number', maximum: 5, minimum: -1e6 }] }),
    () => JSON.parse('{"if":{"type":"string"},"then":{"minLength":2},"else":{"type":"integer","maximum":9}}') as JsonObject,
    () => ({ type: 'array', uniqueItems: true, items: { enum: ['a', 'b', 1] }, maxItems: 2 }),
  ])();
  const make = (depth: number): JsonObject => {
    if (depth <= 0) return pick(leaf)();
    const chance = random();
    if (chance < 0.45) return object(depth);
    if (chance < 0.65) return array(depth);
    return chance < 0.8 ? union(depth) : pick(leaf)();
  };

  const anything = (depth: number): JsonValue => pick<() => JsonValue>([
    () => null, () => random() < 0.5, () => pick(NUMBERS), () => pick(WORDS), () => pick(PATTERN_TEXTS),
    () => (depth > 0 ? [anything(0), anything(0)].slice(below(3)) : 1), () => (depth > 0 ? { [pick(NAMES)]: anything(0) } : 'x'),
  ])();

  const value = (schema: JsonValue | undefined, root: JsonValue, depth = 0): JsonValue => {
    if (typeof schema !== 'object' || schema === null || Array.isArray(schema) || random() < 0.06) return anything(1);
    const fields = schema as JsonObject;
    const of = (inner: JsonValue | undefined) => value(inner, root, depth + 1);
    if (typeof fields['$ref'] === 'string') return of(fields['$ref'] === '#' ? root
      : (root as { $defs: JsonObject }).$defs[fields['$ref'].slice(8)]);
    const options = (fields['anyOf'] ?? fields['oneOf'] ?? fields['allOf']) as readonly JsonValue[] | undefined;
    if (fields['allOf'] !== undefined && options !== undefined && (options[0] as JsonObject)['type'] === 'object') {
      return Object.assign({}, ...options.map((part) => of(part))) as JsonValue;
    }
    if (options !== undefined) return random() < 0.3 ? anything(1) : of(pick(options));
    if (Array.isArray(fields['enum'])) return pick(fields['enum'] as JsonValue[]);
    if (fields['const'] !== undefined) return fields['const'];
    const type = Array.isArray(fields['type']) ? pick(fields['type'] as string[]) : fields['type'];
    switch (type) {
      case 'boolean': return random() < 0.5;
      case 'null': return null;
      case 'integer': return random() < 0.7 ? below(40) - 12 : Math.round(pick(NUMBERS));
      case 'number': return random() < 0.5 ? pick(NUMBERS) : Math.round(random() * 2000 - 500) / 100;
      case 'string':
        if (typeof fields['format'] === 'string') return pick(FORMAT_TEXTS[fields['format']] as readonly string[]);
        return fields['pattern'] === undefined ? pick(WORDS) : pick(PATTERN_TEXTS);
      case 'array': {
        const prefix = (fields['prefixItems'] ?? []) as readonly JsonValue[];
        return Array.from({ length: depth > 5 ? 0 : below(4) }, (_, i) => of(prefix[i] ?? fields['items']));
      }
      case 'object': {
        const properties = (fields['properties'] ?? {}) as JsonObject;
        const own = Object.keys(properties).filter(() => random() < (depth > 5 ? 0.3 : 0.85)).map((key) => [key,
          of(properties[key])] as const);
        const extra = random() < 0.25 ? [[pick([...NAMES, 'n_9', 'longer name']), anything(0)] as const] : [];
        return Object.fromEntries([...own, ...extra].sort(() => random() - 0.5));
      }
      default: return anything(1);
    }
  };
  return {
    schema: () => {
      if (random() < 0.12) return { $defs: { node: { type: 'object', properties: { v: make(0), next: { $ref: '#/$defs/node' },
        all: { type: 'array', items: { $ref: '#/$defs/node' }, maxItems: 2 } }, required: ['v'], additionalProperties: false } },
          $ref: '#/$defs/node' };
      return make(2);
    },
    value,
  };
}
