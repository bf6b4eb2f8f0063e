/** Large files on a thread. What decoders make of files is in ../image/image-decoder.test.ts. */
import { getEventListeners, once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { deflateSync } from 'node:zlib';
import { afterEach, expect, it, vi } from 'vitest';
import { createImageDecoder } from '../image/image-decoder.ts';
import { FormatError } from '../tensor/errors.ts';
import { openImageDecoder } from './image-decoder.ts';
import { DECODER_MODULES } from './image-modules.ts';

const { postMessage } = Worker.prototype;
afterEach(() => void vi.restoreAllMocks());

/** The threads that files were sent to, in order; `sent` is told of each when it has it, or says that it shall wait. */
function threads(sent: (worker: Worker, count: number) => Promise<void> | void = () => {}): Worker[] {
  const workers: Worker[] = [];
  vi.spyOn(Worker.prototype, 'postMessage').mockImplementation(function (this: Worker, ...asked) {
    const count = workers.push(this);
    const held = sent(this, count);
    if (held === undefined) postMessage.apply(this, asked);
    else void held.then(() => postMessage.apply(this, asked));
  });
  return workers;
}

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

it('a large image is decoded on a thread, to the same pixels; small ones here', async () => {
  const workers = threads();
  const decoder = openImageDecoder();
  const file = png(2000);
  const image = await decoder.decode(file, { name: 'large.png' });
  expect(workers.length).toBe(1);
  expect(await decoder.decode(png(100))).toMatchObject({ width: 100, height: 100 });
  expect(workers.length).toBe(1);
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
  expect(workers.map((worker) => workers.indexOf(worker))).toEqual([0, 0, 0]);
});

it('a signal ends the thread at once, and who waits behind it has another', async () => {
  const left = new AbortController();
  const answered = vi.fn();
  const workers = threads((worker, count) => {
    if (count > 1) return;
    worker.on('message', answered);
    // It has the file then, and cannot have answered.
    queueMicrotask(() => left.abort(new Error('left')));
  });
  const decoder = openImageDecoder();
  const file = png(5000);
  const [first, behind] = [decoder.decode(file, { signal: left.signal }), decoder.decode(png(600))];
  await expect(first).rejects.toThrow('left');
  expect(await behind).toMatchObject({ width: 600, height: 600 });
  expect(workers[1]).not.toBe(workers[0]);
  if (workers[0]!.threadId !== -1) await once(workers[0]!, 'exit');
  expect(answered).not.toHaveBeenCalled();
  await expect(decoder.decode(file, { signal: left.signal })).rejects.toThrow('left');
});

it('who waits for a turn leaves at once, and nothing hears the signal afterwards', async () => {
  let goOn!: () => void;
  const held = new Promise<void>((resolve) => void (goOn = resolve));
  threads(() => held);
  const decoder = openImageDecoder();
  const [left, stays] = [new AbortController(), new AbortController()];
  const first = decoder.decode(png(3000), { signal: stays.signal });
  let isFirst = false;
  void first.then(() => (isFirst = true));
  const waiting = decoder.decode(png(600), { signal: left.signal });
  left.abort(new Error('left'));
  await expect(waiting).rejects.toThrow('left');
  expect(isFirst).toBe(false);
  goOn();
  expect(await first).toMatchObject({ width: 3000, height: 3000 });
  for (const { signal } of [left, stays]) expect(getEventListeners(signal, 'abort')).toEqual([]);
});

it('a thread that ends while it waits, or while it decodes, is no more than that', async () => {
  const workers = threads((worker, count) => {
    if (count === 3) queueMicrotask(() => void worker.terminate());
  });
  const decoder = openImageDecoder();
  const signal = new AbortController().signal;
  await decoder.decode(png(600), { signal });
  // As Node tells of an error that a thread does not catch.
  workers[0]!.emit('error', new Error('no memory'));
  await workers[0]!.terminate();
  expect(await decoder.decode(png(600), { signal })).toMatchObject({ width: 600 });
  const asked = decoder.decode(png(3000), { name: 'large.png', signal });
  await expect(asked).rejects.toThrow('large.png: the thread that decodes it ended');
  expect(getEventListeners(signal, 'abort')).toEqual([]);
  expect(await decoder.decode(png(600))).toMatchObject({ width: 600 });
  expect(workers.map((worker) => workers.indexOf(worker))).toEqual([0, 1, 1, 3]);
});
