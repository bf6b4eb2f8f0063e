/** What a dialect says that calls look like is what its parser reads as those calls. */
import { describe, expect, it } from 'vitest';
import { answerTools } from '../../../test/answer-cases.ts';
import { characters, checkParts, collected, parseTokens, spellTokens } from '../../../test/answer-tokens.ts';
import type { JsonObject, JsonValue } from '../../tensor/checkpoint.ts';
import { isJsonObject } from '../../tensor/json.ts';
import type { ArgumentsForm } from '../grammars/arguments-form.ts';
import type { CallGrammar } from './answer-dialect.ts';
import { DIALECTS } from './dialects.ts';

const ARGUMENTS: Readonly<Record<string, JsonObject>> = {
  get_weather: { city: 'Z\u00fcrich "S\u00fcd"', days: 3, exact: true },
  save: { text: 'a\n b', tags: ['one', 'two, 3'], meta: { n: null, deep: [1.5] } },
  now: {},
};

const bare = (value: JsonValue | undefined): string => (typeof value === 'string' ? value : JSON.stringify(value));

function inPython(value: JsonValue | undefined): string {
  if (Array.isArray(value)) return `[${(value as readonly JsonValue[]).map(inPython).join(', ')}]`;
  if (isJsonObject(value)) return `{${Object.entries(value).map(([key, each]) => `'${key}': ${inPython(each)}`).join(', ')}}`;
  const words: readonly (readonly [unknown, string])[] = [[true, 'True'], [false, 'False'], [null, 'None']];
  return words.find(([word]) => word === value)?.[1] ?? JSON.stringify(value);
}

function inGemma(value: JsonValue | undefined): string {
  if (typeof value === 'string') return `<|"|>${value}<|"|>`;
  if (Array.isArray(value)) return `[${(value as readonly JsonValue[]).map(inGemma).join(',')}]`;
  if (isJsonObject(value)) return `{${Object.entries(value).map(([key, each]) => `${key}:${inGemma(each)}`).join(',')}}`;
  return JSON.stringify(value);
}

const WRITE: Readonly<Record<ArgumentsForm, (args: JsonObject) => string>> = {
  json: (args) => JSON.stringify(args),
  'xml-parameters': (args) => Object.entries(args).map(([key, value]) => `<parameter=${key}>\n${bare(value)}\n</parameter>\n`).join(''),
  'arg-pairs': (args) =>
    Object.entries(args).map(([key, value]) => `<arg_key>${key}</arg_key>\n<arg_value>${bare(value)}</arg_value>\n`).join(''),
  'python-keywords': (args) => Object.entries(args).map(([key, value]) => `${key}=${inPython(value)}`).join(', '),
  gemma: inGemma,
};

function write({ begin, separator, end, calls }: CallGrammar): string {
  const all = separator === undefined ? calls.slice(0, 1) : calls;
  const written = all.map((call) => call.begin + WRITE[call.arguments](ARGUMENTS[call.name] ?? {}) + call.end);
  return begin + written.join(separator ?? '') + end;
}

const WITH_CALLS = DIALECTS.filter((dialect) => dialect.callGrammar(answerTools) !== undefined);

describe('the grammar of calls', () => {
  it('is there for all dialects that have calls', () => {
    expect(DIALECTS.filter((dialect) => !WITH_CALLS.includes(dialect)).map(({ name }) => name)).toEqual(['plain']);
  });

  it.each(WITH_CALLS.map((dialect) => [dialect.name, dialect] as const))('of %s is what its parser reads', (name, dialect) => {
    const grammar = dialect.callGrammar(answerTools) as CallGrammar;
    const text = write(grammar);
    const tokens = characters(spellTokens({ dialect: name, text }));
    const parsed = parseTokens({ dialect: name }, tokens);
    checkParts(parsed, tokens);
    const wanted = answerTools.slice(0, grammar.separator === undefined ? 1 : undefined).map((tool) => [tool.name, ARGUMENTS[tool.name]]);
    expect(collected(parsed)).toEqual({ content: '', reasoning: '', calls: wanted, incomplete: 0 });
    for (const { begin } of grammar.calls)
      expect(grammar.triggers.length === 0 || grammar.triggers.some((trigger) => (grammar.begin + begin).startsWith(trigger))).toBe(true);
    expect(grammar.calls.map(({ schema }) => schema)).toEqual(answerTools.map(({ parameters }) => parameters));
  });
});
