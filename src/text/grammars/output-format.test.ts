import { describe, expect, it } from 'vitest';
import { emberTokenizer } from '../../../test/ember-tokenizer.ts';
import { createRandom } from '../../../test/fuzz-text.ts';
import { structuredSchemas } from '../../../test/structured-schemas.ts';
import { InputError } from '../../tensor/errors.ts';
import { createGrammarMachine } from './matcher.ts';
import { createGrammarCompiler } from './output-format.ts';
import type { OutputFormat } from './output-format.ts';
import { schemaGrammar } from './schema-grammar.ts';

const tokenizer = await emberTokenizer();
const compiler = createGrammarCompiler(tokenizer, tokenizer.vocabSize, tokenizer.endIds);
const end = [...tokenizer.endIds][0] as number;
const has = (mask: Uint32Array, id: number) => (((mask[id >> 5] as number) >>> (id & 31)) & 1) === 1;

/** Whether the tokens of a text, each allowed by the mask before it, lead to where the answer may end. */
function accepts(format: OutputFormat, text: string): boolean {
  const matcher = compiler.compile(format).start();
  for (const token of tokenizer.encode(text, { parseSpecial: true })) {
    if (!has(matcher.mask(), token)) return false;
    matcher.accept(token);
  }
  return has(matcher.mask(), end);
}

describe('masks', () => {
  it('have a token where its bytes, one by one, can follow; of every schema along a random answer', () => {
    const random = createRandom(7);
    for (const { name, schema } of structuredSchemas()) {
      const compiled = compiler.compile({ type: 'schema', schema });
      const matcher = compiled.start();
      const accepted: number[] = [];
      for (let step = 0; step < 24 && !matcher.isDone; step++) {
        const mask = matcher.mask();
        const allowed: number[] = [];
        for (let id = 0; id < tokenizer.vocabSize; id++) if (has(mask, id)) allowed.push(id);
        expect(allowed.length, name).toBeGreaterThan(0);
        // A token at a time, as tokens of one byte each would be accepted.
        for (let tries = 0; tries < 12; tries++) {
          const id = Math.floor(random() * tokenizer.vocabSize);
          if (tokenizer.isSpecial(id) || tokenizer.endIds.has(id)) continue;
          expect(has(mask, id), `${name}, token ${id} after ${JSON.stringify(tokenizer.decode(accepted))}`)
            .toBe(followsByBytes(compiled.start(), [...accepted, id]));
        }
        const next = allowed[Math.floor(random() * allowed.length)] as number;
        matcher.accept(next);
        accepted.push(next);
      }
    }
  });

  it('refuse to accept what they do not have', () => {
    const matcher = compiler.compile({ type: 'choice', choices: ['yes', 'no'] }).start();
    expect(() => matcher.accept(tokenizer.encode('maybe')[0] as number)).toThrow('cannot follow');
  });

  it('allow nothing but end tokens at the end', () => {
    const matcher = compiler.compile({ type: 'choice', choices: ['yes'] }).start();
    for (const token of tokenizer.encode('yes')) matcher.accept(token);
    const mask = matcher.mask();
    for (let id = 0; id < tokenizer.vocabSize; id++) expect(has(mask, id)).toBe(tokenizer.endIds.has(id));
    matcher.accept(end);
    expect(matcher.isDone).toBe(true);
  });
});

const byteIds = new Map<number, number>();
for (let id = tokenizer.vocabSize - 1; id >= 0; id--) {
  const bytes = tokenizer.tokenBytes(id);
  if (bytes.length === 1 && !tokenizer.isSpecial(id)) byteIds.set(bytes[0] as number, id);
}

/** Accepts the bytes of tokens as tokens of one byte. */
function followsByBytes(matcher: ReturnType<ReturnType<typeof compiler.compile>['start']>, ids: readonly number[]): boolean {
  try {
    for (const id of ids) for (const byte of tokenizer.tokenBytes(id)) matcher.accept(byteIds.get(byte) as number);
    return true;
  } catch {
    return false;
  }
}

