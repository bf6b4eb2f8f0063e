import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { fixturesPath } from '../../test/fixture-tensors.ts';
import { FormatError } from '../tensor/errors.ts';
import { answerContent } from '../text/answers/collect-parts.ts';
import type { AnswerContent } from '../text/answers/collect-parts.ts';
import { dialectNamed } from '../text/answers/dialects.ts';
import { readEvaluationFile } from './evaluation-file.ts';
import { parseTaskReference } from './task-accuracy.ts';
import { parseCheck, passesCheck } from './task-check.ts';
import type { TaskCheck } from './task-check.ts';

/** As ember writes: in the dialect of Hermes. */
function said(answer: string, promptTail = ''): AnswerContent {
  return answerContent(answer, dialectNamed('hermes'), { tools: [{ name: 'any', parameters: undefined }], promptTail });
}

const folder = `${fixturesPath}ember/`;

test('the verdicts on all 475 reference answers are those of the Python that wrote them', async () => {
  const file = await readEvaluationFile(`${folder}eval.jsonl`);
  if (file.kind !== 'tasks') throw new Error('expected tasks');
  const reference = parseTaskReference(readFileSync(`${folder}eval_reference.json`, 'utf8'), 'eval_reference.json');
  const differing = file.tasks.filter(({ id, check }) => passesCheck(said(reference.get(id)!.answer), check) !== reference.get(id)!.passed);
  expect(differing.map(({ id }) => id)).toEqual([]);
  expect([...reference.values()].filter(({ passed }) => !passed)).toHaveLength(7);
});

const call = (name: string, city: string) => `<tool_call>\n{"name": "${name}", "arguments": {"city": "${city}"}}\n</tool_call>`;
const calls: TaskCheck = {
  type: 'tool_call',
  value: [
    { arguments: { city: 'Oslo' }, name: 'a' },
    { name: 'b', arguments: { city: 'Rome' } },
  ],
};

describe('passesCheck', () => {
  test.each<[string, string, TaskCheck, boolean]>([
    ['exact takes one of the values', ' b\n', { type: 'exact', value: ['a', 'b '] }, true],
    ['exact minds case', 'B', { type: 'exact', value: ['b'] }, false],
    ['thinking is left out', '<think>\n5\n</think>\n\n4', { type: 'exact', value: ['4'] }, true],
    ['an answer cut while thinking says nothing', '<think>\n5', { type: 'contains', value: ['5'] }, false],
    ['a tag in the middle is text', 'A tag </think> ends it', { type: 'contains', value: ['a tag'] }, true],
    ['contains ignores case', 'The FOX ran', { type: 'contains', value: ['fox', 'Ran'] }, true],
    ['contains needs every value', 'the fox', { type: 'contains', value: ['fox', 'owl'] }, false],
    ['regex searches', 'say 12.', { type: 'regex', value: '\\b12\\.$' }, true],
    ['regex anchors mean the whole text', 'a\nb', { type: 'regex', value: '^b$' }, false],
    ['json ignores the order of keys', '{"b": [1, 2.0], "a": null}', { type: 'json', value: { a: null, b: [1, 2] } }, true],
    ['json minds the order of arrays', '[2, 1]', { type: 'json', value: [1, 2] }, false],
    ['json minds types', '{"a": "1"}', { type: 'json', value: { a: 1 } }, false],
    ['json minds extra keys', '{"a": 1, "b": 2}', { type: 'json', value: { a: 1 } }, false],
    ['json in a fence', '```json\n{"a": 1}\n```', { type: 'json', value: { a: 1 } }, true],
    ['json in a plain fence', '```\n[0]\n```', { type: 'json', value: [-0] }, true],
    ['what is no JSON fails', '{"a": 1', { type: 'json', value: { a: 1 } }, false],
    ['calls in order', `${call('a', 'Oslo')}\n${call('b', 'Rome')}`, calls, true],
    ['calls out of order', `${call('b', 'Rome')}\n${call('a', 'Oslo')}`, calls, false],
    ['a call too many', `${call('a', 'Oslo')}${call('b', 'Rome')}${call('b', 'Rome')}`, calls, false],
    ['a call that is no JSON', `${call('a', 'Oslo')}<tool_call>{</tool_call>`, calls, false],
    ['no call where none is wanted', 'Hello.', { type: 'tool_call', value: [] }, true],
  ])('%s', (_, answer, check, expected) => {
    expect(passesCheck(said(answer), check)).toBe(expected);
  });

  test('thinking that the prompt opened is left out', () => {
    const check: TaskCheck = { type: 'contains', value: ['5'] };
    expect(passesCheck(said('5\n</think>\n\n4', '<think>\n'), check)).toBe(false);
    expect(passesCheck(said('4\n</think>\n\n5', '<think>\n'), check)).toBe(true);
    expect(passesCheck(said('5', '<think>\n'), check)).toBe(false);
  });

  test('a broken call is a call where none is wanted', () => {
    expect(passesCheck({ ...said('Hello.'), incompleteCalls: 1 }, { type: 'tool_call', value: [] })).toBe(false);
  });

  test('a pattern that runs away is stopped', () => {
    expect(() => passesCheck(said(`${'a'.repeat(40)}!`), { type: 'regex', value: '^(a+)+$' })).toThrow(/took more than 2000 ms/);
  });
});

describe('parseCheck', () => {
  test.each([
    [undefined, /line 3: expected an object with "type" and "value"/],
    [{ type: 'same', value: '' }, /must be exact, contains, regex, json or tool_call, found "same"/],
    [{ type: 'exact', value: 'a' }, /"exact" needs a list of texts/],
    [{ type: 'contains', value: [1] }, /"contains" needs a list of texts/],
    [{ type: 'regex', value: '(' }, /"regex" needs a regular expression/],
    [{ type: 'json' }, /"json" needs a JSON value/],
    [{ type: 'tool_call', value: {} }, /"tool_call" needs a list of calls/],
  ])('%j is refused', (check, message) => {
    expect(() => parseCheck(check, 'line 3')).toThrow(FormatError);
    expect(() => parseCheck(check, 'line 3')).toThrow(message);
  });
});
