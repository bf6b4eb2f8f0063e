/** Work that one process does at a time, by a file that names who does it. */
import { open, readFile, rm } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import type { CancelSignal } from '../../tensor/platform.ts';

export interface FileLockOptions {
  readonly signal?: CancelSignal | undefined;
  /** Told once, for people, where another process has the lock. */
  readonly onWait?: ((note: string) => void) | undefined;
}

const POLL_MS = 200;

/**
 * Runs `work` while the file `path` is this process's, which it waits for. A lock whose process is gone counts as none: where two find it
 * so at once, both may work; what they write has to be whole by itself.
 * @throws what `work` does, the system's error where the file cannot be made, the signal's reason when it aborts
 */
export async function withFileLock<Result>(
  path: string, { signal, onWait }: FileLockOptions, work: () => Promise<Result>,
): Promise<Result> {
  let hasTold = false;
  for (;;) {
    signal?.throwIfAborted();
    if (await take(path)) break;
    const holder = await holderOf(path);
    if (holder === undefined) await rm(path, { force: true });
    else {
      if (!hasTold) onWait?.(`process ${holder} is getting it: waiting`);
      hasTold = true;
      await wait(POLL_MS);
    }
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function take(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    await file.writeFile(String(process.pid));
    await file.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** How long a lock may be without its process's number: between its making and its writing. */
const WRITE_MS = 1000;

/** The process that has the lock; undefined where it is gone. */
async function holderOf(path: string): Promise<number | undefined> {
  for (let waited = 0; waited < WRITE_MS; waited += POLL_MS) {
    const text = await readFile(path, 'utf8').catch(() => '');
    const pid = Number(text);
    if (pid > 0) return isAlive(pid) ? pid : undefined;
    await wait(POLL_MS);
  }
  return undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
