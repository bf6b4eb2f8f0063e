/** Where a file of the hub, or of another server, is kept: what a platform gives. What came stays where the process ends at any moment. */
import type { CancelSignal } from '../../tensor/platform.ts';
import type { HubFile } from './repository.ts';

export interface PieceSizes {
  readonly sizeBytes: number;
  readonly pieceBytes: number;
}

/** Bytes of one piece: the last may be short. */
export function pieceLength(piece: number, { sizeBytes, pieceBytes }: PieceSizes): number {
  return Math.min(pieceBytes, sizeBytes - piece * pieceBytes);
}

export interface LockOptions {
  readonly signal?: CancelSignal | undefined;
  /** Told once, for people, where somebody else is at work. */
  readonly onWait?: ((note: string) => void) | undefined;
}

export interface BlobPlace {
  /**
   * Runs `work` while nobody else writes here, makes what is here known, or removes it. Where `work` called this again, it would wait for
   * itself.
   */
  exclusively<Result>(options: LockOptions, work: () => Promise<Result>): Promise<Result>;
  /** Bytes of the blob, where it is there whole. */
  wholeBytes(): Promise<number | undefined>;
  /** Bytes that the part reaches to, where there is one. */
  partBytes(): Promise<number | undefined>;
  /** What has come so far, open for more. */
  openPart(): Promise<PartFile>;
  /** In hexadecimal, as the hub names it; the bytes are on the disk by then. */
  hash(which: 'part' | 'whole', options: { readonly hash: HubFile['hash']; readonly signal?: CancelSignal | undefined }): Promise<string>;
  /** The part becomes the blob. */
  finish(): Promise<void>;
  /** Takes the part away. */
  discard(): Promise<void>;
}

/** Bytes of a file that are still to come. Of a part the place where it ends counts: somebody may be writing it, so it is not opened. */
export async function missingBytes(place: BlobPlace, sizeBytes: number): Promise<number> {
  if ((await place.wholeBytes()) === sizeBytes) return 0;
  return sizeBytes - Math.min(sizeBytes, (await place.partBytes()) ?? 0);
}

export interface PartFile {
  /** Pieces that are there: of a list that cannot be read, or is of another file, none. */
  readPieces(sizes: PieceSizes): Promise<Set<number>>;
  /** Their bytes were written. */
  notePieces(sizes: PieceSizes, done: ReadonlySet<number>): Promise<void>;
  write(bytes: Uint8Array, at: number): Promise<void>;
  clear(): Promise<void>;
  close(): Promise<void>;
}
