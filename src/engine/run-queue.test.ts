import { describe, expect, it } from 'vitest';
import { createRunQueue } from './run-queue.ts';

const soon = () => new Promise((resolve) => setTimeout(resolve, 0));

describe('createRunQueue', () => {
  it('gives turns in the order of the calls', async () => {
    const queue = createRunQueue({ patienceMs: Infinity });
    const order: number[] = [];
    const first = await queue.take();
    const others = [1, 2, 3].map(async (n) => {
      const turn = await queue.take();
      order.push(n);
      await soon();
      turn.end();
    });
    await soon();
    expect(order).toEqual([]);
    first.end();
    first.end();
    await Promise.all(others);
    expect(order).toEqual([1, 2, 3]);
  });

  it('lets a waiting call abort and keeps the others in line', async () => {
    const queue = createRunQueue({ patienceMs: Infinity });
    const first = await queue.take();
    const controller = new AbortController();
    const second = queue.take(controller.signal);
    const third = queue.take();
    controller.abort(new Error('no longer wanted'));
    await expect(second).rejects.toThrow('no longer wanted');
    await expect(queue.take(controller.signal)).rejects.toThrow('no longer wanted');
    first.end();
    (await third).end();
  });

  it('passes a paused turn on to those who wait, and gives it back in line', async () => {
    const queue = createRunQueue({ patienceMs: 0 });
    const first = await queue.take();
    first.pause();
    const second = await queue.take();
    let resumed = false;
    const back = Promise.resolve(first.resume()).then(() => (resumed = true));
    await soon();
    expect(resumed).toBe(false);
    second.end();
    await back;
    const third = queue.take();
    first.end();
    (await third).end();
  });

  it('keeps a paused turn that resumes, and one that nobody waits for', async () => {
    const queue = createRunQueue({ patienceMs: 0 });
    const first = await queue.take();
    first.pause();
    await soon();
    await soon();
    expect(first.resume()).toBeUndefined();
    const second = queue.take();
    let started = false;
    void second.then(() => (started = true));
    await soon();
    expect(started).toBe(false);
    first.end();
    (await second).end();
  });

  it('fails everyone when it closes', async () => {
    const queue = createRunQueue({ patienceMs: Infinity });
    const first = await queue.take();
    const second = queue.take();
    queue.close(new Error('closed'));
    await expect(second).rejects.toThrow('closed');
    await expect(queue.take()).rejects.toThrow('closed');
    expect(() => first.resume()).toThrow('closed');
    first.end();
  });
});
