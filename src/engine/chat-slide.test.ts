/** Conversations that outgrow the context: what is left out when, and that the rest is answered as if the turns had never been. */
import { describe, expect, it } from 'vitest';
import { FAKE_END, fakeModels } from '../../test/fake-model.ts';
import { bundledModelPath } from '../node/package-root.ts';
import { loadModel } from '../node/load-model.ts';
import { CapacityError } from '../tensor/errors.ts';
import { contentText } from '../text/chat-messages.ts';
import type { ChatMessage } from './api.ts';
import { collect } from './collect.ts';

const { load, keep } = fakeModels();

/** Answers letters, so that text and tokens agree, and ends after some that depend on the prompt. */
const letters = (logits: Float32Array, ids: readonly number[]) => {
  for (let id = 0; id < logits.length; id++) if (id < 97 || id > 122) logits[id] = -30;
  const text = String.fromCharCode(...ids);
  const answered = ids.length - (text.lastIndexOf('assistant:') + 'assistant:'.length);
  if (answered >= 3 + (ids.length - answered) % 9) logits[FAKE_END] = 60;
};

/** Tokens of the fake template: BOS, `role:content` and an end token a message, `assistant:`. */
const sizeOf = (messages: readonly ChatMessage[]) =>
  1 + messages.reduce((sum, { role, content }) => sum + role.length + 1 + contentText(content).length + 1, 0) + 'assistant:'.length;

/** A long-lived conversation, told over by its rule: turn by turn, from the sizes alone. */
function seenBy(history: readonly ChatMessage[], contextLength: number, dropped: number): number {
  const size = (count: number) => sizeOf([history[0]!, ...history.slice(1 + 2 * count)]);
  const eighth = Math.floor(contextLength / 8);
  if (size(dropped) <= contextLength - eighth) return dropped;
  let count = dropped + 1;
  while (size(count) > contextLength - 2 * eighth) count++;
  return count;
}

