/** Calls that are not JSON: what random tokens make under the grammar of a call is read by the dialect's parser, and valid by ajv. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { FAKE_END, FAKE_VOCAB, fakeTokenizer } from '../../test/fake-model.ts';
import type { JsonObject } from '../tensor/checkpoint.ts';
import { createPartCollector } from '../text/answers/collect-parts.ts';
import { dialectNamed } from '../text/answers/dialects.ts';
import type { GrammarMatcher } from '../text/grammars/matcher.ts';
import { createGrammarCompiler } from '../text/grammars/output-format.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { callFormat } from './tool-choice.ts';

const object = (properties: JsonObject, more: JsonObject = {}): JsonObject =>
  ({ type: 'object', properties, required: Object.keys(properties), ...more });

const SCHEMAS: Readonly<Record<string, JsonObject | undefined>> = {
  'nothing said': undefined,
  'no parameters': object({}, { additionalProperties: false }),
  'strings of some length': object({ short: { type: 'string', maxLength: 3 }, long: { type: 'string', minLength: 4, maxLength: 30 } }),
  'any string': object({ text: { type: 'string' } }),
  'a pattern of quotes, braces, backslashes and line breaks': object({
    text: { type: 'string', pattern: '^[{}"\'<>|/\\\\\\n\\]]{1,12}$' },
  }),
  'a pattern that nearly is a mark': object({
    text: { type: 'string', pattern: '^(?:</parameter|</arg_value|<\\|"\\|| |"){1,3}$' },
    list: { type: 'array', items: { type: 'string', pattern: '^(?:</parameter>|</arg_value>|<\\|"\\|>|!){1,2}$' },
      minItems: 2, maxItems: 3 },
  }),
  'enums': object({
    what: { enum: ['a "b" \'c\'', 'line\nbreak\n', '\n', '{x: [1]}', '\u{1F98A} \u00fc', 'true', '12', ' edge ', '<b>\\n</b>', ''] },
    n: { enum: [1, 2.5, -3] },
  }),
  'one of several types': object({ value: { enum: ['auto', 3, null, true, [1, 'x'], { a: 'y' }] }, fixed: { const: 'it is' } }),
  'numbers': object({
    port: { type: 'integer', minimum: 1, maximum: 65535 }, ratio: { type: 'number', minimum: -1, maximum: 1 },
    even: { type: 'integer', multipleOf: 2 },
  }),
  'words': object({ on: { type: 'boolean' }, none: { type: 'null' }, maybe: { type: ['string', 'null'], maxLength: 6 } }),
  'nested objects': object({
    at: object({
      x: { type: 'number' }, name: { type: 'string', maxLength: 9 }, 'odd key: {"}': { type: 'boolean' },
      more: object({ deep: { type: 'null' } }),
    }),
  }),
  'arrays': object({
    tags: { type: 'array', items: { type: 'string', maxLength: 8 }, minItems: 1, maxItems: 4 },
    flags: { type: 'array', items: { type: 'boolean' } },
    set: { type: 'array', items: { enum: ['a', 'b', 1] }, uniqueItems: true, minItems: 2 },
    pair: { type: 'array', prefixItems: [{ type: 'integer' }, { type: 'string', maxLength: 4 }], items: false, minItems: 2 },
  }),
  'optional members': object(
    { a: { type: 'integer' }, b: { type: 'string', maxLength: 5 }, c: { type: 'boolean' }, d: { type: 'null' } }, { required: ['b', 'd'] },
  ),
  'unions and references': object(
    {
      id: { anyOf: [{ type: 'string', maxLength: 5 }, { type: 'integer' }] }, ref: { $ref: '#/$defs/name' },
      list: { $ref: '#/$defs/list' },
    },
    { $defs: { name: { type: 'string', maxLength: 7 }, list: { type: 'array', items: { $ref: '#/$defs/name' }, maxItems: 3 } } },
  ),
  'other members': object({ a: { type: 'boolean' } }, { required: [], additionalProperties: { type: 'integer' } }),
  'anything as a value': object({ any: {} }),
};

interface Form {
  readonly dialect: string;
  /** What random answers find seldom, and cannot end without. */
  readonly closers: readonly string[];
  readonly controls?: readonly string[];
}

const FORMS: readonly Form[] = [
  { dialect: 'lfm2', closers: ['"', '=', ']', '}'] },
  { dialect: 'lfm2', closers: ['"', '=', ']', '}'], controls: ['<|tool_call_start|>', '<|tool_call_end|>'] },
  { dialect: 'glm', closers: ['</arg_value>', '"', '</arg_key>', ']', '}'] },
  { dialect: 'glm', closers: ['"', ']', '}'],
    controls: ['<tool_call>', '</tool_call>', '<arg_key>', '</arg_key>', '<arg_value>', '</arg_value>'] },
  { dialect: 'qwen-xml', closers: ['\n</parameter>', '"', '>', ']', '}'] },
  { dialect: 'gemma4', closers: ['<|"|>', ':', ']', '}'] },
  { dialect: 'gemma4', closers: [':', ']', '}'], controls: ['<|tool_call>', '<tool_call|>', '<|"|>'] },
];

