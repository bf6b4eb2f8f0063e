import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { fakeStorage } from '../../../test/browser/fake-storage.ts';
import type { FakeStorage } from '../../../test/browser/fake-storage.ts';
import { namesIn, openCacheFolder, syncHandle } from './cache-folder.ts';
import type { CacheFolder } from './cache-folder.ts';
import { makeRoom } from './make-room.ts';
import { changeRecord, modelLock, readRecords } from './model-records.ts';

const SPARE = 16e6;
let storage: FakeStorage;
let folder: CacheFolder;
let notes: string[];

async function addBlob(name: string, sizeBytes: number): Promise<void> {
  const access = await (await syncHandle(folder.blobs, name)).createSyncAccessHandle();
  access.write(new Uint8Array(sizeBytes), { at: 0 });
}

async function addModel(id: string, sizes: Readonly<Record<string, number>>, lastUsedMs: number): Promise<void> {
  const files = Object.entries(sizes).map(([blob, sizeBytes]) => ({ name: blob, blob, sizeBytes }));
  for (const { blob, sizeBytes } of files) await addBlob(blob, sizeBytes);
  await changeRecord(folder, id, () => ({ id, files, lastUsedMs }));
}

const room = (missingBytes: number, id = 'o/new') => makeRoom(folder, { name: id, id, missingBytes, onNote: (note) => notes.push(note) });
const ids = async () => (await readRecords(folder)).map(({ id }) => id);
/** Leaves so many bytes for a model, beside what a file system wants. */
const leave = (bytes: number) => void (storage.quota = storage.usedBytes() + SPARE + bytes);

beforeEach(async () => {
  storage = fakeStorage();
  vi.stubGlobal('navigator', storage.navigator);
  folder = (await openCacheFolder()) as CacheFolder;
  notes = [];
  await addModel('o/old', { old: 50_000, shared: 30_000 }, 1);
  await addModel('o/late', { late: 50_000, shared: 30_000 }, 2);
});
afterEach(() => vi.unstubAllGlobals());

test('nothing goes where there is room, and none is asked for where nothing is missing', async () => {
  leave(10_000);
  await room(10_000);
  storage.quota = 0;
  await room(0);
  expect(await ids()).toEqual(['o/old', 'o/late']);
});

test('the longest unused goes first, and no more than has to; what another model names stays', async () => {
  leave(0);
  await room(45_000);
  expect(await ids()).toEqual(['o/late']);
  expect((await namesIn(folder.blobs)).toSorted()).toEqual(['late', 'shared']);
  expect(notes).toEqual([expect.stringMatching(/^o\/old was removed from the cache \(50/)]);
});

test('what no model names goes before any model', async () => {
  await addBlob('left.part', 40_000);
  leave(0);
  await room(40_000);
  expect(await ids()).toEqual(['o/old', 'o/late']);
  expect(await namesIn(folder.blobs)).not.toContain('left.part');
});

test('where all of them together are too little, none goes', async () => {
  leave(0);
  await expect(room(135_000)).rejects.toThrow(/^o\/new still takes .*the other models in the cache take 1\d\d.*not enough/);
  expect(await ids()).toEqual(['o/old', 'o/late']);
  await room(129_000);
  expect(await ids()).toEqual([]);
});

test('a model that a tab is using does not count, nor does the one that comes', async () => {
  storage.held.add(modelLock('o/old'));
  leave(0);
  await expect(room(60_000)).rejects.toMatchObject({ name: 'CapacityError' });
  await expect(room(45_000, 'o/late')).rejects.toMatchObject({ name: 'CapacityError' });
  expect(await ids()).toEqual(['o/old', 'o/late']);
  await room(45_000);
  expect(await ids()).toEqual(['o/old']);
});

test('a browser that does not say how much it gives is not asked twice', async () => {
  vi.stubGlobal('navigator', { ...storage.navigator, storage: { estimate: async () => ({}) } });
  await room(1e15);
  expect(await ids()).toEqual(['o/old', 'o/late']);
});
