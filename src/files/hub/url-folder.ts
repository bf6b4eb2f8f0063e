/** Models by URL: a folder of URLs whose files are in a cache, fetched there where they are not or have changed. */
import type { ByteSource, OpenOptions, SourceFolder } from '../../tensor/byte-source.ts';
import { CapacityError, FormatError } from '../../tensor/errors.ts';
import type { OnProgress } from '../../tensor/progress.ts';
import type { AbsentFile, FileFacts } from '../file-facts.ts';
import { FileChanged, RangesRefused } from '../http-answer.ts';
import { checkHttpFile } from '../http-check.ts';
import type { HttpOptions } from '../http-options.ts';
import { openHttpFile } from '../http-source.ts';
import { checkFileNameBelow } from '../read-range.ts';
import { missingBytes } from './blob-place.ts';
import type { BlobPlace, LockOptions } from './blob-place.ts';
import { downloadBlob } from './download-blob.ts';
import type { BlobFile } from './download-blob.ts';
import type { HubFetch } from './hub-access.ts';

/** What is known of a file that was fetched. */
export interface UrlEntry extends FileFacts {
  readonly sha256: string;
  /** ISO 8601. */
  readonly fetched: string;
}

/** Where the files of one folder of URLs are kept. */
export interface UrlStore {
  /** Of the folder, without query, which may hold a secret. Ends with a slash. */
  readonly url: string;
  /** Why the web is not asked, where it is not: `HF_HUB_OFFLINE is set`. */
  readonly offline: string | undefined;
  /** Ends the sentence that a copy is used where its server cannot be asked. */
  readonly copyRemark: string;
  /** Of a file whose bytes are there; undefined else. */
  entry(fileName: string): Promise<UrlEntry | undefined>;
  /** Undefined where it was removed since its entry was read. */
  openFile(fileName: string): Promise<ByteSource | undefined>;
  /** Where the bytes of a file with these facts come to. Of other facts it is another place, so that parts of two files never meet. */
  placeFor(fileName: string, facts: object): Promise<BlobPlace>;
  /**
   * There is room for what is to come to a place, and the cache knows of it. Called by who has the place.
   * @throws CapacityError where there is none
   */
  prepare(fileName: string, place: BlobPlace, bytes: { readonly sizeBytes: number; readonly missingBytes: number }): Promise<void>;
  /** The bytes of a place become the file, and what it was before goes. Called by who has the place; the options are for other locks. */
  keep(fileName: string, place: BlobPlace, entry: UrlEntry, options: LockOptions): Promise<void>;
  openFetch(): Promise<HubFetch>;
}

export interface UrlFolderOptions extends HttpOptions {
  readonly onProgress?: OnProgress | undefined;
  /**
   * `all`: a file that is not in the cache is downloaded before it is read. `headers`: it is read by ranges and not kept; where the server
   * gives none, it is downloaded all the same.
   */
  readonly reads: 'all' | 'headers';
  /** The SHA-256 that a file has to have: then it is asked for once and never again. */
  readonly sha256?: { readonly fileName: string; readonly hex: string } | undefined;
}

interface UrlFolder {
  readonly store: UrlStore;
  readonly options: UrlFolderOptions;
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
  /** What the cache had when it was asked for. */
  readonly known: UrlEntry | undefined;
}

/** A file that changes while it comes is begun anew once. */
const TRIES = 2;
/** Who has a copy does not wait long for a server that may be gone. */
const CHECK = { attempts: 1, idleTimeoutMs: 10_000 };

/** The folder of a URL: without fragment, and with a slash at its end. */
export function folderUrlOf(url: URL): URL {
  const base = new URL(url);
  base.hash = '';
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  return base;
}