describe('a chat that slides', () => {
  it('goes on for 40 turns in 512 tokens: turns drop by the rule, the history is whole, answers are a cold run\'s', async () => {
    const contextLength = 512;
    const { model, log } = await load({ contextLength, adjust: letters });
    const { model: other } = await load({ contextLength, adjust: letters });
    const chat = model.createChat({ system: 'Be kind.', contextPolicy: 'slide', temperature: 0 });
    const history: ChatMessage[] = [{ role: 'system', content: 'Be kind.' }];
    const drops: number[] = [];
    let slides = 0;
    for (let turn = 0; turn < 40; turn++) {
      const content = `Question ${turn}, ${'x'.repeat((turn * 13) % 29)}`;
      history.push({ role: 'user', content });
      const before = drops.at(-1) ?? 0;
      const wanted = seenBy(history, contextLength, before);
      const firstStep = log.steps.length;
      const answer = await collect(chat.send(content));
      expect(answer.droppedTurns, `turn ${turn}`).toBe(wanted);
      drops.push(answer.droppedTurns);
      const seen = [history[0]!, ...history.slice(1 + 2 * wanted)];
      const cold = await collect(other.generate({ messages: seen, temperature: 0 }));
      expect(answer).toMatchObject({ text: cold.text, tokens: cold.tokens, finishReason: 'stop', usage: { promptTokens: sizeOf(seen) } });
      // The system message is all that a slide keeps of the state; between slides, all but the new turn is there.
      const systemTokens = sizeOf(history.slice(0, 1)) - 'assistant:'.length;
      if (wanted > before) expect(answer.usage.cachedTokens - systemTokens).toBeLessThan(16);
      else if (turn > 0) expect(answer.usage.promptTokens - answer.usage.cachedTokens).toBe(sizeOf([{ role: 'user', content }]));
      expect(log.steps[firstStep]?.start).toBe(answer.usage.cachedTokens);
      slides += wanted > before ? 1 : 0;
      history.push({ role: 'assistant', content: answer.text });
      expect(chat.history).toEqual(history);
    }
    expect(drops.at(-1)).toBeGreaterThan(25);
    expect(slides).toBeLessThan(20);
  });

  it('keeps all of the beginning that is the system\'s, and what belongs to a turn together', async () => {
    const { model } = await load({ contextLength: 256, adjust: letters });
    const chat = model.createChat({ contextPolicy: 'slide', temperature: 0 });
    await collect(
      chat.send([
        { role: 'system', content: 'rules' },
        { role: 'developer', content: 'more rules' },
        { role: 'user', content: 'u'.repeat(60) },
      ]),
    );
    await collect(chat.send([{ role: 'tool', content: 't'.repeat(40) }]));
    const answer = await collect(chat.send('v'.repeat(80)));
    // Of the first turn, the user's message, two answers and a tool's result go.
    expect(answer.droppedTurns).toBe(1);
    const { history } = chat;
    expect(history.map(({ role }) => role)).toEqual(['system', 'developer', 'user', 'assistant', 'tool', 'assistant', 'user', 'assistant']);
    expect(answer.usage.promptTokens).toBe(sizeOf([...history.slice(0, 2), history[6]!]));
  });

  it('makes room for maxTokens, and ends with the reason context where none was asked for', async () => {
    const { model } = await load({ contextLength: 200, adjust: (logits) => void (logits[97] = 50) });
    const chat = model.createChat({ contextPolicy: 'slide', temperature: 0 });
    for (let turn = 0; turn < 4; turn++) {
      const answer = await collect(chat.send('hello', { maxTokens: 60 }));
      expect(answer).toMatchObject({ finishReason: 'length', usage: { completionTokens: 60 } });
    }
    const endless = await collect(chat.send('on and on'));
    expect(endless.finishReason).toBe('context');
    expect(endless.usage.promptTokens + endless.usage.completionTokens).toBe(200);
    // The answer that met the end is part of the history, and the turn after it has room again.
    expect((await collect(chat.send('and?', { maxTokens: 10 }))).finishReason).toBe('length');
    await expect(collect(chat.send('too much', { maxTokens: 190 }))).rejects.toThrow('too little room for maxTokens 190');
  });

  it('leaves history and what is out as they were where a turn that slid fails, is aborted, or cannot fit', async () => {
    let isBroken = false;
    const { model } = await load({
      contextLength: 200,
      adjust(logits, ids) {
        letters(logits, ids);
        if (isBroken) logits.fill(Number.NaN);
      },
    });
    const chat = model.createChat({ contextPolicy: 'slide', temperature: 0 });
    while (sizeOf(chat.history) < 120) await collect(chat.send('some words'));
    const { history } = chat;
    const controller = new AbortController();
    const long = 'y'.repeat(60);
    await expect(collect(chat.send('x'.repeat(200)))).rejects.toThrow(CapacityError);
    await expect(
      collect(chat.send(long, { signal: controller.signal, onProgress: () => controller.abort(new Error('no')) })),
    ).rejects.toThrow('no');
    isBroken = true;
    await expect(collect(chat.send(long))).rejects.toThrow('no usable scores');
    isBroken = false;
    expect(chat.history).toEqual(history);
    // Nothing was lost for good: what fits is still seen whole.
    expect((await collect(chat.send('a'))).droppedTurns).toBe(0);
    expect((await collect(chat.send(long))).droppedTurns).toBeGreaterThan(0);
    chat.reset();
    expect((await collect(chat.send('again'))).droppedTurns).toBe(0);
  });

  it('may be told so for one turn, and stays refused without it', async () => {
    const { model } = await load({ contextLength: 128, adjust: letters });
    const chat = model.createChat({ temperature: 0 });
    await collect(chat.send('w'.repeat(60)));
    await expect(collect(chat.send('w'.repeat(60)))).rejects.toThrow('pass contextPolicy "slide"');
    expect((await collect(chat.send('w'.repeat(60), { contextPolicy: 'slide' }))).droppedTurns).toBe(1);
    expect(() => model.createChat({ contextPolicy: 'drop' as never })).toThrow('contextPolicy must be "error" or "slide"');
  });
});

describe('the bundled model in 512 tokens', () => {
  it('talks for 40 turns, and after each slide as a cold run of what is left', async () => {
    const model = await loadModel(bundledModelPath(), { device: 'cpu', threads: 2, contextLength: 512 });
    keep(model);
    const chat = model.createChat({ system: 'You are Ember.', contextPolicy: 'slide', temperature: 0, reasoning: false, maxTokens: 24 });
    let before = 0;
    let slides = 0;
    for (let turn = 0; turn < 40; turn++) {
      const { tokens, droppedTurns, usage } = await collect(chat.send(`What is ${turn} + ${turn * 3}?`));
      expect(usage.promptTokens + 24).toBeLessThanOrEqual(512);
      if (droppedTurns > before) {
        slides++;
        const seen = [chat.history[0]!, ...chat.history.slice(1 + 2 * droppedTurns, -1)];
        const cold = await collect(model.generate({ messages: seen, temperature: 0, reasoning: false, maxTokens: 24 }));
        expect(tokens, `turn ${turn}`).toEqual(cold.tokens);
        expect(usage.promptTokens).toBe(cold.usage.promptTokens);
      }
      before = droppedTurns;
    }
    expect(chat.history).toHaveLength(81);
    expect(slides).toBeGreaterThan(1);
  });
});
