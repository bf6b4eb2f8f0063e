/** Small reads of a source by blocks that are kept: for places where each read costs much, however small it is. */
import type { ByteSource } from '../tensor/byte-source.ts';
import { untilAborted } from '../tensor/until-aborted.ts';
import { checkReadRange } from './read-range.ts';

const BLOCK_BYTES = 256 * 1024;
/** Models are read in the order of their layers, whose small tensors lie in a few places. */
const MOST_BLOCKS = 16;

/** @returns a source that takes at most 4 MiB; what is larger than half a block is read as it is */
export function inBlocks(source: ByteSource): ByteSource {
  const { name, sizeBytes } = source;
  /** By number, the longest unused first. */
  const blocks = new Map<number, Promise<Uint8Array>>();

  function blockOf(number: number): Promise<Uint8Array> {
    const found = blocks.get(number) ?? readBlock(number);
    blocks.delete(number);
    blocks.set(number, found);
    const [oldest] = blocks.keys();
    if (blocks.size > MOST_BLOCKS) blocks.delete(oldest!);
    return found;
  }

  /** Whoever asked for it, others may wait for it too: no signal of one of them ends it. */
  function readBlock(number: number): Promise<Uint8Array> {
    const start = number * BLOCK_BYTES;
    const bytes = new Uint8Array(Math.min(BLOCK_BYTES, sizeBytes - start));
    const block = source.read(start, bytes).then(() => bytes);
    block.catch(() => blocks.delete(number));
    return block;
  }

  return {
    name,
    sizeBytes,
    async read(offset, into, options) {
      if (into.length > BLOCK_BYTES / 2) return source.read(offset, into, options);
      options?.signal?.throwIfAborted();
      checkReadRange(name, sizeBytes, offset, into.length);
      for (let done = 0; done < into.length;) {
        const number = Math.floor((offset + done) / BLOCK_BYTES);
        const block = await untilAborted(blockOf(number), options?.signal);
        const from = offset + done - number * BLOCK_BYTES;
        const part = block.subarray(from, from + into.length - done);
        into.set(part, done);
        done += part.length;
      }
    },
    async close() {
      blocks.clear();
      await source.close();
    },
  };
}
