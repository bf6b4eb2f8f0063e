/** Files that a page has: Blobs, files that were dropped or picked, and those of its private file system. Read by ranges, never whole. */
import { inBlocks } from '../files/block-source.ts';
import { checkFileNameBelow, checkReadRange } from '../files/read-range.ts';
import type { ByteSource, SourceFolder } from '../tensor/byte-source.ts';
import { CapacityError, InputError } from '../tensor/errors.ts';

/** One read of a Blob takes memory of its own beside the reader's. */
const MOST_BYTES = 16 * 1024 * 1024;

export function blobSource(blob: Blob, name: string): ByteSource {
  return inBlocks({
    name,
    sizeBytes: blob.size,
    async read(offset, into, options) {
      checkReadRange(name, blob.size, offset, into.length);
      for (let done = 0; done < into.length;) {
        options?.signal?.throwIfAborted();
        const from = offset + done;
        const part = blob.slice(from, from + Math.min(into.length - done, MOST_BYTES));
        const bytes = await part.arrayBuffer().catch((cause: unknown) => {
          throw new InputError(`${name} cannot be read any more: it was changed, moved or removed since it was given. Give it again.`, {
            cause,
          });
        });
        into.set(new Uint8Array(bytes), done);
        done += bytes.byteLength;
      }
    },
    async close() {},
  });
}

/** Files by the path below what was dropped or picked, whose own folder's name they all begin with. */
export function filesFolder(files: readonly File[], name: string): SourceFolder {
  const byName = new Map(files.map((file) => [pathOf(file), file]));
  return {
    name,
    async open(fileName, options) {
      options?.signal?.throwIfAborted();
      checkFileNameBelow(fileName, name);
      const file = byName.get(fileName);
      return file && blobSource(file, fileName);
    },
    list: async (folder) => namesBelow([...byName.keys()], folder),
  };
}

/** Names of the files in a folder, of paths. */
export function namesBelow(paths: readonly string[], folder: string): readonly string[] {
  return paths.flatMap((path) => (path.startsWith(`${folder}/`) ? [path.slice(folder.length + 1)] : []));
}

/** Path of a file below the folder that was picked; the name of one that was picked by itself. */
export function pathOf({ webkitRelativePath, name }: File): string {
  return webkitRelativePath.includes('/') ? webkitRelativePath.slice(webkitRelativePath.indexOf('/') + 1) : name;
}

/** Files of a list as another thread has them too: by the name alone, which is the path where a folder was picked. */
export function filesByPath(source: unknown): unknown {
  if (!Array.isArray(source) || !source.every((each) => each instanceof File)) return source;
  return (source as readonly File[]).map((file) => (file.webkitRelativePath === '' ? file : new File([file], pathOf(file))));
}

/** A folder of the page's private file system, or one that was picked. */
export function handleFolder(directory: FileSystemDirectoryHandle): SourceFolder {
  return {
    name: directory.name || 'the private file system',
    async open(fileName, options) {
      options?.signal?.throwIfAborted();
      checkFileNameBelow(fileName, directory.name);
      const file = await fileBelow(directory, fileName.split('/'));
      return file && blobSource(file, fileName);
    },
    list: (folder) => namesIn(directory, folder),
  };
}

async function namesIn(directory: FileSystemDirectoryHandle, folder: string): Promise<readonly string[]> {
  const below = await directory.getDirectoryHandle(folder).catch(() => undefined);
  if (below === undefined) return [];
  const names: string[] = [];
  for await (const name of (below as unknown as { keys(): AsyncIterable<string> }).keys()) names.push(name);
  return names;
}

async function fileBelow(directory: FileSystemDirectoryHandle, path: readonly string[]): Promise<File | undefined> {
  try {
    let at = directory;
    for (const step of path.slice(0, -1)) at = await at.getDirectoryHandle(step);
    return await (await at.getFileHandle(path.at(-1)!)).getFile();
  } catch (error) {
    if (error instanceof DOMException && (error.name === 'NotFoundError' || error.name === 'TypeMismatchError')) return undefined;
    if (error instanceof DOMException && error.name === 'NotAllowedError')
      throw new CapacityError(`The browser gives no access to ${path.join('/')}: ask for permission, or give it again.`, {
        cause: error,
      });
    throw error;
  }
}
