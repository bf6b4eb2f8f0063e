/** What begins alike is prefilled once by models with windows and slots too. The fake model finds every state wrong that is of others. */
import { describe, expect, it } from 'vitest';
import { fakeCores } from '../../test/fake-core.ts';
import { fakeGreedy, fakeLogits, fakeModels } from '../../test/fake-model.ts';
import { collect, collectChoices } from './collect.ts';
import { openSequence } from './open-sequence.ts';
import type { Sequence } from './sequence.ts';

const { load } = fakeModels();
const cores = fakeCores();
const GREEDY = { temperature: 0, ignoreEos: true, maxTokens: 6 } as const;

const idsOf = (count: number, seed = 0) => Array.from({ length: count }, (_, i) => (i * 7 + seed * 11 + 3) % 250);

const KINDS = [
  ['a window', { window: 70 }],
  ['slots', { hasSlots: true }],
  ['a window and slots', { window: 70, hasSlots: true }],
] as const;

describe.each(KINDS)('a model with %s', (_, states) => {
  it('prefills a system prompt that two chats share once, to a page', async () => {
    const { model, log } = await load({ ...states, maxConcurrent: 4 });
    const system = 'Answer in a few words, and never lie. '.repeat(8);
    const cached: number[] = [];
    for (const question of ['What is a fox?', 'Who are you?', 'Quite another thing']) {
      const chat = model.createChat({ system, ...GREEDY });
      const before = log.steps.reduce((sum, { count }) => sum + count, 0);
      const { usage, text } = await collect(chat.send(question));
      cached.push(usage.cachedTokens);
      const rows = log.steps.reduce((sum, { count }) => sum + count, 0) - before;
      expect(rows).toBe(usage.promptTokens - usage.cachedTokens + GREEDY.maxTokens - 1);
      const cold = model.createChat({ system, ...GREEDY, cachePrompt: false });
      expect((await collect(cold.send(question))).text).toBe(text);
      // A later turn goes on from its own state.
      const more = await collect(chat.send('And then?'));
      expect(more.usage.cachedTokens).toBeGreaterThan(usage.promptTokens - 64);
      chat.dispose();
    }
    // The beginning token, and the system message: 304 characters behind 7, and its end.
    expect(cached).toEqual([0, 256, 256]);
  });

  it('shares what prompts in messages begin with', async () => {
    const { model } = await load(states);
    const system = { role: 'system', content: 'Be kind. '.repeat(30) };
    const ask = (content: string) => ({ messages: [system, { role: 'user', content }], ...GREEDY });
    expect((await collect(model.generate(ask('One?')))).usage.cachedTokens).toBe(0);
    expect((await collect(model.generate(ask('Two?')))).usage.cachedTokens).toBe(256);
  });

  it('leaves a state where others have begun alike: the third of three prompts of ids goes on from there', async () => {
    const { model } = await load({ ...states, maxConcurrent: 4 });
    const common = idsOf(200);
    for (const [i, cachedTokens] of [0, 0, 192, 192].entries()) {
      const ids = [...common, ...idsOf(30, i + 1)];
      const { usage, tokens } = await collect(model.generate({ ids, ...GREEDY }));
      expect(usage.cachedTokens).toBe(cachedTokens);
      expect(tokens).toEqual(fakeGreedy(ids, 6));
    }
    // Who shares nothing neither reads nor leaves anything.
    expect((await collect(model.generate({ ids: common, ...GREEDY, cachePrompt: false }))).usage.cachedTokens).toBe(0);
  });

  it('reads a prompt of several answers once, to a page', async () => {
    const { model, log } = await load({ ...states, maxConcurrent: 8 });
    const ask = { ids: idsOf(200), temperature: 1, ignoreEos: true, maxTokens: 5 };
    const answers = await collectChoices(model.generate({ ...ask, seed: 4, n: 4 }));
    expect(answers.map(({ usage }) => usage.cachedTokens)).toEqual([0, 192, 192, 192]);
    expect(log.steps.reduce((sum, { count }) => sum + count, 0)).toBe(200 + 3 * 8 + 4 * 4);
    for (const [i, { tokens }] of answers.entries()) {
      const { model: other } = await load(states);
      expect((await collect(other.generate({ ...ask, seed: 4 + i }))).tokens).toEqual(tokens);
    }
  });

  /** Steps that end at 100, 192 and 300, where states are kept, and at the end of all, whose logits are right. */
  async function run(sequence: Sequence, to: readonly number[]): Promise<void> {
    for (const end of [100, 192, 300].filter((length) => length > sequence.length && length < to.length)) {
      await sequence.extend(to, { end, outputs: [] });
      sequence.keep(end);
    }
    const { logits } = await sequence.extend(to, { end: to.length, outputs: [to.length - 1] });
    expect([...logits]).toEqual([...fakeLogits(to)]);
  }

  it('finds no state any more whose pages were written to', async () => {
    const { core } = cores({ ...states, sequences: 4, contextLength: 1024 });
    const ids = idsOf(300);
    for (const edit of [110, 199, 290]) {
      const [first, second] = [openSequence(core), openSequence(core)];
      first.keepPrefix(ids);
      first.offer(ids, [192]);
      await run(first, ids);
      const edited = [...ids.slice(0, edit), 251, ...idsOf(120, edit)];
      first.keepPrefix(edited);
      await run(first, edited);
      second.keepPrefix(ids);
      await run(second, ids);
      first.close();
      second.close();
    }
  });

  it('is not written to by who goes back: others go on with what they share', async () => {
    const { core } = cores({ ...states, sequences: 4, contextLength: 1024 });
    const ids = idsOf(300);
    const [first, second] = [openSequence(core), openSequence(core)];
    first.keepPrefix(ids);
    first.offer(ids, [192]);
    await run(first, ids);
    expect(second.keepPrefix(ids)).toBe(192);
    const longer = [...ids, 7];
    await run(second, longer);
    // The first goes back into the middle of a page that the second reads, and then before it.
    for (const edit of [150, 20, 230]) {
      const edited = [...ids.slice(0, edit), 251, ...idsOf(120, edit)];
      first.keepPrefix(edited);
      await run(first, edited);
      longer.push(edit);
      await run(second, longer);
    }
    first.close();
    second.close();
    expect(core.state.free.map((free, group) => free + core.state.cached[group]!)).toEqual(core.state.allocated);
    expect(core.state.slots.free + core.state.slots.cached).toBe(core.state.slots.allocated);
  });

  it('gives up what nobody reads, before any sequence loses its state', async () => {
    const { core } = cores({ ...states, sequences: 1, snapshots: 3, contextLength: 512 });
    const running = openSequence(core);
    await running.extend(idsOf(60, 99), { end: 60, outputs: [] });
    for (let n = 0; n < 12; n++) {
      const sequence = openSequence(core);
      const ids = idsOf(130, n);
      expect(sequence.keepPrefix(ids)).toBe(0);
      for (const end of sequence.offer(ids, [128])) {
        await sequence.extend(ids, { end, outputs: [] });
        sequence.keep(end);
      }
      await sequence.extend(ids, { end: 130, outputs: [] });
      sequence.close();
    }
    expect(running.length).toBe(60);
    expect(core.state.slots.cached).toBeLessThanOrEqual(3);
  });
});
