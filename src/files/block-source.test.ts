import { expect, test } from 'vitest';
import type { ByteSource } from '../tensor/byte-source.ts';
import { inBlocks } from './block-source.ts';
import { memorySource } from './memory-source.ts';

const BLOCK = 256 * 1024;
const bytes = Uint8Array.from({ length: 5 * BLOCK + 77 }, (_, i) => (i * 7 + (i >> 8)) % 251);

function counted(): { readonly source: ByteSource; readonly reads: number[] } {
  const reads: number[] = [];
  const memory = memorySource(bytes, 'm');
  const source: ByteSource = {
    ...memory,
    read(offset, into, options) {
      reads.push(into.length);
      return memory.read(offset, into, options);
    },
  };
  return { source, reads };
}

const read = async (source: ByteSource, offset: number, length: number) => {
  const into = new Uint8Array(length);
  await source.read(offset, into);
  return into;
};

test.each([
  [0, 1],
  [BLOCK - 1, 2],
  [BLOCK - 40_000, 80_000],
  [5 * BLOCK, 77],
  [5 * BLOCK - 3, 80],
  [3, BLOCK],
  [0, bytes.length],
  [bytes.length, 0],
])('from %i on %i bytes are those of the source', async (offset, length) => {
  const found = await read(inBlocks(counted().source), offset, length);
  // Vitest compares a megabyte in seconds.
  expect(Buffer.compare(found, bytes.subarray(offset, offset + length))).toBe(0);
});

test('small reads of one place are one read of the source, also those that come at once', async () => {
  const { source, reads } = counted();
  const blocks = inBlocks(source);
  await Promise.all([10, 5000, 90_000, 20].map((offset) => read(blocks, offset, 100)));
  await read(blocks, 1000, 100);
  expect(reads).toEqual([BLOCK]);
  await expect(read(blocks, bytes.length - 1, 2)).rejects.toThrow('m');
});

test('a read that failed is tried again, and an abort ends its own reader alone', async () => {
  const { source } = counted();
  let fails = true;
  const blocks = inBlocks({ ...source, read: (...args) => (fails ? Promise.reject(new Error('gone')) : source.read(...args)) });
  await expect(read(blocks, 0, 10)).rejects.toThrow('gone');
  fails = false;
  const controller = new AbortController();
  const aborted = blocks.read(0, new Uint8Array(10), { signal: controller.signal });
  const other = read(blocks, 0, 10);
  controller.abort(new Error('enough'));
  await expect(aborted).rejects.toThrow('enough');
  expect(await other).toEqual(bytes.slice(0, 10));
});

test('an abort ends its reader while the source has sent nothing', async () => {
  const blocks = inBlocks({ ...counted().source, read: () => new Promise(() => {}) });
  const controller = new AbortController();
  const waiting = blocks.read(0, new Uint8Array(10), { signal: controller.signal });
  controller.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
});
