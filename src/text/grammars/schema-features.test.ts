import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { describe, expect, it } from 'vitest';
import type { JsonObject, JsonValue } from '../../tensor/checkpoint.ts';
import { Automaton, acceptsText } from './automaton.ts';
import { createJsonTexts } from './json-texts.ts';
import { schemaGrammar } from './schema-grammar.ts';

const texts = createJsonTexts();

function accepter(schema: JsonObject | boolean, isStrict = false): (text: string) => boolean {
  const node = schemaGrammar(schema, { texts, isStrict });
  const automaton = new Automaton();
  return (text) => acceptsText(automaton, node, text);
}

const point = { type: 'object', properties: { x: { type: 'integer' }, y: { type: 'integer' } }, required: ['x', 'y'],
  additionalProperties: false };
const closed = { additionalProperties: false };

const conditional = JSON.parse(`{
  "type": "object", "properties": { "k": { "enum": ["a", "b"] }, "v": { "type": ["integer", "string"] } }, "required": ["k", "v"],
  "if": { "properties": { "k": { "const": "a" } } },
  "then": { "properties": { "v": { "type": "integer" } } }, "else": { "properties": { "v": { "type": "string" } } }
}`) as JsonObject;

/** Keyword, schema, valid values, invalid values. */
const FEATURES: readonly (readonly [string, JsonObject, readonly JsonValue[], readonly JsonValue[]])[] = [
  ['type', { type: 'string' }, ['', 'a', '\u0000\u001f"\\/\u2028🙂'], [1, null, [], {}]],
  ['type list', { type: ['integer', 'null'] }, [1, null, -7], ['1', 1.5, true]],
  ['integer', { type: 'integer' }, [0, -1, 123456789012345], [1.5, '1', -0.1]],
  ['number', { type: 'number' }, [0, -1.5, 1e300, 1e-300, 1.7976931348623157, 123456789.123], ['0', null]],
  ['boolean and null', { type: ['boolean', 'null'] }, [true, false, null], [0, 'true']],
  ['any value', {}, [1, 'a', null, [1, [2, { a: [] }]], { '': { b: {} } }], []],
  ['enum', { enum: ['a', 1, null, { a: [1] }, [] as JsonValue] }, ['a', 1, null, { a: [1] }, []], ['b', 2, { a: [2] }, [1], 'A']],
  ['enum beside type', { type: 'string', enum: ['a', 1] }, ['a'], [1]],
  ['const', { const: { a: 'ü', b: [1, null] } }, [{ a: 'ü', b: [1, null] }, { b: [1, null], a: 'ü' }], [{ a: 'u', b: [1, null] },
    { a: 'ü' }]],
  ['minLength and maxLength', { type: 'string', minLength: 2, maxLength: 3 }, ['ab', '🙂🙂', '\n\n', '日本語'], ['', 'a', 'abcd', '🙂']],
  ['pattern', { type: 'string', pattern: '^(a|b)+c?$' }, ['a', 'abc', 'bb'], ['', 'c', 'abcc', 'xa']],
  ['pattern in the middle', { type: 'string', pattern: 'x\\d' }, ['x1', 'ax1b', 'x\nx9'], ['x', '1x', '']],
  ['pattern with classes', { type: 'string', pattern: '^[^\\s"\\u{1F600}-\\u{1F64F}]\\p{Lu}\\w$' }, ['aÄ_', '\\B9'], [' Ab', '"Ab', '😀Ab',
    'aäb']],
  ['pattern and length', { type: 'string', pattern: '^a*b*$', minLength: 2, maxLength: 3 }, ['ab', 'aaa', 'bbb'], ['a', 'aabb', 'ba']],
  ['pattern that looks ahead', { type: 'string', pattern: '^(?!\\.)(?!.*\\.\\.)(?=.*@)[a-z.]+@[a-z]+$' }, ['a.b@c', 'a@b'],
    ['.a@b', 'a..b@c', 'ab']],
  ['minimum and maximum', { type: 'integer', minimum: -12, maximum: 105 }, [-12, 0, 9, 99, 105, -1], [-13, 106, 1000, -100, 1.5]],
  ['bounds of decimals', { type: 'number', minimum: -0.25, maximum: 1.5 }, [-0.25, -0.1, 0, 1.499, 1.5, 1], [-0.251, 1.51, 2, -1, 15]],
  ['exclusive bounds', { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 0.1 }, [0.05, 0.0999999, 0.000001], [0, 0.1, 0.11, -0.05]],
  ['bounds with fractions', { type: 'integer', minimum: 0.5, maximum: 10.5 }, [1, 10], [0, 11]],
  ['only a minimum', { type: 'integer', minimum: 18 }, [18, 19, 20, 100, 99999], [17, 1, 0, -18]],
  ['multipleOf', { type: 'integer', multipleOf: 7, minimum: -20 }, [0, 7, 700, -14, 21], [1, 8, -21, -7.5]],
  ['format date', { type: 'string', format: 'date' }, ['2024-02-29', '2000-02-29'], ['2023-02-29', '1900-02-29', '2024-04-31', '2024-1-1']],
  ['format time', { type: 'string', format: 'time' }, ['00:00:00Z', '23:59:59.25+05:30'], ['24:00:00Z', '12:00:00', '1:00:00Z']],
  ['format date-time', { type: 'string', format: 'date-time' }, ['2024-02-29T00:00:00Z'], ['2023-02-29T00:00:00Z', '2024-02-29']],
  ['format duration', { type: 'string', format: 'duration' }, ['P1Y2M3DT4H5M6S', 'PT1S', 'P2W'], ['P', 'PT', '1D']],
  ['format uuid', { type: 'string', format: 'uuid' }, ['123E4567-e89b-12d3-a456-426614174000'], ['123e4567-e89b-12d3-a456-42661417400']],
  ['format email', { type: 'string', format: 'email' }, ["o'neil+tag@mail.example.org"], ['a@', '@a.b', 'a.@b.c', 'a b@c.d']],
  ['format hostname', { type: 'string', format: 'hostname' }, ['a-b.example', 'x'], ['-a', 'a-', 'a..b', 'a_b']],
  ['format ipv4', { type: 'string', format: 'ipv4' }, ['0.0.0.0', '255.249.199.9'], ['256.0.0.1', '1.2.3', '1.2.3.4.5']],
  ['format ipv6', { type: 'string', format: 'ipv6' }, ['::', '1::', '1:2:3:4:5:6:7:8', '::1.2.3.4', 'fe80::1:2'], [':', '1:2', '1::2::3',
    '12345::']],
  ['format uri', { type: 'string', format: 'uri' }, ['https://a.b/c?d=e#f', 'mailto:a@b.c', 'urn:x:y'], ['a.b/c', '//a.b', 'https://a b']],
  ['format json-pointer', { type: 'string', format: 'json-pointer' }, ['', '/a~1b/0'], ['a', '/~2']],
  ['properties and required', point, [{ x: 1, y: 2 }, { y: 2, x: 1 }], [{ x: 1 }, { x: 1, y: 2, z: 3 }, { x: 1.5, y: 2 }, []]],
  ['optional properties', { ...point, required: [] }, [{}, { x: 1 }, { y: 1 }, { x: 1, y: 2 }], [{ z: 1 }]],
  ['nested objects', { type: 'object', properties: { a: point }, required: ['a'], ...closed }, [{ a: { x: 1, y: 2 } }],
    [{ a: {} }, { a: { x: 1, y: 2 }, b: 1 }]],
  ['additionalProperties absent', { properties: { a: { type: 'integer' } } }, [{ a: 1, b: 'x' }, {}, 'no object', { b: [] }], [{ a: 'x' }]],
  ['additionalProperties of a schema', { type: 'object', properties: { a: true }, additionalProperties: { type: 'boolean' } },
    [{ a: 1, b: true }, { ab: false }], [{ b: 1 }]],
  ['patternProperties', { type: 'object', patternProperties: { '^n': { type: 'integer' }, 't$': { minimum: 5 } }, ...closed },
    [{ n: 1, nt: 6, t: 'x' }, {}], [{ nt: 4 }, { x: 1 }, { n: 'a' }]],
  ['propertyNames', { type: 'object', propertyNames: { pattern: '^[a-z]{1,3}$' } }, [{ a: 1, bcd: 2 }, {}], [{ abcd: 1 }, { A: 1 },
    { '': 1 }]],
  ['minProperties and maxProperties', { ...point, required: [], minProperties: 1, maxProperties: 1 }, [{ x: 1 }, { y: 1 }],
    [{}, { x: 1, y: 2 }]],
  ['maxProperties of others', { type: 'object', maxProperties: 2 }, [{}, { a: 1, b: 2 }], [{ a: 1, b: 2, c: 3 }]],
  ['dependentRequired', { ...point, required: [], dependentRequired: { x: ['y'] } }, [{}, { y: 1 }, { x: 1, y: 2 }, { y: 1, x: 2 }],
    [{ x: 1 }]],
  ['names with odd characters', { type: 'object', properties: { 'a"b\\': true, 'größe\n': true }, ...closed }, [{ 'a"b\\': 1 },
    { 'größe\n': 2 }], [{ ab: 1 }, { größe: 1 }]],
  ['items', { type: 'array', items: { type: 'boolean' } }, [[], [true], [true, false, true]], [[1], [true, null], {}]],
  ['minItems and maxItems', { type: 'array', minItems: 1, maxItems: 2 }, [[1], [1, 'a']], [[], [1, 2, 3]]],
  ['prefixItems', { type: 'array', prefixItems: [{ type: 'integer' }, { type: 'string' }], items: false }, [[], [1], [1, 'a']],
    [['a'], [1, 2], [1, 'a', 2]]],
  ['prefixItems and items', { type: 'array', prefixItems: [{ const: 1 }], items: { const: 2 } }, [[1, 2, 2], [1]], [[2], [1, 1]]],
  ['uniqueItems', { type: 'array', uniqueItems: true, items: { enum: ['a', 1, true] } }, [[], ['a', 1, true], [true, 'a']], [['a', 'a'],
    [1, true, 1]]],
  ['anyOf', { anyOf: [{ type: 'integer', minimum: 5 }, { type: 'number', maximum: 1 }, { const: 'x' }] }, [7, 0.5, 1, 'x'], [3, 1.5, 'y']],
  ['oneOf apart', { oneOf: [{ type: 'string' }, { type: 'integer' }] }, ['a', 1], [1.5, null]],
  ['oneOf that overlaps', { oneOf: [{ type: 'number', minimum: 0 }, { type: 'number', maximum: 10 }] }, [-1, 11, 10.5], [0, 5, 10]],
  ['allOf', { allOf: [{ type: 'integer', minimum: 3 }, { maximum: 9 }, { multipleOf: 2 }, { multipleOf: 3 }] }, [6], [3, 4, 9, 12]],
  ['allOf of objects', { allOf: [{ properties: { a: { minimum: 2 } }, required: ['a'] }, { type: 'object',
    properties: { a: { type: 'integer', maximum: 4 } } }] }, [{ a: 3 }, { a: 2, b: 1 }], [{ a: 1 }, { a: 5 }, {}]],
  ['not', { type: ['string', 'integer'], not: { enum: ['a', 5] } }, ['b', '', 4, 50], ['a', 5]],
  ['not with bounds', { type: 'integer', not: { minimum: 3, maximum: 5 } }, [2, 6], [3, 4, 5]],
  ['not required', { ...point, required: [], not: { required: ['x'] } }, [{}, { y: 1 }], [{ x: 1 }, { x: 1, y: 1 }]],
  ['if, then, else', conditional, [{ k: 'a', v: 1 }, { k: 'b', v: 'x' }, { v: 1, k: 'a' }], [{ k: 'a', v: 'x' }, { k: 'b', v: 1 }]],
  ['$ref', { $defs: { 'a/b~c': { type: 'boolean' } }, type: 'array', items: { $ref: '#/$defs/a~1b~0c' } }, [[true]], [[1]]],
  ['$ref beside keywords', { $defs: { s: { type: 'string' } }, $ref: '#/$defs/s', maxLength: 2 }, ['ab'], ['abc', 1]],
  ['recursion', { type: 'object', properties: { v: { type: 'integer' }, kids: { type: 'array', items: { $ref: '#' } } }, required: ['v'],
    ...closed }, [{ v: 1 }, { v: 1, kids: [{ v: 2, kids: [] }, { v: 3 }] }], [{ v: 1, kids: [{}] }, { kids: [] }]],
  ['recursion through a union', { $defs: { e: { anyOf: [{ type: 'integer' }, { type: 'array', items: { $ref: '#/$defs/e' },
    minItems: 2 }] } }, $ref: '#/$defs/e' }, [1, [1, [2, 3]]], [[1], [1, ['a', 2]]]],
  ['unicode', { type: 'object', properties: { 名前: { enum: ['太郎', '🙂'] } }, required: ['名前'], ...closed }, [{ 名前: '太郎' }, { 名前: '🙂' }],
    [{ 名前: '次郎' }, { name: '太郎' }]],
  ['notes', { title: 't', description: 'd', default: 1, examples: [1], $comment: 'c', deprecated: true, type: 'integer' }, [1], ['a']],
];

