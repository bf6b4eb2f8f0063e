/** Room for a model in what the browser gives the page: old models go where there is too little. */
import { CapacityError } from '../../tensor/errors.ts';
import { formatBytes } from '../../tensor/format-bytes.ts';
import type { CacheFolder } from './cache-folder.ts';
import { readRecords, removeModel } from './model-records.ts';

export interface RoomNeed {
  /** Of the model, for messages. */
  readonly name: string;
  /** Id of the model, which does not go itself. */
  readonly id: string;
  readonly missingBytes: number;
  /** Told which models went, for people. */
  readonly onNote: (note: string) => void;
}

/** A file system wants some for itself. */
const SPARE_BYTES = 16e6;

/** @throws CapacityError where even without all other models there is too little */
export async function makeRoom(folder: CacheFolder, { name, id, missingBytes, onNote }: RoomNeed): Promise<void> {
  if (missingBytes === 0) return;
  let free = await freeBytes();
  if (free === undefined || free >= missingBytes + SPARE_BYTES) return;
  for (const record of await readRecords(folder)) {
    if (record.id === id) continue;
    const freed = await removeModel(folder, record.id);
    if (freed === undefined) continue;
    onNote(`${record.id} was removed from the cache (${formatBytes(freed)}): it was not used for the longest time`);
    free = (await freeBytes())!;
    if (free >= missingBytes + SPARE_BYTES) return;
  }
  throw new CapacityError(
    `${name} still takes ${formatBytes(missingBytes)}, and the browser gives this page ${formatBytes(free)} more. ` +
      'Free space on the disk, take a smaller quantisation, or pass cache "none", which keeps nothing.',
  );
}

/** Undefined where the browser does not say. */
async function freeBytes(): Promise<number | undefined> {
  const { quota, usage } = (await navigator.storage.estimate?.().catch(() => undefined)) ?? {};
  return quota === undefined || usage === undefined ? undefined : Math.max(0, quota - usage);
}
