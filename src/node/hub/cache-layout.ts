/**
 * The cache of the hub's files, as Python's huggingface_hub lays it out: `models--OWNER--NAME/{refs/REVISION, blobs/HASH,
 * snapshots/COMMIT/FILE}`, a snapshot's file being a link to its blob, or the bytes themselves where links cannot be made.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, readlink, rename, rm, rmdir, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { chooseFiles } from '../../files/hub/choose-files.ts';
import type { NamedFile } from '../../files/hub/choose-files.ts';
import type { ModelId } from '../../files/hub/model-id.ts';
import { CapacityError } from '../../tensor/errors.ts';
import { ifFileLockFree } from '../file-lock.ts';
import { blobLock, blobOfName, removeBlob } from './file-blob-place.ts';

export interface CachedSnapshot {
  readonly repository: string;
  /** Of the folder of a URL, which has no commits: a hash of the URL. */
  readonly commit: string;
  /** Its folder. */
  readonly path: string;
  readonly files: readonly CachedFile[];
}

export interface CachedFile extends NamedFile {
  /** Where the bytes are. */
  readonly blobPath: string;
  readonly modifiedMs: number;
}

const COMMIT = /^[0-9a-f]{40}$/;
const FOLDER = /^models--(.+?)--(.+)$/;

export function repositoryFolder(cacheFolder: string, repository: string): string {
  return join(cacheFolder, `models--${repository.replace('/', '--')}`);
}

/** Undefined where the revision was never fetched. */
export async function cachedCommit(cacheFolder: string, { repository, revision }: ModelId): Promise<string | undefined> {
  if (COMMIT.test(revision)) return revision;
  const text = await readFile(join(repositoryFolder(cacheFolder, repository), 'refs', ...revision.split('/')), 'utf8').catch(() => '');
  return COMMIT.test(text.trim()) ? text.trim() : undefined;
}

