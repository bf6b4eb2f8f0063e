import { describe, expect, it } from 'vitest';
import { FAKE_END, fakeGreedy, fakeModels, fakeTokenizer } from '../../test/fake-model.ts';
import { withModel } from '../../test/ember/ember-files.ts';
import { bundledModelPath } from '../node/package-root.ts';
import { InputError } from '../tensor/errors.ts';
import { collect } from './collect.ts';
import { withAnswer } from './prefilled-answer.ts';

const { load } = fakeModels();
const tokenizer = fakeTokenizer();
const QUESTION = { role: 'user', content: 'Hi' } as const;
const BEGUN = { role: 'assistant', content: 'Well,' } as const;
const isLetter = (id: number) => id >= 97 && id <= 122;
const letters = (logits: Float32Array) => logits.forEach((_, id) => (isLetter(id) ? undefined : (logits[id] = -30)));

describe('a prefilled answer', () => {
  it('goes on in the turn that is open', async () => {
    const { model } = await load();
    const { tokens } = await collect(model.generate({ messages: [QUESTION, BEGUN], temperature: 0, maxTokens: 8 }));
    const ids = [257, ...tokenizer.encode('user:Hi'), FAKE_END, ...tokenizer.encode('assistant:Well,')];
    expect(tokens).toEqual(fakeGreedy(ids, 8));
  });

  it('is one message with what follows in the history of a chat, of which the next turn computes nothing again', async () => {
    const { model } = await load({ adjust: letters });
    const chat = model.createChat({ temperature: 0, maxTokens: 8 });
    const answer = await collect(chat.send([QUESTION, BEGUN]));
    expect(chat.history).toEqual([QUESTION, { role: 'assistant', content: `Well,${answer.text}` }]);
    const { usage } = await collect(chat.send('More'));
    expect(usage.cachedTokens).toBeGreaterThanOrEqual(answer.usage.promptTokens + answer.usage.completionTokens - 1);
  });

  it('goes on with a thought', () => {
    const begun = { role: 'assistant', content: '', reasoning_content: 'Since' };
    expect(withAnswer([QUESTION, begun], { role: 'assistant', content: 'Yes', reasoning_content: ' it is' })).toEqual([
      QUESTION, { role: 'assistant', content: 'Yes', reasoning_content: 'Since it is' },
    ]);
    expect(withAnswer([QUESTION], BEGUN)).toEqual([QUESTION, BEGUN]);
  });

  it('with tool calls is refused: results follow them', async () => {
    const { model } = await load();
    const call = { ...BEGUN, tool_calls: [{ type: 'function', function: { name: 'f', arguments: {} } }] };
    const generating = collect(model.generate({ messages: [QUESTION, call] }));
    await expect(generating).rejects.toThrow(InputError);
    await expect(generating).rejects.toThrow('messages[1] has tool_calls');
  });

  it('is what a greedy model says anyway, where that is what it is given', async () => {
    await withModel(bundledModelPath(), { device: 'cpu', threads: 2 }, async (model) => {
      const sum = [{ role: 'user', content: 'What is 17 + 25?' }, { role: 'assistant', content: '17 + 25' }];
      const { text } = await collect(model.generate({ messages: sum, temperature: 0, reasoning: false, maxTokens: 20 }));
      expect(text).toBe(' = 42');
      const messages = [{ role: 'user', content: 'Where does a hen live?' }];
      const options = { temperature: 0, repetitionPenalty: 1, maxTokens: 40, reasoning: false };
      const whole = await collect(model.generate({ ...options, messages }));
      const begun = whole.text.slice(0, whole.text.indexOf(' ', 8));
      const rest = await collect(model.generate({ ...options, messages: [...messages, { role: 'assistant', content: begun }] }));
      expect(begun + rest.text).toBe(whole.text);
      expect(rest.usage.completionTokens).toBeLessThan(whole.usage.completionTokens);
    });
  });
});
