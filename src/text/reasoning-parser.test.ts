import { describe, expect, it } from 'vitest';
import { createReasoningParser, opensReasoning, splitReasoning } from './reasoning-parser.ts';

const cases: readonly [name: string, text: string, opened: boolean, reasoning: string, content: string][] = [
  ['plain', 'Hello there.', false, '', 'Hello there.'],
  ['white space before plain text stays', ' \n Hello', false, '', ' \n Hello'],
  ['thinking', '<think>\n1 + 1 = 2\n</think>\n\nTwo.', false, '1 + 1 = 2', 'Two.'],
  ['thinking on one line', '<think>hm</think>ok', false, 'hm', 'ok'],
  ['inner line breaks and spaces stay', '<think>\n a\n\nb \n</think>\n c\n', false, ' a\n\nb ', ' c\n'],
  ['nothing thought', '<think>\n\n</think>\n\nAt once.', false, '', 'At once.'],
  [
    'tags in the middle are text',
    '\n<think>a < b </thin > c</think>rest <think>not this</think>',
    false,
    'a < b </thin > c',
    'rest <think>not this</think>',
  ],
  ['a closing tag alone is text', 'Use </think> to end.', false, '', 'Use </think> to end.'],
  ['cut while thinking', '<think>\n1 +\n', false, '1 +', ''],
  ['cut in the closing tag', '<think>so</thi', false, 'so</thi', ''],
  ['cut after it', '<think>so</think>\n', false, 'so', ''],
  ['another tag', '<thinker> is no tag', false, '', '<thinker> is no tag'],
  ['cut in the opening tag', '<th', false, '', '<th'],
  ['nothing', '', false, '', ''],
  ['opened by the prompt', 'so\n</think>\n\nyes', true, 'so', 'yes'],
  ['opened by the prompt, and again by the model', '<think>\nso\n</think>\nyes', true, 'so', 'yes'],
  ['opened by the prompt, closed at once', '\n</think>\n\nyes', true, '', 'yes'],
  ['opened by the prompt and cut', '\nso', true, 'so', ''],
  ['opened by the prompt, and it seems to be a tag', '<th', true, '<th', ''],
];

describe('the reasoning parser', () => {
  it.each(cases)('%s', (_, text, opened, reasoning, content) => {
    expect(splitReasoning(text, opened)).toEqual({ reasoning, content });
    for (const size of [1, 2, 3, 5, 1000]) {
      const parser = createReasoningParser({ opened });
      const found = { thinking: '', answer: '' };
      for (let at = 0; at < text.length; at += size)
        for (const part of parser.push(text.slice(at, at + size))) found[part.kind] += part.text;
      for (const part of parser.flush()) found[part.kind] += part.text;
      expect(found, `in pieces of ${size}`).toEqual({ thinking: reasoning, answer: content });
    }
  });

  it('gives text as soon as it is certain', () => {
    const parser = createReasoningParser();
    const said = ['<th', 'ink>', '\nIt is', ' </', 'b> 4', '\n', '</think', '>\n\n', 'Four', '.'].map((text) =>
      parser
        .push(text)
        .map((part) => `${part.kind}:${part.text}`)
        .join(),
    );
    expect(said).toEqual(['', '', 'thinking:It is', 'thinking: ', 'thinking:</b> 4', '', '', '', 'answer:Four', 'answer:.']);
    expect(parser.flush()).toEqual([]);
  });

  it.each([
    ['<|im_start|>assistant\n<think>\n', true],
    ['Assistant: <think>', true],
    ['<|im_start|>assistant\n', false],
    ['<|im_start|>assistant\n<think>\n\n</think>\n\n', false],
    ['', false],
  ])('is told by the end of the prompt: %j', (prompt, opened) => {
    expect(opensReasoning(prompt)).toBe(opened);
  });

  it('takes a long text in time that grows with its length', () => {
    const text = `<think>${'<\n'.repeat(200_000)}</think>${'\n'.repeat(100_000)}x`;
    expect(splitReasoning(text).content).toBe('x');
  });
});
