/**
 * Files of URLs in the hub's cache. A folder of URLs is laid out as a repository of the hub is, under an owner that the hub has not, so
 * that Python's tools list and remove it: `models--_url--HASH/{url.json, entries/FILE.json, blobs/HASH, snapshots/HASH/FILE}`.
 */
import { createHash } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { UrlEntry } from '../../files/hub/url-folder.ts';
import { ifFileLockFree } from '../file-lock.ts';
import { linkFile, linkTarget, repositoryFolder } from './cache-layout.ts';
import { blobLock, blobOfName, removeBlob } from './file-blob-place.ts';

/** Where the files of one folder of URLs are kept. */
export interface UrlPlace {
  /** Without query, which may hold a secret. Ends with a slash. */
  readonly url: string;
  readonly repository: string;
  /** Of the cache. */
  readonly folder: string;
  readonly snapshot: string;
}

const OWNER = '_url';

/** @param url of the folder; its query is a part of what it is known by */
export function urlPlace(cacheFolder: string, url: URL): UrlPlace {
  const key = createHash('sha256').update(`${url.origin}${url.pathname}${url.search}`).digest('hex');
  const repository = `${OWNER}/${key.slice(0, 16)}`;
  const folder = repositoryFolder(cacheFolder, repository);
  return { url: url.origin + url.pathname, repository, folder, snapshot: join(folder, 'snapshots', key.slice(0, 40)) };
}

/** The folder that a repository of the cache stands for; undefined for one of the hub. */
export async function urlOfRepository(cacheFolder: string, repository: string): Promise<string | undefined> {
  if (!repository.startsWith(`${OWNER}/`)) return undefined;
  const text = await readFile(join(repositoryFolder(cacheFolder, repository), 'url.json'), 'utf8').catch(() => '');
  const url = (parsed(text) as { readonly url?: unknown } | undefined)?.url;
  return typeof url === 'string' ? url : undefined;
}

/** An entry names its blob, so that what is known and the bytes are of one file wherever a process ends. */
type StoredEntry = UrlEntry & { readonly blob: string };

/** What is known of a file whose bytes are there, and where they are; undefined else. */
export async function readUrlEntry(
  { folder, snapshot }: UrlPlace, fileName: string,
): Promise<{ readonly entry: UrlEntry; readonly path: string } | undefined> {
  const text = await readFile(entryPath(folder, fileName), 'utf8').catch(() => '');
  const { blob, ...entry } = (parsed(text) ?? {}) as StoredEntry;
  if (blob === undefined) return undefined;
  // Where links cannot be made, the bytes have moved to their name.
  for (const path of [join(folder, 'blobs', blob), join(snapshot, fileName)]) {
    const found = await lstat(path).catch(() => undefined);
    if (found?.isFile()) return found.size === entry.sizeBytes ? { entry, path } : undefined;
  }
  return undefined;
}

/** Makes a blob the file: first by its entry, which is what is read here, then by its name, for others. The caller has the blob's lock. */
export async function keepUrlFile(place: UrlPlace, fileName: string, blobPath: string, entry: UrlEntry): Promise<void> {
  await writeWhole(join(place.folder, 'url.json'), { url: place.url });
  await writeWhole(entryPath(place.folder, fileName), { ...entry, blob: basename(blobPath) } satisfies StoredEntry);
  await linkFile(join(place.snapshot, fileName), blobPath);
}

/** Gives a file its name where a process ended before it did. */
export async function nameUrlFile(place: UrlPlace, fileName: string, path: string): Promise<void> {
  const link = join(place.snapshot, fileName);
  if (path === link || (await linkTarget(link)) === path) return;
  const isNow = async () => (await readUrlEntry(place, fileName))?.path === path;
  // By an earlier entry its blob is somebody's to remove, who passes by one whose lock is taken.
  if (!(await isNow())) return;
  // A cache that cannot be written to is read as it is.
  await ifFileLockFree(blobLock(path), async () => ((await isNow()) ? linkFile(link, path) : undefined)).catch(() => undefined);
}

/** Where the bytes of a file with these facts come to. Of other facts the name is another, so that parts of two files never meet. */
export function urlBlobPath({ folder }: UrlPlace, fileName: string, facts: object): string {
  return join(folder, 'blobs', `${blobStart(fileName)}${hashOf(JSON.stringify(facts)).slice(0, 40)}`);
}

/**
 * Removes the earlier blobs of a file, and parts of them, each under its lock. What another process is fetching stays, and so does the blob
 * that the file has by now, which may be another one than `blobPath`: that of who calls this, and has its lock.
 */
export async function removeOldBlobs(place: UrlPlace, fileName: string, blobPath: string): Promise<void> {
  const blobs = join(place.folder, 'blobs');
  const names = (await readdir(blobs).catch(() => [])).filter((name) => name.startsWith(blobStart(fileName)));
  for (const name of new Set(names.map(blobOfName))) {
    const path = join(blobs, name);
    if (path === blobPath) continue;
    await ifFileLockFree(blobLock(path), async () =>
      removeBlob(path, { keepsWhole: (await readUrlEntry(place, fileName))?.path === path }),
    );
  }
}

/** What all blobs of a file begin with. */
function blobStart(fileName: string): string {
  return hashOf(fileName).slice(0, 24);
}

function entryPath(folder: string, fileName: string): string {
  return join(folder, 'entries', `${encodeURIComponent(fileName)}.json`);
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

async function writeWhole(path: string, value: unknown): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}-${Math.random().toString(36).slice(2)}`;
  await writeFile(temporary, JSON.stringify(value));
  await rename(temporary, path);
}
