/**
 * PNG, JPEG and GIF by the module of `@cf-wasm/photon` (Photon, which has the `image` crate of Rust). Its own JavaScript keeps one instance
 * for good; here each image has an instance, which nobody holds afterwards.
 */
import { DecodingFailed } from './decoding-failed.ts';
import type { Image } from './image.ts';
import { withMemory } from './with-memory.ts';

/** What is called of the module, as wasm-bindgen exports it. */
interface RasterExports {
  readonly memory: WebAssembly.Memory;
  readonly __wbindgen_externrefs: WebAssembly.Table;
  __wbindgen_start(): void;
  __wbindgen_malloc(bytes: number, align: number): number;
  photonimage_new_from_byteslice(at: number, length: number): number;
  photonimage_get_width(image: number): number;
  photonimage_get_height(image: number): number;
  /** Where a copy of the pixels lies, and how long it is. */
  photonimage_get_raw_pixels(image: number): [number, number];
}

/** @throws DecodingFailed, and CapacityError where there is no memory for an instance or its pixels */
export function decodeRaster(module: WebAssembly.Module, file: Uint8Array): Image {
  let said = '';
  const instance: { exports?: RasterExports } = {};
  const textAt = (at: number, length: number) =>
    new TextDecoder().decode(new Uint8Array((instance.exports as RasterExports).memory.buffer, at >>> 0, length >>> 0));
  const imports: Record<string, Record<string, unknown>> = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    (imports[from] ??= {})[name] = importOf(name, { say: (at, length) => void (said = textAt(at, length)), instance });
  }
  const made = withMemory(() => new WebAssembly.Instance(module, imports as WebAssembly.Imports));
  const exports = made.exports as unknown as RasterExports;
  instance.exports = exports;
  let image: Image;
  try {
    exports['__wbindgen_start']();
    const at = exports['__wbindgen_malloc'](file.length, 1) >>> 0;
    new Uint8Array(exports.memory.buffer).set(file, at);
    const decoded = exports.photonimage_new_from_byteslice(at, file.length);
    const [width, height] = [exports.photonimage_get_width(decoded) >>> 0, exports.photonimage_get_height(decoded) >>> 0];
    const [pixels, length] = exports.photonimage_get_raw_pixels(decoded);
    image = { width, height, data: new Uint8Array(exports.memory.buffer, pixels >>> 0, length >>> 0) };
  } catch (cause) {
    throw new DecodingFailed(said || 'the decoder stopped', { cause });
  }
  return { ...image, data: withMemory(() => image.data.slice()) };
}

interface ImportPlace {
  /** What it says before it gives up. */
  readonly say: (at: number, length: number) => void;
  readonly instance: { readonly exports?: RasterExports };
}

/** Decoding touches nothing outside but to say why it fails. Names have a hash behind them. */
function importOf(name: string, { say, instance }: ImportPlace): unknown {
  if (name.startsWith('__wbindgen_init_externref_table')) {
    return () => {
      const table = (instance.exports as RasterExports)['__wbindgen_externrefs'];
      const at = table.grow(4);
      [undefined, null, true, false].forEach((value, i) => table.set(at + i, value));
    };
  }
  if (name.startsWith('__wbg_error_')) return say;
  if (name.includes('throw')) {
    return (at: number, length: number) => {
      say(at, length);
      throw new Error('thrown by the decoder');
    };
  }
  return () => undefined;
}
