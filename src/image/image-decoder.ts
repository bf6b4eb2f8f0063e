/** Image files of every kind that is read, to pixels. */
import { CapacityError, FormatError } from '../tensor/errors.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import { withMemoryLimit } from './decoder-memory.ts';
import { DecodingFailed } from './decoding-failed.ts';
import { CHANNELS } from './image.ts';
import type { Image } from './image.ts';
import { readImageHeader } from './image-header.ts';
import type { ImageHeader } from './image-header.ts';
import { orientImage } from './orient-image.ts';
import { decodeRaster } from './raster-decoder.ts';
import { firstFrame } from './webp-container.ts';
import type { WebpFrame } from './webp-container.ts';
import { decodeWebp } from './webp-decoder.ts';
import { withMemory } from './with-memory.ts';

/** The bytes of the decoders' WebAssembly modules; each is asked for once, when a file first needs it. */
export interface DecoderModules {
  /** `photon_rs_bg.wasm` of `@cf-wasm/photon`: PNG, JPEG, GIF. */
  raster(): Promise<Uint8Array>;
  /** `webp.wasm` of `@cwasm/webp`. */
  webp(): Promise<Uint8Array>;
}

export interface DecodeOptions {
  /** Names the file in messages. */
  readonly name?: string | undefined;
  /** Pixels of the largest image that is decoded. Default {@link MOST_PIXELS}. */
  readonly maxPixels?: number | undefined;
  readonly signal?: CancelSignal | undefined;
}

export interface ImageDecoder {
  /**
   * The image as it is meant to be seen: EXIF's turn is done. Of an animation its first frame. Sizes are checked before anything is
   * decoded. Each call has a decoder with a memory of its own, so that one that fails takes nothing with it.
   * @throws FormatError for other files, and damaged ones; CapacityError for more pixels than the limit, where the
   *   process has no memory for it, and where the decoder's module is not there
   */
  decode(bytes: Uint8Array, options?: DecodeOptions): Promise<Image>;
}

/** 8,660 x 5,773. */
export const MOST_PIXELS = 50_000_000;
/** A decoder takes so much by itself, two copies of the file, and up to so much for a pixel (measured: 12). */
const MODULE_BYTES = 64 * 2 ** 20;
const BYTES_A_PIXEL = 20;

type CompiledFor = (bytes: number) => Promise<WebAssembly.Module>;

/** A module for memories of at most so many bytes, or as many again: compiled once for each power of two. */
function compiledOnce(read: () => Promise<Uint8Array>): CompiledFor {
  const compiled = new Map<number, Promise<WebAssembly.Module>>();
  return (bytes) => {
    const limit = Math.min(2 ** 32, 2 ** Math.ceil(Math.log2(bytes)));
    const module = compiled.get(limit) ?? read().then((own) => WebAssembly.compile(withMemoryLimit(own, limit)));
    compiled.set(limit, module);
    module.catch(() => compiled.delete(limit));
    return module;
  };
}

export function createImageDecoder(modules: DecoderModules): ImageDecoder {
  const raster = compiledOnce(modules.raster);
  const webp = compiledOnce(modules.webp);
  return {
    async decode(bytes, { name = 'image', maxPixels = MOST_PIXELS, signal } = {}) {
      const header = readImageHeader(bytes, name);
      checkPixels(header, maxPixels, name);
      signal?.throwIfAborted();
      const memory = MODULE_BYTES + bytes.length * 2 + header.width * header.height * BYTES_A_PIXEL;
      try {
        const image = header.kind === 'WebP'
          ? decodeFrame(firstFrame(bytes, name), header, await webp(memory))
          : decodeRaster(await raster(memory), bytes);
        signal?.throwIfAborted();
        return orientImage(checkSize(image, header, name), header.orientation);
      } catch (cause) {
        if (!(cause instanceof DecodingFailed)) throw cause;
        const remedy = 'it is damaged or cut. Open it in a viewer, and save it anew.';
        throw new FormatError(`${name}: the ${header.kind} cannot be decoded: ${remedy}`, { cause });
      }
    },
  };
}

function checkPixels({ kind, width, height }: ImageHeader, maxPixels: number, name: string): void {
  if (width * height <= maxPixels) return;
  throw new CapacityError(
    `${name}: the ${kind} has ${width} x ${height} = ${width * height} pixels, and at most ${maxPixels} are decoded. ` +
      'Make it smaller first: a model sees no more than about a million.',
  );
}

function checkSize(image: Image, { kind, width, height }: ImageHeader, name: string): Image {
  if (image.width === width && image.height === height) return image;
  throw new FormatError(`${name}: the ${kind}'s header says ${width} x ${height} pixels, its image has ${image.width} x ${image.height}.`);
}

/** A frame of an animation lies somewhere on the canvas, which is clear elsewhere. */
function decodeFrame(frame: WebpFrame, { width, height }: ImageHeader, module: WebAssembly.Module): Image {
  const image = decodeWebp(module, frame.file);
  if (frame.width === width && frame.height === height) return image;
  const canvas = withMemory(() => new Uint8Array(width * height * CHANNELS));
  for (let row = 0; row < image.height; row++) {
    const from = row * image.width * CHANNELS;
    canvas.set(image.data.subarray(from, from + image.width * CHANNELS), ((frame.y + row) * width + frame.x) * CHANNELS);
  }
  return { width, height, data: canvas };
}
