import { describe, expect, it } from 'vitest';
import { assistantMessage } from './assistant-message.ts';

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
