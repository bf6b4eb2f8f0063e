import { describe, expect, it } from 'vitest';
import { assistantMessage, splitReasoning } from './assistant-message.ts';

describe('splitReasoning', () => {
  it.each([
    ['plain', 'Hello.', false, { reasoning: '', content: 'Hello.' }],
    ['thinking', '<think>\n1 + 1\n</think>\n\n2', false, { reasoning: '1 + 1', content: '2' }],
    ['cut while thinking', '<think>\n1 +', false, { reasoning: '1 +', content: '' }],
    ['opened by the prompt', 'so\n</think>\n\nyes', true, { reasoning: 'so', content: 'yes' }],
    ['opened by the prompt and cut', 'so', true, { reasoning: 'so', content: '' }],
    ['a tag in the middle is text', 'Use </think> to end.', false, { reasoning: '', content: 'Use </think> to end.' }],
  ])('%s', (_, text, opened, expected) => {
    expect(splitReasoning(text, opened)).toEqual(expected);
  });
});

describe('assistantMessage', () => {
  const call = '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>';
  const parsed = { type: 'function', function: { name: 'add', arguments: { a: 1 } } };

  it('sets calls apart', () => {
    expect(assistantMessage(`${call}\n${call}`)).toEqual({ role: 'assistant', content: '', tool_calls: [parsed, parsed] });
    expect(assistantMessage(`I add.\n${call}`)).toEqual({ role: 'assistant', content: 'I add.', tool_calls: [parsed] });
  });

  it.each([`${call} and more`, '<tool_call>{"name": 1}</tool_call>', '<tool_call>{', 'see <tool_call>'])('leaves %j as text', (text) => {
    expect(assistantMessage(text)).toEqual({ role: 'assistant', content: text });
  });
});
