/** Models by URL: a folder of URLs whose files are in the hub's cache, fetched there where they are not or have changed. */
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FileChanged, RangesRefused } from '../../files/http-answer.ts';
import type { AbsentFile } from '../../files/file-facts.ts';
import { checkHttpFile } from '../../files/http-check.ts';
import type { HttpOptions } from '../../files/http-options.ts';
import { openHttpFile } from '../../files/http-source.ts';
import { checkFileNameBelow } from '../../files/read-range.ts';
import type { ByteSource, OpenOptions, SourceFolder } from '../../tensor/byte-source.ts';
import type { OnProgress } from '../../tensor/progress.ts';
import { fileSource } from '../file-source.ts';
import { linkFile } from './cache-layout.ts';
import { checkDisk } from './check-disk.ts';
import { downloadBlob, hashFile } from './download-blob.ts';
import type { BlobFile } from './download-blob.ts';
import { createHubFetch } from './hub-fetch.ts';
import { hubSettings } from './hub-settings.ts';
import type { Environment, HubSettings } from './hub-settings.ts';
import { readUrlEntry, urlBlobPath, urlPlace, writeUrlEntry } from './url-cache.ts';
import type { UrlEntry, UrlPlace } from './url-cache.ts';

export interface UrlFolderOptions extends HttpOptions {
  readonly onProgress?: OnProgress | undefined;
  /**
   * `all`: a file that is not in the cache is downloaded before it is read. `headers`: it is read by ranges and not kept; where the server
   * gives none, it is downloaded all the same.
   */
  readonly reads: 'all' | 'headers';
  /** The SHA-256 that a file has to have: then it is asked for once and never again. */
  readonly sha256?: { readonly fileName: string; readonly hex: string } | undefined;
  /** Default: this process's. */
  readonly environment?: Environment | undefined;
}

interface UrlFolder {
  readonly place: UrlPlace;
  readonly settings: HubSettings;
  readonly options: UrlFolderOptions;
  readonly environment: Environment;
  urlOf(fileName: string): URL;
  report(bytes: { readonly loaded?: number; readonly total?: number; readonly note?: string }): void;
  /** Runs downloads one after another: each has connections enough. */
  inTurn<Result>(work: () => Promise<Result>): Promise<Result>;
}

/** One file's request: its address, and how it is asked for. */
interface Asking {
  readonly fileName: string;
  readonly url: URL;
  readonly http: HttpOptions;
  readonly signal: AbortSignal | undefined;
}

/** A file that changes while it comes is begun anew once. */
const TRIES = 2;
/** Who has a copy does not wait long for a server that may be gone. */
const CHECK = { attempts: 1, idleTimeoutMs: 10_000 };

/** The files below a URL, whose query is sent with each of them. @throws InputError for what is no URL of the hub's settings */
export async function urlFolder(folderUrl: URL, options: UrlFolderOptions): Promise<SourceFolder> {
  const { environment = process.env } = options;
  const base = new URL(folderUrl);
  base.hash = '';
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  const settings = await hubSettings(environment);
  const state = { loaded: 0, total: 0, last: Promise.resolve() as Promise<unknown> };
  const folder: UrlFolder = {
    place: urlPlace(settings.cacheFolder, base),
    settings,
    options,
    environment,
    urlOf(fileName) {
      const url = new URL(fileName.split('/').map(encodeURIComponent).join('/'), base);
      url.search = base.search;
      return url;
    },
    report({ loaded = 0, total = 0, note }) {
      state.loaded += loaded;
      state.total += total;
      options.onProgress?.({ phase: 'download', loaded: state.loaded, total: Math.max(state.loaded, state.total), note });
    },
    inTurn(work) {
      const turn = state.last.then(work, work);
      state.last = turn.catch(() => undefined);
      return turn;
    },
  };
  return { name: folderUrl.origin + folderUrl.pathname, open: (fileName, open) => openFile(folder, fileName, open) };
}

