/** A blob of the cache in the private file system. In a worker, which alone may write it in place. */
import { pieceLength } from '../../files/hub/blob-place.ts';
import type { BlobPlace, PartFile, PieceSizes } from '../../files/hub/blob-place.ts';
import { Sha256 } from '../../files/hub/sha256.ts';
import { waitFor } from '../../files/http-retry.ts';
import { hexOf } from '../../tensor/hex-of.ts';
import { joinBytes } from '../../tensor/join-bytes.ts';
import type { CancelSignal } from '../../tensor/platform.ts';
import { fileIn, isOutOfRoom, outOfRoom, removeFrom, syncHandle } from './cache-folder.ts';
import type { SyncAccess } from './cache-folder.ts';
import { withWebLock } from './web-lock.ts';

export const blobLock = (name: string) => `ingot-blob ${name}`;
const partName = (name: string) => `${name}.part`;
const piecesName = (name: string) => `${name}.pieces`;

/** @param name of the blob when it is whole: its hash */
export function opfsBlobPlace(blobs: FileSystemDirectoryHandle, name: string): BlobPlace {
  const sizeOf = async (file: string) => (await fileIn(blobs, file))?.size;
  return {
    exclusively: (options, work) => withWebLock(blobLock(name), options, work),
    wholeBytes: () => sizeOf(name),
    partBytes: () => sizeOf(partName(name)),
    openPart: () => openPart(blobs, name),
    async hash(which, { hash, signal }) {
      const file = (await fileIn(blobs, which === 'part' ? partName(name) : name))!;
      return hash === 'sha256' ? sha256Of(file, signal) : gitSha1Of(file);
    },
    async finish() {
      // Of a file that is fetched anew an earlier one may be there.
      await removeFrom(blobs, name);
      await (await syncHandle(blobs, partName(name))).move(name);
      await removeFrom(blobs, piecesName(name));
    },
    async discard() {
      await Promise.all([partName(name), piecesName(name)].map((file) => removeFrom(blobs, file)));
    },
  };
}

const READ_BYTES = 4 * 1024 * 1024;

async function sha256Of(file: File, signal: CancelSignal | undefined): Promise<string> {
  const sum = new Sha256();
  for (let at = 0; at < file.size; at += READ_BYTES) {
    signal?.throwIfAborted();
    sum.update(new Uint8Array(await file.slice(at, at + READ_BYTES).arrayBuffer()));
  }
  return sum.digest();
}

/** Of what git holds itself, which is small. */
async function gitSha1Of(file: File): Promise<string> {
  const head = new TextEncoder().encode(`blob ${file.size}\0`);
  const bytes = joinBytes([head, new Uint8Array(await file.arrayBuffer())]);
  return hexOf(new Uint8Array(await crypto.subtle.digest('SHA-1', bytes as Uint8Array<ArrayBuffer>)));
}

/** A tab that was ended a moment ago may still have the file. */
const TRIES = 50;
const TRY_MS = 100;

async function openAccess(directory: FileSystemDirectoryHandle, name: string): Promise<SyncAccess> {
  const handle = await syncHandle(directory, name);
  for (let attempt = 1; ; attempt++) {
    try {
      return await handle.createSyncAccessHandle();
    } catch (error) {
      if (!(error instanceof DOMException) || error.name !== 'NoModificationAllowedError' || attempt === TRIES) throw error;
      await waitFor(TRY_MS, undefined);
    }
  }
}

async function openPart(blobs: FileSystemDirectoryHandle, name: string): Promise<PartFile> {
  const part = await openAccess(blobs, partName(name));
  let pieces: SyncAccess;
  try {
    pieces = await openAccess(blobs, piecesName(name));
  } catch (error) {
    part.close();
    throw error;
  }
  const noted = new Set<number>();
  return {
    async readPieces(sizes) {
      const done = readPieces(pieces, sizes);
      for (const piece of done) noted.add(piece);
      const isThere = (piece: number) => piece * sizes.pieceBytes + pieceLength(piece, sizes) <= part.getSize();
      return new Set([...done].filter(isThere));
    },
    async notePieces(_sizes, done) {
      for (const piece of done) {
        if (noted.has(piece)) continue;
        noted.add(piece);
        pieces.write(DONE, { at: HEADER_BYTES + piece });
      }
    },
    async write(bytes, at) {
      writeAll(part, bytes, at);
    },
    async clear() {
      part.truncate(0);
    },
    async close() {
      part.close();
      pieces.close();
    },
  };
}

function writeAll(access: SyncAccess, bytes: Uint8Array, at: number): void {
  let written = 0;
  try {
    written = access.write(bytes, { at });
  } catch (cause) {
    if (!isOutOfRoom(cause)) throw cause;
  }
  if (written < bytes.length) throw outOfRoom();
}

/** The list of pieces: what they are of, and a byte for each, so that a tab that ends at any moment leaves a whole list. */
const HEADER_BYTES = 16;
const DONE = Uint8Array.of(1);

function headerOf({ sizeBytes, pieceBytes }: PieceSizes): Uint8Array {
  const header = new DataView(new ArrayBuffer(HEADER_BYTES));
  header.setFloat64(0, sizeBytes);
  header.setFloat64(8, pieceBytes);
  return new Uint8Array(header.buffer);
}

/** Of a list that is of another file, none, and the list begins anew. */
function readPieces(pieces: SyncAccess, sizes: PieceSizes): Set<number> {
  const header = headerOf(sizes);
  const found = new Uint8Array(HEADER_BYTES + Math.ceil(sizes.sizeBytes / sizes.pieceBytes));
  const length = pieces.read(found, { at: 0 });
  if (length < HEADER_BYTES || header.some((byte, i) => found[i] !== byte)) {
    pieces.truncate(0);
    pieces.write(header, { at: 0 });
    return new Set();
  }
  return new Set([...found.subarray(HEADER_BYTES, length)].flatMap((byte, piece) => (byte === 1 ? [piece] : [])));
}
