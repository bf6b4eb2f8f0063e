import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Model } from '../../engine/api.ts';
import type { ModelLoader } from '../api.ts';
import { CapacityError, FormatError } from '../../tensor/errors.ts';
import { openModelPool } from './open-model-pool.ts';
import type { ModelPool } from './model-pool.ts';

/** A loader whose loads end when the test says so. */
function madeLoader(bytes: number, options: { readonly isHeld?: boolean; readonly cache?: number } = {}) {
  const log = {
    loads: 0, disposed: 0, aborted: 0, spare: () => 0, release: (): void => {}, fail: undefined as unknown as (error: Error) => void,
  };
  const memory = { weightBytes: bytes, kvBytes: options.cache ?? 0, workBytes: 0 };
  const loader: ModelLoader = {
    memoryNeeds: async () => ({ bytes, contextLength: 512, contextIn: (room) => Math.max(0, room - bytes + 100) }),
    async load({ signal, spareMemory }) {
      log.loads++;
      log.spare = spareMemory;
      const model = { info: { memory }, generate() {}, dispose: async () => void log.disposed++ } as unknown as Model;
      if (options.isHeld !== true) return model;
      return new Promise((resolve, reject) => {
        log.release = () => resolve(model);
        log.fail = reject;
        signal.addEventListener('abort', () => {
          log.aborted++;
          reject(signal.reason);
        });
      });
    },
  };
  return { loader, log, memory };
}

const never = new AbortController().signal;
const hold = (pool: ModelPool, name: string, signal: AbortSignal = never) => pool.hold(name, { signal });
const statuses = (pool: ModelPool) => pool.names.map((name) => pool.describe(name).status).join(' ');
/** Lets all promises that can go on do so. */
const turns = async () => {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
};
const open = (models: Record<string, ModelLoader | Model>, options: object = {}) =>
  openModelPool({ models, memoryBytes: 1000, ...options }, 1000);

describe('a model', () => {
  it('is loaded once for all who ask at the same time, and stays', async () => {
    const { loader, log } = madeLoader(10, { isHeld: true });
    const pool = open({ a: loader }, { aliases: { b: 'a' } });
    const holds = ['a', 'b', 'a'].map((name) => hold(pool, name));
    await turns();
    expect([statuses(pool), pool.describe('b').waiting, log.loads]).toEqual(['loading', 3, 1]);
    log.release();
    const held = await Promise.all(holds);
    expect(held.map(({ name }) => name)).toEqual(['a', 'a', 'a']);
    for (const one of held) one.release();
    held[0]!.release();
    expect(pool.describe('a')).toMatchObject({ status: 'loaded', users: 0, aliases: ['b'], memoryBytes: 10 });
    (await hold(pool, 'a')).release();
    expect(log.loads).toBe(1);
    await pool.close();
    expect(log.disposed).toBe(1);
  });

  it('that cannot be loaded is told to each who waits, and tried again by the next', async () => {
    const { loader, log } = madeLoader(10, { isHeld: true });
    const pool = open({ a: loader });
    const holds = [hold(pool, 'a'), hold(pool, 'a')].map((one) => one.catch((error: unknown) => error));
    await turns();
    const cause = new FormatError('/secret/path is damaged');
    log.fail(cause);
    for (const error of await Promise.all(holds)) {
      expect(error).toMatchObject({ status: 503, code: 'model_load_failed', cause });
      expect((error as Error).message).not.toContain('secret');
    }
    const again = hold(pool, 'a');
    await turns();
    log.release();
    (await again).release();
    expect(log.loads).toBe(2);
    await pool.close();
  });

  it('whose load nobody waits for any more is not loaded; who comes then has it loaded anew', async () => {
    const { loader, log } = madeLoader(10, { isHeld: true });
    const pool = open({ a: loader });
    const [one, other] = [new AbortController(), new AbortController()];
    const holds = [one, other].map(({ signal }) => hold(pool, 'a', signal).catch((error: unknown) => error));
    await turns();
    one.abort(new Error('first left'));
    await turns();
    expect(log.aborted).toBe(0);
    other.abort(new Error('second left'));
    const third = hold(pool, 'a');
    expect(await Promise.all(holds)).toMatchObject([{ message: 'first left' }, { message: 'second left' }]);
    await turns();
    expect([log.aborted, log.loads, statuses(pool)]).toEqual([1, 2, 'loading']);
    log.release();
    (await third).release();
    await pool.close();
    await expect(hold(pool, 'a')).rejects.toMatchObject({ by: 'drain' });
  });

  it('is freed when its last user leaves, and loaded again for who came meanwhile', async () => {
    const { loader, log } = madeLoader(10);
    const pool = open({ a: loader });
    const users = await Promise.all([hold(pool, 'a'), hold(pool, 'a')]);
    const unloading = pool.unload('a', never);
    const late = hold(pool, 'a');
    await turns();
    users[0]!.release();
    await turns();
    expect([statuses(pool), log.disposed, pool.describe('a').waiting]).toEqual(['loaded', 0, 1]);
    users[1]!.release();
    await unloading;
    expect(log.disposed).toBe(1);
    (await late).release();
    expect(log.loads).toBe(2);
    await pool.unload('a', never);
    await pool.unload('a', never);
    expect([statuses(pool), log.disposed]).toEqual(['unloaded', 2]);
  });

  it('whose unload is given up serves those who waited', async () => {
    const { loader, log } = madeLoader(10);
    const pool = open({ a: loader });
    const user = await hold(pool, 'a');
    const controller = new AbortController();
    const unloading = pool.unload('a', controller.signal);
    const late = hold(pool, 'a');
    controller.abort(new Error('left'));
    await expect(unloading).rejects.toThrow('left');
    (await late).release();
    user.release();
    expect([log.loads, log.disposed]).toEqual([1, 0]);
    await pool.close();
  });

  it('that is pinned, or was given loaded, stays', async () => {
    const { loader } = madeLoader(10);
    const given = { ...((await loader.load({ signal: never, spareMemory: () => 0 })) as Model) };
    const dispose = vi.spyOn(given, 'dispose');
    const pool = open({ a: loader, b: given }, { pinned: ['a'] });
    (await hold(pool, 'a')).release();
    for (const name of ['a', 'b'])
      await expect(pool.unload(name, never)).rejects.toMatchObject({ status: 409, code: 'model_pinned' });
    await pool.close();
    expect(dispose).not.toHaveBeenCalled();
  });
});

