/** Who begins when more calls come than may run: limits, priorities and deadlines. */
import { describe, expect, it } from 'vitest';
import { fakeModels } from '../../test/fake-model.ts';
import { CapacityError, InputError } from '../tensor/errors.ts';
import { compareRanks } from './admission.ts';
import type { GenerateOptions, Model } from './api.ts';
import { collect } from './collect.ts';

const { load } = fakeModels();
const ASK = { temperature: 0, ignoreEos: true, maxTokens: 6 } as const;

/** Names of calls, as they end. */
function ends(model: Model) {
  const order: string[] = [];
  const ask = async (name: string, options: Partial<GenerateOptions> = {}) => {
    const answer = await collect(model.generate({ ...ASK, prompt: name, ...options }));
    order.push(name);
    return answer;
  };
  return { order, ask };
}

describe('compareRanks', () => {
  it('goes by priority, then by deadline, then by order', () => {
    const rank = (priority: number, deadlineAt: number, order: number) => ({ priority, deadlineAt, order });
    const ranks = [rank(2, Infinity, 9), rank(0, 5, 8), rank(0, 7, 1), rank(0, Infinity, 2), rank(0, Infinity, 3), rank(-1, 1, 0)];
    expect(ranks.toReversed().sort(compareRanks)).toEqual(ranks);
  });
});

describe('maxConcurrent', () => {
  it('lets so many calls share steps; the next begins when one ends', async () => {
    const { model, log } = await load({ maxConcurrent: 2 });
    const { order, ask } = ends(model);
    const answers = await Promise.all([ask('a'), ask('b'), ask('c'), ask('d')]);
    expect(order).toEqual(['a', 'b', 'c', 'd']);
    expect(log.runs).toBe(12);
    expect(answers.map(({ tokens }) => tokens.length)).toEqual([6, 6, 6, 6]);
  });

  it.each(['aborted', 'left'] as const)('has the place of a call that is %s for the next step', async (way) => {
    const { model, log } = await load({ maxConcurrent: 1 });
    const controller = new AbortController();
    const reading = async () => {
      let read = 0;
      for await (const { tokens } of model.generate({ ...ASK, prompt: 'a', maxTokens: 100, signal: controller.signal })) {
        if ((read += tokens.length) < 4) continue;
        if (way === 'left') return 'left';
        controller.abort(new Error('aborted'));
      }
      return undefined;
    };
    const ended = reading().catch(({ message }: Error) => message);
    expect((await ends(model).ask('b')).tokens).toHaveLength(6);
    expect(await ended).toBe(way);
    expect(log.runs).toBe(4 + 6);
  });

  it('does not count a call whose reader stays away', async () => {
    const { model } = await load({ maxConcurrent: 1 });
    const idle = model.generate({ ...ASK, prompt: 'idle', maxTokens: 3 });
    await idle.next();
    expect((await ends(model).ask('a')).tokens).toHaveLength(6);
    expect((await collect(idle)).usage.completionTokens).toBe(3);
  });
});

