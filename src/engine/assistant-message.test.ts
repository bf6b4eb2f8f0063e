import { describe, expect, it } from 'vitest';
import { assistantMessage } from './assistant-message.ts';

describe('assistantMessage', () => {
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
