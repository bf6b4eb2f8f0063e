/** The files of a model in the cache. */
import { checkFileNameBelow } from '../../files/read-range.ts';
import type { SourceFolder } from '../../tensor/byte-source.ts';
import { blobSource, namesBelow } from '../blob-source.ts';
import { fileIn } from './cache-folder.ts';
import type { CacheFolder } from './cache-folder.ts';
import type { ModelRecord } from './model-records.ts';

export function cachedFolder({ blobs }: CacheFolder, { id, files }: ModelRecord): SourceFolder {
  return {
    name: id,
    async open(fileName, options) {
      options?.signal?.throwIfAborted();
      checkFileNameBelow(fileName, id);
      const blob = files.find(({ name }) => name === fileName)?.blob;
      const file = blob === undefined ? undefined : await fileIn(blobs, blob);
      return file && blobSource(file, `${id}/${fileName}`);
    },
    list: async (below) =>
      namesBelow(
        files.map(({ name }) => name),
        below,
      ),
  };
}