describe('tables that are full', () => {
  it('are made anew, and matchers go on in them', () => {
    const base = { tokenizer, modelVocab: tokenizer.vocabSize, endIds: tokenizer.endIds };
    const [large, small] = [createGrammarMachine(base), createGrammarMachine({ ...base, mostSets: 40 })];
    const random = createRandom(3);
    for (const { schema } of structuredSchemas().slice(28, 40)) {
      const [one, other] = [large, small].map((machine) => machine.start(schemaGrammar(schema, { texts: machine.texts, isStrict: true })));
      if (one === undefined || other === undefined) throw new Error('two matchers are looked at');
      for (let step = 0; step < 30; step++) {
        if (one.isDone) break;
        const mask = one.mask();
        expect(other.mask()).toEqual(mask);
        const allowed = Array.from({ length: tokenizer.vocabSize }, (_, id) => id).filter((id) => has(mask, id));
        const next = allowed[Math.floor(random() * allowed.length)] as number;
        for (const matcher of [one, other]) matcher.accept(next);
        expect(other.forced()).toEqual(one.forced());
      }
    }
  });
});

describe('formats', () => {
  it('json is an object or an array', () => {
    for (const text of ['{}', '[]', '{"a": [1, {"b": null}]}', '[\n  1,\n  "x"\n]']) expect(accepts({ type: 'json' }, text),
      text).toBe(true);
    for (const text of ['1', '"a"', '{', '{"a":1,}', '[1 2]', '{} ']) expect(accepts({ type: 'json' }, text), text).toBe(false);
  });

  it('regex matches as a whole', () => {
    const format: OutputFormat = { type: 'regex', pattern: 'a|b+|[^\\d"]{2}ü?|(?:\\u{1F600}|\\x41)$' };
    for (const text of ['a', 'bbb', 'xy', '-_ü', '😀', 'A']) expect(accepts(format, text), text).toBe(true);
    for (const text of ['', 'ab1', 'x', '1', 'aa"']) expect(accepts(format, text), text).toBe(false);
  });

  it('choice is one of the texts', () => {
    const format: OutputFormat = { type: 'choice', choices: ['yes', 'no', 'no way', 'größer 🙂'] };
    for (const text of ['yes', 'no', 'no way', 'größer 🙂']) expect(accepts(format, text), text).toBe(true);
    for (const text of ['', 'ye', 'now', 'no wa']) expect(accepts(format, text), text).toBe(false);
  });

  it('grammar reads EBNF', () => {
    const grammar = `# sums
      root ::= sum ("=" | " is ") number
      sum  ::= term (("+" | "-") term){1,2}
      term ::= number | "(" sum ")"
      number ::= [1-9] [0-9]* | "0" # no noughts in front
    `;
    for (const text of ['1+2=3', '(1-2)+30 is 29', '1+2-3=0']) expect(accepts({ type: 'grammar', grammar }, text), text).toBe(true);
    for (const text of ['1=1', '1+02=3', '1+2+3+4=10', '(1+2=3', '1+2=']) expect(accepts({ type: 'grammar', grammar }, text),
      text).toBe(false);
    const classes = 'root ::= [^a-c\\n"]+ "\\"" . "\\x41\\u00e9\\n"?';
    expect(accepts({ type: 'grammar', grammar: classes }, 'xyz"🙂Aé\n')).toBe(true);
    expect(accepts({ type: 'grammar', grammar: classes }, 'xaz"🙂Aé\n')).toBe(false);
  });

  it('tags hold formats of their own in free text', () => {
    const call = { begin: '<call>', content: { type: 'schema', schema: { type: 'object', properties: { n: { type: 'integer' } },
      required: ['n'] } }, end: '</call>' } as const;
    const free: OutputFormat = { type: 'tags', tags: [call] };
    for (const text of ['no call', '', 'a < b <calls', '<call>{"n":1}</call>', 'so <call>{"n": 1}</call> and <call>{"n":2}</call>.'])
      expect(accepts(free, text), text).toBe(true);
    for (const text of ['<call>', '<call>x</call>', 'a <call>{"n":"1"}</call>']) expect(accepts(free, text), text).toBe(false);
    const two: OutputFormat = { type: 'tags', tags: [call], min: 1, max: 2, text: false, separator: '\n' };
    expect(accepts(two, '<call>{"n":1}</call>')).toBe(true);
    expect(accepts(two, '<call>{"n":1}</call>\n<call>{"n":2}</call>')).toBe(true);
    for (const text of ['', 'so <call>{"n":1}</call>', '<call>{"n":1}</call><call>{"n":1}</call>']) expect(accepts(two, text),
      text).toBe(false);
    const before: OutputFormat = { ...two, text: 'before' };
    for (const text of ['<call>{"n":1}</call>', 'so <call>{"n":1}</call>\n<call>{"n":2}</call>']) expect(accepts(before, text)).toBe(true);
    for (const text of ['', 'so', '<call>{"n":1}</call> so']) expect(accepts(before, text), text).toBe(false);
    expect(() => accepts({ ...two, text: 'behind' } as never, '')).toThrow('format.text');
  });

  it('tags may begin with a token of their own', () => {
    const [special] = Array.from({ length: tokenizer.vocabSize }, (_, id) => id).filter((id) => tokenizer.isSpecial(id)
      && !tokenizer.endIds.has(id));
    const begin = tokenizer.tokenText(special as number);
    const matcher = compiler.compile({ type: 'tags', tags: [{ begin, content: { type: 'choice', choices: ['x'] }, end: '' }] }).start();
    // Nor may the answer spell it.
    const tags = [{ begin, content: { type: 'choice', choices: ['x'] }, end: '' }] as const;
    const free = compiler.compile({ type: 'tags', text: false, min: 1, tags });
    const allowed = free.start().mask();
    expect(Array.from({ length: tokenizer.vocabSize }, (_, id) => id).filter((id) => has(allowed, id))).toEqual([special]);
    expect(has(matcher.mask(), special as number)).toBe(true);
    matcher.accept(special as number);
    expect(has(matcher.mask(), special as number)).toBe(false);
  });

  it.each<[unknown, string]>([
    [undefined, 'format must be JSON, found undefined'], [{ type: 'xml' }, 'format must have a type'], [{ type: 'json', schema: {} },
      'no option "schema"'],
    [{ type: 'schema', schema: 5 }, 'A schema must be'], [{ type: 'schema', schema: {}, strict: 'yes' }, 'format.strict'],
    [{ type: 'regex', pattern: '(' }, 'no regular expression'], [{ type: 'regex', pattern: 'a(?!b)' }, 'lookahead'],
      [{ type: 'regex', pattern: '[^\\s\\S]' }, 'matches no text'],
    [{ type: 'choice', choices: [] }, 'format.choices'], [{ type: 'choice', choices: [''] }, 'format.choices'],
    [{ type: 'grammar', grammar: 'a ::= "x"' }, 'no rule "root"'], [{ type: 'grammar', grammar: 'root ::= b' }, 'no rule "b"'],
    [{ type: 'grammar', grammar: 'root ::= root "x" | "y"' }, 'left recursion'], [{ type: 'grammar', grammar: 'root ::= "x" root' },
      'never ends'],
    [{ type: 'grammar', grammar: 'root ::= "x' }, 'line 1, column 12'], [{ type: 'tags', tags: [] }, 'format.tags'],
  ])('%j is refused', (format, message) => {
    expect(() => compiler.compile(format as OutputFormat)).toThrow(InputError);
    expect(() => compiler.compile(format as OutputFormat)).toThrow(message);
  });
});

it('a vocabulary without end tokens is refused', () => {
  const endless = createGrammarCompiler(tokenizer, tokenizer.vocabSize, new Set());
  expect(() => endless.compile({ type: 'json' })).toThrow('no token that ends an answer');
});

describe('forced text', () => {
  it('is what the tokenizer itself makes of it, less the last token', () => {
    const compiled = compiler.compile({ type: 'schema', schema: { type: 'object', properties: { temperature: { type: 'boolean' } },
      required: ['temperature'] } });
    const matcher = compiled.start();
    for (const token of tokenizer.encode('{"')) matcher.accept(token);
    const forced = matcher.forced();
    expect(forced.length).toBeGreaterThan(0);
    expect(forced).toEqual(tokenizer.encode('temperature":').slice(0, -1));
    for (const token of forced) matcher.accept(token);
    expect(compiled.start().forced()).toEqual([]);
  });
});