async function openFile(folder: UrlFolder, fileName: string, open: OpenOptions = {}): Promise<ByteSource | undefined> {
  const { place, settings, options, environment } = folder;
  checkFileNameBelow(fileName, place.url);
  const entry = await readUrlEntry(place, fileName);
  const wanted = wantedHash(options, fileName);
  if (entry !== undefined && (wanted === entry.sha256 || settings.isOffline)) return cachedSource(place, fileName);
  if (settings.isOffline) {
    open.onAbsent?.(`${place.url}${fileName}: it is not in the cache, and HF_HUB_OFFLINE is set`);
    return undefined;
  }
  const web = await createHubFetch(settings, environment);
  const signal = open.signal ?? options.signal;
  const http: HttpOptions = { ...options, fetch: options.fetch ?? ((url, init) => web(url as URL, init)), signal };
  const asking: Asking = { fileName, url: folder.urlOf(fileName), http, signal };
  let isLeftOpen = false;
  try {
    // Of a hash that is asked for, a copy with another one is none.
    const copy = entry === undefined || wanted !== undefined ? 'changed' : await checkCopy(folder, asking, entry);
    if (copy === 'same') return await cachedSource(place, fileName);
    const found = copy === 'changed' ? await lookAt(asking) : copy;
    if ('reason' in found) {
      open.onAbsent?.(`${place.url}${fileName}: ${found.reason}`);
      return undefined;
    }
    if (options.reads === 'headers' && 'read' in found) {
      isLeftOpen = true;
      return { ...found, close: () => found.close().finally(() => web.close()) };
    }
    return await folder.inTurn(() => fetchFile(folder, asking, found));
  } finally {
    if (!isLeftOpen) await web.close();
  }
}

function wantedHash({ sha256 }: UrlFolderOptions, fileName: string): string | undefined {
  return sha256?.fileName === fileName ? sha256.hex : undefined;
}

async function cachedSource({ url, snapshot }: UrlPlace, fileName: string): Promise<ByteSource> {
  return { ...(await fileSource(join(snapshot, fileName))), name: url + fileName };
}

/** Whether the copy in the cache is what the server has. One that cannot be asked leaves the copy as it is, which is said. */
async function checkCopy(
  folder: UrlFolder, { url, http, signal }: Asking, entry: UrlEntry,
): Promise<'same' | 'changed' | AbsentFile> {
  try {
    return await checkHttpFile(url, { ...http, ...CHECK }, entry);
  } catch (error) {
    signal?.throwIfAborted();
    const copy = `The copy of ${entry.fetched.slice(0, 10)} is used (HF_HUB_OFFLINE=1 does not ask)`;
    folder.report({ note: `${(error as Error).message} ${copy}` });
    return 'same';
  }
}

/** A file as its server gives it: by ranges, or (what has no `read`) whole alone. */
type Found = Awaited<ReturnType<typeof openHttpFile>> | Pick<RangesRefused, 'facts'>;

async function lookAt({ url, http }: Asking): Promise<Found> {
  try {
    return await openHttpFile(url, http);
  } catch (error) {
    if (error instanceof RangesRefused) return { facts: error.facts };
    throw error;
  }
}

async function fetchFile(folder: UrlFolder, asking: Asking, first: Exclude<Found, AbsentFile>): Promise<ByteSource> {
  const { place, report } = folder;
  const { fileName } = asking;
  let found = first;
  for (let attempt = 1; ; attempt++) {
    try {
      await fetchBlob(folder, asking, found.facts);
      return await cachedSource(place, fileName);
    } catch (error) {
      if (!(error instanceof FileChanged) || attempt === TRIES) throw error;
      report({ note: `${fileName}: it changed on the server while it was downloaded; beginning anew` });
      const again = await lookAt(asking);
      if ('reason' in again) throw error;
      found = again;
    }
  }
}

async function fetchBlob(folder: UrlFolder, { fileName, url, http, signal }: Asking, facts: RangesRefused['facts']): Promise<void> {
  const { place, settings, options, report } = folder;
  const { sizeBytes, etag, lastModified } = facts;
  await checkDisk(settings.cacheFolder, { name: place.url + fileName, missingBytes: sizeBytes ?? 1 });
  const path = await urlBlobPath(place, fileName, facts, { hasMarks: etag !== null || lastModified !== null });
  const file: BlobFile = {
    name: fileName,
    sizeBytes,
    facts: sizeBytes === undefined ? undefined : { sizeBytes, etag, lastModified },
    blob: wantedHash(options, fileName),
  };
  let loaded = 0;
  const onBytes = (bytes: number) => {
    loaded += bytes;
    report({ loaded: bytes });
  };
  report({ total: sizeBytes ?? 0 });
  try {
    await downloadBlob({ url, file, path, signal, http, onBytes, onNote: (note) => report({ note }) });
  } catch (error) {
    report({ loaded: -loaded, total: -(sizeBytes ?? 0) });
    throw error;
  }
  const { size } = await stat(path);
  const sha256 = file.blob ?? (await hashFile(path, { hash: 'sha256', sizeBytes: size, signal }));
  const linked = join(place.snapshot, fileName);
  await rm(linked, { force: true });
  await linkFile(linked, path);
  await writeUrlEntry(place, fileName, { sizeBytes: size, etag, lastModified, sha256, fetched: new Date().toISOString() });
}
