import { describe, expect, it } from 'vitest';
import { loadFakeModel } from '../../test/fake-model.ts';
import { CapacityError, InputError } from '../tensor/errors.ts';
import { fitConversation, turnStarts } from './answer-room.ts';
import type { ChatMessage, ContextPolicy, GenerateOptions, Piece } from './api.ts';
import { collect } from './collect.ts';

const user = (content: string): ChatMessage => ({ role: 'user', content });
const assistant = (content: string): ChatMessage => ({ role: 'assistant', content });
const system = (content: string): ChatMessage => ({ role: 'system', content });

describe('turns', () => {
  it('begin after the system messages and at each user message that follows something else', () => {
    const tool: ChatMessage = { role: 'tool', content: '3' };
    const messages = [system('s'), { role: 'developer', content: 'd' }, user('a'), assistant('b'), tool, assistant('c'), user('d'), user('e'), assistant('f'), user('g')];
    expect(turnStarts(messages)).toEqual([2, 6, 9]);
    expect(turnStarts([assistant('hello'), user('a'), assistant('b')])).toEqual([0, 1]);
    expect(turnStarts([system('s')])).toEqual([]);
  });
});

/** A token a character, so that sizes can be counted by hand. */
const encode = (messages: readonly ChatMessage[]) => messages.flatMap(({ content }) => Array.from(content, () => 1));

describe('fitting a conversation', () => {
  const turns = (count: number, size: number) => Array.from({ length: count }, () => [user('u'.repeat(size / 2)), assistant('a'.repeat(size / 2))]).flat();
  const fit = (messages: readonly ChatMessage[], contextLength: number, maxTokens?: number) => fitConversation(messages, { policy: 'slide', encode, contextLength, maxTokens });

  it('leaves alone what fits, to the last token', () => {
    expect(fit([system('s'), ...turns(3, 10)], 32)).toMatchObject({ droppedTurns: 0, droppedMessages: 0 });
    expect(fit([system('s'), ...turns(3, 10)], 31).droppedTurns).toBeGreaterThan(0);
  });

  it('leaves out as few turns as free a quarter of the context', () => {
    // 1 + 10 * 10 tokens; three quarters of 80 hold the system message and five turns.
    const { ids, droppedTurns, droppedMessages } = fit([system('s'), ...turns(10, 10)], 80);
    expect([ids.length, droppedTurns, droppedMessages]).toEqual([51, 5, 10]);
  });

  it('leaves room for maxTokens where that is more', () => {
    expect(fit([system('s'), ...turns(10, 10)], 80, 60)).toMatchObject({ droppedTurns: 9 });
    expect(fit([system('s'), ...turns(10, 10)], 80, 68)).toMatchObject({ droppedTurns: 9, ids: { length: 11 } });
  });

  it('keeps the last turn even where less than a quarter is left, and says so where nothing is', () => {
    const long = [system('s'), ...turns(2, 10), user('x'.repeat(70))];
    expect(fit(long, 80)).toMatchObject({ droppedTurns: 2, ids: { length: 71 } });
    expect(() => fit(long, 71)).toThrow('The context of 71 tokens is too short: the system message and the last turn alone are 71 tokens, which leaves no room for an answer.');
    expect(() => fit(long, 80, 10)).toThrow('which leaves too little room for maxTokens 10');
  });

  it('finds the same number of turns as trying them one by one, for every size', () => {
    for (let contextLength = 24; contextLength < 240; contextLength += 3) {
      const messages = [system('sys'), ...Array.from({ length: 15 }, (_, i) => [user('u'.repeat(1 + ((i * 7) % 11))), assistant('a'.repeat(1 + ((i * 5) % 8)))]).flat()];
      const size = (dropped: number) => encode([messages[0]!, ...messages.slice(1 + 2 * dropped)]).length;
      const most = contextLength - Math.floor(contextLength / 4);
      let wanted = 0;
      if (size(0) > contextLength - 1) while (wanted < 14 && (wanted === 0 || size(wanted) > most)) wanted++;
      expect(fit(messages, contextLength).droppedTurns, `context ${contextLength}`).toBe(wanted);
    }
  });

  it('passes on what is no matter of size, and takes a text that is refused unread for too long', () => {
    const refusing = (messages: readonly ChatMessage[]) => {
      if (messages.length > 3) throw new CapacityError('far too long');
      return encode(messages);
    };
    expect(fitConversation([system('s'), ...turns(3, 10)], { policy: 'slide', encode: refusing, contextLength: 100, maxTokens: undefined }).droppedTurns).toBe(2);
    const failing = () => {
      throw new InputError('no');
    };
    expect(() => fitConversation(turns(3, 10), { policy: 'slide', encode: failing, contextLength: 100, maxTokens: undefined })).toThrow(InputError);
  });
});

