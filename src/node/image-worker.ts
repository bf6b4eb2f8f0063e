/** A thread that decodes image files, one after another: what image-decoder.ts starts. */
import { parentPort } from 'node:worker_threads';
import { createImageDecoder } from '../image/image-decoder.ts';
import { CapacityError, FormatError } from '../tensor/errors.ts';
import { DECODER_MODULES } from './image-modules.ts';
import type { DecodedMessage, DecodeMessage } from './image-modules.ts';

const decoder = createImageDecoder(DECODER_MODULES);

function kindOf(error: unknown): 'format' | 'capacity' | 'other' {
  if (error instanceof FormatError) return 'format';
  return error instanceof CapacityError ? 'capacity' : 'other';
}

async function answer({ bytes, name, maxPixels }: DecodeMessage): Promise<void> {
  const post = (message: DecodedMessage, moved: ArrayBuffer[] = []) => parentPort?.postMessage(message, moved);
  try {
    const { width, height, data } = await decoder.decode(bytes, { name, maxPixels });
    // The decoder's own memory cannot be given away.
    const own = new Uint8Array(data);
    post({ image: { width, height, data: own } }, [own.buffer]);
  } catch (error) {
    post({ kind: kindOf(error), message: (error as Error).message });
  }
}

parentPort?.on('message', (message: DecodeMessage) => void answer(message));
