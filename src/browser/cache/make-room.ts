/** Room for a model in what the browser gives the page: old models go where there is too little. */
import { CapacityError } from '../../tensor/errors.ts';
import { formatBytes } from '../../tensor/format-bytes.ts';
import type { CacheFolder } from './cache-folder.ts';
import { blobBytes, modelLock, readRecords, removeModel, removeUnnamed } from './model-records.ts';
import type { ModelRecord } from './model-records.ts';
import { ifFree } from './web-lock.ts';

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

/** @throws CapacityError where even without all other models that nobody uses there is too little: then none of them goes */
export async function makeRoom(folder: CacheFolder, { name, id, missingBytes, onNote }: RoomNeed): Promise<void> {
  if (missingBytes === 0) return;
  const needed = missingBytes + SPARE_BYTES;
  let free = await freeBytes();
  if (free === undefined || free >= needed) return;
  // What no model needs goes first.
  if ((await removeUnnamed(folder)) > 0) free = (await freeBytes())!;
  if (free >= needed) return;
  const others = await unusedRecords(folder, id);
  const mayGo = await blobBytes(folder, others);
  if (free + mayGo < needed) throw tooLittle({ name, missingBytes, free, mayGo });
  for (const record of others) {
    const freed = await removeModel(folder, record.id);
    if (freed === undefined) continue;
    onNote(`${record.id} was removed from the cache (${formatBytes(freed)}): it was not used for the longest time`);
    free = (await freeBytes())!;
    if (free >= needed) return;
  }
  throw tooLittle({ name, missingBytes, free, mayGo: 0 });
}

/** Of models that no tab is using, the longest unused first. */
async function unusedRecords(folder: CacheFolder, id: string): Promise<readonly ModelRecord[]> {
  const unused: ModelRecord[] = [];
  for (const record of await readRecords(folder))
    if (record.id !== id && (await ifFree(modelLock(record.id), async () => true)) !== undefined) unused.push(record);
  return unused;
}

interface Shortage extends Pick<RoomNeed, 'name' | 'missingBytes'> {
  readonly free: number;
  /** Of models that could go and do not. */
  readonly mayGo: number;
}

function tooLittle({ name, missingBytes, free, mayGo }: Shortage): CapacityError {
  const others = mayGo === 0 ? '' : `; the other models in the cache take ${formatBytes(mayGo)}, which is not enough and stays`;
  return new CapacityError(
    `${name} still takes ${formatBytes(missingBytes)}, and the browser gives this page ${formatBytes(free)} more${others}. ` +
      'Free space on the disk, take a smaller quantisation, or pass cache "none", which keeps nothing.',
  );
}

/** Undefined where the browser does not say. */
async function freeBytes(): Promise<number | undefined> {
  const { quota, usage } = (await navigator.storage.estimate?.().catch(() => undefined)) ?? {};
  return quota === undefined || usage === undefined ? undefined : Math.max(0, quota - usage);
}
