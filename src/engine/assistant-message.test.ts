import { describe, expect, it } from 'vitest';
import { assistantMessage } from './assistant-message.ts';

describe('assistantMessage', () => {
  it('is what was written where nothing of it is whole', () => {
    const nothing = { content: '', reasoning: '', toolCalls: [] };
    expect(assistantMessage(nothing, '<tool_call>{"na').content).toBe('<tool_call>{"na');
    expect(assistantMessage({ ...nothing, reasoning: 'hm' }, '<think>hm').content).toBe('');
  });

  it('has what templates read, and no field that says nothing', () => {
    expect(assistantMessage({ content: 'Yes.', reasoning: '', toolCalls: [] })).toEqual({ role: 'assistant', content: 'Yes.' });
    expect(
      assistantMessage({ content: 'I add.', reasoning: 'hm', toolCalls: [{ id: 'abcdefghi', name: 'add', arguments: { a: 1 } }] }),
    ).toEqual({
      role: 'assistant',
      content: 'I add.',
      reasoning_content: 'hm',
      tool_calls: [{ id: 'abcdefghi', type: 'function', function: { name: 'add', arguments: { a: 1 } } }],
    });
  });
});
