/** That a lock has one owner, however it came to be free: what other processes do in between is done at that very step. */
import type * as Files from 'node:fs/promises';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ifFileLockFree, withFileLock } from './file-lock.ts';

/** What happens, once, before and after a lock is looked at, and before its maker writes in it. */
const hooks = vi.hoisted(() => ({}) as { [step in 'look' | 'seen' | 'write']?: (() => void) | undefined });

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof Files>();
  const once = (step: keyof typeof hooks): void => {
    const then = hooks[step];
    hooks[step] = undefined;
    then?.();
  };
  let reading: Promise<unknown> = Promise.resolve();
  return {
    ...real,
    async open(path: string, flags: string) {
      const file = await real.open(path, flags);
      return {
        close: () => file.close(),
        async writeFile(text: string) {
          once('write');
          await file.writeFile(text);
        },
      };
    },
    readFile(path: string, encoding: 'utf8') {
      const text = real.readFile(path, encoding);
      reading = text.catch(() => undefined);
      return text;
    },
    async lstat(path: string) {
      await reading;
      once('look');
      const found = real.lstat(path);
      await found.catch(() => undefined);
      once('seen');
      return found;
    },
  };
});

/** A process that is there, and one that cannot be. */
const OTHER = `${process.ppid} ${hostname()}`;
const DEAD = `999999999 ${hostname()}`;

let folder: string;
let path: string;
const isOthers = () => writeFileSync(path, OTHER);
const work = vi.fn(async () => 'done');

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ingot-lock-'));
  path = join(folder, 'a.ingot-lock');
  work.mockClear();
});
afterEach(() => {
  for (const step of ['look', 'seen', 'write'] as const) hooks[step] = undefined;
  rmSync(folder, { recursive: true, force: true });
});

async function expectOthers(): Promise<void> {
  expect(await ifFileLockFree(path, work)).toBeUndefined();
  expect(work).not.toHaveBeenCalled();
  expect(readFileSync(path, 'utf8')).toBe(OTHER);
  expect(readdirSync(folder)).toEqual(['a.ingot-lock']);
}

test('who finds a lock let go takes it from nobody who has it by then', async () => {
  isOthers();
  hooks.look = () => rmSync(path);
  hooks.seen = isOthers;
  await expectOthers();
});

test('of two who find that the owner is gone, the second does not remove the lock of the first', async () => {
  writeFileSync(path, DEAD);
  hooks.seen = isOthers;
  await expectOthers();
});

test('who was away before it wrote its name in, and was taken for gone, has no lock', async () => {
  hooks.write = () => {
    rmSync(path);
    isOthers();
  };
  await expectOthers();
});

test('who was taken for gone while it worked leaves the lock to who has it now', async () => {
  expect(await withFileLock(path, {}, async () => isOthers())).toBeUndefined();
  expect(readFileSync(path, 'utf8')).toBe(OTHER);
});

test('a lock that a full disk has no room for is not left behind', async () => {
  hooks.write = () => {
    throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
  };
  await expect(withFileLock(path, {}, work)).rejects.toThrow('no space left');
  expect(existsSync(path)).toBe(false);
});

test('a process that ended while it took over the lock of one that was gone stops nobody', async () => {
  writeFileSync(path, DEAD);
  writeFileSync(`${path}-gone`, DEAD);
  expect(await withFileLock(path, {}, work)).toBe('done');
  expect(readdirSync(folder)).toEqual([]);
});

test('of many who wait, one works at a time', async () => {
  writeFileSync(path, DEAD);
  let [now, most] = [0, 0];
  const waiting = Array.from({ length: 3 }, () =>
    withFileLock(path, {}, async () => {
      most = Math.max(most, ++now);
      await new Promise(setImmediate);
      now--;
    }),
  );
  await Promise.all(waiting);
  expect(most).toBe(1);
});

test('who is told to stop while it waits stops, and the lock stays with its owner', async () => {
  isOthers();
  const stop = new AbortController();
  const onWait = vi.fn(() => stop.abort(new Error('enough')));
  await expect(withFileLock(path, { signal: stop.signal, onWait }, work)).rejects.toThrow('enough');
  expect(onWait).toHaveBeenCalledWith(`process ${process.ppid} is getting it: waiting`);
  await expectOthers();
});