describe('each keyword', () => {
  it.each(FEATURES)('%s', (_name, schema, valid, invalid) => {
    const ajv = new Ajv2020({ strict: false, validateFormats: true });
    (addFormats as unknown as (ajv: unknown) => void)(ajv);
    const validate = ajv.compile(schema);
    const accepts = accepter(schema);
    for (const value of valid) {
      expect(validate(value), `ajv: ${JSON.stringify(value)}`).toBe(true);
      expect(accepts(JSON.stringify(value)), `refused ${JSON.stringify(value)}`).toBe(true);
    }
    for (const value of invalid) {
      expect(validate(value), `ajv: ${JSON.stringify(value)}`).toBe(false);
      expect(accepts(JSON.stringify(value)), `accepted ${JSON.stringify(value)}`).toBe(false);
    }
  });
});

describe('texts of a valid value', () => {
  it('may have spaces and new lines as a printer puts them', () => {
    const accepts = accepter(point);
    for (const indent of [1, 2, 4, '\t']) expect(accepts(JSON.stringify({ x: 1, y: -2 }, null, indent))).toBe(true);
    expect(accepts('{"x": 1, "y": 2}')).toBe(true);
    expect(accepts('{"x" : 1,"y":2}')).toBe(false);
    expect(accepts('{  "x":1,"y":2}')).toBe(false);
    expect(accepts(` {"x":1,"y":2}`)).toBe(false);
  });

  it('may have any escape in a string without a pattern', () => {
    const accepts = accepter({ type: 'string', maxLength: 3 });
    for (const text of ['"\\u00e9\\n\\/"', '"\\ud83d\\ude00ab"', '"\\uD83D\\uDE00"']) expect(accepts(text)).toBe(true);
    for (const text of ['"\\ud83d"', '"\\x41"', '"\n"', '"\\u00e9\\u00e9\\u00e9\\u00e9"', '"abc']) expect(accepts(text)).toBe(false);
  });

  it('is no number that JSON does not have', () => {
    const accepts = accepter({ type: 'number' });
    for (const text of ['01', '1.', '.5', '+1', '1e', '0x1', 'NaN', '-', '1e999', '1e308']) expect(accepts(text), text).toBe(false);
    for (const text of ['-0', '0.0', '1E+5', '1.50', '9e-307']) expect(accepts(text), text).toBe(true);
  });

  it('in the strict reading keeps the order of members, and has none that nothing is said of', () => {
    const accepts = accepter({ type: 'object', properties: { a: { type: 'integer' }, b: { type: 'integer' }, c: { type: 'integer' } },
      required: ['b'] }, true);
    for (const text of ['{"a":1,"b":2,"c":3}', '{"b":2}', '{"b":2,"c":3}']) expect(accepts(text), text).toBe(true);
    for (const text of ['{"b":2,"a":1}', '{"a":1}', '{"b":1,"d":2}', '{"b":1,"b":2}']) expect(accepts(text), text).toBe(false);
  });

  it('in the strict reading has what each part of an allOf names', () => {
    const accepts = accepter({ type: 'object', allOf: [{ properties: { a: { type: 'integer' } } },
      { properties: { b: { type: 'integer' } } }] }, true);
    expect(accepts('{"a":1,"b":2}')).toBe(true);
    expect(accepts('{"c":1}')).toBe(false);
  });
});

