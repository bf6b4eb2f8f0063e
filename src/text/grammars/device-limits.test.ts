/** What a device follows by itself and what it does not, by name: the table of docs/structured-output.md, held on both sides. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { emberTokenizer } from '../../../test/ember-tokenizer.ts';
import { createGrammarCompiler } from './output-format.ts';
import type { OutputFormat } from './output-format.ts';

const tokenizer = await emberTokenizer();
const compiler = createGrammarCompiler(tokenizer, tokenizer.vocabSize, tokenizer.endIds);

const schema = (of: object, strict = true): OutputFormat => ({ type: 'schema', schema: of as never, strict });
const grammar = (...rules: readonly string[]): OutputFormat => ({ type: 'grammar', grammar: rules.join('\n') });
const flags = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`m${i}`, { type: 'boolean' }]));
/** Each rule begins with the next one, and all go on behind it. */
const nested = (depth: number) => grammar(
  ...Array.from({ length: depth }, (_, i) => `${i === 0 ? 'root' : `r${i}`} ::= r${i + 1} "b"`), `r${depth} ::= "a"`);
const end = tokenizer.tokenText([...tokenizer.endIds][0] as number);

interface Limit {
  readonly follows: OutputFormat;
  readonly not: OutputFormat;
  readonly why: string;
}

/** By their rows in the table. */
const LIMITS: Readonly<Record<string, Limit>> = {
  'optional members in order': {
    follows: schema({ properties: flags(60) }), not: schema({ properties: flags(90) }), why: 'states',
  },
  'optional members in any order': {
    follows: schema({ properties: flags(6) }, false), not: schema({ properties: flags(7) }, false), why: 'states',
  },
  '`uniqueItems`': {
    follows: schema({ type: 'array', uniqueItems: true, items: { enum: [1, 2, 3, 4, 5, 6, 7] } }),
    not: schema({ type: 'array', uniqueItems: true, items: { enum: [1, 2, 3, 4, 5, 6, 7, 8] } }), why: 'states',
  },
  '`maxLength`': {
    follows: schema({ type: 'string', maxLength: 5900 }), not: schema({ type: 'string', maxLength: 6100 }), why: 'states',
  },
  '`enum`, choices': {
    follows: { type: 'choice', choices: Array.from({ length: 1700 }, (_, i) => `word ${i * 7919}`) },
    not: { type: 'choice', choices: Array.from({ length: 1800 }, (_, i) => `word ${i * 7919}`) }, why: 'states',
  },
  '`multipleOf`': {
    follows: schema({ type: 'integer', multipleOf: 100 }), not: schema({ type: 'integer', multipleOf: 300 }), why: 'states',
  },
  'what came so many characters ago': {
    follows: grammar('root ::= [ab]* "a" [ab]{11}'), not: grammar('root ::= [ab]* "a" [ab]{12}'), why: 'states',
  },
  'places side by side': {
    follows: grammar('root ::= ([a-z]{1,9} [a-z]{1,9}){1,3}'), not: grammar('root ::= ([a-z]{1,40} [a-z]{1,40}){1,40}'), why: 'places',
  },
  'rules that end with themselves or go on': {
    follows: grammar('root ::= "(" root? ")" | "a" root "b" | ""'), not: grammar('root ::= "if" root ("else" root)? | "s"'),
    why: 'ambiguous',
  },
  'lists of lists with one separator': {
    follows: grammar('root ::= list (";" list)*', 'list ::= item ("," item)*', 'item ::= [a-z]+ | "<" root ">"'),
    not: grammar('root ::= list ("," list)*', 'list ::= item ("," item)*', 'item ::= [a-z]+ | "<" root ">"'), why: 'ambiguous',
  },
  'palindromes': {
    follows: grammar('root ::= "a" root "a" | "b" root "b" | "c"'), not: grammar('root ::= "a" root "a" | "b" root "b" | ""'),
    why: 'ambiguous',
  },
  'rules that begin with rules': { follows: nested(32), not: nested(33), why: 'pushes' },
  'control tokens': {
    follows: { type: 'tags', tags: [{ begin: '<|im_start|>', content: { type: 'json' }, end: '' }] },
    not: { type: 'tags', tags: [{ begin: end, content: { type: 'json' }, end: '' }] }, why: 'end token',
  },
};

const page = readFileSync(new URL('../../../docs/structured-output.md', import.meta.url), 'utf8');
const ROW = /^\| ([^|]+) \| (?:[^|]|\\\|)+ \| (?:[^|]|\\\|)+ \| (states|places|ambiguous|pushes|end token) \|$/u;
const rows = page.split('\n').flatMap((line) => {
  const [, what = '', why = ''] = ROW.exec(line) ?? [];
  return what === '' ? [] : [[what, why]];
});

describe('what a device follows', () => {
  it('is what the documentation says', () => {
    expect(rows).toEqual(Object.entries(LIMITS).map(([what, { why }]) => [what, why]));
  });

  it.each(Object.entries(LIMITS))('%s', (_, { follows, not, why }) => {
    const found = compiler.compile(follows).search().found();
    expect(typeof found === 'string' ? found : 'a table').toBe('a table');
    expect(compiler.compile(not).search().found()).toBe(why);
  });
});
