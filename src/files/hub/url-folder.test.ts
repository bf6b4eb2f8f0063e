/** In what order a file of a URL is locked, fetched, hashed, kept and opened. */
import { createHash } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { memorySource } from '../memory-source.ts';
import type { BlobPlace } from './blob-place.ts';
import { urlFolderIn } from './url-folder.ts';
import type { UrlEntry, UrlStore } from './url-folder.ts';

const served = new Uint8Array(1000).fill(7);
const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

let steps: string[];
let part: Uint8Array | undefined;
let whole: Uint8Array | undefined;
let kept: UrlEntry | undefined;
/** What another tab or process does before it lets the place go. */
let otherDoes: () => void;

const place: BlobPlace = {
  async exclusively(_, work) {
    otherDoes();
    steps.push('lock');
    try {
      return await work();
    } finally {
      steps.push('free');
    }
  },
  wholeBytes: async () => whole?.length,
  partBytes: async () => part?.length,
  async openPart() {
    const bytes = (part ??= new Uint8Array(served.length));
    return {
      readPieces: async () => new Set(),
      notePieces: async () => {},
      write: async (from, at) => bytes.set(from, at),
      clear: async () => {},
      close: async () => {},
    };
  },
  async hash(which) {
    steps.push('hash');
    return hashOf((which === 'part' ? part : whole)!);
  },
  async finish() {
    steps.push('finish');
    [whole, part] = [part, undefined];
  },
  discard: async () => void (part = undefined),
};

const store: UrlStore = {
  url: 'https://files.test/',
  offline: undefined,
  copyRemark: '.',
  entry: async () => kept,
  async openFile(fileName) {
    steps.push('open');
    return kept && memorySource(whole!, fileName);
  },
  placeFor: async () => place,
  prepare: async () => void steps.push('prepare'),
  async keep(_, __, entry) {
    steps.push('keep');
    kept = entry;
  },
  openFetch: async () => Object.assign(() => Promise.reject(new Error('not asked')), { close: async () => {} }),
};

async function answer(_: unknown, init?: { readonly headers?: unknown }): Promise<Response> {
  const [, start, end] = /^bytes=(\d+)-(\d*)$/.exec(new Headers(init?.headers as HeadersInit).get('range') ?? '')!;
  const [from, last] = [Number(start), Math.min(end ? Number(end) : Infinity, served.length - 1)];
  const headers = { 'content-range': `bytes ${from}-${last}/${served.length}`, 'content-length': String(last + 1 - from), etag: '"7"' };
  return new Response(served.slice(from, last + 1), { status: 206, headers });
}

const open = () => urlFolderIn(store, new URL(store.url), { reads: 'all', fetch: answer }).open('m.gguf');

beforeEach(() => {
  [steps, part, whole, kept, otherDoes] = [[], undefined, undefined, undefined, () => {}];
});

test('one lock is held from the first byte until the file is open', async () => {
  expect((await open())!.sizeBytes).toBe(served.length);
  expect(steps).toEqual(['lock', 'prepare', 'finish', 'hash', 'keep', 'open', 'free']);
});

test('what another one has kept by the time that its lock is free is not fetched again', async () => {
  otherDoes = () => {
    kept = { sizeBytes: served.length, etag: '"7"', lastModified: null, sha256: hashOf(served), fetched: '2026-01-01T00:00:00.000Z' };
    whole = served;
  };
  expect((await open())!.sizeBytes).toBe(served.length);
  expect(steps).toEqual(['lock', 'open', 'free']);
});

test('a copy that goes before it is opened is fetched', async () => {
  kept = { sizeBytes: served.length, etag: '"7"', lastModified: null, sha256: hashOf(served), fetched: '2026-01-01T00:00:00.000Z' };
  const removed: UrlStore = {
    ...store,
    async openFile(fileName) {
      if (whole !== undefined) return store.openFile(fileName);
      kept = undefined;
      return undefined;
    },
  };
  const source = await urlFolderIn(removed, new URL(store.url), { reads: 'all', fetch: answer }).open('m.gguf');
  expect(source!.sizeBytes).toBe(served.length);
  expect(steps).toContain('keep');
});

test('one that is removed as soon as it is there is told so', async () => {
  const removing: UrlStore = { ...store, openFile: async () => undefined };
  const opening = urlFolderIn(removing, new URL(store.url), { reads: 'all', fetch: answer }).open('m.gguf');
  await expect(opening).rejects.toThrow('https://files.test/m.gguf: it was removed from the cache as soon as it was there.');
  expect(steps.at(-1)).toBe('free');
});