describe('time', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('a request waits for its model as long as it may; the load goes on for the next one', async () => {
    const { loader, log } = madeLoader(10, { isHeld: true });
    const pool = open({ a: loader });
    const waiting = hold(pool, 'a').catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(1001);
    expect(await waiting).toMatchObject({ status: 503, code: 'model_loading', headers: { 'retry-after': '5' } });
    const patient = pool.hold('a', { signal: never, waitMs: Infinity });
    await vi.advanceTimersByTimeAsync(1e6);
    log.release();
    (await patient).release();
    (await hold(pool, 'a')).release();
    expect([log.loads, log.aborted]).toEqual([1, 0]);
  });

  it('a model goes when it is idle for so long, and its time begins anew with every request', async () => {
    const { loader, log } = madeLoader(10);
    const pool = open({ a: loader }, { idleMs: 100 });
    const first = await hold(pool, 'a');
    await vi.advanceTimersByTimeAsync(500);
    first.release();
    expect(pool.describe('a').idleUntil).toBe(Date.now() + 100);
    await vi.advanceTimersByTimeAsync(99);
    (await hold(pool, 'a')).release();
    await vi.advanceTimersByTimeAsync(99);
    expect(log.disposed).toBe(0);
    await vi.advanceTimersByTimeAsync(2);
    expect([log.disposed, statuses(pool)]).toEqual([1, 'unloaded']);
  });

  it('a request may say how long its model stays', async () => {
    const { loader, log } = madeLoader(10);
    const pool = open({ a: loader }, { idleMs: 100 });
    (await pool.hold('a', { signal: never, idleMs: Infinity })).release();
    await vi.advanceTimersByTimeAsync(1000);
    expect(log.disposed).toBe(0);
    (await pool.hold('a', { signal: never, idleMs: 0 })).release();
    await vi.advanceTimersByTimeAsync(1);
    expect(log.disposed).toBe(1);
  });
});

