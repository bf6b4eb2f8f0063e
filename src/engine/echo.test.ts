import { describe, expect, it } from 'vitest';
import { FAKE_END, fakeLogits, fakeModels } from '../../test/fake-model.ts';
import { InputError } from '../tensor/errors.ts';
import type { Piece } from './api.ts';
import { collect } from './collect.ts';
import { logprobsOf } from './sampler.ts';

const { load } = fakeModels();
const IDS = [257, ...Array.from({ length: 300 }, (_, i) => 97 + (i % 26))];

describe.each([{}, { choosesSteps: 8 }, { hasSlots: true }])('an echo of a model of %j', (device) => {
  it('is the prompt, before the answer that it has without one', async () => {
    const { model } = await load(device);
    const ask = { prompt: 'Once <|im_end|>', temperature: 0, maxTokens: 6 };
    const plain = await collect(model.generate(ask));
    const pieces: Piece[] = [];
    for await (const piece of model.generate({ ...ask, echo: true })) pieces.push(piece);
    expect(pieces[0]).toEqual({ text: ask.prompt, tokens: [257, ...Buffer.from(ask.prompt)], parts: [], index: 0, logprobs: undefined });
    expect(pieces.slice(1).flatMap(({ tokens }) => tokens)).toEqual(plain.tokens);
    expect(pieces.at(-1)).toMatchObject({ usage: { promptTokens: plain.usage.promptTokens, completionTokens: 6 } });
    const { text, content, tokens } = await collect(model.generate({ ...ask, echo: true }));
    expect([text, content, tokens.length]).toEqual([ask.prompt + plain.text, plain.content, plain.usage.promptTokens + 6]);
  });

  it('says how likely each token of the prompt was, behind those before it', async () => {
    const { model } = await load({ ...device, prefillRows: 64 });
    const ask = { ids: IDS, temperature: 0, maxTokens: 2, echo: true, logprobs: 2 };
    const { logprobs, tokens } = await collect(model.generate(ask));
    expect(tokens.slice(0, IDS.length)).toEqual(IDS);
    expect(logprobs).toHaveLength(IDS.length + 2);
    expect(logprobs![0]).toEqual({ token: 257, logprob: Number.NaN, top: [] });
    for (const at of [1, 63, 64, 65, 200, IDS.length - 1])
      expect(logprobs![at], `token ${at}`).toEqual(logprobsOf(fakeLogits(IDS.slice(0, at)), IDS[at]!, 2));
    expect((await collect(model.generate({ ...ask, ids: [5] }))).logprobs).toHaveLength(3);
  });

  it('comes before each of several answers, with the marks of a conversation spelled out', async () => {
    const { model } = await load({ ...device, memoryBudget: 2 ** 30 });
    const first = new Map<number, Piece>();
    const messages = [{ role: 'user', content: 'Hi' }];
    for await (const piece of model.generate({ messages, n: 3, echo: true, maxTokens: 3, seed: 4 }))
      if (!first.has(piece.index)) first.set(piece.index, piece);
    expect([...first.values()].map(({ text }) => text)).toEqual(new Array(3).fill(`<257>user:Hi<${FAKE_END}>assistant:`));
  });
});

it('an echo is no option of chats, and a switch', async () => {
  const { model } = await load();
  await expect(collect(model.createChat().send('a', { echo: true } as never))).rejects.toThrow('send has no option "echo"');
  await expect(collect(model.generate({ prompt: 'a', echo: 'yes' as never }))).rejects.toThrow(InputError);
});
