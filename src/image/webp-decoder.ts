/** WebP by the module of `@cwasm/webp` (libwebp), an instance for each image. */
import { DecodingFailed } from './decoding-failed.ts';
import type { Image } from './image.ts';
import { withMemory } from './with-memory.ts';

interface WebpExports {
  readonly memory: WebAssembly.Memory;
  malloc(bytes: number): number;
  /** Where the pixels lie; 0 where they cannot be decoded. */
  WebPDecodeRGBA(at: number, length: number, width: number, height: number): number;
}

const refuse = () => {
  throw new Error('a decoder has no files');
};
const SYSTEM = { wasi_snapshot_preview1: { fd_seek: refuse, fd_close: refuse, fd_write: refuse } };

/** @throws DecodingFailed, and CapacityError where there is no memory for an instance or its pixels */
export function decodeWebp(module: WebAssembly.Module, file: Uint8Array): Image {
  const { exports } = withMemory(() => new WebAssembly.Instance(module, SYSTEM));
  const { memory, malloc, WebPDecodeRGBA: decode } = exports as unknown as WebpExports;
  let image: Image;
  try {
    const [at, sizes] = [malloc(file.length), malloc(8)];
    if (at === 0 || sizes === 0) throw new Error('no memory for the file');
    new Uint8Array(memory.buffer).set(file, at);
    const pixels = decode(at, file.length, sizes, sizes + 4);
    if (pixels === 0) throw new Error('no pixels');
    const [width, height] = new Uint32Array(memory.buffer, sizes, 2) as unknown as readonly [number, number];
    image = { width, height, data: new Uint8Array(memory.buffer, pixels, width * height * 4) };
  } catch (cause) {
    throw new DecodingFailed('the decoder stopped', { cause });
  }
  return { ...image, data: withMemory(() => image.data.slice()) };
}
