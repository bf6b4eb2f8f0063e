import { describe, expect, it } from 'vitest';
import { loadFakeModel } from '../../test/fake-model.ts';
import { CapacityError, InputError } from '../tensor/errors.ts';
import { fitConversation, turnStarts } from './answer-room.ts';
import { contentText } from '../text/chat-messages.ts';
import type { ChatMessage, ContextPolicy, GenerateOptions } from './api.ts';
import { collect } from './collect.ts';

const user = (content: string): ChatMessage => ({ role: 'user', content });
const assistant = (content: string): ChatMessage => ({ role: 'assistant', content });
const system = (content: string): ChatMessage => ({ role: 'system', content });

describe('turns', () => {
  it('begin at each user message; what comes before the first one goes with it', () => {
    const tool: ChatMessage = { role: 'tool', content: '3' };
    const messages = [
      system('s'),
      { role: 'developer', content: 'd' },
      user('a'),
      assistant('b'),
      tool,
      assistant('c'),
      user('d'),
      user('e'),
      assistant('f'),
      user('g'),
    ];
    expect(turnStarts(messages)).toEqual([2, 6, 7, 9]);
    expect(turnStarts([assistant('hello'), user('a'), assistant('b'), system('later'), user('c')])).toEqual([0, 4]);
    expect(turnStarts([assistant('hello'), assistant('again')])).toEqual([0]);
    expect(turnStarts([system('s')])).toEqual([]);
  });
});

/** A token a character, so that sizes can be counted by hand. */
const encode = (messages: readonly ChatMessage[]) => messages.flatMap(({ content }) => Array.from(contentText(content), () => 1));
const contextOf = (contextLength: number) => ({ contextLength, modelContextLength: 1000 });