/** The files below a URL, whose query is sent with each of them. */
export function urlFolderIn(store: UrlStore, folderUrl: URL, options: UrlFolderOptions): SourceFolder {
  const base = folderUrlOf(folderUrl);
  const state = { loaded: 0, total: 0, last: Promise.resolve() as Promise<unknown> };
  const folder: UrlFolder = {
    store,
    options,
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
  const { store, options } = folder;
  checkFileNameBelow(fileName, store.url);
  const entry = await store.entry(fileName);
  const wanted = wantedHash(options, fileName);
  const isEnough = entry !== undefined && (wanted === entry.sha256 || store.offline !== undefined);
  const there = isEnough ? await store.openFile(fileName) : undefined;
  if (there !== undefined) return there;
  if (store.offline !== undefined) {
    open.onAbsent?.(`${store.url}${fileName}: it is not in the cache, and ${store.offline}`);
    return undefined;
  }
  const web = await store.openFetch();
  const signal = open.signal ?? options.signal;
  const http: HttpOptions = { ...options, fetch: options.fetch ?? ((url, init) => web(url as URL, init)), signal };
  const asking: Asking = { fileName, url: folder.urlOf(fileName), http, signal, known: entry };
  let isLeftOpen = false;
  try {
    // Of a hash that is asked for, a copy with another one is none.
    const copy = entry === undefined || wanted !== undefined ? 'changed' : await checkCopy(folder, asking, entry);
    const kept = copy === 'same' ? await store.openFile(fileName) : undefined;
    if (kept !== undefined) return kept;
    const found = typeof copy === 'string' ? await lookAt(asking) : copy;
    if ('reason' in found) {
      open.onAbsent?.(`${store.url}${fileName}: ${found.reason}`);
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

/** Whether the copy in the cache is what the server has. One that cannot be asked leaves the copy as it is, which is said. */
async function checkCopy(
  folder: UrlFolder, { url, http, signal }: Asking, entry: UrlEntry,
): Promise<'same' | 'changed' | AbsentFile> {
  try {
    return await checkHttpFile(url, { ...http, ...CHECK }, entry);
  } catch (error) {
    signal?.throwIfAborted();
    const copy = `The copy of ${entry.fetched.slice(0, 10)} is used${folder.store.copyRemark}`;
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
  const { report } = folder;
  const { fileName } = asking;
  let found = first;
  for (let attempt = 1; ; attempt++) {
    try {
      return await fetchOne(folder, asking, found.facts);
    } catch (error) {
      if (!(error instanceof FileChanged) || attempt === TRIES) throw error;
      report({ note: `${fileName}: it changed on the server while it was downloaded; beginning anew` });
      const again = await lookAt(asking);
      if ('reason' in again) throw error;
      found = again;
    }
  }
}

type Facts = RangesRefused['facts'];

/** One lock is held from the look at what is there until the file is open: nobody removes in between what has come. */
async function fetchOne(folder: UrlFolder, asking: Asking, facts: Facts): Promise<ByteSource> {
  const { store, report } = folder;
  const { fileName, signal } = asking;
  const place = await store.placeFor(fileName, facts);
  const options: LockOptions = { signal, onWait: (note) => report({ note: `${fileName}: ${note}` }) };
  return place.exclusively(options, async () => {
    const kept = await keptSince(folder, asking, facts);
    if (kept !== undefined) return kept;
    const bytes = await fetchBlob(folder, { ...asking, place, facts });
    const { etag, lastModified } = facts;
    await store.keep(fileName, place, { ...bytes, etag, lastModified, fetched: new Date().toISOString() }, options);
    const source = await store.openFile(fileName);
    if (source === undefined)
      throw new CapacityError(`${store.url}${fileName}: it was removed from the cache as soon as it was there. Load it again.`);
    return source;
  });
}

/** The same file, where somebody else has fetched it since the cache was asked for it. */
async function keptSince({ store, options }: UrlFolder, { fileName, known }: Asking, facts: Facts): Promise<ByteSource | undefined> {
  const entry = await store.entry(fileName);
  if (entry === undefined || entry.fetched === known?.fetched) return undefined;
  const isSame = entry.etag === facts.etag && entry.lastModified === facts.lastModified;
  const wanted = wantedHash(options, fileName);
  if (!isSame || entry.sizeBytes !== (facts.sizeBytes ?? entry.sizeBytes) || entry.sha256 !== (wanted ?? entry.sha256)) return undefined;
  return store.openFile(fileName);
}

type Fetching = Asking & { readonly place: BlobPlace; readonly facts: Facts };

async function fetchBlob(folder: UrlFolder, { fileName, url, http, signal, place, facts }: Fetching) {
  const { store, options, report } = folder;
  const { sizeBytes, etag, lastModified } = facts;
  const isAnew = etag === null && lastModified === null;
  const missing = sizeBytes === undefined ? 1 : isAnew ? sizeBytes : await missingBytes(place, sizeBytes);
  await store.prepare(fileName, place, { sizeBytes: sizeBytes ?? 0, missingBytes: missing });
  const file: BlobFile = {
    name: fileName,
    sizeBytes,
    facts: sizeBytes === undefined ? undefined : { sizeBytes, etag, lastModified },
    blob: wantedHash(options, fileName),
    isAnew,
  };
  let loaded = 0;
  const onBytes = (bytes: number) => {
    loaded += bytes;
    report({ loaded: bytes });
  };
  report({ total: sizeBytes ?? 0 });
  let how: Awaited<ReturnType<typeof downloadBlob>>;
  try {
    how = await downloadBlob({ url, file, place, signal, http, onBytes, onNote: (note) => report({ note }) });
  } catch (error) {
    report({ loaded: -loaded, total: -(sizeBytes ?? 0) });
    throw error;
  }
  // Of a copy that is there already nobody knows that it has the hash that is asked for now.
  const sha256 = how === 'came' && file.blob !== undefined ? file.blob : await place.hash('whole', { hash: 'sha256', signal });
  if (file.blob !== undefined && sha256 !== file.blob)
    throw new FormatError(
      `${store.url}${fileName}: the copy in the cache, which the server has not changed, has the SHA-256 ${sha256}, ` +
        `expected ${file.blob}. Check the hash in the URL; the copy stays.`,
    );
  return { sizeBytes: (await place.wholeBytes())!, sha256 };
}
