/** Large files on a thread. What decoders make of files is in ../image/image-decoder.test.ts. */
import { getEventListeners } from 'node:events';
import { Worker } from 'node:worker_threads';
import { deflateSync } from 'node:zlib';
import { expect, it, vi } from 'vitest';
import { createImageDecoder } from '../image/image-decoder.ts';
import { FormatError } from '../tensor/errors.ts';
import { openImageDecoder } from './image-decoder.ts';
import { DECODER_MODULES } from './image-modules.ts';

const { postMessage } = Worker.prototype;

function crc(bytes: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
}

function chunk(name: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(name), data]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(crc(body));
  return Buffer.concat([length, body, check]);
}

/** Gray, with a line that says where it is. */
function png(side: number): Uint8Array {
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0]);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  const lines = Buffer.alloc(side * (side + 1));
  lines.fill(200, 5 * (side + 1) + 1, 6 * (side + 1));
  const end = chunk('IEND', Buffer.alloc(0));
  return Buffer.concat([Buffer.from('\u0089PNG\r\n\u001a\n', 'latin1'), chunk('IHDR', header), chunk('IDAT', deflateSync(lines)), end]);
}

it('a large image is decoded on a thread, to the same pixels, while this one goes on', async () => {
  const decoder = openImageDecoder();
  const file = png(2000);
  let turns = 0;
  const counting = setInterval(() => turns++, 1);
  const image = await decoder.decode(file, { name: 'large.png' });
  clearInterval(counting);
  expect(turns).toBeGreaterThan(5);
  const here = await createImageDecoder(DECODER_MODULES).decode(file);
  expect(image).toMatchObject({ width: 2000, height: 2000 });
  expect(Buffer.compare(Buffer.from(image.data), Buffer.from(here.data))).toBe(0);
  // Those that follow have the same thread, whatever became of the one before.
  const cut = Uint8Array.from(file);
  cut.fill(7, 60, 80);
  const [damaged, next] = await Promise.allSettled([decoder.decode(cut, { name: 'cut.png' }), decoder.decode(file)]);
  expect((damaged as PromiseRejectedResult).reason).toBeInstanceOf(FormatError);
  expect(String((damaged as PromiseRejectedResult).reason)).toContain('cut.png: the PNG cannot be decoded');
  expect(next.status).toBe('fulfilled');
});

it('a signal ends the thread at once, and who waits behind it has another', async () => {
  const decoder = openImageDecoder();
  const file = png(5000);
  const left = new AbortController();
  const [first, behind] = [decoder.decode(file, { signal: left.signal }), decoder.decode(png(600))];
  setTimeout(() => left.abort(new Error('left')), 120);
  const startMs = performance.now();
  await expect(first).rejects.toThrow('left');
  expect(performance.now() - startMs).toBeLessThan(2000);
  expect(await behind).toMatchObject({ width: 600, height: 600 });
  await expect(decoder.decode(file, { signal: left.signal })).rejects.toThrow('left');
});

it('who waits for a turn leaves at once, and nothing hears the signal afterwards', async () => {
  const decoder = openImageDecoder();
  const [left, stays] = [new AbortController(), new AbortController()];
  const first = decoder.decode(png(3000), { signal: stays.signal });
  let isFirst = false;
  void first.then(() => (isFirst = true));
  const waiting = decoder.decode(png(600), { signal: left.signal });
  setTimeout(() => left.abort(new Error('left')), 5);
  await expect(waiting).rejects.toThrow('left');
  expect(isFirst).toBe(false);
  expect(await first).toMatchObject({ width: 3000, height: 3000 });
  for (const { signal } of [left, stays]) expect(getEventListeners(signal, 'abort')).toEqual([]);
});

it('a thread that ends while it waits, or while it decodes, is no more than that', async () => {
  const workers: Worker[] = [];
  const post = vi.spyOn(Worker.prototype, 'postMessage').mockImplementation(function (this: Worker, ...asked) {
    workers.push(this);
    return postMessage.apply(this, asked);
  });
  const decoder = openImageDecoder();
  const signal = new AbortController().signal;
  await decoder.decode(png(600), { signal });
  // As Node tells of an error that a thread does not catch.
  workers[0]!.emit('error', new Error('no memory'));
  await workers[0]!.terminate();
  expect(await decoder.decode(png(600), { signal })).toMatchObject({ width: 600 });
  const asked = decoder.decode(png(3000), { name: 'large.png', signal });
  await vi.waitUntil(() => workers.length === 3);
  void workers[2]!.terminate();
  await expect(asked).rejects.toThrow('large.png: the thread that decodes it ended');
  expect(getEventListeners(signal, 'abort')).toEqual([]);
  expect(await decoder.decode(png(600))).toMatchObject({ width: 600 });
  expect(workers.map((worker) => workers.indexOf(worker))).toEqual([0, 1, 1, 3]);
  post.mockRestore();
});
