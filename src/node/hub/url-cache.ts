/**
 * Files of URLs in the hub's cache. A folder of URLs is laid out as a repository of the hub is, under an owner that the hub has not, so
 * that Python's tools list and remove it: `models--_url--HASH/{url.json, entries/FILE.json, blobs/HASH, snapshots/HASH/FILE}`.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, readlink, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { UrlEntry } from '../../files/hub/url-folder.ts';
import { ifFileLockFree } from '../file-lock.ts';
import { repositoryFolder } from './cache-layout.ts';
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

/** What is known of a file whose bytes are there; undefined else. */
export async function readUrlEntry({ folder, snapshot }: UrlPlace, fileName: string): Promise<UrlEntry | undefined> {
  const [text, found] = await Promise.all([
    readFile(entryPath(folder, fileName), 'utf8').catch(() => ''),
    stat(join(snapshot, fileName)).catch(() => undefined),
  ]);
  const entry = parsed(text) as UrlEntry | undefined;
  return entry !== undefined && found?.size === entry.sizeBytes ? entry : undefined;
}

export async function writeUrlEntry({ folder, url }: UrlPlace, fileName: string, entry: UrlEntry): Promise<void> {
  await writeWhole(join(folder, 'url.json'), { url });
  await writeWhole(entryPath(folder, fileName), entry);
}

/** Where the bytes of a file with these facts come to. Of other facts the name is another, so that parts of two files never meet. */
export function urlBlobPath({ folder }: UrlPlace, fileName: string, facts: object): string {
  return join(folder, 'blobs', `${blobStart(fileName)}${hashOf(JSON.stringify(facts)).slice(0, 40)}`);
}

/**
 * Removes the earlier blobs of a file, and parts of them, each under its lock. What another process is fetching stays, and so does the blob
 * that the file has by now, which may be another one than `blobPath`: that of who calls this, and has its lock.
 */
export async function removeOldBlobs({ folder, snapshot }: UrlPlace, fileName: string, blobPath: string): Promise<void> {
  const blobs = join(folder, 'blobs');
  const names = (await readdir(blobs).catch(() => [])).filter((name) => name.startsWith(blobStart(fileName)));
  for (const name of new Set(names.map(blobOfName))) {
    const path = join(blobs, name);
    if (path !== blobPath) await ifFileLockFree(blobLock(path), () => removeUnlessNamed(path, join(snapshot, fileName)));
  }
}

async function removeUnlessNamed(blobPath: string, linkPath: string): Promise<void> {
  const named = await readlink(linkPath).catch(() => undefined);
  const isNamed = named !== undefined && resolve(dirname(linkPath), named) === blobPath;
  await removeBlob(blobPath, { keepsWhole: isNamed });
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