const FIRST_CONTROL = 258;

/** The bytes' vocabulary with control tokens of these texts. */
function tokenizerWith(controls: readonly string[]): Tokenizer {
  const plain = fakeTokenizer();
  const idOf = (text: string) => (controls.includes(text) ? FIRST_CONTROL + controls.indexOf(text) : undefined);
  return {
    ...plain, idOf, isSpecial: (id) => plain.isSpecial(id) || (id >= FIRST_CONTROL && id < FIRST_CONTROL + controls.length),
    tokenText: (id) => controls[id - FIRST_CONTROL] ?? plain.tokenText(id),
    encode: (text) => [...text].flatMap((_, at) =>
      controls.filter((mark) => text.startsWith(mark, at)).map((mark) => idOf(mark) as number)),
  };
}

function randomBy(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** The byte that goes on with what of a closer has come, or begins one. */
function closing(bytes: readonly number[], closers: readonly string[], random: () => number) {
  const tail = String.fromCharCode(...bytes.slice(-20));
  const begun = closers.flatMap((closer) => Array.from({ length: closer.length - 1 }, (_, i) => closer.slice(0, closer.length - 1 - i))
    .filter((start) => tail.endsWith(start)).map((start) => ({ length: start.length, next: closer.charCodeAt(start.length) })));
  begun.sort((a, b) => b.length - a.length);
  const [first] = begun;
  if (first !== undefined) return { byte: first.next, chance: first.length > 1 ? 0.9 : 0.5 };
  return { byte: (closers[Math.floor(random() * closers.length)] as string).charCodeAt(0), chance: 0.4 };
}

function randomTokens(matcher: GrammarMatcher, { closers, controls = [] }: Form, seed: number): number[] {
  const random = randomBy(seed);
  const tokens: number[] = [];
  while (tokens.length < 6000) {
    const mask = matcher.mask();
    const allowed = Array.from({ length: FAKE_VOCAB }, (_, id) => id).filter((id) => ((mask[id >> 5]! >>> (id & 31)) & 1) === 1);
    const control = allowed.find((id) => id >= FIRST_CONTROL && id < FIRST_CONTROL + controls.length);
    const close = closing(tokens, closers, random);
    const any = allowed[Math.floor(random() * allowed.length)] as number;
    const byte = random() < close.chance ? close.byte : any;
    const wish = control !== undefined && random() < (allowed.length < 200 ? 1 : 0.2) ? control : byte;
    const token = allowed.includes(FAKE_END) ? FAKE_END : allowed.includes(wish) ? wish : any;
    matcher.accept(token);
    if (token === FAKE_END) return tokens;
    tokens.push(token);
  }
  throw new Error('the answer does not end');
}

function readCalls(tokens: readonly number[], form: Form, tokenizer: Tokenizer, tools: Parameters<typeof callFormat>[1]) {
  const signatures = tools.map((tool) => tool['function'] as unknown as { name: string; parameters: JsonObject | undefined });
  const parser = dialectNamed(form.dialect).createParser(tokenizer, { tools: signatures });
  const collector = createPartCollector();
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  for (const id of tokens) {
    if (tokenizer.isSpecial(id)) parser.push(tokenizer.tokenText(id), true);
    else parser.push(decoder.decode(tokenizer.tokenBytes(id), { stream: true }), false);
    parser.endToken(id);
    collector.add(parser.take());
  }
  parser.end();
  collector.add(parser.take());
  return { ...collector.content(), incomplete: parser.incompleteCalls };
}

describe.each(FORMS)('calls of $dialect with the control tokens $controls', (form) => {
  const tokenizer = tokenizerWith(form.controls ?? []);
  const compiler = createGrammarCompiler(tokenizer, FAKE_VOCAB, new Set([FAKE_END]));

  it.each(Object.entries(SCHEMAS))('are read and valid: %s', (_, parameters) => {
    const tools = [{ type: 'function', function: { name: 'do_it', ...(parameters && { parameters }) } }] as readonly JsonObject[];
    const grammar = compiler.compile(callFormat({ dialect: dialectNamed(form.dialect), tokenizer, thinks: false }, tools));
    const validate = new Ajv2020({ strict: false }).compile(parameters ?? { type: 'object' });
    for (let seed = 1; seed <= 8; seed++) {
      const tokens = randomTokens(grammar.start(), form, seed);
      const { content, toolCalls, incomplete } = readCalls(tokens, form, tokenizer, tools);
      const said = Buffer.from(tokens.filter((id) => id < 256)).toString();
      expect([said, content.trim(), incomplete, toolCalls.length > 0]).toEqual([said, '', 0, true]);
      for (const { name, arguments: args } of toolCalls) {
        expect([said, name, validate(args), args]).toEqual([said, 'do_it', true, args]);
      }
    }
  });
});
