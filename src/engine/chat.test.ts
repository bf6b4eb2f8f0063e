import { describe, expect, it } from 'vitest';
import { FAKE_BOS, FAKE_END, fakeLogits, fakeModels, saying } from '../../test/fake-model.ts';
import { CapacityError, InputError } from '../tensor/errors.ts';
import type { ChatMessage } from './api.ts';
import { collect } from './collect.ts';
import { argmax } from './sampler.ts';

const { load } = fakeModels();

const bytes = (text: string) => [...new TextEncoder().encode(text)];

/** What the fake template makes of a conversation. */
function rendered(messages: readonly ChatMessage[]): number[] {
  return [FAKE_BOS, ...messages.flatMap(({ role, content }) => [...bytes(`${role}:${content}`), FAKE_END]), ...bytes('assistant:')];
}

/** Logits that make the model answer printable letters only, so that text and tokens agree, and end after `length` tokens. */
const letters = (length: number) => (logits: Float32Array, ids: readonly number[]) => {
  for (let id = 0; id < logits.length; id++) if (id < 97 || id > 122) logits[id] = -30;
  const text = String.fromCharCode(...ids);
  if (ids.length - (text.lastIndexOf('assistant:') + 'assistant:'.length) >= length) logits[FAKE_END] = 60;
};

function greedyAnswer(messages: readonly ChatMessage[], length: number): string {
  const ids = rendered(messages);
  const adjust = letters(length);
  let text = '';
  for (;;) {
    const token = argmax(fakeLogits(ids, adjust));
    if (token === FAKE_END) return text;
    ids.push(token);
    text += String.fromCharCode(token);
  }
}

