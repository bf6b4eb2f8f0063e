import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fixturesPath } from '../../test/fixture-tensors.ts';
import { fakeTokenizer } from '../../test/fake-model.ts';
import { renderChat } from '../text/chat-template.ts';
import type { ChatMessage } from './api.ts';
import { lastingTokens } from './lasting-tokens.ts';
import { renderOptions } from './prompt.ts';
import type { TextSide } from './prompt.ts';

/** A published template over a tokenizer of bytes. */
function textOf(name: string): TextSide {
  const source = readFileSync(`${fixturesPath}templates/${name}.jinja`, 'utf8');
  const tokenizer = fakeTokenizer();
  return {
    tokenizer,
    endIds: new Set(),
    samplingDefaults: {},
    encodeMessages: (messages, { tools, variables }) =>
      tokenizer.encode(renderChat(source, { messages, tools, variables, specialTokens: { bos_token: '<s>' } })),
  };
}

const SYSTEM: ChatMessage = { role: 'system', content: 'You are kind.' };
const user = (content: string): ChatMessage => ({ role: 'user', content });
const THOUGHT: ChatMessage = { role: 'assistant', content: 'Four.', reasoning_content: 'It is easy.' };
const CALL = { type: 'function', function: { name: 'add', arguments: { a: 2, b: 2 } } };

const QUESTION = [SYSTEM, user('Two and two?')];
const SECOND = [...QUESTION, THOUGHT, user('And three?')];
const CALLING = { role: 'assistant', content: '', reasoning_content: 'A sum.', tool_calls: [CALL] };
const TOOL = [...QUESTION, CALLING, { role: 'tool', content: '4' }];

describe('how much of a prompt lasts', () => {
  it.each([
    ['Qwen3.5-4B', QUESTION, {}, '<think>\n'],
    ['Qwen3.5-4B', SECOND, {}, '<think>\n'],
    ['Qwen3.5-4B', QUESTION, { reasoning: false }, '<think>\n\n</think>\n\n'],
    ['Qwen-Qwen3-0.6B', SECOND, {}, ''],
    ['Qwen-Qwen3-0.6B', QUESTION, { reasoning: false }, '<think>\n\n</think>\n\n'],
    ['LFM2.5-Instruct', SECOND, {}, ''],
    ['meta-llama-Llama-3.2-3B-Instruct', QUESTION, {}, ''],
  ] as const)('%s: %j, %j: all but %j', (name, messages, options, dropped) => {
    const text = textOf(name);
    const ids = text.encodeMessages!(messages, renderOptions(options, text));
    const rest = text.tokenizer!.decode(ids.slice(lastingTokens(ids, messages, options, text)));
    expect(rest).toBe(dropped);
    // What the next prompt really is, after an answer that thought.
    const next = text.encodeMessages!([...messages, THOUGHT, user('Why?')], renderOptions(options, text));
    const lasting = ids.slice(0, ids.length - dropped.length);
    expect(next.slice(0, lasting.length)).toEqual(lasting);
    if (dropped !== '') expect(next[lasting.length]).not.toBe(ids[lasting.length]);
  });

  it('ends before the thinking of the turn itself, which the next question drops', () => {
    const text = textOf('Qwen3.5-4B');
    const ids = text.encodeMessages!(TOOL, renderOptions({}, text));
    const lasting = text.tokenizer!.decode(ids.slice(0, lastingTokens(ids, TOOL, {}, text)));
    const question = text.tokenizer!.decode(text.encodeMessages!(QUESTION, renderOptions({}, text)));
    // `<think>` and `<tool_call>` begin with the same two of these tokens.
    expect(lasting).toBe(`${question.slice(0, -'<think>\n'.length)}<t`);
  });

  it('is all of it where the template refuses another turn', () => {
    const text = textOf('Qwen3.5-4B');
    const picky: TextSide = {
      ...text,
      encodeMessages: (messages, options) => {
        if (messages.length > 2) throw new Error('one question only');
        return text.encodeMessages!(messages, options);
      },
    };
    const ids = text.encodeMessages!(QUESTION, renderOptions({}, text));
    expect(lastingTokens(ids, QUESTION, {}, picky)).toBe(ids.length);
  });
});
