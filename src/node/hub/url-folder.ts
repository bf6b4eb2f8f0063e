/** Models by URL, in the hub's cache. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { folderUrlOf, urlFolderIn } from '../../files/hub/url-folder.ts';
import type { UrlFolderOptions as FolderOptions, UrlStore } from '../../files/hub/url-folder.ts';
import type { SourceFolder } from '../../tensor/byte-source.ts';
import { fileSource } from '../file-source.ts';
import { linkFile } from './cache-layout.ts';
import { checkDisk } from './check-disk.ts';
import { fileBlobPlace } from './file-blob-place.ts';
import { createHubFetch } from './hub-fetch.ts';
import { hubSettings } from './hub-settings.ts';
import type { Environment, HubSettings } from './hub-settings.ts';
import { readUrlEntry, removeOldBlobs, urlBlobPath, urlPlace, writeUrlEntry } from './url-cache.ts';

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
    entry: (fileName) => readUrlEntry(place, fileName),
    async openFile(fileName) {
      const path = join(place.snapshot, fileName);
      const source = await fileSource(path).catch((error: unknown) => {
        if (existsSync(path)) throw error;
        return undefined;
      });
      return source && { ...source, name: place.url + fileName };
    },
    prepare: (fileName, _, { missingBytes }) => checkDisk(settings.cacheFolder, { name: place.url + fileName, missingBytes }),
    async placeFor(fileName, facts) {
      const path = urlBlobPath(place, fileName, facts);
      const blob = fileBlobPlace(path);
      paths.set(blob, path);
      return blob;
    },
    async keep(fileName, blob, entry) {
      const path = paths.get(blob)!;
      await linkFile(join(place.snapshot, fileName), path);
      await writeUrlEntry(place, fileName, entry);
      await removeOldBlobs(place, fileName, path);
    },
    openFetch: () => createHubFetch(settings, environment),
  };
}
