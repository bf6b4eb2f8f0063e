/**
 * The cache of the hub's files, as Python's huggingface_hub lays it out: `models--OWNER--NAME/{refs/REVISION, blobs/HASH,
 * snapshots/COMMIT/FILE}`, a snapshot's file being a link to its blob, or the bytes themselves where links cannot be made.
 */
import { lstat, mkdir, readdir, readFile, readlink, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { chooseFiles } from '../../files/hub/choose-files.ts';
import type { NamedFile } from '../../files/hub/choose-files.ts';
import type { ModelId } from '../../files/hub/model-id.ts';

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
  const temporary = `${path}.${process.pid}`;
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
    const blobPath = entry.isSymbolicLink() ? resolve(dirname(filePath), await readlink(filePath)) : filePath;
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

/** Makes a blob known under a name of a snapshot. */
export async function linkFile(path: string, blobPath: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const found = await lstat(path).catch(() => undefined);
  if (found?.isSymbolicLink()) await rm(path);
  else if (found !== undefined) return;
  try {
    await symlink(relative(dirname(path), blobPath), path);
  } catch (error) {
    if (!['EPERM', 'EACCES', 'ENOTSUP', 'ENOSYS'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    // Windows without developer mode: the bytes move to where they are read, as Python does it.
    await rename(blobPath, path);
  }
}

/**
 * Removes files of a snapshot and the blobs that no snapshot names any more; the repository's folder where nothing is left.
 * @returns freed bytes
 */
export async function removeFiles(
  cacheFolder: string,
  { repository, path, files: all }: CachedSnapshot,
  files: readonly CachedFile[],
): Promise<number> {
  for (const { name } of files) await rm(join(path, name), { force: true });
  const others = (await cachedSnapshots(cacheFolder)).filter((each) => each.repository === repository).flatMap((each) => each.files);
  const kept = new Set(others.map(({ blobPath }) => blobPath));
  const freed = files.filter(({ blobPath }) => !kept.has(blobPath));
  for (const { blobPath } of freed) await rm(blobPath, { force: true });
  if (files.length === all.length) await rm(path, { recursive: true, force: true });
  if (others.length === 0) await rm(repositoryFolder(cacheFolder, repository), { recursive: true, force: true });
  return freed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
