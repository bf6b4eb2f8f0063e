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
import { untilAborted } from '../tensor/until-aborted.ts';
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

interface Idle {
  readonly worker: Worker;
  readonly timer: NodeJS.Timeout;
}

/** One image at a time: a large one takes a gigabyte. */
function createThread(): Decode {
  let before: Promise<unknown> = Promise.resolve();
  let idle: Idle | undefined;
  const forget = (worker: Worker) => {
    if (idle?.worker !== worker) return;
    clearTimeout(idle.timer);
    idle = undefined;
  };
  const start = (): Worker => {
    const worker = new Worker(WORKER, { execArgv: [], stdin: false });
    // It may end while it waits: an error that nobody hears would end the process.
    return worker.on('error', () => forget(worker)).on('exit', () => forget(worker));
  };
  const take = (): Worker => {
    const worker = idle?.worker ?? start();
    forget(worker);
    worker.ref();
    return worker;
  };
  const leave = (worker: Worker) => {
    worker.unref();
    const timer = setTimeout(() => {
      forget(worker);
      void worker.terminate();
    }, IDLE_MS);
    timer.unref();
    idle = { worker, timer };
  };
  const decode: Decode = async (message, signal) => {
    signal?.throwIfAborted();
    const worker = take();
    let isAnswered = false;
    try {
      const answer = await answerOf(worker, message, signal);
      isAnswered = true;
      leave(worker);
      if ('image' in answer) return answer.image;
      throw errorOf(answer);
    } finally {
      // It was ended, or ended by itself.
      if (!isAnswered) void worker.terminate();
    }
  };
  return async (message, signal) => {
    const image = before.then(() => decode(message, signal));
    before = image.catch(() => {});
    // Who waits for a turn leaves at once; when it comes, nothing is done.
    return untilAborted(image, signal);
  };
}

function answerOf(worker: Worker, message: DecodeMessage, signal: CancelSignal | undefined): Promise<DecodedMessage> {
  return new Promise((resolve, reject) => {
    const settle = (settled: () => void) => {
      worker.off('message', answered).off('error', failed).off('exit', ended);
      signal?.removeEventListener('abort', left);
      settled();
    };
    const answered = (answer: DecodedMessage) => settle(() => resolve(answer));
    const failed = (cause: unknown) => settle(() =>
      reject(new CapacityError(`${message.name}: the thread that decodes it ended. It may have had no memory for it.`, { cause })));
    const ended = (code: number) => failed(new Error(`code ${code}`));
    const left = () => settle(() => reject(signal?.reason));
    worker.on('message', answered).on('error', failed).on('exit', ended);
    signal?.addEventListener('abort', left, { once: true });
    worker.postMessage(message);
  });
}

function errorOf({ kind, message }: Extract<DecodedMessage, { readonly kind: unknown }>): Error {
  if (kind === 'format') return new FormatError(message);
  return kind === 'capacity' ? new CapacityError(message) : new Error(message);
}
