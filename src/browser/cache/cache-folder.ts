/**
 * The cache of models in the page's private file system (OPFS): `ingot-models/models/HASH.json`, a record of each model, and
 * `ingot-models/blobs/HASH`, the files of all of them by their hash. Beside a blob that is not whole lie `HASH.part` and `HASH.pieces`.
 */

import { CapacityError } from '../../tensor/errors.ts';

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

/** Whether the disk, or the page's share of it, is full. */
export function isOutOfRoom(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'QuotaExceededError';
}

export function outOfRoom(cause?: unknown): CapacityError {
  return new CapacityError(
    'The browser gives no more room for models. Remove some from the cache, or free space on the disk; what came stays.', { cause },
  );
}

/** All of it or nothing, where the browser can write so. @throws CapacityError where there is no room for it */
export async function writeJson(directory: FileSystemDirectoryHandle, name: string, value: unknown): Promise<void> {
  try {
    await writeText(directory, name, JSON.stringify(value));
  } catch (error) {
    throw isOutOfRoom(error) ? outOfRoom(error) : error;
  }
}

async function writeText(directory: FileSystemDirectoryHandle, name: string, text: string): Promise<void> {
  const handle = await directory.getFileHandle(name, { create: true });
  if ('createWritable' in handle) {
    const writable = await handle.createWritable();
    await writable.write(text);
    return writable.close();
  }
  // Older Safari, in a worker. Half a record is none: it is written anew.
  const access = await (handle as SyncHandle).createSyncAccessHandle();
  try {
    const bytes = new TextEncoder().encode(text);
    const written = access.write(bytes, { at: 0 });
    if (written !== bytes.length) throw outOfRoom(new Error(`${name}: ${written} of ${bytes.length} bytes were written`));
    access.truncate(bytes.length);
  } finally {
    access.close();
  }
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