describe('queueLimit', () => {
  it('refuses who would wait behind as many, and nobody when they are gone', async () => {
    const { model } = await load({ maxConcurrent: 1, queueLimit: 2 });
    const { order, ask } = ends(model);
    const refused: unknown[] = [];
    const all = ['a', 'b', 'c', 'd', 'e'].map((name) => ask(name).catch((error: unknown) => void refused.push(error)));
    await Promise.all(all);
    expect(order).toEqual(['a', 'b', 'c']);
    expect(refused.map((error) => error instanceof CapacityError && error.message)).toEqual([
      expect.stringContaining('2 calls wait for others to end (queueLimit)'), expect.stringContaining('queueLimit'),
    ]);
    await ask('f');
    expect(order.at(-1)).toBe('f');
  });

  it('of 0 lets nobody wait', async () => {
    const { model } = await load({ maxConcurrent: 2, queueLimit: 0 });
    const { ask } = ends(model);
    const results = await Promise.allSettled([ask('a'), ask('b'), ask('c')]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
  });
});

describe('queueTimeoutMs', () => {
  it('refuses who has had no step by then, and leaves alone who has', async () => {
    const { model } = await load({ maxConcurrent: 1, queueTimeoutMs: 40, stepMs: 20 });
    const { order, ask } = ends(model);
    const long = ask('long', { maxTokens: 12 });
    await expect(ask('short')).rejects.toThrow('waited 40 ms');
    expect(order).toEqual([]);
    await long;
    expect(order).toEqual(['long']);
  });
});

describe('priority', () => {
  it('begins first, of equals who came first', async () => {
    const { model } = await load({ maxConcurrent: 1 });
    const { order, ask } = ends(model);
    await Promise.all([ask('a'), ask('low', { priority: -1 }), ask('b'), ask('high', { priority: 3 }), ask('c')]);
    expect(order).toEqual(['high', 'a', 'b', 'c', 'low']);
  });

  it('reads its prompt first, and keeps its memory', async () => {
    const { model } = await load({ contextLength: 256 });
    const { order, ask } = ends(model);
    const ids = (n: number) => Array.from({ length: 150 }, (_, i) => (i * 7 + n) % 250);
    const calls = ['a', 'b', 'first'].map((name, n) =>
      ask(name, { prompt: undefined, ids: ids(n), maxTokens: 60, priority: name === 'first' ? 1 : 0 }),
    );
    const alone = await collect((await load()).model.generate({ ...ASK, ids: ids(1), maxTokens: 60 }));
    expect((await Promise.all(calls))[1]?.tokens).toEqual(alone.tokens);
    expect(order).toEqual(['first', 'a', 'b']);
  });

  it.each([[0.5], [101], [Number.NaN], ['high' as never]])('%j is refused', async (priority) => {
    const { model } = await load();
    await expect(ends(model).ask('a', { priority })).rejects.toThrow(/^priority must be an integer from -100 to 100, found/);
  });
});

describe('deadlineMs', () => {
  it('nearer goes first, of one priority', async () => {
    const { model } = await load({ maxConcurrent: 1 });
    const { order, ask } = ends(model);
    await Promise.all([ask('a'), ask('late', { deadlineMs: 60_000 }), ask('soon', { deadlineMs: 30_000 }), ask('b', { priority: 1 })]);
    expect(order).toEqual(['b', 'soon', 'late', 'a']);
  });

  it('passed, rejects a call that runs and one that waits, and frees their places', async () => {
    const { model } = await load({ maxConcurrent: 1, stepMs: 10 });
    const { order, ask } = ends(model);
    const late = (call: Promise<unknown>) => call.catch((error: unknown) => error instanceof CapacityError && error.message);
    const running = late(ask('running', { maxTokens: 500, deadlineMs: 60 }));
    const waiting = late(ask('waiting', { deadlineMs: 61 }));
    await ask('after');
    expect(await running).toContain('not over after 60 ms');
    expect(await waiting).toContain('not over after 61 ms');
    expect(order).toEqual(['after']);
  });

  it.each([[0], [1.5], [-3], [2 ** 31]])('%j is refused', async (deadlineMs) => {
    const { model } = await load();
    await expect(ends(model).ask('a', { deadlineMs })).rejects.toThrow(/^deadlineMs must be an integer from 1 to 2147483647, found/);
    expect(() => model.createChat({ deadlineMs })).toThrow(InputError);
  });
});

it.each([
  [{ maxConcurrent: 0 }, 'maxConcurrent must be an integer from 1 to 4096, found 0'],
  [{ queueLimit: -1 }, 'queueLimit must be an integer from 0'],
  [{ queueTimeoutMs: 0.5 }, 'queueTimeoutMs must be an integer from 1'],
])('a model is not loaded with %j', async (limits, message) => {
  await expect(load(limits)).rejects.toThrow(message);
});
