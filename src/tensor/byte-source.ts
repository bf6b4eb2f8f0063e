/**
 * Where bytes of a model come from: a file, HTTP ranges, memory, a browser's private file system.
 * Readers ask for ranges and never for the whole, so a source may be larger than memory.
 */
import type { CancelSignal } from './platform.ts';

export interface ReadOptions {
  readonly signal?: CancelSignal | undefined;
}

export interface ByteSource {
  /** A path or URL, for messages. */
  readonly name: string;
  readonly sizeBytes: number;
  /**
   * Fills all of `into` (which may be a view of shared memory) with the bytes from `offset` on.
   * Rejects when the source ends earlier, and with the signal's reason when it aborts.
   */
  read(offset: number, into: Uint8Array, options?: ReadOptions): Promise<void>;
  close(): Promise<void>;
}

export interface OpenOptions extends ReadOptions {
  /** Called before `open` resolves to undefined by a folder that can say how it knows that the file is absent. */
  readonly onAbsent?: ((reason: string) => void) | undefined;
}

/** A place that holds several named sources: a directory, a base URL, a set of files picked by a user. */
export interface SourceFolder {
  /** A path or URL, for messages. */
  readonly name: string;
  /** Opens a file of the folder, or of a folder in it (`1_Pooling/config.json`); undefined where there is none of that name. */
  open(fileName: string, options?: OpenOptions): Promise<ByteSource | undefined>;
  /** Names in a folder of it, none where there is no such folder; absent where that cannot be known (a URL). */
  list?(folder: string): Promise<readonly string[]>;
}