const endsNow = { adjust: (logits: Float32Array) => void (logits[256] = 50) };

describe('a model whose context fills', () => {
  it('refuses by default, with the numbers, before any work', async () => {
    const { model, log } = await loadFakeModel({ contextLength: 40 });
    const messages = [user('x'.repeat(60))];
    await expect(collect(model.generate({ messages }))).rejects.toThrow(/exceeds the context of 40 tokens|The context of 40 tokens is too short/);
    await expect(collect(model.generate({ messages: [user('hi')], maxTokens: 400 }))).rejects.toThrow('maxTokens 400 together exceed it');
    expect(log.steps).toEqual([]);
    await model.dispose();
  });

  it('ends an answer that meets the end with the reason context, one that meets maxTokens with length', async () => {
    const { model } = await loadFakeModel({ contextLength: 40 });
    const ask: GenerateOptions = { messages: [user('hi')], seed: 1 };
    const full = await collect(model.generate(ask));
    expect(full.finishReason).toBe('context');
    expect(full.usage.promptTokens + full.usage.completionTokens).toBe(40);
    const room = full.usage.completionTokens;
    expect(await collect(model.generate({ ...ask, maxTokens: room - 1 }))).toMatchObject({ finishReason: 'length', usage: { completionTokens: room - 1 } });
    // Asked for and had, whatever else ends there.
    expect(await collect(model.generate({ ...ask, maxTokens: room }))).toMatchObject({ finishReason: 'length', usage: { completionTokens: room } });
    await model.dispose();
  });

  it('goes on for 256 tokens after a prompt or ids, and as far as the context after messages', async () => {
    const { model } = await loadFakeModel({ contextLength: 900 });
    for (const source of [{ prompt: 'ab' }, { ids: [97, 98] }]) {
      expect(await collect(model.generate({ ...source, seed: 2, ignoreEos: true }))).toMatchObject({ finishReason: 'length', usage: { completionTokens: 256 } });
    }
    expect((await collect(model.generate({ messages: [user('ab')], seed: 2, ignoreEos: true }))).finishReason).toBe('context');
    const { model: small } = await loadFakeModel({ contextLength: 100 });
    expect(await collect(small.generate({ ids: [97, 98], seed: 2, ignoreEos: true }))).toMatchObject({ finishReason: 'context', usage: { completionTokens: 98 } });
    await Promise.all([model.dispose(), small.dispose()]);
  });

  it('slides where it is told to, and answers as it would have answered the rest', async () => {
    const { model } = await loadFakeModel({ contextLength: 100, ...endsNow });
    const messages = [system('sys'), ...Array.from({ length: 8 }, (_, i) => [user(`question ${i}`), assistant(`answer ${i}`)]).flat(), user('last')];
    const slid = await collect(model.generate({ messages, contextPolicy: 'slide', seed: 3 }));
    expect(slid.droppedTurns).toBeGreaterThan(0);
    const rest = [messages[0]!, ...messages.slice(1 + 2 * slid.droppedTurns)];
    const same = await collect(model.generate({ messages: rest, seed: 3 }));
    expect(same).toMatchObject({ tokens: slid.tokens, usage: { promptTokens: slid.usage.promptTokens }, droppedTurns: 0 });
    await model.dispose();
  });

  it.each([{ prompt: 'a' }, { ids: [1] }])('has no turns to leave out of %j', async (source) => {
    const { model } = await loadFakeModel();
    await expect(collect(model.generate({ ...source, contextPolicy: 'slide' }))).rejects.toThrow('contextPolicy "slide" leaves out turns of messages');
    await expect(collect(model.generate({ messages: [user('a')], contextPolicy: 'drop' as ContextPolicy }))).rejects.toThrow('contextPolicy must be "error" or "slide", found "drop"');
    await model.dispose();
  });
});

