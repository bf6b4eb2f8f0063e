import { describe, expect, it } from 'vitest';
import { emberTokenizer } from '../../../test/ember-tokenizer.ts';
import { InputError } from '../../tensor/errors.ts';
import { createGrammarCompiler } from './output-format.ts';
import type { OutputFormat } from './output-format.ts';
import { shortPath } from './plain-json.ts';

const tokenizer = await emberTokenizer();
const compiler = createGrammarCompiler(tokenizer, tokenizer.vocabSize, tokenizer.endIds);

function nested(levels: number, wrap: (inside: unknown) => unknown): unknown {
  let value: unknown = { type: 'null' };
  for (let i = 0; i < levels; i++) value = wrap(value);
  return value;
}

/** Each level refers to the next one twice. */
function doubling(keyword: string): unknown {
  const next = (i: number) => ({ $ref: `#/$defs/n${i + 1}` });
  const levels = Array.from({ length: 25 }, (_, i) => [`n${i}`, { [keyword]: [next(i), next(i)] }]);
  return { $defs: { ...Object.fromEntries(levels) as object, n25: { type: 'null' } }, $ref: '#/$defs/n0' };
}

/** Definitions, each in the one before. */
function chain(length: number, wrap: (next: unknown) => unknown): unknown {
  const at = (i: number) => (i < length ? wrap({ $ref: `#/$defs/d${i + 1}` }) : { type: 'null' });
  return { $ref: '#/$defs/d0', $defs: Object.fromEntries(Array.from({ length: length + 1 }, (_, i) => [`d${i}`, at(i)])) };
}

const cyclic: Record<string, unknown> = {};
cyclic['items'] = cyclic;
const groups = (levels: number) => `${'('.repeat(levels)}a${')'.repeat(levels)}`;
const schema = (value: unknown) => ({ type: 'schema', schema: value });

describe('what is no format is refused, by its place and by what was found:', () => {
  it.each<[string, unknown, string]>([
    ['null', null, 'format must be an object with a type, found null'],
    ['a text', 'json', 'format must be an object with a type, found string "json"'],
    ['a bigint', schema({ minimum: 1n }), 'format/schema/minimum must be JSON, found bigint 1'],
    ['a function', schema({ const: () => 1 }), 'format/schema/const must be JSON, found a function'],
    ['a Map', schema({ properties: new Map() }), 'format/schema/properties must be JSON, found Map'],
    ['a hole', schema({ enum: [undefined] }), 'format/schema/enum/0 must be JSON, found undefined'],
    ['NaN', schema({ minimum: Number.NaN }), 'format/schema/minimum must be JSON, found NaN'],
    ['a circle', schema(cyclic), 'is nested more than 600 deep, or holds itself'],
    ['a very deep schema', schema(nested(20_000, (items) => ({ items }))), 'is nested more than 600 deep'],
    ['a long chain', schema(chain(5000, (items) => ({ type: 'array', items }))), '#/$defs/d3999/items: it is of more than 4000 parts'],
    ['enums in enums', schema(chain(2000, (a) => ({ enum: [{ a: 1 }, 2], properties: { a } }))), 'are nested more than 200 deep'],
    ['allOf that doubles', schema(doubling('allOf')), 'too many cases'],
    ['anyOf that doubles', schema(doubling('anyOf')), 'cases'],
    ['oneOf that doubles', schema(doubling('oneOf')), 'too many cases'],
    ['properties of null', schema({ properties: null }), '#/properties: expected an object, found null'],
    ['names that are none', schema({ required: [1] }), '#/required/0: expected a name, found 1'],
    ['uniqueItems of text', schema({ type: 'array', uniqueItems: 'yes' }), '#/uniqueItems: expected true or false'],
    ['a reference with a percent sign', schema({ $ref: '#/a%ZZ' }), 'nothing is at #/a%ZZ'],
    ['deep groups', { type: 'regex', pattern: groups(3000) }, 'format.pattern: the pattern'],
    ['many states', { type: 'regex', pattern: '.*a.{20}' }, 'format.pattern: it makes more than'],
    ['half a pair', { type: 'choice', choices: ['yes', '\ud83d'] }, 'format.choices[1] holds half a surrogate pair'],
    ['half a pair in a grammar', { type: 'grammar', grammar: 'root ::= "\\uD83D"' }, 'half a surrogate pair'],
    ['deep groups of a grammar', { type: 'grammar', grammar: `root ::= ${groups(20_000)}` }, 'groups are more than 200 deep'],
    ['repeated repetitions', { type: 'grammar', grammar: `root ::= "a"${'?'.repeat(20_000)}` }, 'repetitions of repetitions'],
    ['a tag of null', { type: 'tags', tags: [null] }, 'format.tags[0] takes an object of options, found null'],
    ['a tag with more', { type: 'tags', tags: [{ begin: 'a', content: { type: 'json' }, end: 'b', stop: 'c' }] }, 'no option "stop"'],
    ['a tag of nothing', { type: 'tags', tags: [{ begin: 'a', content: null, end: 'b' }] }, 'The content of a tag must be an object'],
    ['a separator', { type: 'tags', tags: [{ begin: 'a', content: { type: 'json' }, end: 'b' }], separator: 5 }, 'format.separator'],
  ])('%s', (_, format, message) => {
    const compile = () => compiler.compile(format as OutputFormat);
    expect(compile).toThrow(InputError);
    expect(compile).toThrow(message);
  });
});

it('what is nested within bounds is obeyed', () => {
  for (const format of [
    schema(nested(190, (items) => ({ type: 'array', items }))), schema({ const: nested(280, (item) => [item]) }),
    { type: 'regex', pattern: groups(150) }, { type: 'grammar', grammar: 'root ::= "\\uD83D\\uDE00"' },
    schema({ type: 'string', const: undefined }),
  ]) expect(() => compiler.compile(format as OutputFormat).start().mask()).not.toThrow();
});

it('long paths are shown by both ends', () => {
  expect(shortPath('#/a')).toBe('#/a');
  expect(shortPath(`#${'/items'.repeat(500)}/last`)).toMatch(/^#\/items.*\.\.\..*\/last$/u);
});

it.each([
  ['definitions in a chain', chain(3900, (items) => ({ type: 'array', items, minItems: 1 })), '['.repeat(50)],
  ['a deep schema', nested(250, (items) => ({ type: 'array', items, minItems: 1 })), `${'['.repeat(250)}null${']'.repeat(250)}`],
])('%s are followed as deeply as they go', (_, deep, text) => {
  const matcher = compiler.compile(schema(deep) as OutputFormat).start();
  for (const token of tokenizer.encode(text)) matcher.accept(token);
  const [end] = [...tokenizer.endIds] as [number];
  expect((matcher.mask()[end >> 5]! >>> (end & 31)) & 1).toBe(text.endsWith(']') ? 1 : 0);
});
