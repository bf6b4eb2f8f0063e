/** Every dialect over recorded answers, cut in every way. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { answerCases, controlsOf } from '../../../test/answer-cases.ts';
import type { AnswerCase } from '../../../test/answer-cases.ts';
import { characters, checkParts, collected, cutTokens, parseTokens, spellTokens } from '../../../test/answer-tokens.ts';
import { createRandom } from '../../../test/fuzz-text.ts';
import { DIALECTS } from './dialects.ts';

const outcomeOf = (each: AnswerCase) => ({
  reasoning: each.reasoning ?? '',
  content: each.content ?? '',
  calls: each.calls ?? [],
  incomplete: each.incomplete ?? 0,
});

/** What breaks parsers. */
const SCRAPS = [
  '<', '<|', '[', ']', '{', '}', '{}', '"', "'", '\\\\', ':', ',', '(', ')', '=', ' ', '\n', '\n\n',
  'get_weather', 'now', 'a', '1', '-', '1e',
  'null', 'True', '"name"', '"arguments": ', '<think>', '</think>', '```', '\u{1F98A}', ';', 'assistant', 'to=',
];

describe.each(DIALECTS.map(({ name }) => name))('%s', (name) => {
  const cases = answerCases.filter(({ dialect }) => dialect === name);

  it.each(cases.map((each) => [each.name, each] as const))('%s', (_, each) => {
    const tokens = spellTokens(each);
    expect(collected(parseTokens(each, tokens))).toEqual(outcomeOf(each));
  });

  it('reads the same wherever the tokens are cut, and never takes a cut call for whole', () => {
    expect(cases.length).toBeGreaterThan(2);
    const random = createRandom(7);
    for (const each of cases) {
      const whole = outcomeOf(each);
      const tokens = characters(spellTokens(each));
      const atRandom = () => cutTokens(tokens, () => 1 + Math.floor(random() * 9));
      const cuts = [tokens, cutTokens(tokens, () => 2), ...Array.from({ length: 6 }, atRandom)];
      for (const cut of cuts) {
        const parts = parseTokens(each, cut);
        checkParts(parts, cut);
        expect(collected(parts), each.name).toEqual(whole);
      }
    }
  });

  it('says of every beginning of an answer no more than of the whole', () => {
    for (const each of cases) {
      const tokens = characters(spellTokens(each));
      const whole = collected(parseTokens(each, tokens));
      for (let length = 0; length < tokens.length; length++) {
        const beginning = cutTokens(tokens.slice(0, length), () => Infinity);
        const parts = parseTokens(each, beginning);
        checkParts(parts, beginning);
        const said = collected(parts);
        const known = whole.calls.slice(0, said.calls.length);
        // An assertion for each of thousands takes seconds.
        if (JSON.stringify(said.calls) !== JSON.stringify(known)) expect(said.calls, `${each.name}: ${length}`).toEqual(known);
      }
    }
  });

  it('takes any scramble of its marks and cases, the same however it is cut', () => {
    const random = createRandom(3);
    const pieces = [...cases.flatMap(({ text }) => text.split(/(?<=[>\]}])|(?=[<[{])/)), ...SCRAPS, ...(controlsOf[name] ?? [])];
    for (let round = 0; round < 150; round++) {
      const text = Array.from({ length: 1 + Math.floor(random() * 12) }, () => pieces[Math.floor(random() * pieces.length)]).join('');
      const each = { dialect: name, promptTail: random() < 0.2 ? '<think>' : '', withoutTools: random() < 0.1 };
      const tokens = characters(spellTokens({ dialect: name, text }));
      const whole = parseTokens(each, cutTokens(tokens, () => Infinity));
      checkParts(whole, cutTokens(tokens, () => Infinity));
      const single = parseTokens(each, tokens);
      checkParts(single, tokens);
      if (JSON.stringify(collected(single)) !== JSON.stringify(collected(whole))) expect(collected(single), text).toEqual(collected(whole));
    }
  });
});