describe('what cannot be obeyed', () => {
  const inA = (schema: JsonObject): JsonObject => ({ type: 'object', properties: { a: { type: 'array', items: schema } } });
  it.each<[JsonObject, string]>([
    [{ unevaluatedProperties: false }, '#/properties/a/items/unevaluatedProperties'],
    [{ type: 'array', contains: { type: 'integer' } }, '#/properties/a/items/contains'],
    [{ type: 'array', uniqueItems: true }, '#/properties/a/items/uniqueItems'],
    [{ dependentSchemas: {} }, '#/properties/a/items/dependentSchemas'],
    [{ $ref: 'other.json' }, '#/properties/a/items/$ref'],
    [{ $ref: '#/$defs/missing' }, '#/properties/a/items/$ref'],
    [{ $dynamicRef: '#x' }, '#/properties/a/items/$dynamicRef'],
    [{ type: 'string', format: 'iri' }, '#/properties/a/items/format'],
    [{ type: 'string', pattern: 'a(?=a)b' }, '#/properties/a/items'],
    [{ type: 'string', pattern: '^(?!a)b|c' }, '#/properties/a/items'],
    [{ type: 'string', pattern: '(a)\\1' }, '#/properties/a/items'],
    [{ type: 'string', pattern: '\\bx' }, '#/properties/a/items'],
    [{ type: 'number', multipleOf: 0.01 }, '#/properties/a/items/multipleOf'],
    [{ not: { type: 'array', contains: {} } }, '#/properties/a/items/not/contains'],
    [{ oneOf: [{ type: 'integer' }, { type: 'number' }] }, '#/properties/a/items/oneOf/0/type'],
    [{ oneOf: [{ type: 'array', items: { type: 'integer' } }, { type: 'array' }] }, '#/properties/a/items/oneOf/0/items'],
    [{ type: 'object', minProperties: 3 }, '#/properties/a/items/minProperties'],
    [{ typ: 'string' }, '#/properties/a/items/typ'],
    [{ type: 'text' }, '#/properties/a/items/type'],
    [{ minLength: -1 }, '#/properties/a/items/minLength'],
    [{ anyOf: [{ $ref: '#/properties/a/items' }, { type: 'null' }] }, '#/properties/a/items'],
  ])('%j is refused with its path', (schema, path) => {
    expect(() => schemaGrammar(inA(schema), { texts, isStrict: true })).toThrow(`The schema at ${path}:`);
  });

  it('says where no value is valid', () => {
    for (const schema of [false, { type: 'string', enum: [1] }, { type: 'integer', minimum: 3, maximum: 2 }, { type: 'object',
      required: ['a'], properties: { a: false } }, { type: 'string', pattern: '^a$', minLength: 2 }])
      expect(() => schemaGrammar(schema, { texts, isStrict: true })).toThrow('no value is valid');
  });
});