describe('createChat', () => {
  it('answers as a cold run over the history does, and prefills only what is new', async () => {
    const { model, log } = await load({ adjust: letters(7) });
    const chat = model.createChat({ system: 'Be kind.', temperature: 0 });
    const history: ChatMessage[] = [{ role: 'system', content: 'Be kind.' }];
    expect(chat.history).toEqual(history);
    let inState = 0;
    for (let turn = 1; turn <= 15; turn++) {
      history.push({ role: 'user', content: `Question ${turn}` });
      const ids = rendered(history);
      const before = log.steps.length;
      const answer = await collect(chat.send(`Question ${turn}`));
      expect(answer.text).toBe(greedyAnswer(history, 7));
      expect(answer.usage).toEqual({ promptTokens: ids.length, cachedTokens: inState, completionTokens: 8 });
      const prefilled = log.steps.slice(before).filter(({ start }) => start < ids.length);
      expect(prefilled.reduce((sum, { count }) => sum + count, 0)).toBe(ids.length - inState);
      // The end token was sampled but never run.
      inState = ids.length + 7;
      history.push({ role: 'assistant', content: answer.text });
      expect(chat.history).toEqual(history);
    }
  });

  it('keeps thinking and tool calls apart from the content', async () => {
    const says = '<think>\nhm\n</think>\n\n<tool_call>{"name":"f","arguments":{}}</tool_call>';
    const { model } = await load({ adjust: saying(says) });
    const chat = model.createChat({ temperature: 0, dialect: 'hermes', tools: [{ name: 'f' }] });
    const answer = await collect(chat.send('x'));
    expect(answer.text).toBe(says);
    const tool_calls = [{ id: answer.toolCalls[0]?.id, type: 'function', function: { name: 'f', arguments: {} } }];
    expect(chat.history[1]).toEqual({ role: 'assistant', content: '', reasoning_content: 'hm', tool_calls });
  });

  it('takes messages of any role, and several at once', async () => {
    const { model } = await load({ adjust: letters(3) });
    const chat = model.createChat({ temperature: 0 });
    await collect(chat.send({ role: 'user', content: 'a' }));
    await collect(chat.send([{ role: 'tool', content: '1' }, { role: 'tool', content: '2' }]));
    expect(chat.history.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'tool', 'assistant']);
  });

  it('uses its own options for every turn, and those of a turn over them', async () => {
    const { model } = await load({ adjust: letters(50) });
    const chat = model.createChat({ temperature: 0, maxTokens: 5 });
    expect((await collect(chat.send('a'))).usage.completionTokens).toBe(5);
    expect((await collect(chat.send('a', { maxTokens: 9, temperature: undefined }))).usage.completionTokens).toBe(9);
    expect(() => model.createChat({ topP: 2 })).toThrow('topP must be');
    expect(() => model.createChat({ system: 5 as never })).toThrow('system must be');
  });

  it('keeps what was read of a turn that was left, and what follows is as on a cold run', async () => {
    const { model } = await load({ adjust: letters(40) });
    const chat = model.createChat({ temperature: 0 });
    let read = '';
    for await (const piece of chat.send('Go')) {
      read += piece.text;
      if (read.length === 4) break;
    }
    const history: ChatMessage[] = [{ role: 'user', content: 'Go' }, { role: 'assistant', content: read }];
    expect(chat.history).toEqual(history);
    const answer = await collect(chat.send('And?'));
    expect(answer.text).toBe(greedyAnswer([...history, { role: 'user', content: 'And?' }], 40));
    // Of the four letters read, the last was sampled but not run.
    expect(answer.usage.cachedTokens).toBe(rendered(history.slice(0, 1)).length + 3);
  });

  it('forgets a turn that was aborted before anything was read, or failed', async () => {
    let broken = false;
    const { model } = await load({
      adjust(logits, ids) {
        letters(5)(logits, ids);
        if (broken && ids.at(-1) !== 58) logits.fill(Number.NaN);
      },
    });
    const chat = model.createChat({ temperature: 0 });
    const controller = new AbortController();
    const aborted = collect(chat.send('x'.repeat(600), { signal: controller.signal, onProgress: () => controller.abort(new Error('no')) }));
    await expect(aborted).rejects.toThrow('no');
    expect(chat.history).toEqual([]);
    broken = true;
    await expect(collect(chat.send('hello'))).rejects.toThrow('no usable scores');
    expect(chat.history).toEqual([]);
    broken = false;
    expect((await collect(chat.send('hello'))).text).toBe(greedyAnswer([{ role: 'user', content: 'hello' }], 5));
  });

  it('runs the last token again when nothing else of the prompt is new', async () => {
    const { model } = await load({ adjust: (logits) => void (logits[0xc3] = 50) });
    const chat = model.createChat({ temperature: 0 });
    // The first token begins a character: nothing was read yet, so the turn does not stay.
    for await (const _ of chat.send('Go')) break;
    expect(chat.history).toEqual([]);
    const { usage } = await collect(chat.send('Go', { maxTokens: 1 }));
    expect(usage).toEqual({
      promptTokens: rendered([{ role: 'user', content: 'Go' }]).length,
      cachedTokens: usage.promptTokens - 1,
      completionTokens: 1,
    });
  });

  it('gives back the pages of what it no longer holds', async () => {
    const { model, log } = await load({ adjust: letters(5) });
    const chat = model.createChat({ temperature: 0 });
    await collect(chat.send('x'.repeat(300)));
    const pages = log.pages;
    chat.reset();
    await collect(chat.send('short'));
    await collect(model.generate({ ids: new Array<number>(64 * (pages - 1) - 1).fill(1), maxTokens: 1 }));
    expect(log.pages).toBe(pages);
  });

  it('keeps what was read when a signal aborts', async () => {
    const { model } = await load({ adjust: letters(40) });
    const chat = model.createChat({ temperature: 0 });
    const controller = new AbortController();
    let read = '';
    const reading = async () => {
      for await (const piece of chat.send('Go', { signal: controller.signal })) {
        read += piece.text;
        if (read.length === 6) controller.abort(new Error('enough'));
      }
    };
    await expect(reading()).rejects.toThrow('enough');
    expect(chat.history).toEqual([{ role: 'user', content: 'Go' }, { role: 'assistant', content: read }]);
  });

  it('prefills again when another call took its memory', async () => {
    const { model, log } = await load({ adjust: letters(5), contextLength: 128 });
    const chat = model.createChat({ temperature: 0 });
    await collect(chat.send('first'));
    await collect(model.generate({ ids: new Array<number>(100).fill(1), maxTokens: 20, temperature: 0 }));
    const answer = await collect(chat.send('second'));
    expect(answer.usage.cachedTokens).toBe(0);
    expect(answer.text).toBe(greedyAnswer(chat.history.slice(0, -1), 5));
    expect(log.pages).toBe(2);
  });

  it('answers turns in order when they are sent at once', async () => {
    const { model } = await load({ adjust: letters(5), stepMs: 0 });
    const chat = model.createChat({ temperature: 0 });
    await Promise.all([collect(chat.send('one')), collect(chat.send('two'))]);
    expect(chat.history.map(({ role, content }) => (role === 'user' ? content : role))).toEqual(['one', 'assistant', 'two', 'assistant']);
    expect(chat.history[3]!.content).toBe(greedyAnswer(chat.history.slice(0, 3), 5));
  });

  it('says when the conversation outgrows the context, and keeps it as it was', async () => {
    const { model } = await load({ adjust: letters(5), contextLength: 60 });
    const chat = model.createChat({ temperature: 0 });
    await collect(chat.send('short'));
    const history = chat.history;
    const failing = collect(chat.send('y'.repeat(40)));
    await expect(failing).rejects.toThrow(CapacityError);
    await expect(failing).rejects.toThrow(/of \d+ tokens exceeds the context of 60 tokens/);
    expect(chat.history).toEqual(history);
    await expect(collect(chat.send('z', { maxTokens: 50 }))).rejects.toThrow('maxTokens 50 together exceed it by');
  });

  it('refuses what is no message', async () => {
    const { model } = await load();
    const chat = model.createChat();
    await expect(collect(chat.send(''))).rejects.toThrow('The message is empty');
    await expect(collect(chat.send([]))).rejects.toThrow('messages is empty');
    await expect(collect(chat.send({ role: 'user' } as never))).rejects.toThrow(InputError);
    const { model: bare } = await load({ withoutTokenizer: true });
    expect(() => bare.createChat()).toThrow('no chat template');
  });

  it('starts over on reset, also in the middle of a turn', async () => {
    const { model } = await load({ adjust: letters(9) });
    const chat = model.createChat({ system: 's', temperature: 0 });
    await collect(chat.send('a'));
    chat.reset();
    expect(chat.history).toEqual([{ role: 'system', content: 's' }]);
    for await (const piece of chat.send('b')) if (piece.finishReason === undefined) chat.reset();
    expect(chat.history).toEqual([{ role: 'system', content: 's' }]);
  });

  it('frees its memory when disposed, and says so to who goes on', async () => {
    const { model, log } = await load({ adjust: letters(30) });
    const chat = model.createChat({ temperature: 0 });
    await collect(chat.send('x'.repeat(200)));
    const pages = log.pages;
    chat.dispose();
    chat.dispose();
    await expect(collect(chat.send('more'))).rejects.toThrow('This chat was disposed');
    const other = model.createChat({ temperature: 0 });
    await collect(other.send('x'.repeat(200)));
    expect(log.pages).toBe(pages);
    const reading = async () => {
      for await (const _ of other.send('y')) other.dispose();
    };
    await expect(reading()).rejects.toThrow('chat was disposed');
    expect((await collect(model.generate({ prompt: 'a', maxTokens: 2 }))).usage.completionTokens).toBe(2);
  });

  it('shares the pages of a system prompt with other chats: it is prefilled once, to a page', async () => {
    const { model, log } = await load({ adjust: letters(7) });
    const system = 'Be kind. '.repeat(30);
    const shared = Math.floor(rendered([{ role: 'system', content: system }, { role: 'user', content: '' }]).length / 64) * 64;
    const [a, b] = [model.createChat({ system, temperature: 0 }), model.createChat({ system, temperature: 0 })];
    expect((await collect(a.send('One?'))).usage.cachedTokens).toBe(0);
    const pages = log.pages;
    log.steps.length = 0;
    const { usage, text } = await collect(b.send('Other?'));
    expect([usage.cachedTokens, shared]).toEqual([256, 256]);
    expect(log.steps[0]).toEqual({ start: 256, count: usage.promptTokens - 256 });
    expect(text).toBe(greedyAnswer(b.history.slice(0, -1), 7));
    // One page of its own, for its end.
    expect(log.pages).toBe(pages + 1);
    for (const chat of [a, b]) expect((await collect(chat.send('More?'))).text).toBe(greedyAnswer(chat.history.slice(0, -1), 7));
    a.dispose();
    expect((await collect(b.send('And?'))).text).toBe(greedyAnswer(b.history.slice(0, -1), 7));
  });

  it('writes to no page that another reads: who goes back into one begins it anew', async () => {
    const { model } = await load({ adjust: letters(7) });
    const ids = Array.from({ length: 200 }, (_, i) => (i * 7) % 250);
    const [a, b] = [[...ids, 1], [...ids, 2]];
    const ask = (own: readonly number[]) => collect(model.generate({ ids: own, maxTokens: 9, temperature: 0 }));
    const alone = [await ask(a), await ask(b)];
    expect(alone.map(({ usage }) => usage.cachedTokens)).toEqual([0, 192]);
    const edited = [...ids.slice(0, 150), ...ids];
    expect((await ask(edited)).usage.cachedTokens).toBe(128);
    for (const [i, own] of [a, b].entries()) {
      const again = await ask(own);
      expect([again.tokens, again.usage.cachedTokens]).toEqual([alone[i]!.tokens, 192]);
    }
  });

  it('shares nothing where cachePrompt is false, and refuses what is no switch', async () => {
    const { model } = await load();
    const ids = Array.from({ length: 200 }, (_, i) => (i * 7) % 250);
    const cached = async (cachePrompt?: boolean) =>
      (await collect(model.generate({ ids, maxTokens: 2, temperature: 0, cachePrompt }))).usage.cachedTokens;
    expect([await cached(false), await cached(), await cached(false), await cached()]).toEqual([0, 0, 0, 192]);
    const system = 'Be kind. '.repeat(30);
    await collect(model.createChat({ system }).send('One?', { maxTokens: 2 }));
    const own = model.createChat({ system, cachePrompt: false });
    expect((await collect(own.send('One?', { maxTokens: 2 }))).usage.cachedTokens).toBe(0);
    expect(() => model.createChat({ cachePrompt: 1 as never })).toThrow('cachePrompt must be');
    await expect(collect(model.generate({ ids, cachePrompt: 'no' as never }))).rejects.toThrow('cachePrompt must be');
  });
});
