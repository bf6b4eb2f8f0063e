/** Work that one process does at a time, by a file that names who does it. */
import { open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
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
 * Runs `work` while the file `path` is this process's, which it waits for. A lock whose process is gone counts as none: where two find it
 * so at once, both may work; what they write has to be whole by itself.
 * @throws what `work` does, the system's error where the file cannot be made, the signal's reason when it aborts
 */
export async function withFileLock<Result>(
  path: string, { signal, onWait }: FileLockOptions, work: () => Promise<Result>,
): Promise<Result> {
  for (let hasTold = false; !(await take(path)); ) {
    const holder = await holderOf(path);
    if (holder === undefined) {
      await rm(path, { force: true });
      continue;
    }
    if (!hasTold) onWait?.(`${holder} is getting it: waiting`);
    hasTold = true;
    await waitFor(POLL_MS, signal);
  }
  const beat = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => undefined), BEAT_MS);
  beat.unref();
  try {
    signal?.throwIfAborted();
    return await work();
  } finally {
    clearInterval(beat);
    await rm(path, { force: true });
  }
}

async function take(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    await file.writeFile(`${process.pid} ${hostname()}`);
    await file.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** The process that has the lock; undefined where it is gone. */
async function holderOf(path: string): Promise<string | undefined> {
  const [text, found] = await Promise.all([readFile(path, 'utf8').catch(() => ''), stat(path).catch(() => undefined)]);
  if (found === undefined || Date.now() - found.mtimeMs > STALE_MS) return undefined;
  const [pid, host] = text.split(' ');
  // Between its making and its writing a lock names nobody.
  if (host === hostname() && !isAlive(Number(pid))) return undefined;
  return `process ${pid || '?'}`;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
