/**
 * The cache of models in the page's private file system (OPFS): `ingot-models/models/HASH.json`, a record of each model, and
 * `ingot-models/blobs/HASH`, the files of all of them by their hash. Beside a blob that is not whole lie `HASH.part` and `HASH.pieces`.
 */

export interface CacheFolder {
  readonly models: FileSystemDirectoryHandle;
  readonly blobs: FileSystemDirectoryHandle;
}

const ROOT = 'ingot-models';

/** The folder, or why there is none. */
export async function openCacheFolder(): Promise<CacheFolder | { readonly problem: string }> {
  const { storage } = navigator as { readonly storage?: StorageManager | undefined };
  if (storage?.getDirectory === undefined)
    return {
      problem:
        globalThis.isSecureContext === false
          ? 'a page has a private file system over https, or from localhost, only'
          : 'this browser has no private file system',
    };
  try {
    const root = await (await storage.getDirectory()).getDirectoryHandle(ROOT, { create: true });
    const [models, blobs] = await Promise.all(['models', 'blobs'].map((name) => root.getDirectoryHandle(name, { create: true })));
    return { models: models!, blobs: blobs! };
  } catch (error) {
    return { problem: `the browser gives no private file system (${error instanceof Error ? error.message : String(error)})` };
  }
}

export async function namesIn(directory: FileSystemDirectoryHandle): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const name of (directory as unknown as { keys(): AsyncIterable<string> }).keys()) names.push(name);
  return names;
}

/** Undefined where there is none. */
export async function fileIn(directory: FileSystemDirectoryHandle, name: string): Promise<File | undefined> {
  const handle = await directory.getFileHandle(name).catch(absent);
  return handle?.getFile().catch(absent);
}

export async function removeFrom(directory: FileSystemDirectoryHandle, name: string): Promise<void> {
  await directory.removeEntry(name).catch(absent);
}

function absent(error: unknown): undefined {
  if (error instanceof DOMException && error.name === 'NotFoundError') return undefined;
  throw error;
}

/** All of it or nothing, where the browser can write so. */
export async function writeJson(directory: FileSystemDirectoryHandle, name: string, value: unknown): Promise<void> {
  const handle = await directory.getFileHandle(name, { create: true });
  const text = JSON.stringify(value);
  if ('createWritable' in handle) {
    const writable = await handle.createWritable();
    await writable.write(text);
    return writable.close();
  }
  // Older Safari, in a worker. Half a record is none: it is written anew.
  const access = await (handle as SyncHandle).createSyncAccessHandle();
  access.truncate(0);
  access.write(new TextEncoder().encode(text), { at: 0 });
  access.close();
}

/** What TypeScript's library of the DOM leaves to workers, and what it has not. */
export interface SyncHandle {
  createSyncAccessHandle(): Promise<SyncAccess>;
  move(name: string): Promise<void>;
}

export interface SyncAccess {
  read(into: Uint8Array, options: { readonly at: number }): number;
  write(bytes: Uint8Array, options: { readonly at: number }): number;
  truncate(sizeBytes: number): void;
  getSize(): number;
  close(): void;
}

export async function syncHandle(directory: FileSystemDirectoryHandle, name: string): Promise<SyncHandle> {
  return (await directory.getFileHandle(name, { create: true })) as unknown as SyncHandle;
}
