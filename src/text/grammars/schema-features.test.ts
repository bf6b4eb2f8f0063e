import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { describe, expect, it } from 'vitest';
import { point, SCHEMA_FEATURES } from '../../../test/schema-features.ts';
import type { JsonObject } from '../../tensor/checkpoint.ts';
import { Automaton, acceptsText } from './automaton.ts';
import { createJsonTexts } from './json-texts.ts';
import { schemaGrammar } from './schema-grammar.ts';

const texts = createJsonTexts();

function accepter(schema: JsonObject | boolean, isStrict = false): (text: string) => boolean {
  const node = schemaGrammar(schema, { texts, isStrict });
  const automaton = new Automaton();
  return (text) => acceptsText(automaton, node, text);
}

describe('each keyword', () => {
  it.each(SCHEMA_FEATURES)('%s', (_name, schema, valid, invalid) => {
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
