import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createIdleGate, IDLE_MS } from './idle-gate.ts';
import type { GpuUse, IdleGate } from './idle-gate.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);
const done = async () => {};

/** A program that is loaded, and has worked. */
function working(gate: IdleGate, untilDone: () => Promise<unknown> = done): GpuUse {
  const use = gate.enter();
  use.loaded(untilDone);
  use.work();
  return use;
}

/** Asks for some pieces, one behind the other, each taking so long, and notes who had one. */
function task(use: GpuUse, { name, log, pieces = 3, ms = 10 }: { name: string; log: string[]; pieces?: number; ms?: number }) {
  return use.whenIdle(async (mayGoOn) => {
    for (let i = 0; i < pieces; i++) {
      if (i > 0) await mayGoOn();
      log.push(name);
      await new Promise((resolve) => setTimeout(resolve, ms));
    }
  });
}

it('a task of one program waits until the others rest, and again when one of them works in its midst', async () => {
  const gate = createIdleGate();
  const [a, b] = [working(gate), working(gate)];
  const log: string[] = [];
  void task(a, { name: 'a', log });
  for (let i = 0; i < 5; i++) {
    b.work();
    await pass(IDLE_MS - 1);
  }
  expect(log).toEqual([]);
  await pass(2);
  expect(log).toEqual(['a']);
  b.work();
  await pass(IDLE_MS - 1);
  expect(log).toEqual(['a']);
  await pass(IDLE_MS);
  expect(log).toEqual(['a', 'a', 'a']);
});

it('tasks of two programs follow each other', async () => {
  const gate = createIdleGate();
  const log: string[] = [];
  const tasks = [working(gate), working(gate)].map((use, i) => task(use, { name: 'ab'[i]!, log }));
  await pass(2 * IDLE_MS);
  await Promise.all(tasks);
  expect(log.join('')).toMatch(/^(aaabbb|bbbaaa)$/);
});

it('a program that is loaded counts as work, also in the midst of a task, until it is loaded or its load has failed', async () => {
  const gate = createIdleGate();
  const log: string[] = [];
  void task(working(gate), { name: 'a', log, ms: 100 });
  await pass(IDLE_MS + 1);
  const next = gate.enter();
  await pass(10 * IDLE_MS);
  expect(log).toEqual(['a']);
  next.leave();
  next.leave();
  await pass(1);
  expect(log).toEqual(['a', 'a']);
  const last = gate.enter();
  await pass(10 * IDLE_MS);
  last.loaded(done);
  await pass(IDLE_MS - 1);
  expect(log).toEqual(['a', 'a']);
  await pass(2);
  expect(log).toEqual(['a', 'a', 'a']);
});

it('work that takes longer than programs rest is waited for, whoever gave it; that a device is lost is nothing to wait for', async () => {
  const gate = createIdleGate();
  const log: string[] = [];
  let end = () => {};
  working(gate, () => new Promise<void>((resolve) => (end = resolve)));
  working(gate, () => Promise.reject(new Error('lost')));
  void task(working(gate), { name: 'a', log });
  await pass(10 * IDLE_MS);
  expect(log).toEqual([]);
  end();
  await pass(1);
  expect(log).toEqual(['a']);
});

it('a program that ends takes its task with it, and lets those of others go on', async () => {
  const gate = createIdleGate();
  const log: string[] = [];
  const [a, b] = [working(gate), working(gate)];
  const tasks = [task(a, { name: 'a', log }), task(b, { name: 'b', log })];
  const ended = expect(tasks[0]).rejects.toThrow('disposed');
  await pass(IDLE_MS + 1);
  a.leave();
  await pass(100);
  await ended;
  await tasks[1];
  expect(log).toEqual(['a', 'b', 'b', 'b']);
  await expect(a.whenIdle(done)).rejects.toThrow('disposed');
});

it('a program that ends while the work of another is waited for ends its task at once, and others go on when that is done', async () => {
  const gate = createIdleGate();
  const log: string[] = [];
  let end = () => {};
  working(gate, () => new Promise<void>((resolve) => (end = resolve)));
  // Nor is one that throws anything to wait for.
  working(gate, () => {
    throw new Error('lost');
  });
  const a = working(gate);
  const ended = expect(task(a, { name: 'a', log })).rejects.toThrow('disposed');
  await pass(IDLE_MS + 1);
  a.leave();
  await ended;
  void task(working(gate), { name: 'b', log, pieces: 1 });
  await pass(IDLE_MS + 1);
  expect(log).toEqual([]);
  end();
  await pass(1);
  expect(log).toEqual(['b']);
});

it('gates of other GPUs know nothing of it, and before its first work a program has no task', async () => {
  const log: string[] = [];
  const busy = working(createIdleGate());
  const gate = createIdleGate();
  void task(working(gate), { name: 'a', log, pieces: 1 });
  const fresh = gate.enter();
  fresh.loaded(done);
  void task(fresh, { name: 'b', log, pieces: 1 });
  for (let i = 0; i < 5; i++) {
    busy.work();
    await pass(IDLE_MS / 2);
  }
  expect(log).toEqual(['a']);
  fresh.work();
  await pass(IDLE_MS + 1);
  expect(log).toEqual(['a', 'b']);
});
