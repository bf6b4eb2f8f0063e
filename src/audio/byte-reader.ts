/** Bytes of a file or a pipe, taken in order. */
import type { ByteSource, ReadOptions } from '../tensor/byte-source.ts';
import { joinBytes } from '../tensor/join-bytes.ts';

export interface ByteReader {
  /** For messages. */
  readonly name: string;
  /** Bytes taken or passed over so far. */
  readonly offset: number;
  /**
   * The next `count` bytes, or fewer where they end; a view until the next call. With `least` it waits for so many alone, and gives what
   * there is beyond them: what arrives is not held back.
   */
  take(count: number, least?: number): Promise<Uint8Array>;
  /** Gives bytes of the last {@link ByteReader.take} back, to be taken again. */
  putBack(bytes: Uint8Array): void;
  /** Passes over `count` bytes; how many there were. */
  skip(count: number): Promise<number>;
  close(): Promise<void>;
}

const PIECE_BYTES = 64 * 1024;

/** A source from its beginning on, in pieces of 64 KiB; closes it at the end. */
export async function* sourcePieces(source: ByteSource, options?: ReadOptions): AsyncGenerator<Uint8Array> {
  try {
    for (let at = 0; at < source.sizeBytes; at += PIECE_BYTES) {
      const piece = new Uint8Array(Math.min(PIECE_BYTES, source.sizeBytes - at));
      await source.read(at, piece, options);
      yield piece;
    }
  } finally {
    await source.close();
  }
}

/** @param name of the file or pipe, for messages */
export function createByteReader(pieces: AsyncIterable<Uint8Array>, name: string): ByteReader {
  const iterator = pieces[Symbol.asyncIterator]();
  let rest: Uint8Array = new Uint8Array(0);
  let isOver = false;
  let offset = 0;
  const fill = async (count: number): Promise<void> => {
    const parts = [rest];
    let length = rest.length;
    while (length < count && !isOver) {
      const next = await iterator.next();
      if (next.done === true) isOver = true;
      else {
        parts.push(next.value);
        length += next.value.length;
      }
    }
    if (parts.length > 1) rest = joinBytes(parts);
  };
  const take = async (count: number, least = count): Promise<Uint8Array> => {
    if (rest.length < Math.min(least, count)) await fill(Math.min(least, count));
    const taken = rest.subarray(0, count);
    rest = rest.subarray(taken.length);
    offset += taken.length;
    return taken;
  };
  return {
    name,
    get offset() {
      return offset;
    },
    take,
    putBack(bytes) {
      offset -= bytes.length;
      rest = joinBytes([bytes, rest]);
    },
    async skip(count) {
      let skipped = 0;
      while (skipped < count) {
        const taken = await take(Math.min(PIECE_BYTES, count - skipped));
        if (taken.length === 0) break;
        skipped += taken.length;
      }
      return skipped;
    },
    async close() {
      isOver = true;
      rest = new Uint8Array(0);
      await iterator.return?.();
    },
  };
}
