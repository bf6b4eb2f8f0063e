import { describe, expect, it } from 'vitest';
import { emberTokenizer } from '../../../test/ember-tokenizer.ts';
import { createRandom } from '../../../test/fuzz-text.ts';
import { structuredSchemas } from '../../../test/structured-schemas.ts';
import type { JsonObject } from '../../tensor/checkpoint.ts';
import { InputError } from '../../tensor/errors.ts';
import { createGrammarCompiler } from './output-format.ts';
import type { GrammarMatcher } from './matcher.ts';
import type { CompiledGrammar, OutputFormat } from './output-format.ts';
import { regexDfa } from './regex-dfa.ts';

const tokenizer = await emberTokenizer();
const compiler = createGrammarCompiler(tokenizer, tokenizer.vocabSize, tokenizer.endIds);
const has = (mask: Uint32Array, id: number) => (((mask[id >> 5] as number) >>> (id & 31)) & 1) === 1;
const idsOf = (mask: Uint32Array) => Array.from({ length: tokenizer.vocabSize }, (_, id) => id).filter((id) => has(mask, id));

function processorMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** Follows a text, and says the median and most of the processor's time for a mask. */
function follow(format: OutputFormat, text: string): { readonly median: number; readonly most: number; readonly matcher: GrammarMatcher } {
  const matcher = compiler.compile(format).start();
  const times: number[] = [];
  for (const token of tokenizer.encode(text)) {
    times.push(processorMs(() => expect(has(matcher.mask(), token), text).toBe(true)));
    matcher.accept(token);
  }
  const sorted = times.toSorted((a, b) => a - b);
  return { median: sorted[sorted.length >> 1] as number, most: sorted.at(-1) as number, matcher };
}

const random = createRandom(3);
const word = () => Array.from({ length: 4 + Math.floor(random() * 12) }, () => 'abcdefghij klmnop'[Math.floor(random() * 17)]).join('');
const WORDS = [...new Set(Array.from({ length: 10_000 }, word))];

describe('60 schemas', () => {
  // With a schema's regular expressions and automata.
  it('are compiled in less than 50 ms each, at the 95th percentile, and not again when they come again', () => {
    const own = createGrammarCompiler(tokenizer, tokenizer.vocabSize, tokenizer.endIds);
    own.compile({ type: 'json' });
    const compile = (schema: JsonObject) => own.compile({ type: 'schema', schema });
    const compiled: CompiledGrammar[] = [];
    const schemas = structuredSchemas().map(({ schema }) => schema);
    const times = schemas.map((schema) => processorMs(() => void compiled.push(compile(schema)))).toSorted((a, b) => a - b);
    expect(times).toHaveLength(60);
    expect(times[56]).toBeLessThan(50);
    for (const [i, schema] of schemas.entries()) expect(compile(schema)).toBe(compiled[i]);
  });
});

describe('an enum of 10,000 texts', () => {
  const schema = { type: 'object', properties: { a: { enum: WORDS } }, required: ['a'] } as const;
  // The whole enum was read text by text for each mask before: 90 to 200 ms.
  it('has masks in a few milliseconds, which allow its texts and no others', () => {
    for (const text of [WORDS[17], WORDS[9000], WORDS.at(-1)] as string[]) {
      const { median, most } = follow({ type: 'schema', schema }, JSON.stringify({ a: text }));
      expect(median).toBeLessThan(15);
      expect(most).toBeLessThan(400);
    }
  });

  it('allows each token that goes on with one of the texts, and no other', () => {
    const matcher = compiler.compile({ type: 'choice', choices: WORDS }).start();
    const starts = new Set(WORDS);
    const before = (WORDS[5] as string).slice(0, 2);
    for (const token of tokenizer.encode(before)) matcher.accept(token);
    const texts = [...starts].filter((each) => each.startsWith(before)).map((each) => each.slice(before.length));
    const allowed = new Set(idsOf(matcher.mask()));
    for (let id = 0; id < tokenizer.vocabSize; id++) {
      if (tokenizer.isSpecial(id) || tokenizer.endIds.has(id)) continue;
      const own = tokenizer.decode([id]);
      expect(allowed.has(id), own).toBe(own !== '' && texts.some((text) => text.startsWith(own)));
    }
  });
});

describe('words that begin alike', () => {
  it('may each end where a longer one goes on', () => {
    for (const text of ['1', '12', '123', '19'])
      expect(idsOf(follow({ type: 'schema', schema: { enum: [1, 12, 123, 19, 'x', null] } }, text).matcher.mask())
        .some((id) => tokenizer.endIds.has(id))).toBe(true);
    const matcher = compiler.compile({ type: 'choice', choices: ['in', 'inner', 'innermost'] }).start();
    for (const token of tokenizer.encode('inner')) matcher.accept(token);
    const texts = idsOf(matcher.mask()).map((id) => (tokenizer.endIds.has(id) ? 'END' : tokenizer.decode([id])));
    expect(texts).toContain('END');
    expect(texts.every((text) => text === 'END' || 'most'.startsWith(text))).toBe(true);
  });

  it('go on with what stands behind them, also in one token', () => {
    const schema = { type: 'array', items: { enum: ['a', 'ab', true, 7] }, minItems: 2, maxItems: 2 };
    for (const text of ['["a","ab"]', '[7, true]', '["ab", "a"]']) follow({ type: 'schema', schema }, text);
  });
});

describe('2,000 optional members', () => {
  const names = Array.from({ length: 2000 }, (_, i) => `m${i}`);
  const properties = Object.fromEntries(names.map((name) => [name, { type: 'boolean' }]));
  it.each([true, false])('have masks in a few milliseconds (strict: %s)', (strict) => {
    const text = JSON.stringify({ m3: true, m100: false, m1999: true });
    const { median, most } = follow({ type: 'schema', schema: { type: 'object', properties, additionalProperties: false }, strict }, text);
    expect(median).toBeLessThan(15);
    expect(most).toBeLessThan(400);
  });
});

describe('repetitions of repetitions', () => {
  it('are counted before they are written out', () => {
    for (const pattern of ['(a{1000}){1000}', '((((a{100}){100}){100}){100}){100}', '(?:a{0,200}){0,200}', '(a|b{1500}){1500}']) {
      const took = processorMs(() => {
        expect(() => regexDfa(pattern, { isSearch: false })).toThrow(InputError);
      });
      expect(took, pattern).toBeLessThan(1500);
    }
    expect(() => compiler.compile({ type: 'regex', pattern: '(a{1000}){1000}' })).toThrow('make 2003002 parts, more than 30000');
    expect(regexDfa('(?:[a-z]{1,20} ){60}', { isSearch: false }).isFinal.filter(Boolean)).toHaveLength(1);
  });
});