export async function writeRef(cacheFolder: string, { repository, revision }: ModelId, commit: string): Promise<void> {
  if (COMMIT.test(revision)) return;
  const path = join(repositoryFolder(cacheFolder, repository), 'refs', ...revision.split('/'));
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.${randomUUID()}`;
  await writeFile(temporary, commit);
  await rename(temporary, path);
}

export async function readSnapshot(cacheFolder: string, repository: string, commit: string): Promise<CachedSnapshot> {
  const path = join(repositoryFolder(cacheFolder, repository), 'snapshots', commit);
  const names = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => []);
  const files: CachedFile[] = [];
  for (const entry of names) {
    // Node before 20.12 calls it `path`.
    const filePath = join(entry.parentPath ?? entry.path, entry.name);
    const found = entry.isDirectory() ? undefined : await stat(filePath).catch(() => undefined);
    // A link whose blob is gone is a file that is not there.
    if (!found?.isFile()) continue;
    const blobPath = (await linkTarget(filePath)) ?? filePath;
    files.push({ name: relative(path, filePath).split(sep).join('/'), sizeBytes: found.size, blobPath, modifiedMs: found.mtimeMs });
  }
  return { repository, commit, path, files };
}

/** The path of a model that is there whole: its file, or its folder. Undefined else. */
export async function cachedModel(cacheFolder: string, id: ModelId): Promise<string | undefined> {
  const commit = await cachedCommit(cacheFolder, id);
  if (commit === undefined) return undefined;
  const { path, files } = await readSnapshot(cacheFolder, id.repository, commit);
  if (files.length === 0) return undefined;
  try {
    const choice = chooseFiles(files, id);
    return choice.kind === 'folder' ? path : join(path, choice.files[0]!.name);
  } catch {
    return undefined;
  }
}

/** All snapshots of models that hold a file. */
export async function cachedSnapshots(cacheFolder: string): Promise<readonly CachedSnapshot[]> {
  const found: CachedSnapshot[] = [];
  for (const name of (await readdir(cacheFolder).catch(() => [])).toSorted()) {
    const parts = FOLDER.exec(name);
    if (parts === null) continue;
    const repository = `${parts[1]}/${parts[2]}`;
    for (const commit of await readdir(join(cacheFolder, name, 'snapshots')).catch(() => [])) {
      const snapshot = COMMIT.test(commit) ? await readSnapshot(cacheFolder, repository, commit) : undefined;
      if (snapshot !== undefined && snapshot.files.length > 0) found.push(snapshot);
    }
  }
  return found;
}

/**
 * Makes a blob known under a name of a snapshot. What was there is replaced in one step: whoever reads finds the old file or the new one,
 * and two processes that make the same name known at once do not disturb each other.
 */
export async function linkFile(path: string, blobPath: string): Promise<void> {
  const temporary = `${blobPath}.ingot-link-${process.pid}-${randomUUID()}`;
  try {
    await symlink(relative(dirname(path), blobPath), temporary);
  } catch (error) {
    if (!['EPERM', 'EACCES', 'ENOTSUP', 'ENOSYS'].includes(codeOf(error) ?? '')) throw error;
    // Windows without developer mode: the bytes move to where they are read, as Python does it.
    return moveFile(blobPath, path);
  }
  try {
    await renameInto(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Where a link leads; undefined for what is none. */
export async function linkTarget(path: string): Promise<string | undefined> {
  const named = await readlink(path).catch(() => undefined);
  return named === undefined ? undefined : resolve(dirname(path), named);
}

/** A folder that is empty may be taken away between its making and its use. */
const TRIES = 10;

async function renameInto(from: string, to: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    await mkdir(dirname(to), { recursive: true });
    try {
      return await rename(from, to);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' || attempt === TRIES) throw error;
    }
  }
}

async function moveFile(from: string, to: string): Promise<void> {
  try {
    await renameInto(from, to);
  } catch (error) {
    // Somebody else has moved it there.
    if (codeOf(error) !== 'ENOENT' || (await stat(to).catch(() => undefined)) === undefined) throw error;
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

/**
 * Removes files of a snapshot and the blobs that no snapshot names any more; the repository's folder where nothing is left, and nobody
 * fetches anything there. All locks of the blobs are held from the first step to the last, so that nobody links what goes.
 * @returns freed bytes
 * @throws CapacityError where another process is fetching one of the files: then nothing goes
 */
export async function removeFiles(cacheFolder: string, snapshot: CachedSnapshot, files: readonly CachedFile[]): Promise<number> {
  // What is no link lies in the snapshot itself, and no other name leads there.
  const linked = files.filter(({ name, blobPath }) => blobPath !== join(snapshot.path, name)).map(({ blobPath }) => blobPath);
  const freed = await holdingAll([...new Set(linked)].toSorted(), () => removeHeld(cacheFolder, snapshot, files));
  if (freed === undefined)
    throw new CapacityError(
      `${snapshot.repository}: another process is fetching files of it, and nothing was removed. Try again when it is done, or end it.`,
    );
  if ((await namedBlobs(cacheFolder, snapshot.repository)).size === 0) await removeRepository(cacheFolder, snapshot.repository);
  return freed.result;
}

/** Runs `work` with the locks of all these blobs; undefined where somebody has one of them. */
async function holdingAll<Result>(
  [first, ...rest]: readonly string[], work: () => Promise<Result>,
): Promise<{ readonly result: Result } | undefined> {
  if (first === undefined) return { result: await work() };
  return (await ifFileLockFree(blobLock(first), () => holdingAll(rest, work)))?.result;
}

async function removeHeld(
  cacheFolder: string, { repository, path, files: all }: CachedSnapshot, files: readonly CachedFile[],
): Promise<number> {
  for (const { name, blobPath } of files) {
    // By now it may lead to another blob, whose lock somebody else has.
    if (((await linkTarget(join(path, name))) ?? blobPath) === blobPath) await rm(join(path, name), { force: true });
  }
  const kept = await namedBlobs(cacheFolder, repository);
  let freed = 0;
  for (const { blobPath, sizeBytes } of files) {
    if (kept.has(blobPath)) continue;
    await removeBlob(blobPath, { keepsWhole: false });
    if (!existsSync(blobPath)) freed += sizeBytes;
  }
  if (files.length === all.length) await removeEmpty(path);
  return freed;
}

async function namedBlobs(cacheFolder: string, repository: string): Promise<ReadonlySet<string>> {
  const snapshots = (await cachedSnapshots(cacheFolder)).filter((each) => each.repository === repository);
  return new Set(snapshots.flatMap(({ files }) => files.map(({ blobPath }) => blobPath)));
}

/** What no snapshot names goes, each blob under its lock; the rest of the folder once no blob is left or on its way. */
async function removeRepository(cacheFolder: string, repository: string): Promise<void> {
  const folder = repositoryFolder(cacheFolder, repository);
  const blobs = join(folder, 'blobs');
  const names = await readdir(blobs).catch(() => []);
  for (const path of new Set(names.map((name) => join(blobs, blobOfName(name)))))
    await ifFileLockFree(blobLock(path), async () =>
      removeBlob(path, { keepsWhole: (await namedBlobs(cacheFolder, repository)).has(path) }),
    );
  // Fails where somebody's lock is there. Whoever takes one later makes the folder anew.
  const isEmpty = await rmdir(blobs).then(
    () => true,
    (error: unknown) => codeOf(error) === 'ENOENT',
  );
  if (!isEmpty) return;
  await removeEmpty(join(folder, 'snapshots'));
  for (const name of await readdir(folder).catch(() => []))
    if (name !== 'blobs' && name !== 'snapshots') await rm(join(folder, name), { recursive: true, force: true });
  await rmdir(folder).catch(() => undefined);
}

/** A folder, those in it, and links to what is gone; what somebody puts there meanwhile stays. */
async function removeEmpty(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await removeEmpty(path);
    else if (entry.isSymbolicLink() && (await stat(path).catch(() => undefined)) === undefined) await rm(path, { force: true });
  }
  await rmdir(folder).catch(() => undefined);
}
