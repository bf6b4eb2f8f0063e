/**
 * A file of the hub, or of another server, on its way to the cache: in pieces by several connections, each written where it belongs, so
 * that what has come stays when the process ends at any moment. Beside the bytes lies a list of the pieces that are there. At the end the
 * hash is checked.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { checkUnchanged, RangesRefused } from '../../files/http-answer.ts';
import type { FileFacts } from '../../files/file-facts.ts';
import { httpSource } from '../../files/http-source.ts';
import type { HttpFile } from '../../files/http-source.ts';
import type { HttpOptions } from '../../files/http-options.ts';
import { httpWhole } from '../../files/http-whole.ts';
import { sideBySide } from '../../files/side-by-side.ts';
import type { ByteSource } from '../../tensor/byte-source.ts';
import { FormatError } from '../../tensor/errors.ts';
import { withFileLock } from '../file-lock.ts';
import type { HubFile } from './repository.ts';

export interface BlobDownload {
  readonly url: URL;
  readonly file: BlobFile;
  /** Where the blob is to be. */
  readonly path: string;
  readonly http: HttpOptions;
  readonly signal?: AbortSignal | undefined;
  /** Bytes that came since the last call: less than none where what had come is begun anew. */
  readonly onBytes: (bytes: number) => void;
  /** Why it waits or begins anew, for people. */
  readonly onNote: (note: string) => void;
}

export interface BlobFile extends Pick<HubFile, 'name'>, Partial<Pick<HubFile, 'blob' | 'hash'>> {
  /** Undefined where a server that gives no parts of files does not say it either. */
  readonly sizeBytes: number | undefined;
  /** What the server said of the file when it was looked at. */
  readonly facts?: FileFacts | undefined;
}

/** One whose size is known, as all are that come in pieces. */
type SizedDownload = BlobDownload & { readonly file: { readonly sizeBytes: number } };

const PIECE_BYTES = 8 * 1024 * 1024;
const CONNECTIONS = 6;
/** Wrong bytes are fetched once more; then the fault is not on the way. */
const TRIES = 2;

/** What came of a blob that is not whole, and its list: names that no other program reads or goes on with. */
export const partPath = (path: string) => `${path}.ingot-part`;
const listPath = (path: string) => `${path}.ingot-part.json`;

/**
 * What came stays for the next time.
 * @throws FormatError where the bytes are not those that are expected (FileChanged where the server has others by now); as `httpSource`;
 *   the signal's reason
 */
export async function downloadBlob(download: BlobDownload): Promise<void> {
  const { path, signal, file, onNote } = download;
  await mkdir(dirname(path), { recursive: true });
  const onWait = (note: string) => onNote(`${file.name}: ${note}`);
  await withFileLock(`${path}.ingot-lock`, { signal, onWait }, async () => {
    // Whoever had the lock before may have fetched it.
    const there = await sizeOf(path);
    if (there !== undefined && there === (file.sizeBytes ?? there)) return download.onBytes(there);
    await fetchRight(download);
    await rename(partPath(path), path);
    await rm(listPath(path), { force: true });
  });
}

async function fetchRight(download: BlobDownload): Promise<void> {
  const { path, file } = download;
  for (let attempt = 1; ; attempt++) {
    await fetchPart(download);
    const size = await sizeOf(partPath(path));
    if (await isRight(download, size!)) return;
    await Promise.all([partPath(path), listPath(path)].map((each) => rm(each, { force: true })));
    if (attempt === TRIES) throw wrongBytes(download);
    download.onBytes(-size!);
    download.onNote(`${file.name}: the bytes that came do not have the hash that they should; fetching it again`);
  }
}

/** Bytes of a file that earlier runs brought. */
export async function partBytes(path: string, sizeBytes: number): Promise<number> {
  const done = await readList(path, sizeBytes);
  return [...done].reduce((sum, piece) => sum + pieceBytes(piece, sizeBytes), 0);
}

async function fetchPart(download: BlobDownload): Promise<void> {
  const { path, url, http, signal } = download;
  const handle = await open(partPath(path), (await sizeOf(partPath(path))) === undefined ? 'w+' : 'r+');
  try {
    const source = await httpSource(url, { ...http, signal });
    try {
      const sized = checkSource(source, download);
      await fetchPieces(source, handle, sized);
    } finally {
      await source.close();
    }
  } catch (error) {
    if (!(error instanceof RangesRefused)) throw error;
    await fetchWhole(handle, download);
  } finally {
    await handle.close();
  }
}

function checkSource(source: HttpFile, download: BlobDownload): SizedDownload {
  const { file } = download;
  if (file.facts !== undefined) checkUnchanged(source.name, file.facts, source.facts);
  checkSize(source, file);
  return { ...download, file: { ...file, sizeBytes: source.sizeBytes } };
}

function checkSize({ name, sizeBytes }: Pick<ByteSource, 'name' | 'sizeBytes'>, file: BlobFile): void {
  if (file.sizeBytes !== undefined && sizeBytes !== file.sizeBytes)
    throw new FormatError(
      `${name} has ${sizeBytes} bytes, expected ${file.sizeBytes}. It may be changing: try again, or name another revision.`,
    );
}

