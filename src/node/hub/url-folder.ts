/** Models by URL, in the hub's cache. */
import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { folderUrlOf, urlFolderIn } from '../../files/hub/url-folder.ts';
import type { UrlFolderOptions as FolderOptions, UrlStore } from '../../files/hub/url-folder.ts';
import type { SourceFolder } from '../../tensor/byte-source.ts';
import { fileSource } from '../file-source.ts';
import { checkDisk } from './check-disk.ts';
import { fileBlobPlace } from './file-blob-place.ts';
import { createHubFetch } from './hub-fetch.ts';
import { hubSettings } from './hub-settings.ts';
import type { Environment, HubSettings } from './hub-settings.ts';
import { keepUrlFile, nameUrlFile, readUrlEntry, removeOldBlobs, urlBlobPath, urlPlace } from './url-cache.ts';

export interface UrlFolderOptions extends FolderOptions {
  /** Default: this process's. */
  readonly environment?: Environment | undefined;
}

/** The files below a URL, whose query is sent with each of them. @throws InputError for what is no URL of the hub's settings */
export async function urlFolder(folderUrl: URL, { environment = process.env, ...options }: UrlFolderOptions): Promise<SourceFolder> {
  return urlFolderIn(urlStore(folderUrlOf(folderUrl), await hubSettings(environment), environment), folderUrl, options);
}

function urlStore(base: URL, settings: HubSettings, environment: Environment): UrlStore {
  const place = urlPlace(settings.cacheFolder, base);
  const paths = new WeakMap<object, string>();
  return {
    url: place.url,
    offline: settings.isOffline ? 'HF_HUB_OFFLINE is set' : undefined,
    copyRemark: ' (HF_HUB_OFFLINE=1 does not ask)',
    async entry(fileName) {
      const found = await readUrlEntry(place, fileName);
      if (found !== undefined) await nameUrlFile(place, fileName, found.path);
      return found?.entry;
    },
    async openFile(fileName) {
      for (let tried: string | undefined; ; ) {
        const path = (await readUrlEntry(place, fileName))?.path;
        // Where it goes another one may have come.
        if (path === undefined || path === tried) return undefined;
        tried = path;
        const source = await fileSource(path).catch((error: unknown) => {
          if (existsSync(path)) throw error;
          return undefined;
        });
        if (source !== undefined) return { ...source, name: place.url + fileName };
      }
    },
    prepare: (fileName, _, { missingBytes }) => checkDisk(settings.cacheFolder, { name: place.url + fileName, missingBytes }),
    async placeFor(fileName, facts) {
      const path = urlBlobPath(place, fileName, facts);
      const blob = fileBlobPlace(path);
      paths.set(blob, path);
      return blob;
    },
    async keep(fileName, blob, entry, options) {
      const from = paths.get(blob)!;
      const keep = async (path: string) => {
        await keepUrlFile(place, fileName, path, entry);
        await removeOldBlobs(place, fileName, path);
      };
      if (entry.etag !== null || entry.lastModified !== null) return keep(from);
      // Of bytes without marks the next ones come to the same place: these go by their hash.
      const path = urlBlobPath(place, fileName, { sha256: entry.sha256 });
      await fileBlobPlace(path).exclusively(options, async () => {
        await rename(from, path);
        await keep(path);
      });
    },
    openFetch: () => createHubFetch(settings, environment),
  };
}
