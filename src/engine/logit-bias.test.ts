import { describe, expect, it } from 'vitest';
import { fakeGreedy, fakeModels, fakeTokenizer } from '../../test/fake-model.ts';
import { InputError } from '../tensor/errors.ts';
import { collect } from './collect.ts';
import { resolveLogitBias } from './logit-bias.ts';

const { load } = fakeModels();
const NAMES = { tokenizer: fakeTokenizer((text) => (text === '<end>' ? 256 : undefined)), vocabSize: 300 };
const IDS = [5, 9, 200, 17];

describe('logitBias', () => {
  it('is by ids and by texts of one token', () => {
    expect(resolveLogitBias({ 7: -100, a: 2.5 }, NAMES)).toEqual(new Map([[7, -100], [97, 2.5]]));
    expect(resolveLogitBias([[7, 1], ['7', 2], ['a', 100]], NAMES)).toEqual(new Map([[7, 1], [55, 2], [97, 100]]));
    for (const none of [undefined, {}, []]) expect(resolveLogitBias(none, NAMES)).toBeUndefined();
  });

  it.each([
    [{ ab: 1 }, 'the text string "ab" is 2 tokens (97, 98)'],
    [{ 300: 1 }, 'names the token 300: ids go from 0 to 299'],
    [[[-1, 1]], 'names the token -1'],
    [[[1.5, 1]], 'names the token 1.5'],
    [{ a: 101 }, 'logitBias of string "a" must be a number from -100 to 100, found 101'],
    [{ 3: Number.NaN }, 'found NaN'],
    [{ 3: '1' }, 'found string "1"'],
    [{ 97: 1, a: 1 }, 'names the token 97 twice'],
    [[['', 1]], 'found an empty text'],
    [[[1]], 'logitBias[0] must be a pair'],
    ['a', 'must be an object or a list of pairs'],
    [null, 'must be an object or a list of pairs'],
    [new Map([[97, 1]]), 'must be an object or a list of pairs'],
  ])('refuses %j', (bias, message) => {
    expect(() => resolveLogitBias(bias as never, NAMES)).toThrow(InputError);
    expect(() => resolveLogitBias(bias as never, NAMES)).toThrow(message);
  });

  it('needs ids where there is no tokenizer', async () => {
    const { model } = await load({ withoutTokenizer: true });
    await expect(collect(model.generate({ ids: IDS, logitBias: { a: 1 } }))).rejects.toThrow('use ids');
    const { tokens } = await collect(model.generate({ ids: IDS, logitBias: { 40: 100 }, maxTokens: 3 }));
    expect(tokens).toEqual([40, 40, 40]);
  });
});

describe.each([undefined, 8])('an answer with up to %s steps a submit', (choosesSteps) => {
  const device = choosesSteps === undefined ? {} : { choosesSteps };

  it('is the one of logits with the bias added, beside others without one', async () => {
    const { model } = await load({ ...device, memoryBudget: 2 ** 30 });
    const [first] = fakeGreedy(IDS, 1) as [number];
    const logitBias = { [first]: -100, 60: 3, 61: -4 } as const;
    const adjusted = fakeGreedy(IDS, 24, (logits) => {
      for (const [id, bias] of Object.entries(logitBias)) logits[Number(id)]! += bias;
    });
    const options = { ids: IDS, maxTokens: 24, temperature: 0 };
    const [biased, plain, known] = await Promise.all([
      collect(model.generate({ ...options, logitBias })), collect(model.generate(options)),
      collect(model.generate({ ...options, logitBias, logprobs: 1 })),
    ]);
    expect([biased.tokens, known.tokens, plain.tokens]).toEqual([adjusted, adjusted, fakeGreedy(IDS, 24)]);
    // Log probabilities are the model's own.
    expect(known.logprobs![0]!.top[0]!.token).toBe(first);
  });

  it('of -100 for all tokens is refused, since none would be left', async () => {
    const { model } = await load(device);
    const of = (bias: number, count: number) => Object.fromEntries(Array.from({ length: count }, (_, id) => [id, bias]));
    const ask = (logitBias: Record<string, number>) => collect(model.generate({ prompt: 'abc', maxTokens: 3, logitBias, temperature: 0 }));
    await expect(ask(of(-100, model.info.vocabSize))).rejects.toThrow('logitBias gives -100 to every token');
    expect((await ask(of(-100, model.info.vocabSize - 1))).tokens).toContain(model.info.vocabSize - 1);
    expect((await ask(of(-99, model.info.vocabSize))).tokens).toEqual((await ask({})).tokens);
  });

  it('holds no banned text, with a chat that has them as defaults', async () => {
    const isLetter = (id: number) => id >= 97 && id <= 122;
    const adjust = (logits: Float32Array) => logits.forEach((_, id) => (isLetter(id) ? undefined : (logits[id] = -30)));
    const { model } = await load({ ...device, adjust });
    const ask = { prompt: 'abc', maxTokens: 60, seed: 11, temperature: 0.7 };
    const { text } = await collect(model.generate(ask));
    const bannedTexts = [text.slice(4, 6), text.slice(20, 21), text.slice(30, 33)];
    const banned = await collect(model.generate({ ...ask, bannedTexts }));
    expect(banned.text).not.toBe(text);
    expect(bannedTexts.filter((each) => text.includes(each) && banned.text.includes(each))).toEqual([]);
    expect(bannedTexts.every((each) => text.includes(each))).toBe(true);
    const chat = model.createChat({ bannedTexts, maxTokens: 60, seed: 11 });
    const answer = await collect(chat.send('abc'));
    expect(bannedTexts.filter((each) => answer.text.includes(each))).toEqual([]);
    expect(() => model.createChat({ bannedTexts: [''] })).toThrow('bannedTexts[0]');
  });
});