describe('fitting a conversation', () => {
  const turns = (count: number, size: number) =>
    Array.from({ length: count }, () => [user('u'.repeat(size / 2)), assistant('a'.repeat(size / 2))]).flat();
  const fit = (messages: readonly ChatMessage[], contextLength: number, maxTokens?: number) =>
    fitConversation(messages, { policy: 'slide', encode, context: contextOf(contextLength), maxTokens });

  it('leaves alone what leaves an eighth of the context, or maxTokens', () => {
    const messages = [system('s'), ...turns(3, 10)];
    expect(fit(messages, 35)).toMatchObject({ droppedTurns: 0, droppedMessages: 0, ids: { length: 31 } });
    expect(fit(messages, 34).droppedTurns).toBeGreaterThan(0);
    expect(fit(messages, 100, 69).droppedTurns).toBe(0);
    expect(fit(messages, 100, 70).droppedTurns).toBeGreaterThan(0);
  });

  it('leaves out as few turns as free a quarter of the context', () => {
    // 1 + 10 * 10 tokens; three quarters of 80 hold the system message and five turns.
    const { ids, droppedTurns, droppedMessages } = fit([system('s'), ...turns(10, 10)], 80);
    expect([ids.length, droppedTurns, droppedMessages]).toEqual([51, 5, 10]);
    expect(fit([system('s'), ...turns(10, 10)], 84).ids).toHaveLength(61);
  });

  it('leaves room for maxTokens and an eighth', () => {
    // 80 - 30 - 10 hold the system message and three turns.
    expect(fit([system('s'), ...turns(10, 10)], 80, 30)).toMatchObject({ droppedTurns: 7, ids: { length: 31 } });
    expect(fit([system('s'), ...turns(10, 10)], 80, 1).ids).toHaveLength(61);
  });

  it('goes below that room rather than leave out more turns than it must', () => {
    // The last turn alone leaves less than a quarter, but an eighth; then less than an eighth; then a token.
    expect(fit([system('s'), ...turns(1, 10), user('x'.repeat(65))], 80)).toMatchObject({ droppedTurns: 1, ids: { length: 66 } });
    expect(fit([system('s'), ...turns(3, 2), user('x'.repeat(65))], 80)).toMatchObject({ droppedTurns: 1, ids: { length: 70 } });
    expect(fit([system('s'), ...turns(3, 2), user('x'.repeat(74))], 80)).toMatchObject({ droppedTurns: 1, ids: { length: 79 } });
    expect(fit([system('s'), ...turns(3, 2), user('x'.repeat(78))], 80)).toMatchObject({ droppedTurns: 3, ids: { length: 79 } });
    expect(fit([system('s'), ...turns(10, 10)], 80, 65)).toMatchObject({ droppedTurns: 9, ids: { length: 11 } });
  });

  it('keeps the last turn, and says with the numbers where it does not fit', () => {
    const long = [system('s'), ...turns(2, 10), user('x'.repeat(70))];
    const failure = (contextLength: number, maxTokens?: number) => {
      try {
        return fit(long, contextLength, maxTokens);
      } catch (error) {
        return error;
      }
    };
    expect(failure(71)).toBeInstanceOf(CapacityError);
    expect(failure(71)).toMatchObject({
      message:
        'The context of 71 tokens is too short: the system message and the last turn alone are 71 tokens, ' +
        'which leaves no room for an answer. ' +
        'Shorten the message, or load the model with a larger contextLength (at most 1000).',
      shortage: { contextLength: 71, modelContextLength: 1000, promptTokens: 71, maxTokens: undefined },
    });
    expect(failure(80, 10)).toMatchObject({
      message: expect.stringContaining('which leaves too little room for maxTokens 10. Shorten the message, ask for fewer tokens, or load'),
      shortage: { promptTokens: 71, maxTokens: 10 },
    });
  });

  it('finds the same number of turns as trying them one by one, for every size', () => {
    for (let contextLength = 24; contextLength < 240; contextLength += 3) {
      const messages = [
        system('sys'),
        ...Array.from({ length: 15 }, (_, i) => [user('u'.repeat(1 + ((i * 7) % 11))), assistant('a'.repeat(1 + ((i * 5) % 8)))]).flat(),
      ];
      const size = (dropped: number) => encode([messages[0]!, ...messages.slice(1 + 2 * dropped)]).length;
      const eighth = Math.floor(contextLength / 8);
      const firstWithin = (most: number) => Array.from({ length: 15 }, (_, dropped) => dropped).find((dropped) => size(dropped) <= most);
      const wanted =
        size(0) <= contextLength - eighth
          ? 0
          : [2 * eighth, eighth, 1].map((free) => firstWithin(contextLength - free)).find((dropped) => dropped !== undefined);
      expect(fit(messages, contextLength).droppedTurns, `context ${contextLength}`).toBe(wanted);
    }
  });

  it('asks for few renderings of a long conversation', () => {
    let renderings = 0;
    const counting = (messages: readonly ChatMessage[]) => {
      renderings++;
      return encode(messages);
    };
    expect(
      fitConversation(turns(1000, 10), { policy: 'slide', encode: counting, context: contextOf(500), maxTokens: undefined }).droppedTurns,
    ).toBe(963);
    expect(renderings).toBeLessThan(15);
  });

  it('passes on what is no matter of size, and takes a text that is refused unread for too long', () => {
    const refusing = (messages: readonly ChatMessage[]) => {
      if (messages.length > 3) throw new CapacityError('far too long');
      return encode(messages);
    };
    expect(
      fitConversation([system('s'), ...turns(3, 10)], { policy: 'slide', encode: refusing, context: contextOf(100), maxTokens: undefined })
        .droppedTurns,
    ).toBe(2);
    const failing = () => {
      throw new InputError('no');
    };
    expect(() =>
      fitConversation(turns(3, 10), { policy: 'slide', encode: failing, context: contextOf(100), maxTokens: undefined }),
    ).toThrow(InputError);
  });
});

const endsNow = { adjust: (logits: Float32Array) => void (logits[256] = 50) };

