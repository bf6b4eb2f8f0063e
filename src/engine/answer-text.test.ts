/** Parts of answers as calls give them: with stop texts, ends, tools, and in the history. */
import { describe, expect, it } from 'vitest';
import { FAKE_END, fakeModels, fakeTokenizer, saying } from '../../test/fake-model.ts';
import { InputError } from '../tensor/errors.ts';
import type { AnswerPart } from '../text/answers/answer-parts.ts';
import { createPartCollector } from '../text/answers/collect-parts.ts';
import { dialectNamed } from '../text/answers/dialects.ts';
import { createAnswerText } from './answer-text.ts';
import type { GenerateOptions } from './api.ts';
import { collect } from './collect.ts';

const { load } = fakeModels();
const CALL = '<tool_call>\n{"name": "f", "arguments": {"city": "Z\u00fcrich"}}\n</tool_call>';
const ASK = { messages: [{ role: 'user', content: 'x' }], temperature: 0, dialect: 'hermes', tools: [{ name: 'f' }] } as const;

async function answer(says: string, options: GenerateOptions = ASK, choosesSteps?: number) {
  const { model } = await load({ adjust: saying(says), choosesSteps });
  return collect(model.generate(options));
}

describe('the parts of an answer', () => {
  it.each([undefined, 4])('are made while it comes, with %s steps a submit', async (choosesSteps) => {
    const { model } = await load({ adjust: saying(`<think>hm</think>I ask.\n${CALL}`), choosesSteps });
    const parts: AnswerPart[] = [];
    const tokens: number[] = [];
    const reasons: unknown[] = [];
    for await (const piece of model.generate(ASK)) {
      parts.push(...piece.parts);
      tokens.push(...piece.tokens);
      reasons.push(piece.finishReason);
    }
    expect(parts.flatMap((part) => part.tokens)).toEqual(tokens);
    const kinds = parts.map((part) => (part.kind === 'toolCall' ? part.phase : part.kind));
    expect(kinds.filter((kind, i) => kind !== kinds[i - 1]).slice(0, 5)).toEqual(['reasoning', 'text', 'start', 'arguments', 'end']);
    // Arguments come as they grow.
    expect(kinds.filter((kind) => kind === 'arguments').length).toBeGreaterThan(2);
    expect(reasons.at(-1)).toBe('tool_calls');
    expect(tokens.at(-1)).toBe(FAKE_END);
  });

  it('are collected', async () => {
    const { content, reasoning, toolCalls, text, incompleteCalls } = await answer(`<think>hm</think>I ask.\n${CALL}`);
    expect({ content, reasoning, incompleteCalls }).toEqual({ content: 'I ask.', reasoning: 'hm', incompleteCalls: 0 });
    expect(toolCalls).toEqual([{ id: expect.stringMatching(/^[0-9a-z]{9}$/) as string, name: 'f', arguments: { city: 'Z\u00fcrich' } }]);
    expect(text).toBe(`<think>hm</think>I ask.\n${CALL}`);
  });

  it('have no whole call where the answer was cut', async () => {
    const cut = await answer(CALL, { ...ASK, maxTokens: CALL.indexOf('rich') });
    expect(cut).toMatchObject({ finishReason: 'length', toolCalls: [], incompleteCalls: 1, content: '' });
    const whole = await answer(CALL, { ...ASK, maxTokens: new TextEncoder().encode(CALL).length });
    expect(whole).toMatchObject({ finishReason: 'length', incompleteCalls: 0, toolCalls: [{ name: 'f' }] });
  });

  it('leave what looks like a call as text without tools, and in a dialect that has none', async () => {
    const { tools: _tools, ...without } = ASK;
    expect(await answer(CALL, without)).toMatchObject({ content: CALL, toolCalls: [], finishReason: 'stop' });
    expect(await answer(CALL, { ...ASK, dialect: undefined })).toMatchObject({ content: CALL, finishReason: 'stop' });
  });

  it('have nothing of a stop text, nor of what is behind it', async () => {
    const stopped = await answer('<think>a</think>bc STOP de', { ...ASK, stop: 'STOP' });
    expect(stopped).toMatchObject({ content: 'bc ', reasoning: 'a', stopText: 'STOP', text: '<think>a</think>bc ' });
    expect(stopped.parts.flatMap((part) => part.tokens)).toEqual(stopped.tokens);
  });

  it('name the calls of each answer otherwise', async () => {
    const { model } = await load({ adjust: saying(CALL) });
    const ids = new Set<string>();
    const chat = model.createChat({ temperature: 0, dialect: 'hermes', tools: [{ name: 'f' }], seed: 1 });
    for (const message of ['a', 'b', 'c']) ids.add((await collect(chat.send(message))).toolCalls[0]?.id ?? '');
    expect(ids.size).toBe(3);
    expect(chat.history.at(-1)).toMatchObject({ content: '', tool_calls: [{ type: 'function', function: { name: 'f' } }] });
  });

  it('leave a call that was cut in the history as it was written', async () => {
    const { model } = await load({ adjust: saying(CALL) });
    const chat = model.createChat({ temperature: 0, dialect: 'hermes', tools: [{ name: 'f' }], maxTokens: 20 });
    const cut = await collect(chat.send('x'));
    expect(cut).toMatchObject({ content: '', toolCalls: [], finishReason: 'length' });
    expect(chat.history.at(-1)).toEqual({ role: 'assistant', content: CALL.slice(0, 20) });
  });

  it('go on with a thought that the caller began', async () => {
    const said = [{ role: 'user', content: 'x' }, { role: 'assistant', content: '', reasoning_content: 'I' }];
    expect(await answer(' see</think>Yes.', { ...ASK, messages: said })).toMatchObject({ reasoning: ' see', content: 'Yes.' });
  });

  it('are read by no dialect that there is not', async () => {
    const { model } = await load();
    const asked = collect(model.generate({ ...ASK, dialect: 'klingon' }));
    await expect(asked).rejects.toThrow(InputError);
    await expect(asked).rejects.toThrow(/dialect must be one of harmony, .*hermes, .*found string "klingon"/);
    expect(() => model.createChat({ dialect: 'klingon' })).toThrow(InputError);
    expect(model.info.dialect).toBe('plain');
  });
});

describe('an answer text', () => {
  const tokenizer = fakeTokenizer();
  const open = (stops: readonly string[]) =>
    createAnswerText({ tokenizer, format: { dialect: dialectNamed('plain'), tools: [] }, stops, promptTail: '', callId: String });

  it('shows what is left of a character that was cut, in text and parts alike', () => {
    const answered = open([]);
    const collector = createPartCollector();
    const fox = new TextEncoder().encode('\u{1F98A}');
    const pushed = [0x61, fox[0] as number, fox[1] as number].map((id) => answered.push(id).text).join('');
    const text = pushed + answered.end().text;
    answered.close();
    const parts = answered.takeParts();
    collector.add(parts);
    expect(text).toBe('a\ufffd');
    expect(collector.content().content).toBe(text);
    expect(parts.flatMap((part) => part.tokens)).toEqual([0x61, fox[0], fox[1]]);
  });

  it('holds back in parts what it holds back in text', () => {
    const answered = open(['END']);
    const said = [...'a E EN END x'].slice(0, 9).map((letter) => {
      const { text, stop } = answered.push(letter.charCodeAt(0));
      const parts = answered.takeParts().map((part) => ('text' in part ? part.text : ''));
      expect(parts.join('')).toBe(text);
      return stop === undefined ? text : `${text}!`;
    });
    expect(said).toEqual(['a', ' ', '', 'E ', '', '', 'EN ', '', '']);
  });
});
