import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundledModelPath } from '../node/package-root.ts';
import { loadModel } from '../node/load-model.ts';
import type { ChatMessage, GenerateOptions, Model } from './api.ts';
import { collect } from './collect.ts';

let model: Model;
beforeAll(async () => {
  model = await loadModel(bundledModelPath(), { device: 'cpu', threads: 2, contextLength: 2048 });
});
afterAll(() => model?.dispose());

const parameters = { type: 'object', properties: {} };
const tool = (name: string) => ({ type: 'function', function: { name, description: `Gives the ${name} of a town.`, parameters } });
const tools = [tool('weather'), tool('height')];
const RULES = 'You help. '.repeat(150);
const turn = (i: number): ChatMessage[] => [
  { role: 'user', content: `Question ${i}: is it ${i}?` }, { role: 'assistant', content: `It is ${i}. `.repeat(9) },
];
const system = (header: string, rules = RULES) => ({ role: 'system', content: `${rules}${header}` });
const question = { role: 'user', content: 'And now?' };

const ask = (messages: readonly ChatMessage[], options: GenerateOptions = {}) =>
  collect(model.generate({ messages, tools, reasoning: false, temperature: 0, maxTokens: 4, ...options })).then(({ usage }) => usage);

describe('a client that sends all of its conversation each turn', () => {
  it('reads what comes before a header that changed, to a page, and hears where it did', async () => {
    const first = await ask([system('Today is Monday.'), ...turn(1), question]);
    expect(first.cacheBreak).toBeUndefined();
    const again = await ask([system('Today is Monday.'), ...turn(1), question]);
    expect(again.cacheBreak).toBeUndefined();
    expect(again.promptTokens - again.cachedTokens).toBeLessThanOrEqual(64);
    const changed = await ask([system('Today is Friday.'), ...turn(1), question]);
    const { token } = changed.cacheBreak!;
    expect(changed.cacheBreak).toEqual({ token, part: 'message', message: 0, role: 'system' });
    // What stands behind a changed header sees it, so that its state is another: none of it is used.
    expect(changed.cachedTokens).toBe(Math.floor(token / 64) * 64);
    expect(changed.cachedTokens).toBeGreaterThan(0.5 * changed.promptTokens);
    // The same header at the end: it is in the last page, which nobody else has anyway.
    const atEnd = (day: string) => [system(''), ...turn(1), { role: 'user', content: `${question.content} Today is ${day}.` }];
    await ask(atEnd('Monday'));
    const late = await ask(atEnd('Friday'));
    expect(late.promptTokens - late.cachedTokens).toBeLessThanOrEqual(64 + 20);
  });

  it('hears of other tools, of their order, and of none where it is canonical', async () => {
    const messages = [system('', 'Tools come first.'), ...turn(2), question];
    const many = Array.from({ length: 8 }, (_, i) => tool(`tool${i}`));
    await ask(messages, { tools: many });
    expect((await ask(messages, { tools: many.with(6, tool('other')) })).cacheBreak).toMatchObject({ part: 'tools' });
    expect((await ask(messages, { tools: many.toReversed() })).cacheBreak).toMatchObject({ part: 'tools' });
    const canonical = { toolOrder: 'canonical' } as const;
    await ask(messages, { tools: many, ...canonical });
    const other = await ask(messages, { tools: many.toReversed(), ...canonical });
    expect(other.cacheBreak).toBeUndefined();
    expect(other.promptTokens - other.cachedTokens).toBeLessThanOrEqual(64);
    await expect(ask(messages, { toolOrder: 'sorted' as never })).rejects.toThrow('toolOrder must be "given" or "canonical"');
  });

  it('hears which message of the past it changed, in a chat too', async () => {
    const chat = model.createChat({ reasoning: false, temperature: 0, maxTokens: 4, cachePrompt: false });
    chat.history = [system('', 'Short.'), ...turn(3), ...turn(4), ...turn(5)];
    const sent = async () => (await collect(chat.send('Go on.'))).usage;
    expect((await sent()).cacheBreak).toBeUndefined();
    // The closed thought that this template opens an answer with is not in the history.
    expect((await sent()).cacheBreak).toMatchObject({ part: 'message', message: 8, role: 'assistant' });
    chat.history = chat.history.with(4, { role: 'assistant', content: 'It is 5.' });
    const { cacheBreak, cachedTokens } = await sent();
    expect(cacheBreak).toMatchObject({ part: 'message', message: 4, role: 'assistant' });
    expect(cachedTokens).toBe(cacheBreak!.token);
    chat.dispose();
  });

  it('hears of a token alone where there are no messages', async () => {
    const prompt = 'Once there was a hen. '.repeat(50);
    const of = async (text: string) => (await collect(model.generate({ prompt: text, maxTokens: 1, temperature: 0 }))).usage.cacheBreak;
    expect(await of(prompt)).toBeUndefined();
    const found = await of(`${prompt.slice(0, 300)} fox`);
    expect(Object.keys(found!)).toEqual(['token']);
  });
});