describe('a model whose context fills', () => {
  it('refuses by default, with the numbers, before any work', async () => {
    const { model, log } = await loadFakeModel({ contextLength: 40 });
    const messages = [user('x'.repeat(60))];
    const slide =
      'pass contextPolicy "slide", which leaves out the oldest turns, or load the model with a larger contextLength (at most 1024).';
    // BOS, `user:` and the text, an end token, `assistant:`
    await expect(collect(model.generate({ messages }))).rejects.toThrow(
      `The sequence of 77 tokens exceeds the context of 40 tokens. Shorten it, ${slide}`,
    );
    await expect(collect(model.generate({ messages: [user('x'.repeat(23))] }))).rejects.toThrow(
      `the prompt of 40 tokens leaves no room for an answer. Shorten the prompt, ${slide}`,
    );
    const wide = collect(model.generate({ messages: [user('hi')], maxTokens: 400 }));
    await expect(wide).rejects.toThrow(
      `the prompt of 19 tokens and maxTokens 400 together exceed it by 379. Shorten the prompt, ask for fewer tokens, ${slide}`,
    );
    await expect(wide).rejects.toMatchObject({
      shortage: { contextLength: 40, modelContextLength: 1024, promptTokens: 19, maxTokens: 400 },
    });
    expect(log.steps).toEqual([]);
    const { model: whole } = await loadFakeModel({ contextLength: 1024 });
    await expect(collect(whole.generate({ ids: new Array<number>(1025).fill(1) }))).rejects.toThrow(
      /exceeds the context of 1024 tokens\. Shorten it\.$/,
    );
    await Promise.all([model.dispose(), whole.dispose()]);
  });

  it('ends an answer that meets the end with the reason context, one that meets maxTokens with length', async () => {
    const { model } = await loadFakeModel({ contextLength: 40 });
    const ask: GenerateOptions = { messages: [user('hi')], seed: 1 };
    const full = await collect(model.generate(ask));
    expect(full.finishReason).toBe('context');
    expect(full.usage.promptTokens + full.usage.completionTokens).toBe(40);
    const room = full.usage.completionTokens;
    expect(await collect(model.generate({ ...ask, maxTokens: room - 1 }))).toMatchObject({
      finishReason: 'length',
      usage: { completionTokens: room - 1 },
    });
    // Asked for and had, whatever else ends there.
    expect(await collect(model.generate({ ...ask, maxTokens: room }))).toMatchObject({
      finishReason: 'length',
      usage: { completionTokens: room },
    });
    await model.dispose();
  });

  it('goes on for 256 tokens after a prompt or ids, and as far as the context after messages', async () => {
    const { model } = await loadFakeModel({ contextLength: 900 });
    for (const source of [{ prompt: 'ab' }, { ids: [97, 98] }]) {
      expect(await collect(model.generate({ ...source, seed: 2, ignoreEos: true }))).toMatchObject({
        finishReason: 'length',
        usage: { completionTokens: 256 },
      });
    }
    expect((await collect(model.generate({ messages: [user('ab')], seed: 2, ignoreEos: true }))).finishReason).toBe('context');
    const { model: small } = await loadFakeModel({ contextLength: 100 });
    expect(await collect(small.generate({ ids: [97, 98], seed: 2, ignoreEos: true }))).toMatchObject({
      finishReason: 'context',
      usage: { completionTokens: 98 },
    });
    await Promise.all([model.dispose(), small.dispose()]);
  });

  it('slides where it is told to, and answers as it would have answered the rest', async () => {
    const { model } = await loadFakeModel({ contextLength: 100, ...endsNow });
    const messages = [
      system('sys'),
      ...Array.from({ length: 8 }, (_, i) => [user(`question ${i}`), assistant(`answer ${i}`)]).flat(),
      user('last'),
    ];
    const slid = await collect(model.generate({ messages, contextPolicy: 'slide', seed: 3 }));
    expect(slid.droppedTurns).toBeGreaterThan(0);
    const rest = [messages[0]!, ...messages.slice(1 + 2 * slid.droppedTurns)];
    const same = await collect(model.generate({ messages: rest, seed: 3 }));
    expect(same).toMatchObject({ tokens: slid.tokens, usage: { promptTokens: slid.usage.promptTokens }, droppedTurns: 0 });
    await model.dispose();
  });

  it.each([{ prompt: 'a' }, { ids: [1] }])('has no turns to leave out of %j', async (source) => {
    const { model } = await loadFakeModel();
    await expect(collect(model.generate({ ...source, contextPolicy: 'slide' }))).rejects.toThrow(
      'contextPolicy "slide" leaves out turns of messages',
    );
    await expect(collect(model.generate({ messages: [user('a')], contextPolicy: 'drop' as ContextPolicy }))).rejects.toThrow(
      'contextPolicy must be "error" or "slide", found string "drop"',
    );
    await model.dispose();
  });
});
