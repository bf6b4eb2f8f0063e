/** The models that this page's origin has in the browser: what they are, how much room they take, and taking them away. */
import { CapacityError, InputError } from '../../tensor/errors.ts';
import { checkOptionNames } from '../../tensor/option-names.ts';
import type { NamesOf } from '../../tensor/option-names.ts';
import { openCacheFolder } from './cache-folder.ts';
import type { CacheFolder } from './cache-folder.ts';
import { filesOfModel, isWhole, presentBytes, readRecord, readRecords, removeModel, removeUnnamed } from './model-records.ts';

export interface CachedModel {
  /** What `loadModel` takes: the hub's id, or the URL. */
  readonly id: string;
  /** Bytes of its files. */
  readonly sizeBytes: number;
  /** Bytes of those that are there whole. */
  readonly presentBytes: number;
  /** False: loading it goes on with its download. */
  readonly isWhole: boolean;
  readonly lastUsed: Date;
}

export interface CacheUsage {
  /** Bytes that the page's origin has stored, models and all else, and may store. */
  readonly used: number;
  readonly quota: number;
  /** True: the browser does not clear it by itself when the disk is full. */
  readonly persisted: boolean;
}

export interface EvictOptions {
  /** Models that were not used for so many days. */
  readonly olderThanDays: number;
}

export interface ModelCache {
  /** The longest unused first. */
  list(): Promise<readonly CachedModel[]>;
  /**
   * @returns bytes that are free now
   * @throws InputError for a model that is not there; CapacityError for one that a tab is loading
   */
  remove(id: string): Promise<number>;
  /** Removes what was not used for long, and what no model needs; what a tab is loading stays. Returns the ids that went. */
  evict(options: EvictOptions): Promise<readonly string[]>;
  usage(): Promise<CacheUsage>;
  /** Asks the browser, and where it wants to the user, to keep it when the disk is full. Returns whether it does. */
  persist(): Promise<boolean>;
}

const EVICT_NAMES: NamesOf<EvictOptions> = { olderThanDays: true };
const DAY_MS = 86_400_000;

/** @throws CapacityError where the browser gives the page no private file system */
export async function openModelCache(): Promise<ModelCache> {
  const folder = await openCacheFolder();
  if ('problem' in folder) throw new CapacityError(`There is no cache of models: ${folder.problem}.`);
  return {
    list: () => listModels(folder),
    async remove(id) {
      if ((await readRecord(folder, id)) === undefined) throw new InputError(`${id} is not in the cache.`);
      const freed = await removeModel(folder, id);
      if (freed === undefined) throw new CapacityError(`${id} is being loaded, here or in another tab: try again when that is over.`);
      return freed;
    },
    evict: (options) => evictOld(folder, options),
    async usage() {
      const { usage = 0, quota = 0 } = await navigator.storage.estimate();
      return { used: usage, quota, persisted: await navigator.storage.persisted() };
    },
    persist: () => navigator.storage.persist(),
  };
}

async function listModels(folder: CacheFolder): Promise<readonly CachedModel[]> {
  return Promise.all(
    (await readRecords(folder)).map(async (record) => ({
      id: record.id,
      sizeBytes: filesOfModel(record).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      presentBytes: await presentBytes(folder, record),
      isWhole: await isWhole(folder, record),
      lastUsed: new Date(record.lastUsedMs),
    })),
  );
}

async function evictOld(folder: CacheFolder, options: EvictOptions): Promise<readonly string[]> {
  checkOptionNames(options, EVICT_NAMES, 'evict');
  const { olderThanDays } = options;
  if (!(olderThanDays >= 0)) throw new InputError(`olderThanDays must be a number from 0, found ${String(olderThanDays)}.`);
  const before = Date.now() - olderThanDays * DAY_MS;
  const gone: string[] = [];
  for (const { id, lastUsedMs } of await readRecords(folder))
    if (lastUsedMs <= before && (await removeModel(folder, id)) !== undefined) gone.push(id);
  await removeUnnamed(folder);
  return gone;
}
