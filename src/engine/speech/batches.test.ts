import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { batches } from './batches.ts';

// Time passes where the test lets it.
beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const tick = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Numbers, each after so many ms; closed tells whether it was left or ended. */
function numbers(waits: readonly number[], failure?: Error) {
  const state = { isClosed: false };
  const items = async function* (): AsyncGenerator<number> {
    try {
      for (const [i, ms] of waits.entries()) {
        if (ms > 0) await tick(ms);
        yield i;
      }
      if (failure !== undefined) throw failure;
    } finally {
      state.isClosed = true;
    }
  };
  return { state, items: items() };
}

async function collected(items: AsyncIterable<number>, most = 3): Promise<number[][]> {
  const all: number[][] = [];
  const collecting = (async () => {
    for await (const batch of batches(items, { most, waitMs: 60 })) all.push(batch);
  })();
  await vi.advanceTimersByTimeAsync(1000);
  await collecting;
  return all;
}

it('groups what is there, and does not wait for what comes late', async () => {
  expect(await collected(numbers([0, 0, 0, 0, 0, 0, 0]).items)).toEqual([[0, 1, 2], [3, 4, 5], [6]]);
  expect(await collected(numbers([0, 0, 300, 0, 300]).items)).toEqual([[0, 1], [2, 3], [4]]);
  expect(await collected(numbers([]).items)).toEqual([]);
});

it('gives what came before a failure, and closes what it reads', async () => {
  const found: number[][] = [];
  const { state, items } = numbers([0, 0], new Error('broken'));
  await expect((async () => {
    for await (const batch of batches(items, { most: 3, waitMs: 60 })) found.push(batch);
  })()).rejects.toThrow('broken');
  expect(found).toEqual([[0, 1]]);
  expect(state.isClosed).toBe(true);
  const left = numbers([0, 0, 0, 0]);
  for await (const batch of batches(left.items, { most: 2, waitMs: 60 })) if (batch.length > 0) break;
  expect(left.state.isClosed).toBe(true);
});