async function fetchPieces(
  source: ByteSource,
  handle: FileHandle,
  { path, file: { sizeBytes }, signal, onBytes }: SizedDownload,
): Promise<void> {
  const done = await readList(path, sizeBytes);
  const wanted = Array.from({ length: Math.ceil(sizeBytes / PIECE_BYTES) }, (_, piece) => piece).filter((piece) => !done.has(piece));
  onBytes(sizeBytes - wanted.reduce((sum, piece) => sum + pieceBytes(piece, sizeBytes), 0));
  let listed = Promise.resolve();
  await sideBySide(Math.min(CONNECTIONS, wanted.length), signal, async (both) => {
    const buffer = new Uint8Array(Math.min(PIECE_BYTES, sizeBytes));
    for (let piece = wanted.shift(); piece !== undefined; piece = wanted.shift()) {
      const into = buffer.subarray(0, pieceBytes(piece, sizeBytes));
      await source.read(piece * PIECE_BYTES, into, { signal: both });
      await handle.write(into, 0, into.length, piece * PIECE_BYTES);
      done.add(piece);
      onBytes(into.length);
      listed = listed.then(() => writeList(path, sizeBytes, done));
      await listed;
    }
  });
}

/** A server that gives no parts of files. What it cuts short begins anew. */
async function fetchWhole(handle: FileHandle, { url, file, http, signal, onBytes, onNote }: BlobDownload): Promise<void> {
  onNote(
    `${file.name}: the server gives no parts of files: it is downloaded whole, by one connection, and an interrupted download begins anew`,
  );
  let at = 0;
  await httpWhole(
    url,
    { ...http, signal },
    {
      async begin() {
        onBytes(-at);
        at = 0;
        await handle.truncate(0);
      },
      async write(bytes) {
        if (at + bytes.length > (file.sizeBytes ?? Infinity))
          throw new FormatError(`${url.origin}${url.pathname}: the server sends more than the ${file.sizeBytes} bytes that are expected.`);
        await handle.write(bytes, 0, bytes.length, at);
        at += bytes.length;
        onBytes(bytes.length);
      },
    },
  );
  checkSize({ name: `${url.origin}${url.pathname}`, sizeBytes: at }, file);
}

function pieceBytes(piece: number, sizeBytes: number): number {
  return Math.min(PIECE_BYTES, sizeBytes - piece * PIECE_BYTES);
}

interface PartList {
  readonly sizeBytes: number;
  readonly pieceBytes: number;
  readonly done: readonly number[];
}

/** Pieces that are there. A list that cannot be read, or is of another file, is none. */
async function readList(path: string, sizeBytes: number): Promise<Set<number>> {
  const [text, there] = await Promise.all([readFile(listPath(path), 'utf8').catch(() => ''), sizeOf(partPath(path))]);
  try {
    const list = JSON.parse(text) as PartList;
    if (list.sizeBytes !== sizeBytes || list.pieceBytes !== PIECE_BYTES || there === undefined) return new Set();
    const isThere = (piece: unknown): piece is number =>
      Number.isInteger(piece) &&
      (piece as number) >= 0 &&
      (piece as number) * PIECE_BYTES + pieceBytes(piece as number, sizeBytes) <= there;
    return new Set(list.done.filter(isThere));
  } catch {
    return new Set();
  }
}

async function writeList(path: string, sizeBytes: number, done: ReadonlySet<number>): Promise<void> {
  const list: PartList = { sizeBytes, pieceBytes: PIECE_BYTES, done: [...done] };
  const temporary = `${listPath(path)}.new`;
  await writeFile(temporary, JSON.stringify(list));
  await rename(temporary, listPath(path));
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.size;
}

async function isRight({ path, file, signal }: BlobDownload, sizeBytes: number): Promise<boolean> {
  const { blob, hash = 'sha256' } = file;
  return blob === undefined || (await hashFile(partPath(path), { hash, sizeBytes, signal })) === blob;
}

/** A file's hash in hexadecimal, as the hub names it; its bytes are on the disk by then. */
export async function hashFile(
  path: string,
  { hash, sizeBytes, signal }: { readonly hash: HubFile['hash']; readonly sizeBytes: number; readonly signal?: AbortSignal | undefined },
): Promise<string> {
  const digest = createHash(hash === 'git-sha1' ? 'sha1' : 'sha256');
  if (hash === 'git-sha1') digest.update(`blob ${sizeBytes}\0`);
  const handle = await open(path, 'r+');
  try {
    await handle.sync();
    for await (const chunk of handle.createReadStream({ autoClose: false, highWaterMark: 1024 * 1024, signal }))
      digest.update(chunk as Uint8Array);
  } finally {
    await handle.close();
  }
  return digest.digest('hex');
}

function wrongBytes({ url, file }: BlobDownload): FormatError {
  return new FormatError(
    `${url.origin}${url.pathname}: the bytes do not have the hash that they should (${file.blob}), ${TRIES} times. ` +
      'Something on the way changes them: check the proxy and HF_ENDPOINT, or try again later. Nothing was kept.',
  );
}