describe('memory', () => {
  it('is made by freeing what was used longest ago', async () => {
    const [a, b, c] = [madeLoader(400), madeLoader(400), madeLoader(400)];
    const pool = open({ a: a.loader, b: b.loader, c: c.loader });
    for (const name of ['a', 'b', 'a', 'c']) (await hold(pool, name)).release();
    expect([statuses(pool), b.log.disposed]).toEqual(['loaded unloaded loaded', 1]);
    await pool.close();
  });

  it('of models in use is waited for, and they take no more requests until then', async () => {
    const [a, b] = [madeLoader(600), madeLoader(600)];
    const pool = open({ a: a.loader, b: b.loader });
    const user = await hold(pool, 'a');
    const wanted = hold(pool, 'b');
    await turns();
    const late = hold(pool, 'a');
    await turns();
    expect([statuses(pool), pool.describe('a').waiting]).toEqual(['loaded loading', 1]);
    user.release();
    const next = await wanted;
    expect(statuses(pool)).toBe('loading loaded');
    next.release();
    (await late).release();
    expect([a.log.loads, b.log.disposed, statuses(pool)]).toEqual([2, 1, 'loaded unloaded']);
    await pool.close();
  });

  it('is given back to those who have it where who wanted it leaves', async () => {
    const [a, b] = [madeLoader(600), madeLoader(600)];
    const pool = open({ a: a.loader, b: b.loader });
    const user = await hold(pool, 'a');
    const controller = new AbortController();
    const wanted = hold(pool, 'b', controller.signal);
    await turns();
    const late = hold(pool, 'a');
    controller.abort(new Error('left'));
    await expect(wanted).rejects.toThrow('left');
    for (const one of [await late, user]) one.release();
    expect([statuses(pool), b.log.loads]).toEqual(['loaded unloaded', 0]);
    await pool.close();
  });

  it('is held for two models that are loaded at once, and a third waits for its turn', async () => {
    const [a, b, c] = [madeLoader(400, { isHeld: true }), madeLoader(400, { isHeld: true }), madeLoader(400)];
    const pool = open({ a: a.loader, b: b.loader, c: c.loader });
    const [one, other, third] = [hold(pool, 'a'), hold(pool, 'b'), hold(pool, 'c')];
    await turns();
    expect([a.log.loads, b.log.loads, c.log.loads]).toEqual([1, 1, 0]);
    b.log.release();
    (await other).release();
    (await third).release();
    expect([a.log.loads, b.log.disposed, c.log.loads]).toEqual([1, 1, 1]);
    a.log.release();
    (await one).release();
    await pool.close();
  });

  it('that would not be enough, whatever went, is refused with what would be', async () => {
    const [a, big] = [madeLoader(300e6), madeLoader(800e6)];
    const pool = open({ a: a.loader, big: big.loader }, { pinned: ['a'], memoryBytes: 1e9 });
    (await hold(pool, 'a')).release();
    await expect(hold(pool, 'big')).rejects.toMatchObject({
      status: 503, code: 'model_does_not_fit', headers: { 'x-should-retry': 'false' },
      message:
        'The model big does not fit: it needs 0.8 GB with the state of one answer of 512 tokens, and all models together may take 1 GB, ' +
        'of which models that stay have 0.3 GB. It would fit with 1.1 GB of memory.',
    });
    expect([big.log.loads, statuses(pool)]).toEqual([0, 'loaded unloaded']);
    await pool.close();
  });

  it('that others leave is what a model may grow by', async () => {
    const [a, b] = [madeLoader(300), madeLoader(500)];
    const pool = open({ a: a.loader, b: b.loader });
    (await hold(pool, 'a')).release();
    expect(a.log.spare()).toBe(700);
    (await hold(pool, 'b')).release();
    expect(a.log.spare()).toBe(200);
    b.memory.kvBytes = 150;
    expect([a.log.spare(), b.log.spare()]).toEqual([50, 50]);
    await pool.unload('b', never);
    expect(a.log.spare()).toBe(700);
    await pool.close();
  });

  it('that a device turns out not to have is made by freeing others, one by one', async () => {
    const [a, b] = [madeLoader(1), madeLoader(1)];
    const tight = madeLoader(1);
    let isTold = 0;
    const loader: ModelLoader = {
      async load(options) {
        isTold++;
        if (a.log.disposed + b.log.disposed < 2) throw new CapacityError('the device has no more');
        return tight.loader.load(options);
      },
    };
    const pool = openModelPool({ models: { a: a.loader, b: b.loader, tight: loader } }, 1000);
    for (const name of ['a', 'b', 'tight']) (await hold(pool, name)).release();
    expect([isTold, statuses(pool)]).toEqual([3, 'unloaded unloaded loaded']);
    await pool.close();
  });
});

it('closing ends loads and those who wait for them', async () => {
  const { loader, log } = madeLoader(10, { isHeld: true });
  const pool = open({ a: loader });
  const waiting = hold(pool, 'a').catch((error: unknown) => error);
  await turns();
  await pool.close();
  expect(await waiting).toMatchObject({ by: 'drain' });
  expect([log.aborted, statuses(pool)]).toEqual([1, 'unloaded']);
});

it.each([
  [{ models: {} }, 'models has no model'],
  [{ models: { a: {} } }, 'models["a"] must be a loaded model, or an object with load'],
  [{ aliases: { a: 'a' } }, "a model's own name"],
  [{ aliases: { b: 'c' } }, 'which is no model. There is a.'],
  [{ pinned: ['c'] }, 'pinned has string "c", which is no model'],
  [{ idleMs: -1 }, 'idleMs must be'],
  [{ memoryBytes: 0 }, 'memoryBytes must be'],
])('%j is refused', (options, message) => {
  expect(() => open({ a: madeLoader(1).loader }, options)).toThrow(message);
});
