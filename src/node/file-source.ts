import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../tensor/errors.ts';
import type { ByteSource, SourceFolder } from '../tensor/byte-source.ts';
import { checkFileNameBelow, checkReadRange, endedEarly } from '../files/read-range.ts';

/** One system call's share: under the 2 GiB that a call may read, and small enough for a cancel to be prompt. */
const maxReadBytes = 64 * 1024 * 1024;

/**
 * A source over a regular file, read straight into the caller's memory.
 * @throws InputError for a path that is missing, unreadable or not a regular file.
 */
export async function fileSource(path: string): Promise<ByteSource> {
  // Asked before opening, since opening a named pipe would wait for its writer.
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw pathError(path, error);
  });
  if (found.isDirectory()) throw new InputError(`${path} is a directory; expected a file.`);
  if (!found.isFile()) throw new InputError(`${path} is not a regular file (a device, pipe or socket cannot be read as a model).`);
  const handle = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    throw pathError(path, error);
  });
  const { size: sizeBytes } = await handle.stat();
  return {
    name: path,
    sizeBytes,
    async read(offset, into, options) {
      checkReadRange(path, sizeBytes, offset, into.length);
      let done = 0;
      while (done < into.length) {
        options?.signal?.throwIfAborted();
        const length = Math.min(into.length - done, maxReadBytes);
        const { bytesRead } = await handle.read(into, done, length, offset + done).catch((error: NodeJS.ErrnoException) => {
          throw pathError(path, error);
        });
        if (bytesRead === 0) throw endedEarly(path, offset, into.length, offset + done);
        done += bytesRead;
      }
    },
    close: () => handle.close(),
  };
}

/** The files below a directory. */
export function directorySource(path: string): SourceFolder {
  return {
    name: path,
    async open(fileName, options) {
      options?.signal?.throwIfAborted();
      checkFileNameBelow(fileName, path);
      const filePath = join(path, fileName);
      const found = await stat(filePath).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
        throw pathError(filePath, error);
      });
      return found && fileSource(filePath);
    },
    list: (folder) => readdir(join(path, folder)).catch(() => []),
  };
}

/** Says in words why a path cannot be used. */
export function pathError(path: string, error: Error & { readonly code?: string }): InputError {
  const reasons: Record<string, string> = {
    ENOENT: 'there is no such file or directory. Check the path',
    ENOTDIR: 'a part of the path is a file, not a directory. Check the path',
    EACCES: 'it may not be read by this user. Check its permissions',
    EPERM: 'it may not be read by this user. Check its permissions',
    ELOOP: 'its symbolic links lead in a circle',
    ENAMETOOLONG: 'the path is too long',
    EMFILE: 'this process has too many files open',
  };
  return new InputError(`Cannot read ${path === '' ? 'an empty path' : path}: ${reasons[error.code ?? ''] ?? error.message}.`, {
    cause: error,
  });
}
