import { describe, expect, test } from 'vitest';
import type { Model } from '../engine/api.ts';
import { FormatError, InputError } from '../tensor/errors.ts';
import { parseEvaluationFile, readEvaluationFile } from './evaluation-file.ts';
import { measurePerplexity } from './perplexity.ts';
import { answerTasks, compareTasks, parseTaskReference, spread } from './task-accuracy.ts';

describe('parseEvaluationFile', () => {
  test('a text is one sequence, brackets or not', () => {
    for (const text of ['Once upon\na time', '[1]\n', '{ not json']) {
      expect(parseEvaluationFile(text, 'a.txt')).toEqual({ kind: 'perplexity', sequences: [{ text, answerSpans: [] }] });
    }
  });

  test('JSON lines are told by their first line', () => {
    const sequences = parseEvaluationFile('{"ids": [1, 2, 3], "answer_spans": [[1, 2], [2, 3]]}\n\n{"text": "a"}\r\n', 'any');
    expect(sequences).toEqual({
      kind: 'perplexity',
      sequences: [
        {
          ids: [1, 2, 3],
          answerSpans: [
            [1, 2],
            [2, 3],
          ],
        },
        { text: 'a', answerSpans: [] },
      ],
    });
    const task = '{"id": "x", "skill": "s", "messages": [{"role": "user", "content": "a"}], "check": {"type": "exact", "value": ["b"]}}';
    expect(parseEvaluationFile(task, 'any').kind).toBe('tasks');
  });

  const message = '[{"role": "user", "content": "a"}]';
  test.each([
    ['', /is empty/],
    ['{"ids": [1]}\nnonsense', /f\.jsonl, line 2 is not valid JSON/],
    ['{"ids": [1.5]}', /line 1: expected "ids"/],
    ['{"answer": 1}', /line 1: expected "ids"/],
    ['{"ids": [1, 2], "answer_spans": [[1, 3]]}', /within the 2 ids/],
    ['{"ids": [1, 2], "answer_spans": [[1, 2], [0, 1]]}', /ascending/],
    ['{"check": {}, "id": 1, "skill": "s"}', /"id" and "skill"/],
    ['{"check": {}, "id": "i", "skill": "s", "messages": []}', /"messages"/],
    ['{"check": {}, "id": "i", "skill": "s", "messages": [{"role": 1}]}', /"messages"/],
    [`{"check": {}, "id": "i", "skill": "s", "messages": ${message}, "tools": 1}`, /"tools"/],
    [`{"check": {}, "id": "i", "skill": "s", "messages": ${message}, "thinking": 1}`, /"thinking"/],
    [`{"check": {}, "id": "i", "skill": "s", "messages": ${message}}`, /the check's type/],
  ])('%j is refused', (text, expected) => {
    expect(() => parseEvaluationFile(text, 'f.jsonl')).toThrow(FormatError);
    expect(() => parseEvaluationFile(text, 'f.jsonl')).toThrow(expected);
  });

  test('paths that are no files are refused', async () => {
    await expect(readEvaluationFile('no/such/file')).rejects.toThrow(InputError);
    await expect(readEvaluationFile('.')).rejects.toThrow(/not a regular file/);
  });
});

/** A model of 4 tokens whose logit for token t after token s at position p of the pass is known, and that records its passes. */
function fakeModel(contextLength: number): { model: Model; passes: number[][] } {
  const passes: number[][] = [];
  const forward = (ids: number[], { positions }: { positions: number[] }) => {
    passes.push(ids);
    return Promise.resolve(
      Float32Array.from(
        positions.flatMap((position) => [0, 1, 2, 3].map((token) => (token === (ids[position]! + 1) % 4 ? Math.log(3) : 0))),
      ),
    );
  };
  return { model: { info: { name: 'fake', vocabSize: 4, contextLength }, tokenizer: undefined, forward } as unknown as Model, passes };
}

describe('measurePerplexity', () => {
  // Softmax of (ln 3, 0, 0, 0): the successor has probability 1/2, any other token 1/6.
  test('adds up by hand, answers apart', async () => {
    const { model } = fakeModel(16);
    const result = await measurePerplexity(model, [{ ids: [0, 1, 2, 0], answerSpans: [[0, 2], [3, 4]] }, { ids: [3], answerSpans: [] }]);
    expect(result.all.tokens).toBe(3);
    expect(result.all.nll).toBeCloseTo(2 * Math.log(2) + Math.log(6), 6);
    expect(result.answers!.tokens).toBe(2);
    expect(result.answers!.perplexity).toBeCloseTo(Math.sqrt(12), 6);
  });

  test('a long sequence slides: every token is scored once, with half a window before it', async () => {
    const { model, passes } = fakeModel(8);
    const ids = Array.from({ length: 21 }, (_, i) => i % 4);
    const seen: number[] = [];
    const result = await measurePerplexity(model, [{ ids, answerSpans: [] }], { onProgress: (done) => seen.push(done) });
    expect(result.all.tokens).toBe(20);
    expect(result.all.perplexity).toBeCloseTo(2, 6);
    expect(Math.max(...passes.map(({ length }) => length))).toBeLessThanOrEqual(8);
    expect(seen).toEqual([7, 11, 15, 19, 20]);
  });

  test('says what it cannot score', async () => {
    const { model } = fakeModel(8);
    await expect(measurePerplexity(model, [{ ids: [1], answerSpans: [] }])).rejects.toThrow(/at least one sequence of two tokens/);
    await expect(measurePerplexity(model, [{ text: 'a', answerSpans: [] }])).rejects.toThrow(/has no tokenizer/);
    await expect(measurePerplexity(model, [{ ids: [1, 9], answerSpans: [] }])).rejects.toThrow(/from 0 to 3 .*found 9 at index 1/);
  });
});

test('spread takes some of everything', () => {
  expect(spread([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 4)).toEqual([0, 2, 5, 7]);
  expect(spread([1, 2], 5)).toEqual([1, 2]);
});

test('answers are counted by skill and compared with a reference', async () => {
  const model = {
    async *generate({ messages }: { messages: { content: string }[] }) {
      const usage = { promptTokens: 3, cachedTokens: 0, completionTokens: 2 };
      const timings = { decodeMs: 10 };
      const { content: text } = messages[0]!;
      const parts = [{ kind: 'text', text, tokens: [1, 2] }];
      yield await Promise.resolve({ index: 0, text, tokens: [1, 2], parts, finishReason: 'stop', usage, timings });
    },
  } as unknown as Model;
  const task = (id: string, skill: string, value: string) =>
    ({
      id,
      skill,
      messages: [{ role: 'user', content: 'yes' }],
      tools: undefined,
      thinking: undefined,
      check: { type: 'exact', value: [value] },
    }) as const;
  const report = await answerTasks(model, [task('1', 'b', 'yes'), task('2', 'a', 'no'), task('3', 'b', 'no')]);
  expect(report).toMatchObject({
    cases: 3,
    passed: 1,
    skills: [
      { skill: 'b', cases: 2, passed: 1 },
      { skill: 'a', cases: 1, passed: 0 },
    ],
    decodeTokensPerSecond: 100,
  });
  const cases = [{ id: '1', answer: 'no', pass: false }, { id: '2', answer: 'yes', pass: true }, { id: '3', answer: 'yes', pass: false }];
  const reference = parseTaskReference(JSON.stringify({ cases }), 'r');
  expect(compareTasks(report, reference)).toMatchObject({ passed: 1, sameText: 2, lost: ['2'], gained: ['1'] });
  expect(() => compareTasks(report, new Map())).toThrow(/no task "1"/);
  expect(() => parseTaskReference('{"cases": [{"id": 1}]}', 'r')).toThrow(/cases\[0\]/);
});
