import { describe, expect, it } from 'vitest';
import { alternate, summarise } from './statistics.ts';
import type { Contestant } from './statistics.ts';

describe('summarise', () => {
  it.each([
    [[3], { median: 3, min: 3, max: 3 }],
    [[9, 1, 4], { median: 4, min: 1, max: 9 }],
    [[10, 2, 100, 4], { median: 7, min: 2, max: 100 }],
  ])('%j', (runs, expected) => {
    const before = [...runs];
    expect(summarise(runs)).toEqual(expected);
    expect(runs).toEqual(before);
  });
});

describe('alternate', () => {
  const { signal } = new AbortController();
  const protocol = { runs: 2, pauseMs: 0, signal };
  const contestant = (name: string, run: (seed: number) => Promise<number>): Contestant<number> => ({ name, run });
  const rethrow = (_: unknown, error: unknown) => {
    throw error;
  };

  it('takes turns, gives all the same seed in a round, and does not count the first', async () => {
    const calls: string[] = [];
    const record = (name: string) => contestant(name, async (seed) => (calls.push(`${name}${seed}`), seed * 10));
    const seen: string[] = [];
    const measured = await alternate([record('a'), record('b')], {
      ...protocol,
      onFailure: rethrow,
      onRun: (name, run) => seen.push(`${name} ${run}`),
    });
    expect(calls).toEqual(['a2', 'b2', 'a3', 'b3', 'a4', 'b4']);
    expect(seen).toEqual(['a 0', 'b 0', 'a 1', 'b 1', 'a 2', 'b 2']);
    expect(Object.fromEntries(measured)).toEqual({ a: [30, 40], b: [30, 40] });
  });

  it('goes on without one that fails', async () => {
    const failures: string[] = [];
    const fails = contestant('bad', async (seed) => (seed === 3 ? Promise.reject(new Error('out of memory')) : 1));
    const measured = await alternate([fails, contestant('good', async () => 2)], {
      ...protocol,
      onFailure: ({ name }, error) => failures.push(`${name}: ${(error as Error).message}`),
    });
    expect(failures).toEqual(['bad: out of memory']);
    expect(Object.fromEntries(measured)).toEqual({ good: [2, 2] });
  });

  it('begins no run when the time is over, and counts whole rounds only', async () => {
    // A clock that the runs move: one of them takes a minute.
    let minutes = 0;
    const both = ['a', 'b'].map((name) => contestant(name, async (seed) => (minutes++, seed)));
    const until = (most: number) => {
      minutes = 0;
      return alternate(both, { ...protocol, onFailure: rethrow, isOver: () => minutes >= most });
    };
    expect(Object.fromEntries(await until(5))).toEqual({ a: [3], b: [3] });
    expect(Object.fromEntries(await until(3))).toEqual({ a: [], b: [] });
    expect(Object.fromEntries(await until(6))).toEqual({ a: [3, 4], b: [3, 4] });
  });

  it('stopped in the midst of a round, tells of those before it; in the pause after one, of that too', async () => {
    const stopped = async (runs: number, pauseMs: number) => {
      const controller = new AbortController();
      let left = runs;
      const both = ['a', 'b'].map((name) => contestant(name, async (seed) => (--left === 0 && controller.abort(), seed)));
      let told: Record<string, number[]> = {};
      const onStop = (measured: ReadonlyMap<string, number[]>) => void (told = Object.fromEntries(measured));
      await alternate(both, { runs: 3, pauseMs, signal: controller.signal, onFailure: rethrow, onStop }).catch(() => {});
      return told;
    };
    expect(await stopped(5, 0)).toEqual({ a: [3], b: [3] });
    expect(await stopped(6, 1)).toEqual({ a: [3, 4], b: [3, 4] });
  });

  it('ends with the reason of the signal, in a pause too, and blames nobody', async () => {
    const controller = new AbortController();
    const reason = new Error('stopped');
    const failures: string[] = [];
    const onFailure = ({ name }: Contestant<number>) => failures.push(name);
    const run = alternate([contestant('a', async () => 1)], { runs: 9, pauseMs: 60_000, signal: controller.signal, onFailure });
    setTimeout(() => controller.abort(reason), 20);
    await expect(run).rejects.toBe(reason);
    const killed = contestant('a', () => Promise.reject(new Error('its process ended')));
    await expect(alternate([killed], { runs: 1, pauseMs: 0, signal: controller.signal, onFailure })).rejects.toBe(reason);
    expect(failures).toEqual([]);
  });
});
