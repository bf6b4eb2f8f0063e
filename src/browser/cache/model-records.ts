/** What the cache knows of its models. A record is there before the first byte of its model, so that nothing in the cache is unknown. */
import type { UrlEntry } from '../../files/hub/url-folder.ts';
import { CapacityError } from '../../tensor/errors.ts';
import { hexOf } from '../../tensor/hex-of.ts';
import { fileIn, namesIn, removeFrom, writeJson } from './cache-folder.ts';
import type { CacheFolder } from './cache-folder.ts';
import { blobLock } from './opfs-blob-place.ts';
import { ifFree, withWebLock } from './web-lock.ts';

export interface RecordedFile {
  /** Path in the model's folder. */
  readonly name: string;
  /** Name of its blob: its hash. */
  readonly blob: string;
  readonly sizeBytes: number;
  /** Of a file of a URL: what its server said. */
  readonly entry?: UrlEntry | undefined;
}

export interface ModelRecord {
  /** What `loadModel` takes. */
  readonly id: string;
  /** The file that is meant; absent: the folder. */
  readonly fileName?: string | undefined;
  /** The file of its tower and projector, where it has one. */
  readonly projector?: string | undefined;
  readonly files: readonly RecordedFile[];
  /** Of a URL: files that are on their way, each beside the one that is there until then. */
  readonly coming?: readonly RecordedFile[] | undefined;
  readonly lastUsedMs: number;
}

export const modelLock = (id: string) => `ingot-model ${id}`;
/** Whoever writes records, or takes blobs away that no record names. */
const RECORDS_LOCK = 'ingot-records';

async function recordName(id: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(id));
  return `${hexOf(new Uint8Array(digest)).slice(0, 40)}.json`;
}

export async function readRecord({ models }: CacheFolder, id: string): Promise<ModelRecord | undefined> {
  return parsed(await fileIn(models, await recordName(id)));
}

/** All that can be read, the longest unused first. */
export async function readRecords({ models }: CacheFolder): Promise<readonly ModelRecord[]> {
  const names = (await namesIn(models)).filter((name) => name.endsWith('.json'));
  const records = await Promise.all(names.map(async (name) => parsed(await fileIn(models, name))));
  return records.filter((record) => record !== undefined).toSorted((a, b) => a.lastUsedMs - b.lastUsedMs);
}

async function parsed(file: File | undefined): Promise<ModelRecord | undefined> {
  try {
    const record = JSON.parse((await file?.text()) ?? '') as ModelRecord;
    return typeof record.id === 'string' && Array.isArray(record.files) ? record : undefined;
  } catch {
    return undefined;
  }
}

/** Writes what `change` makes of the record that is there. */
export function changeRecord(
  folder: CacheFolder,
  id: string,
  change: (record: ModelRecord | undefined) => ModelRecord,
): Promise<ModelRecord> {
  return withWebLock(RECORDS_LOCK, {}, async () => {
    const record = change(await readRecord(folder, id));
    await writeJson(folder.models, await recordName(id), record);
    return record;
  });
}

/** What is there is used also where a full disk has no room for the word that it was. */
export function whereFull<Value>(instead: Value): (error: unknown) => Value {
  return (error) => {
    if (error instanceof CapacityError) return instead;
    throw error;
  };
}

/** The files that make the model: those that are there, and those to come that have no earlier one. */
export function filesOfModel({ files, coming = [] }: ModelRecord): readonly RecordedFile[] {
  return [...files, ...coming.filter((file) => !files.some(({ name }) => name === file.name))];
}

/** Bytes of a record's files that are there, parts left out. */
export async function presentBytes({ blobs }: CacheFolder, record: ModelRecord): Promise<number> {
  const sizes = await Promise.all(filesOfModel(record).map(async ({ blob }) => (await fileIn(blobs, blob))?.size ?? 0));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Bytes of blobs, and of parts of them, that would be free without these records: what others name stays. */
export async function blobBytes(folder: CacheFolder, gone: readonly ModelRecord[]): Promise<number> {
  const { blobs } = folder;
  const ids = new Set(gone.map(({ id }) => id));
  const staying = blobsOf((await readRecords(folder)).filter(({ id }) => !ids.has(id)));
  const going = blobsOf(gone);
  let bytes = 0;
  for (const name of await namesIn(blobs)) {
    const blob = blobOfFile(name);
    if (going.has(blob) && !staying.has(blob)) bytes += (await fileIn(blobs, name))?.size ?? 0;
  }
  return bytes;
}

function blobsOf(records: readonly ModelRecord[]): ReadonlySet<string> {
  return new Set(records.flatMap(({ files, coming = [] }) => [...files, ...coming].map(({ blob }) => blob)));
}

/** Of a part of it too, and of the list of its pieces. */
function blobOfFile(name: string): string {
  return name.replace(/\.(part|pieces)$/, '');
}

export async function isWhole({ blobs }: CacheFolder, record: ModelRecord): Promise<boolean> {
  const there = await Promise.all(filesOfModel(record).map(async ({ blob, sizeBytes }) => (await fileIn(blobs, blob))?.size === sizeBytes));
  return there.length > 0 && there.every(Boolean);
}

/**
 * Takes a model's record away, and the blobs that no other names.
 * @returns bytes that are free; undefined where a tab is using it
 */
export async function removeModel(folder: CacheFolder, id: string): Promise<number | undefined> {
  const done = await ifFree(modelLock(id), async () => {
    await withWebLock(RECORDS_LOCK, {}, async () => removeFrom(folder.models, await recordName(id)));
    return removeUnnamed(folder);
  });
  return done?.result;
}

/** Blobs, and parts of blobs, that no record names, but those that a tab is getting. Records that cannot be read go too. */
export function removeUnnamed(folder: CacheFolder): Promise<number> {
  return withWebLock(RECORDS_LOCK, {}, async () => {
    const { blobs, models } = folder;
    for (const name of await namesIn(models))
      if ((await parsed(await fileIn(models, name))) === undefined) await removeFrom(models, name);
    const named = blobsOf(await readRecords(folder));
    let freed = 0;
    for (const name of await namesIn(blobs)) {
      const blob = blobOfFile(name);
      if (named.has(blob)) continue;
      const size = (await fileIn(blobs, name))?.size ?? 0;
      if ((await ifFree(blobLock(blob), () => removeFrom(blobs, name))) !== undefined) freed += size;
    }
    return freed;
  });
}
