import { createHash } from 'node:crypto';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { fakeStorage } from '../../../test/browser/fake-storage.ts';
import type { FakeStorage } from '../../../test/browser/fake-storage.ts';
import { namesIn, openCacheFolder } from './cache-folder.ts';
import type { CacheFolder } from './cache-folder.ts';
import { openModelCache } from './model-cache.ts';
import { blobLock } from './opfs-blob-place.ts';
import { locateUrlModel } from './url-model.ts';
import type { UrlModelOptions } from './url-model.ts';

const PIECE = 8 * 1024 * 1024;
const SPARE = 16e6;
const URL_OF_MODEL = 'https://files.test/models/m.gguf';
const first = new Uint8Array(PIECE + 5).fill(1);
const second = new Uint8Array(PIECE + 9).fill(2);
const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

let storage: FakeStorage;
let folder: CacheFolder;
let served: Uint8Array;
/** From this byte on the server hangs up. */
let breaksAt = Infinity;

/** Asked for, by their first byte. */
let asked: number[];

async function answer(_url: URL, init: RequestInit): Promise<Response> {
  const headers = new Headers(init.headers);
  const etag = `"${served[0]}"`;
  if (headers.get('if-none-match') === etag) return new Response(null, { status: 304 });
  const [, start, end] = /^bytes=(\d+)-(\d*)$/.exec(headers.get('range') ?? '') ?? [];
  const [from, last] = [Number(start), Math.min(end ? Number(end) : Infinity, served.length - 1)];
  asked.push(from);
  if (from >= breaksAt) throw new TypeError('the connection is gone');
  const part = served.slice(from, last + 1);
  return new Response(part, {
    status: 206,
    headers: { 'content-range': `bytes ${from}-${last}/${served.length}`, 'content-length': String(part.length), etag },
  });
}

async function read(options: Partial<UrlModelOptions> = {}): Promise<number> {
  const { folder: files, fileName } = locateUrlModel(
    { id: URL_OF_MODEL, base: new URL('.', URL_OF_MODEL), fileName: 'm.gguf' },
    { folder, hub: { endpoint: 'https://huggingface.co', token: undefined }, wait: async () => {}, attempts: 1, ...options },
  );
  const source = (await files.open(fileName!))!;
  const bytes = new Uint8Array(1);
  await source.read(source.sizeBytes - 1, bytes);
  return bytes[0]!;
}

const listed = async () => (await (await openModelCache()).list()).map(({ sizeBytes, isWhole }) => [sizeBytes, isWhole]);

beforeEach(async () => {
  [served, breaksAt, asked] = [first, Infinity, []];
  storage = fakeStorage();
  vi.stubGlobal('navigator', storage.navigator);
  vi.stubGlobal('fetch', answer);
  folder = (await openCacheFolder()) as CacheFolder;
});
afterEach(() => vi.unstubAllGlobals());

test('an update that is broken off leaves the copy; when it is there the old one goes', async () => {
  expect(await read()).toBe(1);
  expect(await namesIn(folder.blobs)).toEqual([hashOf(first)]);
  [served, breaksAt] = [second, PIECE];
  await expect(read()).rejects.toThrow('the connection');
  expect(await namesIn(folder.blobs)).toContain(hashOf(first));
  expect(await listed()).toEqual([[first.length, true]]);
  breaksAt = 0;
  // The server cannot be asked: the copy is used.
  expect(await read()).toBe(1);
  breaksAt = Infinity;
  expect(await read()).toBe(2);
  expect(await namesIn(folder.blobs)).toEqual([hashOf(second)]);
  expect(await listed()).toEqual([[second.length, true]]);
});

test('what came of a broken download takes no room again', async () => {
  breaksAt = PIECE;
  await expect(read()).rejects.toThrow('the connection');
  expect(await listed()).toEqual([[first.length, false]]);
  breaksAt = Infinity;
  storage.quota = storage.usedBytes() + SPARE + 1000;
  expect(await read()).toBe(1);
  expect(await listed()).toEqual([[first.length, true]]);
});

test('of two tabs that want one file one fetches it, and the other waits, which is said, and finds it', async () => {
  const notes: string[] = [];
  const onProgress: UrlModelOptions['onProgress'] = ({ note }) => void (note !== undefined && notes.push(note));
  expect(await Promise.all([read({ onProgress }), read({ onProgress })])).toEqual([1, 1]);
  expect(notes).toEqual(['m.gguf: another tab is at it: waiting']);
  expect(asked.filter((from) => from === PIECE)).toHaveLength(1);
  expect(await namesIn(folder.blobs)).toEqual([hashOf(first)]);
  expect(await listed()).toEqual([[first.length, true]]);
});

test('who waits for another tab that fetches the same bytes says so, and stops when it is asked to', async () => {
  storage.held.add(blobLock(hashOf(first)));
  const stop = new AbortController();
  const notes: string[] = [];
  const onProgress: UrlModelOptions['onProgress'] = ({ note }) => {
    if (note === undefined) return;
    notes.push(note);
    stop.abort(new Error('stopped'));
  };
  await expect(read({ signal: stop.signal, onProgress })).rejects.toThrow('stopped');
  expect(notes).toEqual(['m.gguf: another tab is at it: waiting']);
  // All of it has come, and is not asked for again.
  storage.held.clear();
  asked = [];
  expect(await read()).toBe(1);
  expect(asked).not.toContain(PIECE);
});
