/**
 * A file of the hub, or of another server, on its way to where it is kept: in pieces by several connections, each written where it belongs,
 * so that what has come stays when the process ends at any moment. Beside the bytes lies a list of the pieces that are there. At the end
 * the hash is checked.
 */
import type { ByteSource } from '../../tensor/byte-source.ts';
import { FormatError } from '../../tensor/errors.ts';
import type { FileFacts } from '../file-facts.ts';
import { checkUnchanged, RangesRefused } from '../http-answer.ts';
import type { HttpOptions } from '../http-options.ts';
import { httpSource } from '../http-source.ts';
import type { HttpFile } from '../http-source.ts';
import { httpWhole } from '../http-whole.ts';
import { sideBySide } from '../side-by-side.ts';
import { pieceLength } from './blob-place.ts';
import type { BlobPlace, PartFile, PieceSizes } from './blob-place.ts';
import type { HubAccess } from './hub-access.ts';
import { fileUrl } from './repository.ts';
import type { HubFile, Repository } from './repository.ts';

export interface BlobDownload {
  readonly url: URL;
  readonly file: BlobFile;
  /** Where the blob is to be. */
  readonly place: BlobPlace;
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
  /** Nothing tells that what lies in its place is of the same file: it is fetched anew, and replaces the other once it is whole. */
  readonly isAnew?: boolean | undefined;
}

/** One whose size is known, as all are that come in pieces. */
type SizedDownload = BlobDownload & { readonly file: { readonly sizeBytes: number } };

export const PIECE_BYTES = 8 * 1024 * 1024;
const CONNECTIONS = 6;
/** Wrong bytes are fetched once more; then the fault is not on the way. */
const TRIES = 2;

/**
 * What came stays for the next time. Whoever calls it has the place to itself (`exclusively`), through this and through what it then makes
 * of the blob: in between nobody removes it.
 * @returns whether it was there whole before: then its bytes were not read, and its hash not checked
 * @throws FormatError where the bytes are not those that are expected (FileChanged where the server has others by now); as `httpSource`;
 *   the signal's reason
 */
export async function downloadBlob(download: BlobDownload): Promise<'there' | 'came'> {
  const { place, file } = download;
  if (file.isAnew === true) await place.discard();
  // Whoever was at work before may have fetched it.
  const there = file.isAnew === true ? undefined : await place.wholeBytes();
  if (there !== undefined && there === (file.sizeBytes ?? there)) {
    download.onBytes(there);
    return 'there';
  }
  await fetchRight(download);
  await place.finish();
  return 'came';
}

export interface HubFileDownload extends Pick<BlobDownload, 'place' | 'signal' | 'onBytes' | 'onNote'> {
  readonly repository: Repository;
  readonly file: HubFile;
  readonly access: HubAccess;
}

/** A file of the hub into its place, which nobody else has until `use`, which calls for the download, is done. @throws as `downloadBlob` */
export function downloadHubFile(
  { repository, access, ...rest }: HubFileDownload, use = (download: () => Promise<unknown>) => download(),
): Promise<unknown> {
  const { place, file, signal, onNote } = rest;
  const { onRetry, wait, idleTimeoutMs } = access;
  const http: HttpOptions = { fetch: (url, init) => access.fetch(url as URL, init), onRetry, wait, idleTimeoutMs };
  const download = () => downloadBlob({ ...rest, url: fileUrl(repository, file.name, access.settings), http });
  return place.exclusively({ signal, onWait: (note) => onNote(`${file.name}: ${note}`) }, () => use(download));
}

async function fetchRight(download: BlobDownload): Promise<void> {
  const { place, file } = download;
  for (let attempt = 1; ; attempt++) {
    await fetchPart(download);
    const size = (await place.partBytes())!;
    if (await isRight(download)) return;
    await place.discard();
    if (attempt === TRIES) throw wrongBytes(download);
    download.onBytes(-size);
    download.onNote(`${file.name}: the bytes that came do not have the hash that they should; fetching it again`);
  }
}

/** Bytes of a file that earlier runs brought. */
export async function partBytes(place: BlobPlace, sizeBytes: number): Promise<number> {
  if ((await place.partBytes()) === undefined) return 0;
  const part = await place.openPart();
  try {
    const sizes = { sizeBytes, pieceBytes: PIECE_BYTES };
    return sumOf(await part.readPieces(sizes), sizes);
  } finally {
    await part.close();
  }
}

function sumOf(pieces: Iterable<number>, sizes: PieceSizes): number {
  return [...pieces].reduce((sum, piece) => sum + pieceLength(piece, sizes), 0);
}

async function fetchPart(download: BlobDownload): Promise<void> {
  const { place, url, http, signal } = download;
  // What has come is not asked for again, but for a byte that tells what the server has now.
  const headBytes = (await place.partBytes()) ? 1 : undefined;
  const part = await place.openPart();
  try {
    const source = await httpSource(url, { ...http, headBytes, signal });
    try {
      await fetchPieces(source, part, checkSource(source, download));
    } finally {
      await source.close();
    }
  } catch (error) {
    if (!(error instanceof RangesRefused)) throw error;
    await fetchWhole(part, download);
  } finally {
    await part.close();
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

async function fetchPieces(source: ByteSource, part: PartFile, { file: { sizeBytes }, signal, onBytes }: SizedDownload): Promise<void> {
  const sizes: PieceSizes = { sizeBytes, pieceBytes: PIECE_BYTES };
  const done = await part.readPieces(sizes);
  const wanted = Array.from({ length: Math.ceil(sizeBytes / PIECE_BYTES) }, (_, piece) => piece).filter((piece) => !done.has(piece));
  onBytes(sizeBytes - sumOf(wanted, sizes));
  let listed = Promise.resolve();
  await sideBySide(Math.min(CONNECTIONS, wanted.length), signal, async (both) => {
    const buffer = new Uint8Array(Math.min(PIECE_BYTES, sizeBytes));
    for (let piece = wanted.shift(); piece !== undefined; piece = wanted.shift()) {
      const into = buffer.subarray(0, pieceLength(piece, sizes));
      await source.read(piece * PIECE_BYTES, into, { signal: both });
      await part.write(into, piece * PIECE_BYTES);
      done.add(piece);
      onBytes(into.length);
      listed = listed.then(() => part.notePieces(sizes, done));
      await listed;
    }
  });
}

/** A server that gives no parts of files. What it cuts short begins anew. */
async function fetchWhole(part: PartFile, { url, file, http, signal, onBytes, onNote }: BlobDownload): Promise<void> {
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
        await part.clear();
      },
      async write(bytes) {
        if (at + bytes.length > (file.sizeBytes ?? Infinity))
          throw new FormatError(`${url.origin}${url.pathname}: the server sends more than the ${file.sizeBytes} bytes that are expected.`);
        await part.write(bytes, at);
        at += bytes.length;
        onBytes(bytes.length);
      },
    },
  );
  checkSize({ name: `${url.origin}${url.pathname}`, sizeBytes: at }, file);
}

async function isRight({ place, file, signal }: BlobDownload): Promise<boolean> {
  const { blob, hash = 'sha256' } = file;
  return blob === undefined || (await place.hash('part', { hash, signal })) === blob;
}

function wrongBytes({ url, file }: BlobDownload): FormatError {
  return new FormatError(
    `${url.origin}${url.pathname}: the bytes do not have the hash that they should (${file.blob}), ${TRIES} times. ` +
      'Something on the way changes them: check the proxy and HF_ENDPOINT, or try again later. Nothing was kept.',
  );
}
