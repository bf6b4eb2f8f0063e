import { open, rename, rm, stat, statfs } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CapacityError, InputError } from '../tensor/errors.ts';
import type { ByteSink } from '../files/byte-sink.ts';

/**
 * A new file at `path`, written under a temporary name beside it and renamed when closed, so that a file of that name is
 * always a whole one. A device or pipe is written to directly.
 * @throws InputError where the path cannot be written, CapacityError where the disk is too full.
 */
export async function fileSink(path: string): Promise<ByteSink> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) throw new InputError(`Cannot write ${path}: it is a directory. Give the name of a file.`);
  const isDirect = found !== undefined && !found.isFile();
  const temporary = isDirect ? path : `${path}.${process.pid}-${Date.now().toString(36)}.part`;
  const handle = await open(temporary, 'w').catch((error: NodeJS.ErrnoException) => {
    throw writeError(path, error);
  });
  const sink = { path, temporary, handle, isDirect };
  let state: 'open' | 'closed' | 'aborted' = 'open';
  let written = 0;
  const abort = async () => {
    if (state !== 'open') return;
    state = 'aborted';
    await handle.close().catch(() => undefined);
    if (!isDirect) await rm(temporary, { force: true });
  };
  return {
    name: path,
    reserve: (sizeBytes) => (isDirect ? Promise.resolve() : checkFreeSpace(path, sizeBytes)),
    async write(bytes) {
      if (state !== 'open') throw new Error(`${path} was ${state} before this write`);
      written += await writeAll(handle, bytes).catch((error: NodeJS.ErrnoException) => {
        throw writeError(path, error, written);
      });
    },
    async close() {
      if (state !== 'open') throw new Error(`${path} was ${state} before`);
      try {
        await finish(sink);
        state = 'closed';
      } catch (error) {
        await abort();
        throw writeError(path, error as NodeJS.ErrnoException, written);
      }
    },
    abort,
  };
}

interface OpenFile {
  readonly path: string;
  readonly temporary: string;
  readonly handle: FileHandle;
  readonly isDirect: boolean;
}

async function finish({ path, temporary, handle, isDirect }: OpenFile): Promise<void> {
  await handle.close();
  if (!isDirect) await rename(temporary, path);
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<number> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done);
    if (bytesWritten === 0) throw Object.assign(new Error('the system took no bytes'), { code: 'ENOSPC' });
    done += bytesWritten;
  }
  return done;
}

/** Refuses at once what the disk cannot hold, where the system says how much that is. */
async function checkFreeSpace(path: string, sizeBytes: number): Promise<void> {
  const disk = await statfs(dirname(path)).catch(() => undefined);
  if (!disk || disk.blocks === 0) return;
  const freeBytes = disk.bavail * disk.bsize;
  if (freeBytes < sizeBytes) {
    throw new CapacityError(
      `${path} will have ${megabytes(sizeBytes)}, but its disk has ${megabytes(freeBytes)} free. Free some space or write to another disk.`,
    );
  }
}

/** What to tell of a file that the system does not let be written. @param written bytes of it that are */
export function writeError(path: string, error: NodeJS.ErrnoException, written?: number): Error {
  const after = written === undefined ? '' : ` after ${megabytes(written)}`;
  const full = {
    ENOSPC: 'the disk is full',
    EDQUOT: 'the disk quota is used up',
    EFBIG: 'the file system or a limit allows no larger file',
  };
  const reason = full[error.code as keyof typeof full];
  if (reason)
    return new CapacityError(`Cannot write ${path}: ${reason}${after}. Nothing was kept: free some space or write to another disk.`, {
      cause: error,
    });
  const reasons: Record<string, string> = {
    ENOENT: 'its folder does not exist. Create it first',
    ENOTDIR: 'a part of the path is a file, not a directory. Check the path',
    EACCES: 'its folder may not be written by this user. Check its permissions',
    EPERM: 'its folder may not be written by this user. Check its permissions',
    EROFS: 'the file system is read-only. Write to another disk',
    ENAMETOOLONG: 'the path is too long',
    EIO: 'the disk reported an error. Write to another disk',
  };
  return new InputError(
    `Cannot write ${path === '' ? 'to an empty path' : path}${after}: ${reasons[error.code ?? ''] ?? error.message}.`,
    { cause: error },
  );
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
