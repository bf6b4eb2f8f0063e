/** A model of a URL in a browser's cache. */
import type { HttpOptions } from '../../files/http-options.ts';
import type { HubEndpoint } from '../../files/hub/hub-access.ts';
import { folderUrlOf, urlFolderIn } from '../../files/hub/url-folder.ts';
import type { UrlStore } from '../../files/hub/url-folder.ts';
import type { CheckpointLocation } from '../../files/open-checkpoint.ts';
import { hexOf } from '../../tensor/hex-of.ts';
import type { OnProgress } from '../../tensor/progress.ts';
import { blobSource } from '../blob-source.ts';
import { fileIn, removeFrom, syncHandle } from './cache-folder.ts';
import type { CacheFolder } from './cache-folder.ts';
import { hubFetch } from './hub-model.ts';
import { makeRoom } from './make-room.ts';
import { changeRecord, readRecord, removeUnnamed, whereFull } from './model-records.ts';
import type { ModelRecord, RecordedFile } from './model-records.ts';
import { opfsBlobPlace } from './opfs-blob-place.ts';

export interface UrlModelOptions extends HttpOptions {
  readonly hub: HubEndpoint;
  readonly folder: CacheFolder;
  readonly onProgress?: OnProgress | undefined;
  readonly sha256?: { readonly fileName: string; readonly hex: string } | undefined;
}

/** @param id what `loadModel` was given, absolute */
export function locateUrlModel(
  { id, base: given, fileName }: { readonly id: string; readonly base: URL; readonly fileName: string | undefined },
  { folder, hub, ...options }: UrlModelOptions,
): CheckpointLocation {
  const base = folderUrlOf(given);
  const store = urlStore(folder, {
    id,
    base,
    fileName,
    hub,
    onNote: (note) => options.onProgress?.({ phase: 'download', loaded: 0, total: 0, note }),
  });
  return { folder: urlFolderIn(store, given, { ...options, reads: 'all' }), fileName };
}

interface StoreOptions {
  readonly id: string;
  readonly base: URL;
  readonly fileName: string | undefined;
  readonly hub: HubEndpoint;
  readonly onNote: (note: string) => void;
}

function urlStore(folder: CacheFolder, { id, base, fileName: meant, hub, onNote }: StoreOptions): UrlStore {
  const { blobs } = folder;
  const url = base.origin + base.pathname;
  /** Names of blobs while they come. */
  const names = new WeakMap<object, string>();
  const fileOf = async (fileName: string) => (await readRecord(folder, id))?.files.find(({ name }) => name === fileName);
  const note = (change: (files: Pick<ModelRecord, 'files' | 'coming'>) => Partial<ModelRecord>) =>
    changeRecord(folder, id, (record) => {
      const { files = [], coming } = record ?? {};
      return { id, fileName: meant, lastUsedMs: Date.now(), files, coming, ...change({ files, coming }) };
    });
  return {
    url,
    offline: undefined,
    copyRemark: '.',
    async entry(fileName) {
      const found = await fileOf(fileName);
      const file = found && (await fileIn(blobs, found.blob));
      if (found?.entry === undefined || file?.size !== found.sizeBytes) return undefined;
      await note(() => ({})).catch(whereFull(undefined));
      return found.entry;
    },
    async openFile(fileName) {
      const known = await fileOf(fileName);
      const file = known && (await fileIn(blobs, known.blob));
      return file && blobSource(file, url + fileName);
    },
    async placeFor(fileName, facts) {
      const blob = await hashOf(base.href + fileName + JSON.stringify(facts));
      const place = opfsBlobPlace(blobs, blob);
      names.set(place, blob);
      return place;
    },
    async prepare(fileName, place, { sizeBytes, missingBytes }) {
      // What is there stays until all of the new one is.
      await note(({ coming }) => ({ coming: [...without(coming, fileName), { name: fileName, blob: names.get(place)!, sizeBytes }] }));
      await makeRoom(folder, { name: url + fileName, id, missingBytes, onNote });
    },
    async keep(fileName, place, entry, options) {
      const from = names.get(place)!;
      const file = { name: fileName, blob: entry.sha256, sizeBytes: entry.sizeBytes, entry };
      // A tab that ends between the two leaves a blob that no record names, and the earlier one.
      const move = async () => {
        if ((await fileIn(blobs, entry.sha256)) === undefined) await (await syncHandle(blobs, from)).move(entry.sha256);
        else await removeFrom(blobs, from);
        await note(({ files, coming }) => ({ files: [...without(files, fileName), file], coming: without(coming, fileName) }));
      };
      // Whoever has this lock waits for no other but the records'.
      await opfsBlobPlace(blobs, entry.sha256).exclusively(options, move);
      await removeUnnamed(folder);
    },
    openFetch: async () => hubFetch(hub),
  };
}

function without(files: readonly RecordedFile[] = [], fileName: string): readonly RecordedFile[] {
  return files.filter(({ name }) => name !== fileName);
}

async function hashOf(text: string): Promise<string> {
  return hexOf(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))));
}