describe('a chat that slides', () => {
  it('goes on for 40 turns, tells what it leaves out, keeps all of its history, and prefills only what is new between slides', async () => {
    const [{ model }, { model: other }] = [await loadFakeModel({ contextLength: 200, ...endsNow }), await loadFakeModel({ contextLength: 200, ...endsNow })];
    const chat = model.createChat({ system: 'sys', contextPolicy: 'slide', seed: 5 });
    const dropped: number[] = [];
    for (let turn = 0; turn < 40; turn++) {
      const answer = await collect(chat.send(`message ${turn}`));
      const before = dropped.at(-1) ?? 0;
      dropped.push(answer.droppedTurns);
      expect(answer.usage.promptTokens + answer.usage.completionTokens).toBeLessThanOrEqual(200);
      if (turn > 0 && answer.droppedTurns === before) expect(answer.usage.cachedTokens).toBeGreaterThan(answer.usage.promptTokens - 40);
      // As a conversation that never had the turns that are gone.
      const [first, ...later] = chat.history.slice(0, -1);
      const seen = [first!, ...later.slice(2 * answer.droppedTurns)];
      const cold = await collect(other.generate({ messages: seen, seed: 5 }));
      expect(cold.tokens).toEqual(answer.tokens);
    }
    expect(chat.history).toHaveLength(81);
    expect(dropped).toEqual(dropped.toSorted((a, b) => a - b));
    // A slide frees a quarter, so there are turns between two of them.
    expect(new Set(dropped).size).toBeLessThan(20);
    expect(dropped.at(-1)).toBeGreaterThan(25);
    chat.reset();
    expect((await collect(chat.send('again'))).droppedTurns).toBe(0);
    await Promise.all([model.dispose(), other.dispose()]);
  });

  it('loses no turn where a slide was of no use', async () => {
    const { model } = await loadFakeModel({ contextLength: 100, ...endsNow });
    const chat = model.createChat({ contextPolicy: 'slide', seed: 1 });
    await collect(chat.send('one'));
    await expect(collect(chat.send('x'.repeat(200)))).rejects.toThrow(CapacityError);
    expect(chat.history).toHaveLength(2);
    expect((await collect(chat.send('two'))).droppedTurns).toBe(0);
    await model.dispose();
  });
});

describe('the progress of a prefill', () => {
  it('begins at once, before the first chunk is done', async () => {
    const { model, log } = await loadFakeModel({ stepMs: 5 });
    const seen: { readonly loaded: number; readonly total: number; readonly steps: number }[] = [];
    const pieces: Piece[] = [];
    const options = { ids: Array.from({ length: 600 }, (_, i) => i % 90), maxTokens: 2, seed: 1 };
    for await (const piece of model.generate({ ...options, onProgress: ({ loaded, total }) => seen.push({ loaded, total, steps: log.steps.length }) })) pieces.push(piece);
    expect(seen[0]).toEqual({ loaded: 0, total: 600, steps: 0 });
    expect(seen.map(({ loaded }) => loaded)).toEqual([0, 256, 512, 600]);
    await model.dispose();
  });
});
