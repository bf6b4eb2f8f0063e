import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openCheckpoint } from '../../files/open-checkpoint.ts';
import { locate } from '../open-path.ts';
import type { LocateOptions } from '../open-path.ts';
import { hubSettings } from './hub-settings.ts';
import { removedMeanwhile } from './pull.ts';
import { urlPlace } from './url-cache.ts';

/**
 * Fetches the files of a URL's model, all that opening it asks for, into the cache.
 * @returns the path of the file, or of the folder, in the cache
 * @throws as `locate` and `openCheckpoint`; CapacityError where it was removed meanwhile
 */
export async function pullUrl(url: string, options: Pick<LocateOptions, 'signal' | 'onProgress'>): Promise<string> {
  const { folder, fileName } = await locate(url, options);
  await (await openCheckpoint({ folder, fileName }, options)).close();
  const base = new URL(url);
  if (fileName !== undefined) base.pathname = base.pathname.slice(0, base.pathname.lastIndexOf('/') + 1);
  else if (!base.pathname.endsWith('/')) base.pathname += '/';
  const { snapshot } = urlPlace((await hubSettings(process.env)).cacheFolder, base);
  const path = fileName === undefined ? snapshot : join(snapshot, fileName);
  if (!existsSync(path)) throw removedMeanwhile(url);
  return path;
}