/** Families that have all their marks as control tokens in one kind of file, and as text in another. */
const ALL_CONTROLS: Readonly<Record<string, readonly string[]>> = {
  harmony: ['<|channel|>', '<|message|>', '<|start|>', '<|constrain|>', '<|end|>', '<|call|>', '<|return|>'],
  glm: ['<think>', '</think>', '<tool_call>', '</tool_call>', '<arg_key>', '</arg_key>', '<arg_value>', '</arg_value>'],
  granite: ['<|tool_call|>', '<tool_call>', '</tool_call>', '<think>', '</think>', '<response>', '</response>'],
};

describe.each(Object.entries(ALL_CONTROLS))('%s with control tokens', (dialect, controls) => {
  const cases = answerCases.filter((each) => each.dialect === dialect && each.name !== 'words');
  it.each(cases.map((each) => [each.name, each] as const))('%s', (_, each) => {
    const tokens = characters(spellTokens({ ...each, controls }));
    const parsed = parseTokens({ ...each, controls }, tokens);
    checkParts(parsed, tokens);
    expect(collected(parsed)).toEqual(outcomeOf(each));
  });

  it('text that only spells its marks stays text', () => {
    const text = `Say ${controls.join(' ')} now.`;
    const tokens = [...text].map((letter) => ({ text: letter, isSpecial: false }));
    expect(collected(parseTokens({ dialect, controls }, tokens))).toMatchObject({ content: text, calls: [], incomplete: 0 });
  });
});

describe('a long answer', () => {
  it.each(['plain', 'hermes'])('is read in time that grows with its length (%s)', (name) => {
    const said = `<think>${'<\n'.repeat(20_000)}</think>${'\n'.repeat(20_000)}x${' '.repeat(20_000)}y`;
    for (const size of [1, 1000]) {
      const starts = Array.from({ length: Math.ceil(said.length / size) }, (_, i) => i * size);
      const tokens = starts.map((start) => ({ text: said.slice(start, start + size), isSpecial: false }));
      const { content, reasoning } = collected(parseTokens({ dialect: name }, tokens));
      expect([content.at(-1), content.length, reasoning.length]).toEqual(['y', 20_002, 39_999]);
    }
  });

  it('and a long call too', () => {
    const text = `<tool_call>{"name": "save", "arguments": {"text": "${'<a"'.replace('"', '\\"').repeat(10_000)}"}}</tool_call>`;
    const tokens = [...text].map((letter) => ({ text: letter, isSpecial: false }));
    expect(collected(parseTokens({ dialect: 'hermes' }, tokens)).calls[0]?.[1]).toEqual({ text: '<a"'.repeat(10_000) });
  });
});

describe('the table of docs/answers.md', () => {
  const lines = readFileSync(new URL('../../../docs/answers.md', import.meta.url), 'utf8').split('\n');
  const from = lines.findIndex((line) => line.startsWith('| dialect |')) + 2;
  const rows = lines.slice(from, lines.indexOf('', from)).map((row) => row.slice(2, -2).split(/(?<!\\) \| /u));

  it('has each dialect, its cases counted, and says which have no calls', () => {
    expect(rows.map(([name]) => name).sort()).toEqual(DIALECTS.map(({ name }) => `\`${name}\``).sort());
    for (const dialect of DIALECTS) {
      const [, , calls, thoughts, count] = rows.find(([name]) => name === `\`${dialect.name}\``) as string[];
      expect(Number(count), dialect.name).toBe(answerCases.filter((each) => each.dialect === dialect.name).length);
      expect(calls === 'none', dialect.name).toBe(dialect.callGrammar([{ name: 'f', parameters: undefined }]) === undefined);
      if (thoughts?.startsWith('`') === true) expect(thoughts, dialect.name).toContain(`\`${dialect.reasoning?.open}\``);
    }
  });
});
