/** Chats that fork, are edited, saved and loaded. */
import { describe, expect, it } from 'vitest';
import { fakeModels } from '../../test/fake-model.ts';
import { FormatError, InputError } from '../tensor/errors.ts';
import { crc32, decodeChat, encodeChat } from './chat-file.ts';
import { collect } from './collect.ts';

const { load } = fakeModels();
const GREEDY = { temperature: 0, ignoreEos: true, maxTokens: 5 } as const;
const SYSTEM = 'Be kind. '.repeat(30);

async function chatWithTurns(options = {}) {
  const { model } = await load(options);
  const chat = model.createChat({ system: SYSTEM, ...GREEDY });
  await collect(chat.send('One?'));
  await collect(chat.send('Two?'));
  return { model, chat };
}

describe('fork', () => {
  it('goes on by itself from the same history, and computes none of its full pages again', async () => {
    const { model, chat } = await chatWithTurns();
    const before = chat.history;
    const fork = chat.fork();
    expect(fork.history).toEqual(before);
    const { usage, text } = await collect(fork.send('Three?'));
    expect(usage.cachedTokens % 64).toBe(0);
    expect(usage.promptTokens - usage.cachedTokens).toBeLessThan(64 + 'user:Three?assistant:'.length + 10);
    expect(chat.history).toEqual(before);
    const other = await collect(chat.send('Other?'));
    const cold = model.createChat({ ...GREEDY, cachePrompt: false });
    for (const [messages, answer] of [[fork.history, text], [chat.history, other.text]] as const) {
      cold.history = messages.slice(0, -2);
      expect((await collect(cold.send(messages.at(-2)!))).text).toBe(answer);
    }
    chat.dispose();
    expect(() => chat.fork()).toThrow('was disposed');
    expect((await collect(fork.send('Four?'))).usage.completionTokens).toBe(5);
  });
});

describe('history', () => {
  it('takes edited messages: what still matches is not computed again', async () => {
    const { model, chat } = await chatWithTurns();
    const old = chat.history;
    chat.history = old.slice(0, -2);
    const again = await collect(chat.send('Two, and louder?'));
    expect(chat.history.slice(0, 3)).toEqual(old.slice(0, 3));
    expect(again.usage.cachedTokens).toBeGreaterThan(SYSTEM.length);
    const cold = model.createChat({ system: SYSTEM, ...GREEDY, cachePrompt: false });
    cold.history = old.slice(0, -2);
    const { text, usage } = await collect(cold.send('Two, and louder?'));
    expect([usage.cachedTokens, text]).toEqual([0, again.text]);
  });

  it('is not written to by a turn that began before it was set', async () => {
    const { chat } = await chatWithTurns();
    const turn = chat.send('Three?');
    await turn.next();
    chat.history = [{ role: 'user', content: 'Hi' }];
    await collect(turn);
    expect(chat.history).toEqual([{ role: 'user', content: 'Hi' }]);
    chat.history = [];
    expect(chat.history).toEqual([]);
  });

  it('refuses what are no messages', async () => {
    const { chat } = await chatWithTurns();
    expect(() => (chat.history = 'Hi' as never)).toThrow(InputError);
    expect(() => (chat.history = [{ role: 'user' } as never])).toThrow('messages[0]');
  });
});

describe('a saved chat', () => {
  it('goes on after a load as it would have gone on', async () => {
    const { model, chat } = await chatWithTurns();
    const bytes = chat.toBytes();
    const loaded = await model.loadChat(bytes);
    expect(loaded.history).toEqual(chat.history);
    expect(loaded.toBytes()).toEqual(bytes);
    const [a, b] = [await collect(chat.send('Three?')), await collect(loaded.send('Three?'))];
    expect(b.text).toBe(a.text);
    expect(b.usage.completionTokens).toBe(GREEDY.maxTokens);
  });

  it('is refused where any of its bytes changed or is missing', async () => {
    const { model, chat } = await chatWithTurns();
    const bytes = chat.toBytes();
    for (let at = 0; at < bytes.length; at += 7) {
      const changed = bytes.slice();
      changed[at]! ^= 4;
      await expect(model.loadChat(changed), `byte ${at}`).rejects.toThrow(/damaged|no saved chat|version|another model/);
    }
    for (const end of [0, 10, bytes.length - 1]) await expect(model.loadChat(bytes.slice(0, end))).rejects.toThrow(FormatError);
    await expect(model.loadChat(new Uint8Array([...bytes, 32]))).rejects.toThrow('damaged');
    await expect(model.loadChat(3 as never)).rejects.toThrow('loadChat takes the name of a file or its bytes, found');
    await expect(model.loadChat('chat.json')).rejects.toThrow('needs files');
  });

  it('is refused by another model, and by another version', async () => {
    const record = { defaults: {}, messages: [], dropped: { messages: 0, turns: 0 } };
    const own = { name: 'a', architecture: 'b', parameters: 3, vocabSize: 4, quantisation: 'q4_0' };
    const bytes = encodeChat(record, own);
    expect(decodeChat(bytes, own, 'f')).toEqual(record);
    for (const [field, value] of Object.entries({ name: 'c', architecture: 'c', parameters: 5, vocabSize: 5, quantisation: 'f16' }))
      expect(() => decodeChat(bytes, { ...own, [field]: value }, 'f')).toThrow(`f is a chat with another model: its ${field} is`);
    const later = new TextEncoder().encode(new TextDecoder().decode(bytes).replace('"version":1', '"version":2'));
    expect(() => decodeChat(later, own, 'f')).toThrow('saved chat of version 2; this version of ingot reads 1');
  });

  it('has the check sum that ISO 3309 gives', () => {
    expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
  });
});
