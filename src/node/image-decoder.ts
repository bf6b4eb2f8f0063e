/**
 * The decoder of image files for Node. Large ones are decoded on a thread, one at a time, so that whoever calls goes on meanwhile; a signal
 * ends the thread. Small ones take less than a message there and back.
 */
import { Worker } from 'node:worker_threads';
import type { Image } from '../image/image.ts';
import { createImageDecoder, MOST_PIXELS } from '../image/image-decoder.ts';
import type { ImageDecoder } from '../image/image-decoder.ts';
import { readImageHeader } from '../image/image-header.ts';
import { CapacityError, FormatError } from '../tensor/errors.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import { DECODER_MODULES } from './image-modules.ts';
import type { DecodedMessage, DecodeMessage } from './image-modules.ts';

/** Decoded where the call is: some 10 ms. */
const FEW_PIXELS = 2 ** 18;
/** A thread without work is kept for so long: it takes 50 ms to start. */
const IDLE_MS = 5000;

/** From sources and from a build alike it lies in `dist`. */
const WORKER = new URL('../../dist/node/image-worker.js', import.meta.url);

/** @throws CapacityError from its `decode`, where the packages are not installed */
export function openImageDecoder(): ImageDecoder {
  const here = createImageDecoder(DECODER_MODULES);
  const thread = createThread();
  return {
    async decode(bytes, options = {}) {
      const { name = 'image', maxPixels = MOST_PIXELS, signal } = options;
      const { width, height } = readImageHeader(bytes, name);
      if (width * height <= FEW_PIXELS || width * height > maxPixels) return here.decode(bytes, options);
      return thread({ bytes, name, maxPixels }, signal);
    },
  };
}

type Decode = (message: DecodeMessage, signal: CancelSignal | undefined) => Promise<Image>;

/** One image at a time: a large one takes a gigabyte. */
function createThread(): Decode {
  let before: Promise<unknown> = Promise.resolve();
  let idle: { readonly worker: Worker; readonly timer: NodeJS.Timeout } | undefined;
  const take = (): Worker => {
    const worker = idle?.worker ?? new Worker(WORKER, { execArgv: [], stdin: false });
    clearTimeout(idle?.timer);
    idle = undefined;
    worker.ref();
    return worker;
  };
  const leave = (worker: Worker) => {
    worker.unref();
    const timer = setTimeout(() => {
      idle = undefined;
      void worker.terminate();
    }, IDLE_MS);
    timer.unref();
    idle = { worker, timer };
  };
  const decode: Decode = async (message, signal) => {
    signal?.throwIfAborted();
    const worker = take();
    try {
      const answer = await answerOf(worker, message, signal);
      leave(worker);
      if ('image' in answer) return answer.image;
      throw errorOf(answer);
    } finally {
      // It was ended, or ended by itself.
      if (idle?.worker !== worker) void worker.terminate();
    }
  };
  return (message, signal) => {
    const image = before.then(() => decode(message, signal));
    before = image.catch(() => {});
    return image;
  };
}

function answerOf(worker: Worker, message: DecodeMessage, signal: CancelSignal | undefined): Promise<DecodedMessage> {
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown) =>
      reject(new CapacityError(`${message.name}: the thread that decodes it ended. It may have had no memory for it.`, { cause }));
    const ended = (code: number) => fail(new Error(`code ${code}`));
    const abort = () => reject(signal?.reason);
    const settle = (answer: DecodedMessage) => {
      worker.off('error', fail).off('exit', ended);
      signal?.removeEventListener('abort', abort);
      resolve(answer);
    };
    worker.once('message', settle).once('error', fail).once('exit', ended);
    signal?.addEventListener('abort', abort, { once: true });
    worker.postMessage(message);
  });
}

function errorOf({ kind, message }: Extract<DecodedMessage, { readonly kind: unknown }>): Error {
  if (kind === 'format') return new FormatError(message);
  return kind === 'capacity' ? new CapacityError(message) : new Error(message);
}
