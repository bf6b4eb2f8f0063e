/** A model of a URL in a browser's cache. */
import type { HttpOptions } from '../../files/http-options.ts';
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
import { changeRecord, readRecord } from './model-records.ts';
import type { RecordedFile } from './model-records.ts';
import { opfsBlobPlace } from './opfs-blob-place.ts';

export interface UrlModelOptions extends HttpOptions {
  readonly folder: CacheFolder;
  readonly onProgress?: OnProgress | undefined;
  readonly sha256?: { readonly fileName: string; readonly hex: string } | undefined;
}

/** @param id what `loadModel` was given, absolute */
export function locateUrlModel(
  { id, base: given, fileName }: { readonly id: string; readonly base: URL; readonly fileName: string | undefined },
  { folder, ...options }: UrlModelOptions,
): CheckpointLocation {
  const base = folderUrlOf(given);
  const store = urlStore(folder, {
    id,
    base,
    fileName,
    onNote: (note) => options.onProgress?.({ phase: 'download', loaded: 0, total: 0, note }),
  });
  return { folder: urlFolderIn(store, given, { ...options, reads: 'all' }), fileName };
}

interface StoreOptions {
  readonly id: string;
  readonly base: URL;
  readonly fileName: string | undefined;
  readonly onNote: (note: string) => void;
}

function urlStore(folder: CacheFolder, { id, base, fileName: meant, onNote }: StoreOptions): UrlStore {
  const { blobs } = folder;
  const url = base.origin + base.pathname;
  /** Names of blobs while they come. */
  const names = new WeakMap<object, string>();
  const fileOf = async (fileName: string) => (await readRecord(folder, id))?.files.find(({ name }) => name === fileName);
  const put = (file: RecordedFile) =>
    changeRecord(folder, id, (record) => ({
      id,
      fileName: meant,
      lastUsedMs: Date.now(),
      files: [...(record?.files ?? []).filter(({ name }) => name !== file.name), file],
    }));
  return {
    url,
    offline: undefined,
    copyRemark: '.',
    async entry(fileName) {
      const found = await fileOf(fileName);
      const file = found && (await fileIn(blobs, found.blob));
      if (found?.entry === undefined || file?.size !== found.sizeBytes) return undefined;
      await put(found);
      return found.entry;
    },
    async openFile(fileName) {
      const { blob } = (await fileOf(fileName))!;
      return blobSource((await fileIn(blobs, blob))!, url + fileName);
    },
    checkRoom: (name, missingBytes) => makeRoom(folder, { name, id, missingBytes, onNote }),
    async placeFor(fileName, facts, { hasMarks }) {
      const blob = await hashOf(base.href + fileName + JSON.stringify(facts));
      const sizeBytes = (facts as { readonly sizeBytes?: number | undefined }).sizeBytes ?? 0;
      const place = opfsBlobPlace(blobs, blob);
      await put({ name: fileName, blob, sizeBytes });
      if (!hasMarks) await place.exclusively({}, () => place.discard());
      names.set(place, blob);
      return place;
    },
    async keep(fileName, place, entry) {
      const from = names.get(place)!;
      // A tab that ends between the two leaves a blob that no record names, which goes with the next model that is removed.
      await place.exclusively({}, async () => {
        await put({ name: fileName, blob: entry.sha256, sizeBytes: entry.sizeBytes, entry });
        if ((await fileIn(blobs, entry.sha256)) === undefined) await (await syncHandle(blobs, from)).move(entry.sha256);
        else await removeFrom(blobs, from);
      });
    },
    openFetch: async () => hubFetch({ endpoint: base.origin, token: undefined }),
  };
}

async function hashOf(text: string): Promise<string> {
  return hexOf(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))));
}
