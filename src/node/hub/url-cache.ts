/**
 * Files of URLs in the hub's cache. A folder of URLs is laid out as a repository of the hub is, under an owner that the hub has not, so
 * that Python's tools list and remove it: `models--_url--HASH/{url.json, entries/FILE.json, blobs/HASH, snapshots/HASH/FILE}`.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { UrlEntry } from '../../files/hub/url-folder.ts';
import { repositoryFolder } from './cache-layout.ts';

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

/**
 * Where the bytes of a file with these facts come to. Of other facts the name is another, so that parts of two files never meet.
 * @param options.hasMarks the server names an ETag or a date: without them nothing tells that what came before is of the same file
 */
export async function urlBlobPath(
  { folder }: UrlPlace, fileName: string, facts: object, { hasMarks }: { readonly hasMarks: boolean },
): Promise<string> {
  const path = join(folder, 'blobs', `${blobStart(fileName)}${hashOf(JSON.stringify(facts)).slice(0, 40)}`);
  if (!hasMarks) await removeBlobs(folder, (name) => name.startsWith(basename(path)));
  return path;
}

/** Takes away what is there of a file beside its blob: earlier ones, and parts of them. */
export async function removeOldBlobs({ folder }: UrlPlace, fileName: string, blobPath: string): Promise<void> {
  const start = blobStart(fileName);
  await removeBlobs(folder, (name) => name.startsWith(start) && !name.startsWith(basename(blobPath)));
}

async function removeBlobs(folder: string, isLeft: (name: string) => boolean): Promise<void> {
  const blobs = join(folder, 'blobs');
  for (const name of await readdir(blobs).catch(() => []))
    // Windows keeps what somebody reads.
    if (isLeft(name) && !name.endsWith('.ingot-lock')) await rm(join(blobs, name), { force: true }).catch(() => undefined);
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
