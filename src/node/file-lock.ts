/** Work that one process does at a time, by a file that names who does it. */
import { randomUUID } from 'node:crypto';
import { lstat, mkdir, open, readFile, rm, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { waitFor } from '../files/http-retry.ts';
import type { CancelSignal } from '../tensor/platform.ts';

export interface FileLockOptions {
  readonly signal?: CancelSignal | undefined;
  /** Told once, for people, where another process has the lock. */
  readonly onWait?: ((note: string) => void) | undefined;
}

const POLL_MS = 200;
/** A holder shows so often that it is there, which counts where it is on another machine that shares the folder. */
const BEAT_MS = 5_000;
/** A holder that has not been heard of for so long is gone. */
const STALE_MS = 30_000;

/**
 * Runs `work` while the file `path` is this process's, which it waits for; its folder is made. A lock whose process is gone counts as none.
 * One that shows no sign of life for half a minute is taken for gone too: what it writes where it goes on after all has to be whole by
 * itself. A lock is not to be taken by who has it.
 * @throws what `work` does, the system's error where the file cannot be made, the signal's reason when it aborts
 */
export async function withFileLock<Result>(
  path: string, { signal, onWait }: FileLockOptions, work: () => Promise<Result>,
): Promise<Result> {
  for (let hasTold = false; ; ) {
    signal?.throwIfAborted();
    const name = await take(path);
    if (name !== undefined)
      return whileHeld(path, name, async () => {
        signal?.throwIfAborted();
        return work();
      });
    const holder = await holderOf(path);
    if (typeof holder !== 'object' && (await isFreed(path, holder))) continue;
    if (!hasTold) onWait?.(`${typeof holder === 'object' ? holder.name : 'another process'} is getting it: waiting`);
    hasTold = true;
    await waitFor(POLL_MS, signal);
  }
}

/** As {@link withFileLock}, where nobody else has it; undefined else: it waits for nobody. */
export async function ifFileLockFree<Result>(
  path: string, work: () => Promise<Result>,
): Promise<{ readonly result: Result } | undefined> {
  for (;;) {
    const name = await take(path);
    if (name !== undefined) return { result: await whileHeld(path, name, work) };
    const holder = await holderOf(path);
    if (typeof holder === 'object' || !(await isFreed(path, holder))) return undefined;
  }
}

async function whileHeld<Result>(path: string, name: string, work: () => Promise<Result>): Promise<Result> {
  const showLife = async (): Promise<void> => {
    if (await isNamed(path, name)) await utimes(path, new Date(), new Date());
  };
  const beat = setInterval(() => void showLife().catch(() => undefined), BEAT_MS);
  beat.unref();
  try {
    return await work();
  } finally {
    clearInterval(beat);
    await letGo(path, name);
  }
}

/** Who was away for long, and was taken for gone, leaves the lock to who has it now. */
async function letGo(path: string, name: string): Promise<void> {
  if (await isNamed(path, name)) await rm(path, { force: true });
}

async function isNamed(path: string, name: string): Promise<boolean> {
  return (await readFile(path, 'utf8').catch(() => '')) === name;
}

/** Makes the lock. @returns what stands in it, as in no other; undefined where somebody has it */
async function take(path: string): Promise<string | undefined> {
  await mkdir(dirname(path), { recursive: true });
  const name = `${process.pid} ${hostname()} ${randomUUID()}`;
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, 'wx');
  } catch (error) {
    // Somebody has it, or has just taken its folder away, which was empty.
    if (['EEXIST', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
  try {
    await file.writeFile(name);
  } catch (error) {
    // A full disk has room for a file's name, and for nothing in it.
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  // Who was away for long between the two was taken for gone.
  return (await isNamed(path, name)) ? name : undefined;
}

/**
 * Removes a lock whose owner is gone. One process at a time looks and removes, by a lock beside the lock: else the second would remove
 * what the first has taken by then.
 * @returns whether the lock may be free
 */
async function isFreed(path: string, holder: 'none' | 'gone'): Promise<boolean> {
  if (holder === 'none') return true;
  const guard = `${path}-gone`;
  const name = await take(guard);
  if (name === undefined) {
    const other = await holderOf(guard);
    // It is held for a moment: that a process ends in it, and two find it so at once, is left out of account.
    if (other === 'gone') await rm(guard, { force: true });
    return typeof other !== 'object';
  }
  try {
    if ((await holderOf(path)) === 'gone') await rm(path, { force: true });
  } finally {
    await letGo(guard, name);
  }
  return true;
}

/** The process that has the lock; that there is no lock, or one whose process is gone. */
async function holderOf(path: string): Promise<{ readonly name: string } | 'none' | 'gone'> {
  const [text, found] = await Promise.all([readFile(path, 'utf8').catch(() => ''), lstat(path).catch(() => undefined)]);
  if (found === undefined) return 'none';
  if (Date.now() - found.mtimeMs > STALE_MS) return 'gone';
  const [pid, host] = text.split(' ');
  // Between its making and its writing a lock names nobody.
  if (host === hostname() && !isAlive(Number(pid))) return 'gone';
  return { name: `process ${pid || '?'}` };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
