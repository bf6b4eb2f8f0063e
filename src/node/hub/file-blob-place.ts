/** A blob in a folder of the disk: the bytes that came under a name that no other program reads, with a list of the pieces beside them. */
import { createHash } from 'node:crypto';
import { open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pieceLength } from '../../files/hub/blob-place.ts';
import type { BlobPlace, PartFile, PieceSizes } from '../../files/hub/blob-place.ts';
import type { HubFile } from '../../files/hub/repository.ts';
import type { CancelSignal } from '../../tensor/platform.ts';
import { ifFileLockFree, withFileLock } from '../file-lock.ts';

const partPath = (path: string) => `${path}.ingot-part`;
/** Who has it writes the blob, makes it known under a name, or removes it. */
export const blobLock = (path: string) => `${path}.ingot-lock`;
const listPath = (path: string) => `${path}.ingot-part.json`;

/** The name of the blob that a file beside it belongs to: a part of it, its lock, a link to it that was not made known; or its own. */
export function blobOfName(name: string): string {
  return name.replace(/\.ingot-.*$/, '');
}

/**
 * Removes a blob, and what lies beside it but its lock, which the caller has, and a guard of that lock which somebody has. `keepsWhole`:
 * what lies beside it alone.
 */
export async function removeBlob(path: string, { keepsWhole }: { readonly keepsWhole: boolean }): Promise<void> {
  const names = (await readdir(dirname(path)).catch(() => [])).filter((name) => blobOfName(name) === basename(path));
  for (const name of names) {
    if (name.endsWith('.ingot-lock') || (keepsWhole && name === basename(path))) continue;
    const each = join(dirname(path), name);
    // Windows keeps what somebody reads. A guard is a lock too, which goes as it is let go.
    const remove = name.endsWith('-gone') ? ifFileLockFree(each, async () => {}) : rm(each, { force: true });
    await remove.catch(() => undefined);
  }
}

/** @param path where the blob is when it is whole */
export function fileBlobPlace(path: string): BlobPlace {
  return {
    exclusively: (options, work) => withFileLock(blobLock(path), options, work),
    wholeBytes: () => sizeOf(path),
    partBytes: () => sizeOf(partPath(path)),
    openPart: async () => partFile(path, await open(partPath(path), (await sizeOf(partPath(path))) === undefined ? 'w+' : 'r+')),
    hash: (which, options) => hashFile(which === 'part' ? partPath(path) : path, options),
    async finish() {
      await rename(partPath(path), path);
      await rm(listPath(path), { force: true });
    },
    async discard() {
      await Promise.all([partPath(path), listPath(path)].map((each) => rm(each, { force: true })));
    },
  };
}

function partFile(path: string, handle: FileHandle): PartFile {
  return {
    readPieces: (sizes) => readList(path, sizes),
    notePieces: (sizes, done) => writeList(path, { ...sizes, done: [...done] }),
    async write(bytes, at) {
      await handle.write(bytes, 0, bytes.length, at);
    },
    clear: () => handle.truncate(0),
    close: () => handle.close(),
  };
}

interface PartList extends PieceSizes {
  readonly done: readonly number[];
}

async function readList(path: string, sizes: PieceSizes): Promise<Set<number>> {
  const [text, there] = await Promise.all([readFile(listPath(path), 'utf8').catch(() => ''), sizeOf(partPath(path))]);
  try {
    const list = JSON.parse(text) as PartList;
    if (list.sizeBytes !== sizes.sizeBytes || list.pieceBytes !== sizes.pieceBytes || there === undefined) return new Set();
    const isThere = (piece: unknown): piece is number =>
      Number.isInteger(piece) &&
      (piece as number) >= 0 &&
      (piece as number) * sizes.pieceBytes + pieceLength(piece as number, sizes) <= there;
    return new Set(list.done.filter(isThere));
  } catch {
    return new Set();
  }
}

async function writeList(path: string, list: PartList): Promise<void> {
  const temporary = `${listPath(path)}.new`;
  await writeFile(temporary, JSON.stringify(list));
  await rename(temporary, listPath(path));
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.size;
}

async function hashFile(
  path: string, { hash, signal }: { readonly hash: HubFile['hash']; readonly signal?: CancelSignal | undefined },
): Promise<string> {
  const digest = createHash(hash === 'git-sha1' ? 'sha1' : 'sha256');
  const handle = await open(path, 'r+');
  try {
    await handle.sync();
    if (hash === 'git-sha1') digest.update(`blob ${(await handle.stat()).size}\0`);
    for await (const chunk of handle.createReadStream({ autoClose: false, highWaterMark: 1024 * 1024, signal }))
      digest.update(chunk as Uint8Array);
  } finally {
    await handle.close();
  }
  return digest.digest('hex');
}
